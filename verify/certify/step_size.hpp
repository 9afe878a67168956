#pragma once

#include <span>
#include <vector>

#include "numerics/interval.hpp"
#include "theory/block_weights.hpp"

/// From a range of the pre-activation p to ranges of the step size, the decay rate and what follows from them.
namespace lyap {

/// Encloses {Delta(p) : p in preactivation} for both programs that implementations run: softplus everywhere, or p
/// itself above 20 (theory/theorems/universal_domain.md); then clamped to `limits`. Lower end 0 only where softplus is
/// below the smallest subnormal.
[[nodiscard]] Interval step_size_range(const Interval& preactivation, const theory::StepSizeLimits& limits = {});

/// Encloses {alpha Delta : p in preactivation}, alpha = exp(A_log), nats per step. Where Delta alone would underflow it
/// is computed as exp(A_log + log Delta), so that the end is 0 only where alpha Delta itself is below the smallest
/// subnormal.
[[nodiscard]] Interval decay_rate_range(double A_log, const Interval& preactivation,
                                        const theory::StepSizeLimits& limits = {});

/// At least sup { psi(alpha Delta)/alpha : Delta <= step_upper } = Delta / (1 - exp(-alpha Delta)) for each A_log, the
/// euler discretisation's size of the state's target v per unit of |B x|. At most 1/alpha + Delta; infinite only where
/// that is.
[[nodiscard]] std::vector<double> target_scales_upper_bound(std::span<const double> A_log, double step_upper);

}  // namespace lyap
