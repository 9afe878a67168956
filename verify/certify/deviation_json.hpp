#pragma once

#include <nlohmann/json.hpp>

#include "verify/certify/certificate.hpp"

namespace lyap {

/// `policies` of one layer: an item per policy and method.
[[nodiscard]] nlohmann::ordered_json policies_json(const LayerSummary& layer);
/// `pairs` of one layer: an item per question of --against or --adapter, and per policy of the second model's program.
[[nodiscard]] nlohmann::ordered_json pairs_json(const LayerSummary& layer);

/// `model2`, the second checkpoint with its digests; null where there is none.
[[nodiscard]] nlohmann::ordered_json model2_json(const Certificate& certificate);
/// `adapter`, likewise.
[[nodiscard]] nlohmann::ordered_json adapter_json(const Certificate& certificate);

}  // namespace lyap
