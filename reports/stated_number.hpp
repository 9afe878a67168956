#pragma once

#include "reports/certificate_record.hpp"
#include "reports/json_view.hpp"

namespace lyap {

/// The number of {"hex": "-0x1.8p-30", "decimal": "-1.39e-9"}: hex read exactly, decimal kept as stored. Infinities are
/// "inf" and "-inf". Throws BadInput for anything else, NaN included.
[[nodiscard]] StatedNumber read_stated_number(const JsonView& place);

/// Throws BadInput unless the schema is one that this report knows (1, "1" or "1.x").
void require_known_schema(const JsonView& place);

/// What `layers[i]` of the JSON says apart from the arrays: index, kind, wins, steps of the trajectory. Throws
/// BadInput.
[[nodiscard]] RecordedLayer read_layer_summary(const JsonView& place);

/// Throws BadInput where zeta.upper, exponent.upper or a witness of the JSON is not the largest entry of the layer's
/// array.
void require_summary_matches_arrays(const JsonView& place, const RecordedLayer& layer);

}  // namespace lyap
