#pragma once

#include <Eigen/Core>

namespace lyap {

/// Row-major dense matrix of binary64 numbers.
using RowMajorMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using ConstMatrixRef = Eigen::Ref<const RowMajorMatrix, 0, Eigen::OuterStride<>>;

/// A set of matrices: every M with |M - midpoint| <= radius entry by entry. radius >= 0, both finite unless overflow
/// occurred.
struct BallMatrix {
  RowMajorMatrix midpoint;
  RowMajorMatrix radius;
};

/// How far radii exceed what they stand for. With E = k 2^-52 |A||B|: the radius of an exact product is at most
/// kProductRadiusFactor E; of a product of balls (1 + 4 (k + 4) 2^-52) (|A| R_B + R_A |B| + R_A R_B +
/// kProductRadiusFactor E). Where something may underflow, more by 2^-1074 times 16 (k + 1) and, for balls, twice the
/// other factor's absolute row (column) sum.
inline constexpr double kProductRadiusFactor = 1.01;

/// All products: one matrix product of OpenBLAS for the midpoint, one more for the radius (two for ball times ball),
/// and O(m k + k n + m n) elementwise work. Valid in any rounding mode, which is left as it is, and for any order of
/// summation. Where a sum may overflow, or an argument is not finite, the entry (or everything) is unknown: midpoint 0,
/// radius infinity. A product with a zero row is exactly zero. Throw ContractViolation where shapes do not fit or k
/// exceeds 2^30.

/// Encloses the real product A B, (m, k) x (k, n), both exact.
[[nodiscard]] BallMatrix enclose_product(const ConstMatrixRef& a, const ConstMatrixRef& b);
/// Encloses {A X : X in b}. And {X B : X in a}.
[[nodiscard]] BallMatrix enclose_product(const ConstMatrixRef& a, const BallMatrix& b);
[[nodiscard]] BallMatrix enclose_product(const BallMatrix& a, const ConstMatrixRef& b);
/// Encloses {X Y : X in a, Y in b}.
[[nodiscard]] BallMatrix enclose_product(const BallMatrix& a, const BallMatrix& b);
/// The same with B given transposed, (n, k): a weight matrix stored as (out_features, in_features).
[[nodiscard]] BallMatrix enclose_product_transposed(const ConstMatrixRef& a, const ConstMatrixRef& b_transposed);
[[nodiscard]] BallMatrix enclose_product_transposed(const BallMatrix& a, const ConstMatrixRef& b_transposed);
[[nodiscard]] BallMatrix enclose_product_transposed(const ConstMatrixRef& a, const BallMatrix& b_transposed);
[[nodiscard]] BallMatrix enclose_product_transposed(const BallMatrix& a, const BallMatrix& b_transposed);

/// lower <= X <= upper for every X in the ball, rounded outward; and the tightest ball around entrywise bounds.
void bounds_of(const BallMatrix& ball, RowMajorMatrix& lower, RowMajorMatrix& upper);
[[nodiscard]] BallMatrix ball_of(const ConstMatrixRef& lower, const ConstMatrixRef& upper);

}  // namespace lyap
