#include <algorithm>
#include <cmath>

#include "numerics/parallel.hpp"
#include "numerics/rounding.hpp"
#include "verify/deviation/universal_deviation_radii.hpp"

namespace lyap::deviation {
namespace {

using Eigen::Index;

constexpr Index kRowsPerBlock = 256;
constexpr std::size_t kRowGrain = 16;

/// In upward mode; an unknown entry counts only where its weight is not zero.
double weighted_sum_upward(const double* entries, const double* radii, const std::vector<double>& weights) {
  double sum = 0.0;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const double size = std::fabs(entries[k]) + (radii == nullptr ? 0.0 : radii[k]);
    if (size != 0.0 && weights[k] != 0.0) sum += size * weights[k];
  }
  return sum;
}

std::vector<double> row_sums(const ConstMatrixRef& matrix, const RowMajorMatrix* radius,
                             const std::vector<double>& weights) {
  std::vector<double> sums(std::size_t(matrix.rows()));
  parallel_for(sums.size(), kRowGrain, [&](std::size_t begin, std::size_t end) {
    const RoundingUpward upward;
    for (std::size_t i = begin; i < end; ++i) {
      const double* radii = radius == nullptr ? nullptr : radius->row(Index(i)).data();
      sums[i] = weighted_sum_upward(matrix.row(Index(i)).data(), radii, weights);
    }
  });
  return sums;
}

void add_upward(std::vector<double>& a, const std::vector<double>& b) {
  const RoundingUpward upward;
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
}

}  // namespace

std::vector<double> absolute_row_sums(const BallMatrix& matrix, const std::vector<double>& weights) {
  return row_sums(matrix.midpoint, &matrix.radius, weights);
}

std::vector<double> absolute_row_sums(const ConstMatrixRef& matrix, const std::vector<double>& weights) {
  return row_sums(matrix, nullptr, weights);
}

std::vector<double> composite_row_sums(const BallMatrix& a, const BallMatrix& b, const std::vector<double>& weights) {
  std::vector<double> sums;
  for (Index begin = 0; begin < a.midpoint.rows(); begin += kRowsPerBlock) {
    const Index count = std::min(kRowsPerBlock, a.midpoint.rows() - begin);
    const BallMatrix rows{a.midpoint.middleRows(begin, count), a.radius.middleRows(begin, count)};
    const std::vector<double> part = absolute_row_sums(enclose_product(rows, b), weights);
    sums.insert(sums.end(), part.begin(), part.end());
  }
  return sums;
}

ScanInputRadii sum_of(const ScanInputRadii& a, const ScanInputRadii& b) {
  ScanInputRadii sum = a;
  add_upward(sum.p, b.p);
  add_upward(sum.x, b.x);
  add_upward(sum.B, b.B);
  add_upward(sum.C, b.C);
  add_upward(sum.token, b.token);
  add_upward(sum.step_token, b.step_token);
  return sum;
}

}  // namespace lyap::deviation
