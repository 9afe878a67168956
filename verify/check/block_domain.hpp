#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

#include "theory/block_weights.hpp"
#include "verify/check/channel_bounds.hpp"

/// What a block can do over every input, derived from its weights: theory/theorems/universal_domain.md.
namespace lyap::check {

/// The embedding of a model, for its first layer.
struct Embeddings {
  std::size_t rows = 0;
  std::function<theory::Matrix(std::size_t begin, std::size_t end)> read_rows;
};

/// Bounds of every channel or head of one block; `embeddings` where the block's input is one of them.
[[nodiscard]] std::vector<ChannelBounds> derive_bounds(const theory::Mamba1Weights& block,
                                                       const Embeddings* embeddings);
[[nodiscard]] std::vector<ChannelBounds> derive_bounds(const theory::Mamba2Weights& block);

/// At least sqrt(d).
[[nodiscard]] Number root_of_width(std::size_t d_model);

/// Values of w . (g (*) n) over the ball |n|_2 <= sqrt(d), per row w of in_proj in [begin, end).
[[nodiscard]] std::vector<Range> token_ranges(const theory::Matrix& in_proj, const theory::Vector& gain,
                                              std::size_t begin, std::size_t end);

/// The convolution of channels whose tokens lie in `tokens`, with the last `present` taps there, in_proj's bias
/// included. `in_bias` is in_proj's bias from the first of these channels on, or null.
struct Convolution {
  const theory::Matrix& weight;
  const theory::Vector& bias;
  const double* in_bias = nullptr;
};
[[nodiscard]] std::vector<Range> convolution_ranges(const Convolution& convolution, const std::vector<Range>& tokens,
                                                    std::size_t present);

/// The numbers of present taps that have to be looked at: all of them where in_proj has a bias, else the full window,
/// whose ranges contain the others'.
[[nodiscard]] std::vector<std::size_t> tap_counts(std::size_t taps, bool has_in_bias);

}  // namespace lyap::check
