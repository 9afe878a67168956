#include "numerics/row_ball_matrix.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "numerics/contract_violation.hpp"
#include "numerics/dense_product.hpp"
#include "numerics/norm_bounds.hpp"
#include "numerics/rounding.hpp"

namespace lyap {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kUnitRoundoff = 0x1p-52;  // holds in every rounding mode
constexpr double kSmallest = 0x1p-1074;

// NaN and infinity say that a row is unknown; 0 times an unknown row is 0.
double product_or_zero(double a, double b) { return a == 0.0 || b == 0.0 ? 0.0 : a * b; }
double known(double x) { return std::isnan(x) ? kInfinity : x; }

bool row_is_finite(const RowMajorMatrix& a, Eigen::Index i) { return a.row(i).allFinite(); }

}  // namespace

double dot_product_error_factor(std::size_t length) {
  if (length >= std::size_t{1} << 50) throw ContractViolation("dot_product_error_factor: length below 2^50 expected");
  const RoundingUpward upward;
  const double scaled = pinned(static_cast<double>(length)) * kUnitRoundoff;
  return pinned(
      scaled /
      -(scaled - 1.0));  // scaled - 1 is exact or rounded toward zero in magnitude: the quotient is an upper bound
}

double dot_product_underflow(std::size_t length) { return static_cast<double>(length) * kSmallest; }

RowBallMatrix enclose_column_scaling(const ConstMatrixRef& a, std::span<const double> g) {
  if (static_cast<std::size_t>(a.cols()) != g.size())
    throw ContractViolation("enclose_column_scaling: one factor per column expected");
  RowBallMatrix result{RowMajorMatrix(a.rows(), a.cols()), Eigen::VectorXd::Zero(a.rows())};
  std::vector<double> underflows(static_cast<std::size_t>(a.rows()),
                                 0.0);  // products so small that their error is not relative
  for (Eigen::Index i = 0; i < a.rows(); ++i) {
    for (Eigen::Index j = 0; j < a.cols(); ++j) {
      const double factor = g[static_cast<std::size_t>(j)];
      result.midpoint(i, j) = a(i, j) * factor;
      const bool tiny =
          std::fabs(result.midpoint(i, j)) < std::numeric_limits<double>::min() && a(i, j) != 0.0 && factor != 0.0;
      underflows[static_cast<std::size_t>(i)] += tiny ? 1.0 : 0.0;
    }
  }
  const Eigen::VectorXd norms = row_norms_upper_bound(ConstMatrixRef(result.midpoint));
  const RoundingUpward upward;
  for (Eigen::Index i = 0; i < a.rows(); ++i) {
    const double error = kUnitRoundoff * norms(i) + underflows[static_cast<std::size_t>(i)] * kSmallest;
    result.row_radius(i) = row_is_finite(result.midpoint, i) ? error : kInfinity;
  }
  return result;
}

RowBallMatrix enclose_row_product(const ConstMatrixRef& a, const RowBallMatrix& b) {
  return enclose_row_product(a, 0.0, b);
}

RowBallMatrix enclose_row_product(const ConstMatrixRef& a, double relative_error, const RowBallMatrix& b) {
  if (!(relative_error >= 0.0)) throw ContractViolation("enclose_row_product: relative_error >= 0 expected");
  RowBallMatrix result{approx_dense_product(a, b.midpoint), Eigen::VectorXd(a.rows())};
  const double gamma = dot_product_error_factor(static_cast<std::size_t>(a.cols()));
  const Eigen::VectorXd norms = row_norms_upper_bound(ConstMatrixRef(b.midpoint));
  const RoundingUpward upward;
  const double underflow =
      dot_product_underflow(static_cast<std::size_t>(a.cols())) * static_cast<double>(b.midpoint.cols());
  const double relative = pinned(gamma) + relative_error;
  const double grown = 1.0 + pinned(relative_error);
  Eigen::VectorXd per_unit(b.midpoint.rows());  // error of row i per unit of |a_ik|
  for (Eigen::Index k = 0; k < per_unit.size(); ++k) {
    per_unit(k) = known(product_or_zero(relative, norms(k)) + grown * b.row_radius(k));
  }
  for (Eigen::Index i = 0; i < a.rows(); ++i) {
    double sum = underflow;
    for (Eigen::Index k = 0; k < a.cols(); ++k) sum += product_or_zero(std::fabs(a(i, k)), per_unit(k));
    result.row_radius(i) = row_is_finite(result.midpoint, i) ? known(sum) : kInfinity;
  }
  return result;
}

Eigen::VectorXd row_norms_upper_bound(const RowBallMatrix& a) {
  Eigen::VectorXd norms = row_norms_upper_bound(ConstMatrixRef(a.midpoint));
  const RoundingUpward upward;
  for (Eigen::Index i = 0; i < norms.size(); ++i) norms(i) = known(norms(i) + a.row_radius(i));
  return norms;
}

}  // namespace lyap
