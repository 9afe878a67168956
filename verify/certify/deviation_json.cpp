#include "verify/certify/deviation_json.hpp"

#include <cmath>

#include "verify/certify/bound_text.hpp"
#include "verify/certify/deviation_groups.hpp"

namespace lyap {
namespace {

using Json = nlohmann::ordered_json;

Json upper(double value) {
  const BoundText text = upper_bound_text(value);
  return Json{{"hex", text.hex}, {"decimal", text.decimal}};
}

/// A number that proves nothing: null where there is none or it is not finite.
Json plain(const std::optional<double>& value) { return value && std::isfinite(*value) ? Json(*value) : Json(nullptr); }

Json quantity_json(const QuantityDeviation& quantity) {
  return Json{
      {"bound", upper(whole_bound(quantity))},        {"decaying", upper(quantity.decaying)},
      {"staying", upper(quantity.staying)},           {"measured", plain(quantity.measured)},
      {"ratio_median", plain(quantity.ratio_median)}, {"ratio_p90", plain(quantity.ratio_p90)},
      {"relative", plain(quantity.relative_median)},  {"measured_relative", plain(quantity.measured_relative_median)},
      {"informative", quantity.informative}};
}

Json overflow_json(const OverflowFinding& finding) {
  return Json{{"tensor", finding.tensor},
              {"channel", finding.channel},
              {"channels", finding.channels},
              {"magnitude", upper(finding.magnitude_upper)},
              {"type", finding.type}};
}

Json lost_contraction_json(const LostContraction& lost) {
  return Json{{"type", lost.type},
              {"states", lost.states},
              {"states_ever", lost.states_ever},
              {"states_in_most_steps", lost.states_in_most_steps},
              {"states_always", lost.states_always},
              {"share_of_steps", lost.share_of_steps},
              {"stored_so", lost.stored_so}};
}

Json envelope_json(const EnvelopePoint& point) {
  return Json{{"begin", point.begin},
              {"end", point.end},
              {"bound", upper(point.bound)},
              {"measured", plain(point.measured)},
              {"size", upper(point.size)}};
}

template <class Items, class Item>
Json list_json(const Items& items, const Item& item_json) {
  Json list = Json::array();
  for (const auto& item : items) list.push_back(item_json(item));
  return list;
}

Json deviation_json(const DeviationBounds& bounds) {
  Json json{{"comparison", name_of(bounds.comparison)}};
  json["policy"] = bounds.policy.empty() ? Json(nullptr) : Json(bounds.policy);
  json["method"] = name_of(bounds.method);
  json["question"] = name_of(bounds.question);
  json["steps"] = bounds.steps;
  json["state_deviation"] = quantity_json(bounds.state);
  json["output_deviation"] = quantity_json(bounds.output);
  json["block_output_deviation"] = bounds.block_output ? quantity_json(*bounds.block_output) : Json(nullptr);
  json["may_overflow"] = list_json(bounds.may_overflow, overflow_json);
  json["lost_contraction"] = list_json(bounds.lost_contraction, lost_contraction_json);
  json["envelope"] = list_json(bounds.envelope, envelope_json);
  json["attribution"] = list_json(bounds.attribution, [](const TensorAttribution& part) {
    return Json{{"tensor", part.tensor}, {"state", upper(part.state_upper)}, {"output", upper(part.output_upper)}};
  });
  return json;
}

Json deviations_json(const LayerSummary& layer, bool of_policies) {
  Json list = Json::array();
  for (const DeviationBounds& bounds : layer.deviations) {
    if ((bounds.comparison == Comparison::kPolicy) == of_policies) list.push_back(deviation_json(bounds));
  }
  return list;
}

Json files_json(const std::vector<FileDigest>& files) {
  return list_json(files, [](const FileDigest& digest) {
    return Json{{"file", digest.file}, {"sha256", digest.sha256}};
  });
}

const SecondModelDescription* second_of(const Certificate& certificate, Comparison comparison) {
  const auto& second = certificate.second_model;
  return second && second->comparison == comparison ? &*second : nullptr;
}

}  // namespace

Json policies_json(const LayerSummary& layer) { return deviations_json(layer, true); }
Json pairs_json(const LayerSummary& layer) { return deviations_json(layer, false); }

Json model2_json(const Certificate& certificate) {
  const SecondModelDescription* second = second_of(certificate, Comparison::kPair);
  if (second == nullptr) return nullptr;
  return Json{{"name", second->name},
              {"family", second->family},
              {"layout", second->layout},
              {"remarks", second->remarks},
              {"files", files_json(second->files)}};
}

Json adapter_json(const Certificate& certificate) {
  const SecondModelDescription* second = second_of(certificate, Comparison::kAdapter);
  if (second == nullptr) return nullptr;
  return Json{{"name", second->name},
              {"base_model", second->base_model},
              {"modules", second->modules},
              {"targets", second->targets},
              {"ranks", second->ranks},
              {"remarks", second->remarks},
              {"files", files_json(second->files)}};
}

}  // namespace lyap
