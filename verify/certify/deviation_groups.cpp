#include "verify/certify/deviation_groups.hpp"

#include "numerics/rounding.hpp"

namespace lyap {
namespace {

DeviationGroup& group_for(std::vector<DeviationGroup>& groups, const DeviationBounds& bounds) {
  const bool recorded = bounds.method == DeviationMethod::kTrace;
  for (DeviationGroup& group : groups) {
    if (group.comparison == bounds.comparison && group.policy == bounds.policy && group.question == bounds.question &&
        group.recorded == recorded)
      return group;
  }
  groups.push_back({bounds.comparison, bounds.policy, bounds.question, recorded, {}});
  return groups.back();
}

}  // namespace

std::vector<DeviationGroup> deviation_groups(const std::vector<LayerSummary>& layers) {
  std::vector<DeviationGroup> groups;
  for (const LayerSummary& layer : layers) {
    for (const DeviationBounds& bounds : layer.deviations) {
      DeviationGroup& group = group_for(groups, bounds);
      if (group.layers.empty() || group.layers.back().layer != layer.index) group.layers.push_back({layer.index, {}});
      group.layers.back().bounds.push_back(&bounds);
    }
  }
  return groups;
}

const QuantityDeviation* quantity_of(const DeviationBounds& bounds, DeviationQuantity quantity) {
  switch (quantity) {
    case DeviationQuantity::kState:
      return &bounds.state;
    case DeviationQuantity::kOutput:
      return &bounds.output;
    case DeviationQuantity::kBlockOutput:
      return bounds.block_output ? &*bounds.block_output : nullptr;
  }
  return nullptr;
}

const DeviationBounds* sharpest(const LayerDeviations& layer, DeviationQuantity quantity) {
  const DeviationBounds* best = nullptr;
  for (const DeviationBounds* bounds : layer.bounds) {
    const QuantityDeviation* candidate = quantity_of(*bounds, quantity);
    if (candidate == nullptr) continue;
    if (best == nullptr || candidate->relative_median < quantity_of(*best, quantity)->relative_median) best = bounds;
  }
  return best;
}

double whole_bound(const QuantityDeviation& quantity) {
  const double staying = pinned(quantity.staying), decaying = pinned(quantity.decaying);
  const RoundingUpward upward;
  return pinned(staying + decaying);
}

}  // namespace lyap
