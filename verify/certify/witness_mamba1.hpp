#pragma once

#include <vector>

#include "numerics/interval.hpp"
#include "numerics/row_ball_matrix.hpp"
#include "theory/block_weights.hpp"
#include "verify/certify/universal.hpp"

/// Witnesses for Mamba-1: concrete block inputs that drive one channel's step size down, and what is rigorously true of
/// them.
namespace lyap {

/// What a block reads off its convolution at one step.
struct SelectedAt {
  std::vector<Interval> p;   ///< (d_inner) step-size pre-activations
  std::vector<Interval> BC;  ///< (2 d_state) B, then C
};

/// Encloses p, B and C at the last step of the block run from the start of a sequence on `residual` (T, d_model), exact
/// numbers.
[[nodiscard]] SelectedAt selected_at(const theory::Mamba1Weights& block, const theory::Matrix& residual);
/// p of every channel alone.
[[nodiscard]] inline std::vector<Interval> preactivation_at(const theory::Mamba1Weights& block,
                                                            const theory::Matrix& residual) {
  return selected_at(block, residual).p;
}

/// Points of the norm ball (T, d_model) as a residual stream of float32 numbers so far out that epsilon costs less than
/// 1e-7 of the radius for epsilon <= 1. Rounded: near those points, not on them.
[[nodiscard]] theory::Matrix far_residual(const RowMajorMatrix& tokens);

/// Rows [t - taps + 1, t] of a periodic sequence whose one period is `period` (P, d_model).
[[nodiscard]] theory::Matrix window_at(const theory::Matrix& period, std::size_t t, std::size_t taps);

struct WitnessSearch {
  const theory::Mamba1Weights& block;
  const RowBallMatrix& token_weights;      ///< W diag(g), x rows
  const Vocabulary* vocabulary = nullptr;  ///< where given, only its tokens are inputs
  int iterations = 12;                     ///< conditional-gradient steps
};

/// A residual stream (taps, d_model) of exact float32 numbers that makes p of `channel` small at its last step; with
/// `constant` all rows are equal. Found by conditional gradient steps from the linear relaxation's direction; any input
/// is sound, this one need not be the best.
[[nodiscard]] theory::Matrix approx_worst_residual(const WitnessSearch& search, std::size_t channel, bool constant);

}  // namespace lyap
