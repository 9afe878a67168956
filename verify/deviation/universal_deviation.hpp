#pragma once

#include <span>

#include "theory/precision_policy.hpp"
#include "verify/certify/universal.hpp"
#include "verify/checkpoint/peft_adapter_update.hpp"
#include "verify/deviation_certificate.hpp"

namespace lyap::deviation {

/// K of Theorem 3 for every input of any length, and |y' - y| with it; never above H + H'. h_0 = 0 in both. Derivation:
/// theory/theorems/universal_deviation.md. `relative_median` is relative to H, the bound of |h|, and to that of |y|.
///
/// A policy: every program of it against the real block. The state is that of the exact recurrence of what the
/// program's scan reads; rounding inside the scan (softplus, exp, products and sums in binary32) is the kernel's
/// tolerance and has no bound free of T. Numbers that may leave a type's range, and weights that do, are findings: the
/// bound speaks of runs in which they do not. Throws ContractViolation for a policy that stores decays or states in
/// less than binary32. Cost: certify_universal's, and a few products of the weights.
[[nodiscard]] DeviationBounds universal_policy_deviation(const theory::BlockWeights& block,
                                                         const theory::PrecisionPolicy& policy);
/// A pair: two blocks of one shape, from exact weight differences, with each tensor's own part. Throws
/// ContractViolation for blocks of different kind or shape.
[[nodiscard]] DeviationBounds universal_pair_deviation(const theory::BlockWeights& block,
                                                       const theory::BlockWeights& other);
/// A pair and a policy: every program of the second block against the real first one.
[[nodiscard]] DeviationBounds universal_pair_deviation(const theory::BlockWeights& block,
                                                       const theory::BlockWeights& other,
                                                       const theory::PrecisionPolicy& policy);
/// An adapter: W + scale B A merged, applied as B (A x).
[[nodiscard]] DeviationBounds universal_adapter_deviation(const theory::BlockWeights& block,
                                                          std::span<const LowRankUpdate> updates);

}  // namespace lyap::deviation
