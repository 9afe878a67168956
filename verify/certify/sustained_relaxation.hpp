#pragma once

#include <span>
#include <vector>

#include "verify/certify/ball_quadratic.hpp"

/// A bound of the long-run mean of a quadratic of the moving window, for every input sequence
/// (theory/theorems/sustained_bound.md).
namespace lyap {

/// Per token t, phi_t = sum_k ( linear_k e_k(t) + curvature_k e_k(t)^2 ) with e_k(t) = sum_j taps(k, j) W_k . n_{t-j},
/// |n_t|_2^2 <= d.
struct MovingQuadratic {
  const RowBallMatrix& token_weights;  ///< (rows, d)
  const std::vector<double>& taps;     ///< (rows, J), exact
  std::size_t tap_count;
  std::vector<Interval> linear;
  std::vector<double> curvature;
};

/// A lower bound of liminf of the running mean of phi_t over every sequence of tokens: -d mu - l0.R(0)^-1 l0/4 where
/// R(theta) = sum_r cos(r theta) W^T diag(curvature a_r) W + mu I is proved positive definite at every frequency: on an
/// adaptive grid of [0, pi] whose margin the Lipschitz constant in theta covers. `constant_input` (d), a good constant
/// minimiser, suggests mu. -infinity where no mu tried was proved. Cost: some hundred factorisations of size d.
[[nodiscard]] double sustained_lower_bound(const MovingQuadratic& quadratic, const Eigen::RowVectorXd& constant_input);

}  // namespace lyap
