#pragma once

#include <Eigen/Core>

namespace lyap {

/// Row-major dense matrix of binary64 numbers.
using RowMajorMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using ConstMatrixRef = Eigen::Ref<const RowMajorMatrix, 0, Eigen::OuterStride<>>;

/// A set of matrices: every M with |M - midpoint| <= radius entry by entry. radius >= 0, both finite unless overflow occurred.
struct BallMatrix {
  RowMajorMatrix midpoint;
  RowMajorMatrix radius;
};

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

/// lower <= X <= upper for every X in the ball, rounded outward; and the tightest ball around entrywise bounds.
void bounds_of(const BallMatrix& ball, RowMajorMatrix& lower, RowMajorMatrix& upper);
[[nodiscard]] BallMatrix ball_of(const ConstMatrixRef& lower, const ConstMatrixRef& upper);

}  // namespace lyap
