#include "verify/certify/condition_values.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "verify/certify/deviation_groups.hpp"
#include "verify/certify/exit_code.hpp"

namespace lyap {
namespace {

class LargestValue {
 public:
  void consider(std::size_t layer, double upper, const std::optional<double>& witness = std::nullopt) {
    if (!value_ || upper > value_->upper) value_ = FailOnValue{upper, layer, value_ ? value_->witness : std::nullopt};
    if (witness && (!value_->witness || *witness > *value_->witness)) value_->witness = witness;
  }
  [[nodiscard]] const std::optional<FailOnValue>& value() const { return value_; }

 private:
  std::optional<FailOnValue> value_;
};

std::optional<FailOnValue> universal_value(FailOnQuantity quantity, const std::vector<LayerSummary>& layers) {
  LargestValue largest;
  for (const LayerSummary& layer : layers) {
    if (!layer.universal) continue;
    const UniversalSummary& bounds = *layer.universal;
    if (quantity == FailOnQuantity::kExponent)
      largest.consider(layer.index, bounds.exponent.upper, bounds.exponent.witness);
    if (quantity == FailOnQuantity::kZeta) largest.consider(layer.index, bounds.zeta.upper, bounds.zeta.witness);
    if (quantity == FailOnQuantity::kStateBound) largest.consider(layer.index, bounds.state_bound_upper);
  }
  return largest.value();
}

/// Groups on a sequence, and those for every input that have no counterpart on a sequence.
std::vector<DeviationGroup> judged_groups(const std::vector<LayerSummary>& layers) {
  const std::vector<DeviationGroup> all = deviation_groups(layers);
  std::vector<DeviationGroup> judged;
  for (const DeviationGroup& group : all) {
    const bool superseded = group.question == DeviationQuestion::kUniversal &&
                            std::any_of(all.begin(), all.end(), [&group](const DeviationGroup& other) {
                              return other.question != DeviationQuestion::kUniversal &&
                                     other.comparison == group.comparison && other.policy == group.policy;
                            });
    if (!superseded) judged.push_back(group);
  }
  return judged;
}

double smallest_bound(const LayerDeviations& layer, DeviationQuantity quantity) {
  double smallest = HUGE_VAL;
  for (const DeviationBounds* bounds : layer.bounds)
    smallest = std::min(smallest, whole_bound(*quantity_of(*bounds, quantity)));
  return smallest;
}

std::optional<FailOnValue> deviation_value(DeviationQuantity quantity, const std::vector<LayerSummary>& layers) {
  LargestValue largest;
  for (const DeviationGroup& group : judged_groups(layers)) {
    for (const LayerDeviations& layer : group.layers) largest.consider(layer.layer, smallest_bound(layer, quantity));
  }
  return largest.value();
}

std::optional<FailOnValue> uninformative_count(const std::vector<LayerSummary>& layers) {
  std::optional<FailOnValue> count;
  for (const DeviationGroup& group : judged_groups(layers)) {
    for (const LayerDeviations& layer : group.layers) {
      if (!count) count = FailOnValue{0.0, layer.layer, std::nullopt};
      for (const DeviationQuantity quantity : {DeviationQuantity::kState, DeviationQuantity::kOutput}) {
        if (quantity_of(*sharpest(layer, quantity), quantity)->informative) continue;
        if (count->upper == 0.0) count->layer = layer.layer;
        count->upper += 1.0;
      }
    }
  }
  return count;
}

}  // namespace

FailOnValue condition_value(const FailOnCondition& condition, const std::vector<LayerSummary>& layers) {
  std::optional<FailOnValue> value;
  switch (condition.quantity) {
    case FailOnQuantity::kExponent:
    case FailOnQuantity::kZeta:
    case FailOnQuantity::kStateBound:
      value = universal_value(condition.quantity, layers);
      break;
    case FailOnQuantity::kStateDeviation:
      value = deviation_value(DeviationQuantity::kState, layers);
      break;
    case FailOnQuantity::kOutputDeviation:
      value = deviation_value(DeviationQuantity::kOutput, layers);
      break;
    case FailOnQuantity::kUninformative:
      value = uninformative_count(layers);
      break;
  }
  if (!value) throw UsageError("--fail-on: '" + condition.text + "' needs a claim that this run does not make");
  return *value;
}

}  // namespace lyap
