#include "verify/certify/scan_input_functionals.hpp"

#include <algorithm>
#include <cmath>

#include "numerics/norm_bounds.hpp"
#include "numerics/parallel.hpp"
#include "numerics/rounding.hpp"
#include "verify/certify/norm_domain.hpp"

namespace lyap {
namespace {

constexpr std::size_t kRowsPerBlock = 256;

std::vector<double> to_vector(const Eigen::VectorXd& v) { return {v.data(), v.data() + v.size()}; }

ConstMatrixRef step_rows_of(const theory::Mamba1Weights& block) { return rows_of(block.x_proj, 0, block.dt_rank); }
ConstMatrixRef BC_rows_of(const theory::Mamba1Weights& block) {
  return rows_of(block.x_proj, block.dt_rank, block.x_proj.rows);
}

// sum_k |a_k| r_k rounded up in upward mode; an infinite r_k counts only where a_k is not zero.
double weighted_sum(const double* a, const std::vector<double>& r) {
  double sum = 0.0;
  for (std::size_t k = 0; k < r.size(); ++k) {
    if (a[k] != 0.0) sum += std::fabs(a[k]) * r[k];
  }
  return sum;
}

Interval widened(const Interval& x, double radius) { return x + Interval::from_bounds(-radius, radius); }

}  // namespace

void FunctionalRanges::hull_with(const FunctionalRanges& other) {
  hull_into(step, other.step);
  hull_into(BC, other.BC);
}

std::vector<Interval> matrix_vector_ranges(const ConstMatrixRef& a, const std::vector<Interval>& x) {
  RowMajorMatrix lower(static_cast<Eigen::Index>(x.size()), 1);
  RowMajorMatrix upper(static_cast<Eigen::Index>(x.size()), 1);
  for (std::size_t k = 0; k < x.size(); ++k) {
    lower(static_cast<Eigen::Index>(k), 0) = x[k].lower();
    upper(static_cast<Eigen::Index>(k), 0) = x[k].upper();
  }
  const BallMatrix product = enclose_product(a, ball_of(lower, upper));
  RowMajorMatrix result_lower;
  RowMajorMatrix result_upper;
  bounds_of(product, result_lower, result_upper);
  std::vector<Interval> result;
  result.reserve(static_cast<std::size_t>(a.rows()));
  for (Eigen::Index i = 0; i < a.rows(); ++i) {
    const bool known = result_lower(i, 0) <= result_upper(i, 0);
    result.push_back(known ? Interval::from_bounds(result_lower(i, 0), result_upper(i, 0)) : Interval::entire());
  }
  return result;
}

ScanInputFunctionals::ScanInputFunctionals(const theory::Mamba1Weights& block)
    : block_(block),
      step_row_norm_(to_vector(row_norms_upper_bound(rows_of(block.dt_proj, 0, block.d_inner)))),
      x_column_norm_(to_vector(row_norms_upper_bound(ConstMatrixRef(RowMajorMatrix(step_rows_of(block).transpose()))))),
      omega_norm_(
          to_vector(product_row_norms_upper_bound(rows_of(block.dt_proj, 0, block.d_inner), step_rows_of(block)))),
      BC_norm_(to_vector(row_norms_upper_bound(BC_rows_of(block)))) {}

// sum_k |omega_ik| radius_k, omega = W_dt W_x as computed plus its error, which is at most gamma |dt_i|_2 |x_k|_2 plus
// underflow.
std::vector<double> ScanInputFunctionals::step_spread(const std::vector<double>& radius) const {
  std::vector<double> spread(block_.d_inner);
  const double gamma = dot_product_error_factor(block_.dt_rank);
  double error_scale = 0.0;
  double radius_sum = 0.0;
  {
    const RoundingUpward upward;
    error_scale = pinned(gamma * pinned(weighted_sum(x_column_norm_.data(), radius)));
    for (const double r : radius) radius_sum += r;
    radius_sum = pinned(radius_sum * dot_product_underflow(block_.dt_rank));
  }
  for (std::size_t begin = 0; begin < block_.d_inner; begin += kRowsPerBlock) {
    const std::size_t end = std::min(begin + kRowsPerBlock, block_.d_inner);
    const RowMajorMatrix omega = approx_dense_product(rows_of(block_.dt_proj, begin, end), step_rows_of(block_));
    parallel_for(end - begin, 16, [&](std::size_t from, std::size_t to) {
      const RoundingUpward upward;
      for (std::size_t i = from; i < to; ++i) {
        const double error = step_row_norm_[begin + i] == 0.0 ? 0.0 : step_row_norm_[begin + i] * error_scale;
        spread[begin + i] = weighted_sum(omega.data() + i * block_.d_inner, radius) + error + radius_sum;
      }
    });
  }
  return spread;
}

FunctionalRanges ScanInputFunctionals::ranges(const RelaxedSilu& relaxed) const {
  const std::vector<Interval> low_rank =
      matrix_vector_ranges(rows_of(block_.x_proj, 0, block_.x_proj.rows), relaxed.center);
  const std::vector<Interval> step_part(low_rank.begin(),
                                        low_rank.begin() + static_cast<std::ptrdiff_t>(block_.dt_rank));
  FunctionalRanges result{matrix_vector_ranges(rows_of(block_.dt_proj, 0, block_.d_inner), step_part), {}};
  const std::vector<double> spread = step_spread(relaxed.radius);
  for (std::size_t i = 0; i < block_.d_inner; ++i) result.step[i] = widened(result.step[i], spread[i]);
  for (std::size_t r = block_.dt_rank; r < block_.x_proj.rows; ++r) {
    double radius = 0.0;
    {
      const RoundingUpward upward;
      radius = pinned(weighted_sum(block_.x_proj.row(r), relaxed.radius));
    }
    result.BC.push_back(widened(low_rank[r], radius));
  }
  return result;
}

FunctionalRanges ScanInputFunctionals::ranges_in_norm(const std::vector<Interval>& center, double distance) const {
  FunctionalRanges result = ranges({center, std::vector<double>(center.size(), 0.0)});
  const Interval reach = Interval::from_bounds(-distance, distance);
  for (std::size_t i = 0; i < result.step.size(); ++i) result.step[i] += reach * Interval::from_exact(omega_norm_[i]);
  for (std::size_t r = 0; r < result.BC.size(); ++r) result.BC[r] += reach * Interval::from_exact(BC_norm_[r]);
  return result;
}

RowBallMatrix ScanInputFunctionals::low_rank_rows(const std::vector<double>& scale,
                                                  const RowBallMatrix& token_weights) const {
  RowMajorMatrix scaled = rows_of(block_.x_proj, 0, block_.x_proj.rows);
  for (Eigen::Index r = 0; r < scaled.rows(); ++r) {
    for (Eigen::Index k = 0; k < scaled.cols(); ++k) scaled(r, k) *= scale[static_cast<std::size_t>(k)];
  }
  // scale is slope times tap as rounded once, the product with W_x is rounded again: two relative errors of 2^-52 at
  // most in any mode, (1 + u)^2 - 1 over (1 - u)^2 < 5u.
  RowBallMatrix rows = enclose_row_product(scaled, 5 * 0x1p-52, token_weights);
  // Where a product underflows, its error is at most 2^-1074 (|x_rk| + 1) instead.
  const std::vector<double> norms = to_vector(row_norms_upper_bound(token_weights));
  const RoundingUpward upward;
  for (std::size_t r = 0; r < block_.x_proj.rows; ++r) {
    double sum = weighted_sum(block_.x_proj.row(r), norms);
    for (const double norm : norms) sum += norm;
    rows.row_radius(static_cast<Eigen::Index>(r)) += 0x1p-1074 * sum;
  }
  return rows;
}

FunctionalRanges ScanInputFunctionals::norm_ball_ranges(const RowBallMatrix& low_rank, double root_d) const {
  const auto rank = static_cast<Eigen::Index>(block_.dt_rank);
  const RowBallMatrix step_rows{low_rank.midpoint.topRows(rank), low_rank.row_radius.head(rank)};
  const RowBallMatrix BC_rows{low_rank.midpoint.bottomRows(low_rank.midpoint.rows() - rank),
                              low_rank.row_radius.tail(low_rank.row_radius.size() - rank)};
  const Eigen::VectorXd step_norms =
      row_norms_upper_bound(enclose_row_product(rows_of(block_.dt_proj, 0, block_.d_inner), step_rows));
  const Eigen::VectorXd BC_norms = row_norms_upper_bound(BC_rows);
  FunctionalRanges result;
  const Interval root = Interval::from_bounds(-root_d, root_d);
  for (Eigen::Index i = 0; i < step_norms.size(); ++i)
    result.step.push_back(root * Interval::from_exact(step_norms(i)));
  for (Eigen::Index r = 0; r < BC_norms.size(); ++r) result.BC.push_back(root * Interval::from_exact(BC_norms(r)));
  return result;
}

}  // namespace lyap
