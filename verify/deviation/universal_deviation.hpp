#pragma once

#include <span>

#include "theory/precision_policy.hpp"
#include "verify/certify/universal.hpp"
#include "verify/checkpoint/peft_adapter_update.hpp"
#include "verify/deviation_certificate.hpp"

namespace lyap::deviation {

/// K of Theorem 3 for every input of any length, and |y' - y| with it; never above H + H'. h_0 = 0 in both.
/// A policy: every program of it against the real block.
[[nodiscard]] DeviationBounds universal_policy_deviation(const theory::BlockWeights& block,
                                                         const theory::PrecisionPolicy& policy);
/// A pair: two blocks of one shape, from exact weight differences, with each tensor's own part.
[[nodiscard]] DeviationBounds universal_pair_deviation(const theory::BlockWeights& block,
                                                       const theory::BlockWeights& other);
/// An adapter: W + scale B A merged, applied as B (A x).
[[nodiscard]] DeviationBounds universal_adapter_deviation(const theory::BlockWeights& block,
                                                          std::span<const LowRankUpdate> updates);

}  // namespace lyap::deviation
