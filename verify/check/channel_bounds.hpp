#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "theory/block_weights.hpp"
#include "verify/check/number.hpp"

/// From ranges of p, x, B and C to everything that a certificate's universal tier states of a channel or head.
/// theory/theorems: universal_domain.md section 5, gains.md, invariant_bound.md.
namespace lyap::check {

[[nodiscard]] Number softplus(const Number& p, Toward side);  ///< log(1 + exp(p))

/// Delta over every p of a range: softplus, or p itself above 20 as programs have it, then the clamp.
[[nodiscard]] Range step_size(const Range& preactivation, const theory::StepSizeLimits& limits);

/// What one channel (Mamba-1) or head (Mamba-2) can see. State n decays with A_log[n % A_log.size()].
struct ChannelDomain {
  Range preactivation;
  theory::StepSizeLimits limits;
  std::span<const double> A_log;
  std::span<const Number> B_magnitude;  ///< at least sup |B_n|
  Number x_magnitude;                   ///< at least sup |x|
  Number output_gain;                   ///< at least sup sum_n |C_n|
};

/// Proved bounds of one channel, each on the side that its name says.
struct ChannelBounds {
  Range preactivation, step_size, zeta;
  Number state_bound, gain_initial, gain_x, gain_B, gain_C, gain_step, gain_A_log, output_gain;
  Number largest_scale;  ///< of psi(alpha Delta)/alpha over the states
};
[[nodiscard]] ChannelBounds channel_bounds(const ChannelDomain& domain);

/// At least -alpha Delta for the slowest state over every p of the range: the rate that `preactivation` alone gives.
[[nodiscard]] Number slowest_rate(std::span<const double> A_log, const Range& preactivation,
                                  const theory::StepSizeLimits& limits);

}  // namespace lyap::check
