#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "verify/check/findings.hpp"

/// Numbers of a certificate's JSON: `{"hex": exact, "decimal": rounded outward}`.
namespace lyap::check {

/// The exact number of such an object. Throws Deformed that names `place` where it is not one.
[[nodiscard]] double stated_number(const nlohmann::json& node, const std::string& place);

/// Rejects every such object anywhere in `document` whose decimal is on the wrong side of its hex, or far from it.
/// Below members called `lower`, `lower_bound` and `witness` the safe side is down, everywhere else up.
void check_decimals(const nlohmann::json& document, Findings& findings);

}  // namespace lyap::check
