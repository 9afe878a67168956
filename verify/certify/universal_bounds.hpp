#pragma once

#include <span>

#include "numerics/interval.hpp"
#include "verify/lyapunov_certificate.hpp"

/// From proved ranges of p, x, B and C to everything that the universal tier states of one channel or head.
namespace lyap {

/// What one channel (Mamba-1) or head (Mamba-2) can see. `A_log` and `B_magnitude` are matched cyclically: state n
/// decays with A_log[n % A_log.size()], so a head passes its one A_log.
struct ChannelDomain {
  Interval preactivation;
  theory::StepSizeLimits limits;
  std::span<const double> A_log;        ///< one per state, or one for all
  std::span<const double> B_magnitude;  ///< at least sup |B_n|, one per state
  double x_magnitude = 0.0;             ///< at least sup |x|
  double output_gain = 0.0;             ///< at least sup sum_n |C_n|
};

/// Empty vectors sized for `channels`, witnesses NaN.
[[nodiscard]] UniversalBounds empty_universal_bounds(std::size_t channels);

/// Fills entry c of every array but the witnesses and the relaxation. theory/theorems: invariant bound, gains,
/// Theorem 1.
void fill_channel(UniversalBounds& bounds, std::size_t c, const ChannelDomain& domain);

/// A lower bound of the largest one-step rate -alpha Delta that a channel reaches when its pre-activation is in
/// `reached`.
[[nodiscard]] double rate_reached_lower_bound(std::span<const double> A_log, const Interval& reached,
                                              const theory::StepSizeLimits& limits);

}  // namespace lyap
