#include "verify/certify/certificate_json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

#include "verify/certify/bound_text.hpp"
#include "verify/certify/deviation_json.hpp"

namespace lyap {
namespace {

using Json = nlohmann::ordered_json;

Json number(const BoundText& text) { return Json{{"hex", text.hex}, {"decimal", text.decimal}}; }
Json upper(double value) { return number(upper_bound_text(value)); }
Json lower(double value) { return number(lower_bound_text(value)); }
Json optional_upper(const std::optional<double>& value) { return value ? upper(*value) : Json(nullptr); }
Json optional_lower(const std::optional<double>& value) { return value ? lower(*value) : Json(nullptr); }

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json file_json(const FileDigest& digest) { return Json{{"file", digest.file}, {"sha256", digest.sha256}}; }

Json tool_json(const Certificate& certificate) {
  return Json{{"name", "lyap"},
              {"version", certificate.tool.version},
              {"commit", certificate.tool.commit},
              {"compiler", certificate.tool.compiler},
              {"flags", certificate.tool.flags},
              {"rounding_self_test", certificate.rounding_self_test},
              {"blas", certificate.blas}};
}

Json model_json(const Certificate& certificate) {
  Json files = Json::array();
  for (const FileDigest& digest : certificate.files) files.push_back(file_json(digest));
  return Json{{"name", certificate.model_name},
              {"family", certificate.model.family},
              {"layout", certificate.model.layout},
              {"layers", certificate.model.layers},
              {"d_model", certificate.model.d_model},
              {"vocabulary", certificate.model.vocabulary},
              {"weight_types", certificate.model.weight_types},
              {"remarks", certificate.model.remarks},
              {"hf_compat", certificate.hf_compat},
              {"files", files}};
}

Json sequence_json(const std::optional<SequenceDescription>& sequence) {
  if (!sequence) return nullptr;
  Json json{{"kind", name_of(sequence->kind)},
            {"file", sequence->file},
            {"sha256", sequence->sha256},
            {"steps", sequence->steps},
            {"steps_available", std::max(sequence->steps, sequence->available)}};
  json["tokenizer_sha256"] = sequence->tokenizer_sha256.empty() ? Json(nullptr) : Json(sequence->tokenizer_sha256);
  return json;
}

Json claim_json(const Claim& claim) {
  Json json{{"theorem", claim.theorem},
            {"tier", claim.tier},
            {"comparison", claim.comparison},
            {"method", text_or_null(claim.method)},
            {"policy", text_or_null(claim.policy)}};
  json["layer"] = claim.layer ? Json(*claim.layer) : Json("all");
  json["quantity"] = claim.quantity;
  json["statement"] = claim.statement;
  json["formula"] = claim.formula;
  json["domain"] = claim.domain;
  json["soundness"] = claim.policy.empty() ? "REAL" : "DEPLOYED";
  if (!claim.program.empty()) json["program"] = claim.program;
  json["verdict"] = name_of(claim.verdict);
  if (!claim.reason.empty()) json["reason"] = claim.reason;
  json["bound"] = optional_upper(claim.bound);
  if (claim.lower_bound) json["lower_bound"] = lower(*claim.lower_bound);
  json["witness"] = nullptr;
  if (claim.witness)
    json["witness"] =
        Json{{"value", lower(claim.witness->value)}, {"channel", claim.witness->channel}, {"how", claim.witness->how}};
  return json;
}

Json rate_json(const RateSummary& rate) {
  return Json{{"upper", upper(rate.upper)}, {"channel", rate.channel}, {"witness", optional_lower(rate.witness)}};
}

Json wins_json(const UniversalSummary& universal) {
  Json wins = Json::object();
  for (std::size_t code = 0; code < universal.relaxation_wins.size(); ++code) {
    if (universal.relaxation_wins[code] > 0)
      wins[name_of(static_cast<Relaxation>(code))] = universal.relaxation_wins[code];
  }
  return wins;
}

Json trajectory_json(const TrajectorySummary& trajectory) {
  Json quantiles = Json::array();
  for (const ExponentQuantile& quantile : trajectory.quantiles) {
    quantiles.push_back(Json{
        {"probability", quantile.probability}, {"lower", lower(quantile.lower)}, {"upper", upper(quantile.upper)}});
  }
  return Json{{"steps", trajectory.steps},
              {"exponents", trajectory.exponents},
              {"quantiles", quantiles},
              {"state_upper", upper(trajectory.state_upper)}};
}

Json layer_json(const LayerSummary& layer) {
  Json json{{"index", layer.index}, {"kind", name_of(layer.kind)}};
  if (layer.universal) {
    json["zeta"] = rate_json(layer.universal->zeta);
    json["exponent"] = rate_json(layer.universal->exponent);
    json["state_bound"] = upper(layer.universal->state_bound_upper);
    json["step_size"] = Json{{"lower", lower(layer.universal->step_size_lower)}};
    json["output_gain"] = optional_upper(layer.universal->output_gain_upper);
    json["relaxation_wins"] = wins_json(*layer.universal);
    json["complete"] = layer.universal->complete;
    json["domain"] = layer.universal->over_vocabulary ? "vocabulary" : "real";
  } else {
    for (const char* name : {"zeta", "exponent", "state_bound", "step_size", "output_gain"}) json[name] = nullptr;
    json["relaxation_wins"] = Json::object();
  }
  json["trajectory"] = layer.trajectory ? trajectory_json(*layer.trajectory) : Json(nullptr);
  json["policies"] = policies_json(layer);
  json["pairs"] = pairs_json(layer);
  return json;
}

Json fail_on_json(const FailOnOutcome& outcome) {
  return Json{{"condition", outcome.condition.text},
              {"value", upper(outcome.value.upper)},
              {"layer", outcome.value.layer},
              {"holds", outcome.holds},
              {"witness", optional_lower(outcome.value.witness)},
              {"verdict", name_of(outcome.verdict)}};
}

}  // namespace

std::string certificate_json(const Certificate& certificate) {
  Json json{{"schema_version", kCertificateSchemaVersion},
            {"verdict", name_of(overall_verdict(certificate))},
            {"undecided", undecided_sentences(certificate)},
            {"tool", tool_json(certificate)},
            {"model", model_json(certificate)},
            {"command", certificate.command},
            {"date", certificate.date}};
  json["options"] = Json{{"tier", name_of(certificate.tier)},
                         {"effort", name_of(certificate.effort)},
                         {"layers", Json{{"first", certificate.selected.first}, {"last", certificate.selected.last}}}};
  json["options"]["policies"] = Json::array();
  for (const theory::PrecisionPolicy* policy : certificate.policies)
    json["options"]["policies"].push_back(Json{{"name", policy->name}, {"summary", policy->summary}});
  json["options"]["methods"] = Json::array();
  for (const DeviationMethod method : certificate.methods) json["options"]["methods"].push_back(name_of(method));
  json["sequence"] = sequence_json(certificate.sequence);
  json["model2"] = model2_json(certificate);
  json["adapter"] = adapter_json(certificate);
  json["trace"] = certificate.trace ? file_json(*certificate.trace) : Json(nullptr);
  json["claims"] = Json::array();
  for (const Claim& claim : certificate.claims) json["claims"].push_back(claim_json(claim));
  json["fail_on"] = Json::array();
  for (const FailOnOutcome& outcome : certificate.fail_on) json["fail_on"].push_back(fail_on_json(outcome));
  json["layers"] = Json::array();
  for (const LayerSummary& layer : certificate.layers) json["layers"].push_back(layer_json(layer));
  json["not_covered"] = certificate.not_covered;
  json["arrays"] = file_json(certificate.arrays);
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace lyap
