#include "verify/deviation/apriori_silu.hpp"

#include <cmath>
#include <vector>

#include "numerics/parallel.hpp"
#include "numerics/rounding.hpp"
#include "numerics/vector_clones.hpp"
#include "numerics/vector_functions.hpp"

namespace lyap::deviation {
namespace {

using Eigen::Index;

constexpr std::size_t kElementGrain = 4096;
constexpr double kSteepest = 1.1, kFlattest = -0.1;
/// What the slope at a point loses in binary64, in units of 1 + |c|: sigmoid is within 12 2^-52 of itself, the slope
/// changes by at most 1 + |c| times that, and four operations follow.
constexpr double kSlopeRoundings = 0x1p-46;

double larger(double a, double b) { return a < b ? b : a; }
double smaller(double a, double b) { return b < a ? b : a; }
double magnitude(double x) { return larger(x, -x); }

LYAP_VECTOR_CLONES void write_slopes(const double* c, const double* sigmoid, std::size_t count, double* slope) {
  for (std::size_t i = 0; i < count; ++i) {
    const double computed = sigmoid[i] * (1.0 + c[i] * (1.0 - sigmoid[i]));
    slope[i] = larger(smaller(computed, kSteepest), kFlattest);
  }
}

LYAP_VECTOR_CLONES void write_slope_errors_upward(const double* lower, const double* middle, const double* upper,
                                                  std::size_t count, double* error) {
  for (std::size_t i = 0; i < count; ++i) {
    const double radius = larger(upper[i] - middle[i], middle[i] - lower[i]);
    const double off = 0.5 * radius + kSlopeRoundings * (1.0 + magnitude(middle[i]));
    error[i] = smaller(known(off), kSteepest - kFlattest);
  }
}

}  // namespace

SiluSlopes silu_slopes(const IntervalMatrix& c) {
  SiluSlopes result{RowMajorMatrix(c.rows(), c.columns()), RowMajorMatrix(c.rows(), c.columns())};
  parallel_for(std::size_t(c.lower.size()), kElementGrain, [&](std::size_t begin, std::size_t end) {
    const std::size_t count = end - begin;
    const double* lower = c.lower.data() + begin;
    const double* upper = c.upper.data() + begin;
    double* slope = result.slope.data() + begin;
    double* error = result.error.data() + begin;
    std::vector<double> middle(count), sigmoid(count), above(count);
    for (std::size_t i = 0; i < count; ++i) {
      const double m = 0.5 * lower[i] + 0.5 * upper[i];
      middle[i] = std::isfinite(m) ? m : 0.0;
    }
    enclose_sigmoid({middle, middle}, {sigmoid, above});
    write_slopes(middle.data(), sigmoid.data(), count, slope);
    const RoundingUpward upward;
    write_slope_errors_upward(lower, middle.data(), upper, count, error);
  });
  return result;
}

}  // namespace lyap::deviation
