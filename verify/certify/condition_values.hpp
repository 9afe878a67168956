#pragma once

#include <vector>

#include "verify/certify/certificate.hpp"

namespace lyap {

/// What `condition` compares in these layers, with the layer where. exponent, zeta and state_bound: the largest bound.
/// state_deviation and output_deviation: the largest over layers, policies and questions of the smallest bound that any
/// method gives; statements for every input count only where the same comparison has none on a sequence.
/// uninformative: how many of these are as large as what they bound the change of, states and scan outputs counted
/// apart; the layer is the first with one. Throws UsageError where no layer makes such a claim.
[[nodiscard]] FailOnValue condition_value(const FailOnCondition& condition, const std::vector<LayerSummary>& layers);

}  // namespace lyap
