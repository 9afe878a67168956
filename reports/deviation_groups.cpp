#include "reports/deviation_groups.hpp"

#include <algorithm>

namespace lyap {
namespace {

DeviationGroup& group_of(std::vector<DeviationGroup>& groups, const RecordedDeviation& bound,
                         const CertificateRecord& record) {
  for (DeviationGroup& group : groups) {
    if (group.comparison == bound.comparison && group.policy == bound.policy) return group;
  }
  DeviationGroup& group = groups.emplace_back();
  group.comparison = bound.comparison;
  group.policy = bound.policy;
  const auto summary = record.policy_summaries.find(bound.policy);
  if (summary != record.policy_summaries.end()) group.policy_summary = summary->second;
  if (bound.comparison == "policy") return group;
  const RecordedSecondModel& second = bound.comparison == "adapter" ? record.adapter : record.other_checkpoint;
  group.second_name = second.name;
  group.second_details = second.details;
  return group;
}

}  // namespace

std::vector<DeviationGroup> deviation_groups(const CertificateRecord& record) {
  std::vector<DeviationGroup> groups;
  for (const RecordedLayer& layer : record.layers) {
    for (const RecordedDeviation& bound : layer.deviations) {
      DeviationGroup& group = group_of(groups, bound, record);
      if (group.layers.empty() || group.layers.back().layer != &layer) group.layers.push_back({&layer, {}});
      group.layers.back().bounds.push_back(&bound);
    }
  }
  for (DeviationGroup& group : groups) {
    for (LayerDeviations& layer : group.layers) {
      std::stable_sort(
          layer.bounds.begin(), layer.bounds.end(),
          [](const RecordedDeviation* a, const RecordedDeviation* b) { return domain_of(*a) < domain_of(*b); });
    }
  }
  return groups;
}

const RecordedQuantity* quantity_of(const RecordedDeviation& bound, Quantity quantity) {
  switch (quantity) {
    case Quantity::kState:
      return &bound.state;
    case Quantity::kOutput:
      return &bound.output;
    default:
      return bound.block_output ? &*bound.block_output : nullptr;
  }
}

Domain domain_of(const RecordedDeviation& bound) {
  if (bound.question == "universal") return Domain::kEveryInput;
  return bound.question == "own" ? Domain::kOwnInput : Domain::kSameInput;
}

const RecordedDeviation* sharpest(const LayerDeviations& layer, Quantity quantity, Domain domain) {
  const RecordedDeviation* best = nullptr;
  for (const RecordedDeviation* bound : layer.bounds) {
    const RecordedQuantity* candidate = quantity_of(*bound, quantity);
    if (candidate == nullptr || domain_of(*bound) != domain) continue;
    if (best == nullptr || candidate->relative < quantity_of(*best, quantity)->relative) best = bound;
  }
  return best;
}

bool has_domain(const DeviationGroup& group, Domain domain) {
  return std::any_of(group.layers.begin(), group.layers.end(), [&](const LayerDeviations& layer) {
    return sharpest(layer, Quantity::kState, domain) != nullptr;
  });
}

std::size_t worst_layer(const DeviationGroup& group) {
  const Domain domain = has_domain(group, Domain::kSameInput) ? Domain::kSameInput : Domain::kEveryInput;
  std::size_t worst = 0;
  double largest = -1;
  for (std::size_t i = 0; i < group.layers.size(); ++i) {
    const RecordedDeviation* bound = sharpest(group.layers[i], Quantity::kState, domain);
    if (bound == nullptr || !(bound->state.relative > largest)) continue;
    largest = bound->state.relative;
    worst = i;
  }
  return worst;
}

std::string method_words(const RecordedDeviation& bound) {
  if (bound.method == "interval-run") return "interval run";
  if (bound.method == "kappa") return "K";
  if (bound.method == "two-trajectories") return "two trajectories";
  if (bound.method == "weight-difference") return "weight difference";
  return bound.method;
}

}  // namespace lyap
