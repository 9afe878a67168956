#pragma once

#include <kainjow/mustache.hpp>

#include "reports/deviation_groups.hpp"

namespace lyap {

/// One line per layer: the sharpest bound of the state and how large it is relative to the state, y and o.
[[nodiscard]] kainjow::mustache::data deviation_overview(const DeviationGroup& group, Domain domain);

/// One line per quantity and bound of a layer.
[[nodiscard]] kainjow::mustache::data deviation_rows(const LayerDeviations& layer);

/// One block per bound that names its tensors' parts, each with a bar relative to the largest.
[[nodiscard]] kainjow::mustache::data attribution_blocks(const LayerDeviations& layer);

/// Where a decay stored in a type may round to 1: one line per type over all layers.
[[nodiscard]] kainjow::mustache::data lost_contraction_totals(const DeviationGroup& group);

/// The same per layer and type.
[[nodiscard]] kainjow::mustache::data lost_contraction_rows(const DeviationGroup& group);

}  // namespace lyap
