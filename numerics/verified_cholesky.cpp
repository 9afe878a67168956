#include "numerics/verified_cholesky.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "numerics/contract_violation.hpp"
#include "numerics/rounding.hpp"
#include "numerics/row_ball_matrix.hpp"

// LAPACK's Cholesky factorisation, column-major, in OpenBLAS.
extern "C" void dpotrf_(const char* triangle, const int* n, double* a, const int* leading, int* info);

namespace lyap {
namespace {

constexpr double kUnitRoundoff = 0x1p-52;
constexpr Eigen::Index kPanel = 96;

// Sum of squares of the residual's entries over the whole symmetric matrix, row panel by row panel: the entries as
// computed, in upward mode.
double residual_squares(const ConstMatrixRef& a, double shift, const RowMajorMatrix& factor) {
  const Eigen::Index n = a.rows();
  double squares = 0.0;
  for (Eigen::Index top = 0; top < n; top += kPanel) {
    const Eigen::Index rows = std::min(kPanel, n - top);
    const Eigen::Index width = top + rows;  // columns of L that are not zero there
    const RowMajorMatrix product =
        approx_dense_product(factor.block(top, 0, rows, width), factor.block(0, 0, width, width), Transposed::kYes);
    const RoundingUpward upward;
    for (Eigen::Index i = 0; i < rows; ++i) {
      for (Eigen::Index j = 0; j <= top + i; ++j) {
        const bool diagonal = j == top + i;
        const double entry = std::fabs(product(i, j) - (a(top + i, j) - (diagonal ? shift : 0.0)));
        squares += (diagonal ? 1.0 : 2.0) * entry * entry;
      }
    }
  }
  return pinned(squares);
}

}  // namespace

// The lower triangle of a row-major matrix is the upper one of the column-major matrix that LAPACK sees; U^T U = L L^T.
bool approx_cholesky_in_place(RowMajorMatrix& a) {
  const int n = static_cast<int>(a.rows());
  int info = 0;
  if (n > 0) dpotrf_("U", &n, a.data(), &n, &info);
  return info == 0;
}

bool approx_positive_definite(const ConstMatrixRef& a) {
  if (a.rows() != a.cols()) throw ContractViolation("approx_positive_definite: square matrix expected");
  RowMajorMatrix copy = a.triangularView<Eigen::Lower>();
  return approx_cholesky_in_place(copy);
}

VerifiedCholesky verified_cholesky(const ConstMatrixRef& a, double shift, double matrix_error) {
  if (a.rows() != a.cols()) throw ContractViolation("verified_cholesky: square matrix expected");
  const Eigen::Index n = a.rows();
  VerifiedCholesky result{{}, -std::numeric_limits<double>::infinity()};
  RowMajorMatrix shifted = a.triangularView<Eigen::Lower>();
  shifted.diagonal().array() -= shift;
  if (!approx_cholesky_in_place(shifted) || !shifted.allFinite()) return result;
  result.factor = std::move(shifted);

  const double squares = residual_squares(a, shift, result.factor);
  const double gamma = dot_product_error_factor(static_cast<std::size_t>(n));
  const double underflow = dot_product_underflow(static_cast<std::size_t>(n));
  const RoundingUpward upward;
  // An entry r as computed is away from the exact residual by the product's error, at most gamma |L_i||L_j| +
  // underflow, by the rounding of the subtraction, u |r|, and on the diagonal by that of a_ii - shift, u (|a_ii| +
  // |shift|). The matrix of |L_i||L_j| has Frobenius norm |L|_F^2.
  double factor_squares = 0.0;
  double diagonal_squares = 0.0;
  for (Eigen::Index i = 0; i < n; ++i) {
    for (Eigen::Index j = 0; j <= i; ++j) factor_squares += result.factor(i, j) * result.factor(i, j);
    diagonal_squares += a(i, i) * a(i, i);
  }
  const double size = static_cast<double>(n);
  const double diagonal_error =
      2.0 * kUnitRoundoff * (std::sqrt(diagonal_squares) + std::sqrt(pinned(size)) * std::fabs(shift));
  const double residual = std::sqrt(pinned(squares)) * (1.0 + 2.0 * kUnitRoundoff) + diagonal_error;
  const double error = residual + gamma * factor_squares + size * underflow + matrix_error;
  const double bound = pinned(-(error - shift));
  if (!std::isnan(bound)) result.smallest_eigenvalue_lower_bound = bound;
  return result;
}

}  // namespace lyap
