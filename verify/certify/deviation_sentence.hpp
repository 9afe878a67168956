#pragma once

#include <string>
#include <vector>

#include "verify/certify/deviation_groups.hpp"

namespace lyap {

/// "amp-bf16", "ft-model", "ft-model in amp-bf16", "the adapter my-lora".
[[nodiscard]] std::string group_name(const DeviationGroup& group, const Certificate& certificate);

/// One sentence that a practitioner can act on: by how much the group's sharpest bounds let states and scan outputs
/// move, where they decide nothing, what was measured and what to do next. It compares no two precisions, speaks of no
/// more than single layers, and takes a loose bound for nothing but a loose bound.
[[nodiscard]] std::string deviation_sentence(const DeviationGroup& group, const Certificate& certificate);

/// What else a user must know before acting: numbers that may leave float16's range, and states whose decay a type that
/// stores it may round to 1. One sentence each.
[[nodiscard]] std::vector<std::string> deviation_findings(const DeviationGroup& group);

}  // namespace lyap
