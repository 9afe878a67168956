#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "numerics/interval.hpp"
#include "theory/block_weights.hpp"
#include "verify/deviation/real_run.hpp"

/// What one block can see over every input of any length, the first steps included: theory/theorems/universal_domain.md
/// turned into the magnitudes that universal deviations are made of.
namespace lyap::deviation {

/// The part of a block before its scan that both families share, as views of its weights. Convolution channels are x
/// (Mamba-1) or x, B, C (Mamba-2).
struct FrontView {
  std::span<const double> gain;
  double epsilon;
  const theory::Matrix& in_proj;
  const theory::Vector& in_bias;  ///< one per row of in_proj, or empty
  std::size_t first, channels;    ///< rows of in_proj that the convolution reads
  const theory::Matrix& conv_weight;
  const theory::Vector& conv_bias;

  [[nodiscard]] double in_bias_of(std::size_t row) const { return in_bias.empty() ? 0.0 : in_bias[row]; }
  [[nodiscard]] double conv_bias_of(std::size_t channel) const { return conv_bias.empty() ? 0.0 : conv_bias[channel]; }
};
[[nodiscard]] FrontView front_view(const theory::BlockWeights& block);

/// The decay rates' logarithms, (heads, N) or (heads).
[[nodiscard]] const theory::Vector& log_rates(const theory::BlockWeights& block);
[[nodiscard]] const theory::Vector& skip_of(const theory::BlockWeights& block);
[[nodiscard]] theory::StepSizeLimits step_limits(const theory::BlockWeights& block);

/// Upper bounds of magnitudes over all inputs, and the range of p. Everything holds at every step from the first on.
struct BallDomain {
  StateShape shape;
  std::vector<Interval> p;         ///< (heads) pre-activation, biases included
  std::vector<double> token;       ///< (convolution channels) |W g n|, without in_proj's bias
  std::vector<double> step_token;  ///< Mamba-2, (heads): the same of the step sizes' rows
  std::vector<double> x, B, C;     ///< (rows), (groups N), (groups N)
};

/// p from certify_universal (fast effort); x, B and C by the same relaxations. Throws ContractViolation for Mamba-1
/// with a norm epsilon below 2^-900.
[[nodiscard]] BallDomain ball_domain(const theory::BlockWeights& block);

}  // namespace lyap::deviation
