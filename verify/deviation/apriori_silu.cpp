#include "verify/deviation/apriori_silu.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "numerics/parallel.hpp"
#include "numerics/rounding.hpp"
#include "numerics/vector_functions.hpp"
#include "theory/output_deviation.hpp"

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
    for (std::size_t i = 0; i < count; ++i)
      slope[i] = std::clamp(sigmoid[i] * (1.0 + middle[i] * (1.0 - sigmoid[i])), kFlattest, kSteepest);
    const RoundingUpward upward;
    for (std::size_t i = 0; i < count; ++i) {
      const double radius = larger(upper[i] - middle[i], middle[i] - lower[i]);
      const double off = 0.5 * radius + kSlopeRoundings * (1.0 + magnitude(middle[i]));
      error[i] = smaller(known(off), kSteepest - kFlattest);
    }
  });
  return result;
}

double silu_remainder_upward(double slope, double slope_error, double radius, const AprioriTerms& terms) {
  const double second_order = slope_error * radius + 0.25 * terms.curvature * radius * radius;
  return smaller(known(second_order), (theory::kSiluSlope + magnitude(slope)) * radius);
}

double silu_change_upward(double slope, double slope_error, double radius, const AprioriTerms& terms) {
  const double linear = magnitude(slope) * radius + silu_remainder_upward(slope, slope_error, radius, terms);
  return smaller(known(linear), theory::kSiluSlope * radius);
}

double silu_error_upward(double size, double lowest, const AprioriTerms& terms) {
  const double relative = terms.functions * (kSiluError + kExpErrorPerUnit * larger(-lowest, 0.0)) * kFloat32Roundoff;
  return smaller(relative, 1.0) * size + terms.underflow * kSiluFlushed;
}

}  // namespace lyap::deviation
