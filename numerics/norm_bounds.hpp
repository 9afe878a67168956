#pragma once

#include <Eigen/Core>

#include "numerics/rigorous_product.hpp"

namespace lyap {

/// Entry i is at least the Euclidean norm of row i. Correct for subnormal entries and where squares overflow or
/// underflow.
[[nodiscard]] Eigen::VectorXd row_norms_upper_bound(const ConstMatrixRef& a);
/// Entry i is at least sup { |row i of X|_2 : X in a }.
[[nodiscard]] Eigen::VectorXd row_norms_upper_bound(const BallMatrix& a);
/// Entry i is at least |row i of A B|_2, for one floating-point product A B:
/// the error is bounded through norms, not through a second product. b may be a ball.
[[nodiscard]] Eigen::VectorXd product_row_norms_upper_bound(const ConstMatrixRef& a, const ConstMatrixRef& b);
[[nodiscard]] Eigen::VectorXd product_row_norms_upper_bound(const ConstMatrixRef& a, const BallMatrix& b);
/// At least the spectral norm |A|_2. squarings > 0 sharpens it through powers of the Gram matrix, each one more
/// product.
[[nodiscard]] double spectral_norm_upper_bound(const ConstMatrixRef& a, int squarings = 0);

}  // namespace lyap
