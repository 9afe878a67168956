#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <span>

#include "numerics/dense_product.hpp"
#include "numerics/rigorous_product.hpp"

/// Matrices known row by row in the Euclidean norm. Where only norms of rows matter, one floating-point product is
/// enough: its error is bounded through row norms instead of through a second product of absolute values.
namespace lyap {

/// A set of matrices: every M of midpoint's shape with |M_i - midpoint_i|_2 <= row_radius_i for each row i.
/// A row whose radius is infinite is unknown (overflow).
struct RowBallMatrix {
  RowMajorMatrix midpoint;
  Eigen::VectorXd row_radius;
};

/// Bound of |fl(x.y) - x.y| / (|x|.|y|) for dot products of `length` terms, for every order of summation, with or
/// without fused multiply-add and in every rounding mode (u = 2^-52): gamma = length u / (1 - length u). Underflow is
/// extra. Source: Higham, Accuracy and Stability of Numerical Algorithms, section 3.1.
[[nodiscard]] double dot_product_error_factor(std::size_t length);

/// Bound of what gradual underflow adds to a dot product of `length` terms: length * 2^-1074.
[[nodiscard]] double dot_product_underflow(std::size_t length);

/// Contains A diag(g), whatever rounding each product needs.
[[nodiscard]] RowBallMatrix enclose_column_scaling(const ConstMatrixRef& a, std::span<const double> g);

/// Contains {A Y : Y in b} for exact A. Cost: one product and O(m k).
[[nodiscard]] RowBallMatrix enclose_row_product(const ConstMatrixRef& a, const RowBallMatrix& b);
/// The same where A itself carries a relative error: contains {X Y : |X - A| <= relative_error |A|, Y in b}.
[[nodiscard]] RowBallMatrix enclose_row_product(const ConstMatrixRef& a, double relative_error, const RowBallMatrix& b);

/// Entry i is at least sup { |row i of M|_2 : M in a }.
[[nodiscard]] Eigen::VectorXd row_norms_upper_bound(const RowBallMatrix& a);

}  // namespace lyap
