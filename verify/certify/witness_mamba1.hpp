#pragma once

#include <vector>

#include "numerics/interval.hpp"
#include "numerics/row_ball_matrix.hpp"
#include "theory/block_weights.hpp"
#include "verify/certify/universal.hpp"

/// Witnesses for Mamba-1: concrete block inputs that drive one channel's step size down, and what is rigorously true of
/// them.
namespace lyap {

/// Encloses p of every channel at the last step of the block run from the start of a sequence on `residual` (T,
/// d_model), exact numbers.
[[nodiscard]] std::vector<Interval> preactivation_at(const theory::Mamba1Weights& block,
                                                     const theory::Matrix& residual);

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
