#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "verify/checkpoint/checkpoint.hpp"

namespace lyap {

/// Runs the model in ordinary float32 on `tokens` and hands each block's input (the residual stream before the block's
/// norm, (T, d_model), exact float32 numbers) to `visit` together with the block's weights, in order, so that a block
/// is read from disk once. Not rigorous: these floats are the trajectory tier's domain.
void approx_forward(const Checkpoint& model, const std::vector<std::int64_t>& tokens,
                    const std::function<void(std::size_t layer, const theory::BlockWeights& block,
                                             const theory::Matrix& input)>& visit);

/// Logits (T, vocabulary) of the same forward pass.
[[nodiscard]] theory::Matrix approx_logits(const Checkpoint& model, const std::vector<std::int64_t>& tokens);

}  // namespace lyap
