#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "numerics/row_ball_matrix.hpp"
#include "theory/block_weights.hpp"

/// Search for inputs that make many functionals f = sum_k omega_k silu(q_k) small at once: projected gradient descent
/// in ordinary arithmetic, all functionals in the same matrix products. Nothing here is trusted: what an input reaches
/// is enclosed elsewhere.
namespace lyap {

/// The block as the search sees it: convolution outputs of windows of tokens in the norm ball.
struct SearchSpace {
  const theory::Mamba1Weights& block;
  const RowMajorMatrix& token_weights;  ///< W diag(g), x rows, (d_inner, d_model)
  std::function<bool()> should_stop;    ///< asked at every step; may be empty
};

struct SearchEffort {
  int iterations = 120;  ///< gradient steps per start
  int starts = 3;        ///< the relaxation's direction, then random ones
  std::uint64_t seed = 1;
};

/// One window of J tokens per functional, as rows of J matrices: tokens[j] is (functionals, d_model), the last one the
/// current token.
struct Windows {
  std::vector<RowMajorMatrix> tokens;
  std::vector<double> values;  ///< f at each, in ordinary arithmetic, biases of the functional not included

  [[nodiscard]] RowMajorMatrix window(std::size_t functional) const;  ///< (J, d_model)
  /// Takes each functional's window from `other`, of the same shape, where its value is smaller; everything where this
  /// is empty.
  void keep_better(const Windows& other);
};

/// Windows that minimise each row of omega (functionals, d_inner) at one step.
[[nodiscard]] Windows approx_worst_windows(const SearchSpace& space, const RowMajorMatrix& omega,
                                           const SearchEffort& effort);

/// Periodic inputs, tokens[t] (functionals, d_model) for t < period, that minimise the mean step size, log mean
/// softplus(bias + f); values holds that logarithm. period 1: constant inputs.
[[nodiscard]] Windows approx_worst_periodic_inputs(const SearchSpace& space, const RowMajorMatrix& omega,
                                                   const std::vector<double>& bias, std::size_t period,
                                                   const SearchEffort& effort);

}  // namespace lyap
