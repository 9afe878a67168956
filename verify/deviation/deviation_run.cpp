#include "verify/deviation/deviation_run.hpp"

#include <cmath>
#include <limits>
#include <string>

#include "numerics/contract_violation.hpp"
#include "numerics/parallel.hpp"
#include "numerics/rounding.hpp"

namespace lyap::deviation {
namespace {

using Eigen::Index;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kRowGrain = 4;

/// At least |x' - x| for x' in [lower', upper'], x in [lower, upper]; infinite where an end tells nothing. The
/// processor rounds upward.
double distance_upward(double lower, double upper, double other_lower, double other_upper) {
  const double above = other_upper - lower;
  const double below = upper - other_lower;
  const double larger = above > below ? above : below;
  return above == above && below == below ? larger : kInfinity;
}

void distances_upward(const double* lower, const double* upper, const double* other_lower, const double* other_upper,
                      Index count, double* result) {
  for (Index i = 0; i < count; ++i) result[i] = distance_upward(lower[i], upper[i], other_lower[i], other_upper[i]);
}

void require_shape(const IntervalMatrix& x, const IntervalMatrix& y, const char* what) {
  if (x.rows() != y.rows() || x.columns() != y.columns())
    throw ContractViolation(std::string("distance: the two runs differ in the shape of ") + what);
}

/// Rows [skipped, ..) of both.
RowMajorMatrix entrywise_distance(const IntervalMatrix& x, const IntervalMatrix& other, Index skipped) {
  RowMajorMatrix result(x.rows() - skipped, x.columns());
  parallel_for(std::size_t(result.rows()), kRowGrain, [&](std::size_t begin, std::size_t end) {
    const RoundingUpward upward;
    for (Index t = Index(begin); t < Index(end); ++t) {
      distances_upward(x.lower.row(t + skipped).data(), x.upper.row(t + skipped).data(),
                       other.lower.row(t + skipped).data(), other.upper.row(t + skipped).data(), result.cols(),
                       result.row(t).data());
    }
  });
  return result;
}

std::vector<double> norm_distance(const IntervalMatrix& x, const IntervalMatrix& other) {
  std::vector<double> norms(std::size_t(x.rows()));
  const RoundingUpward upward;
  for (Index t = 0; t < x.rows(); ++t) {
    double sum = 0.0;
    for (Index i = 0; i < x.columns(); ++i) {
      const double d = distance_upward(x.lower(t, i), x.upper(t, i), other.lower(t, i), other.upper(t, i));
      sum += d * d;
    }
    norms[std::size_t(t)] = pinned(std::sqrt(sum));
  }
  return norms;
}

}  // namespace

ChunkDeviation distance(const BlockChunk& reference, const BlockChunk& other) {
  require_shape(reference.h, other.h, "h");
  require_shape(reference.y, other.y, "y");
  if (reference.begin != other.begin) throw ContractViolation("distance: the two runs are at different tokens");
  ChunkDeviation result;
  result.state = entrywise_distance(reference.h, other.h, 1);
  result.output = entrywise_distance(reference.y, other.y, 0);
  if (other.output.rows() == 0) return result;
  require_shape(reference.output, other.output, "the block's output");
  result.block_output = norm_distance(reference.output, other.output);
  return result;
}

}  // namespace lyap::deviation
