#include "verify/check/document.hpp"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "verify/check/json_member.hpp"
#include "verify/check/stated_number.hpp"

namespace lyap::check {
namespace {

using nlohmann::json;

constexpr std::int64_t kSchemaVersion = 1;
const std::initializer_list<const char*> kVerdicts{"proven", "refuted", "undecided"};

NamedDigest digest(const Member& node) { return {node.text("file"), node.sha256("sha256")}; }

std::optional<double> optional_number(const Member& node, const char* key) {
  if (node.is_null(key)) return std::nullopt;
  return stated_number(node.at(key).node(), node.place_of(key));
}

double number(const Member& node, const char* key) { return stated_number(node.at(key).node(), node.place_of(key)); }

StatedRate rate(const Member& node) {
  return {number(node, "upper"), node.count("channel"), optional_number(node, "witness")};
}

StatedUniversal universal(const Member& layer) {
  StatedUniversal stated;
  stated.zeta = rate(layer.object("zeta"));
  stated.exponent = rate(layer.object("exponent"));
  stated.state_bound = number(layer, "state_bound");
  stated.step_size_lower = number(layer.object("step_size"), "lower");
  stated.output_gain = optional_number(layer, "output_gain");
  stated.over_vocabulary = layer.word("domain", {"real", "vocabulary"}) == "vocabulary";
  const Member wins = layer.object("relaxation_wins");
  for (const auto& member : wins.node().items())
    stated.relaxation_wins[member.key()] = wins.count(member.key().c_str());
  return stated;
}

StatedTrajectory trajectory(const Member& node) {
  StatedTrajectory stated;
  stated.steps = node.count("steps");
  stated.exponents = node.count("exponents");
  stated.state_upper = number(node, "state_upper");
  for (const Member& quantile : node.list("quantiles"))
    stated.quantiles.push_back(
        {quantile.plain_number("probability"), number(quantile, "lower"), number(quantile, "upper")});
  if (stated.quantiles.empty()) throw Deformed(node.place_of("quantiles") + ": is empty");
  return stated;
}

void take_deviations(const Member& item, std::vector<StatedDeviation>& into) {
  StatedDeviation common;
  common.comparison = item.word("comparison", {"policy", "pair", "adapter"});
  common.policy = item.text_or_null("policy");
  common.method =
      item.word("method", {"interval-run", "trace", "a-priori", "kappa", "two-trajectories", "weight-difference"});
  common.question = item.word("question", {"local", "own", "universal"});
  for (const char* quantity : {"state_deviation", "output_deviation", "block_output_deviation"}) {
    if (item.is_null(quantity)) continue;
    const Member values = item.object(quantity);
    common.quantity = quantity;
    common.bound = number(values, "bound");
    common.decaying = number(values, "decaying");
    common.staying = number(values, "staying");
    into.push_back(common);
  }
}

StatedLayer layer(const Member& node) {
  StatedLayer stated;
  stated.index = node.count("index");
  stated.kind = node.word("kind", {"mamba1", "mamba2"});
  if (!node.is_null("zeta"))
    stated.universal = universal(node);
  else if (!node.is_null("exponent") || !node.is_null("state_bound"))
    throw Deformed(node.place_of("zeta") + ": is null beside other bounds of the universal tier");
  if (!node.is_null("trajectory")) stated.trajectory = trajectory(node.object("trajectory"));
  for (const char* key : {"policies", "pairs"}) {
    for (const Member& item : node.list(key)) take_deviations(item, stated.deviations);
  }
  return stated;
}

StatedClaim claim(const Member& node, std::size_t index) {
  StatedClaim stated;
  stated.index = index;
  stated.theorem = node.word("theorem", {"T1", "T2", "T3", "T4"});
  stated.tier = node.word("tier", {"structural", "universal", "trajectory"});
  stated.comparison = node.word("comparison", {"none", "policy", "pair", "adapter"});
  stated.method = node.text_or_null("method");
  stated.policy = node.text_or_null("policy");
  stated.quantity =
      node.word("quantity", {"zeta", "exponent", "strict_decay", "state_bound", "output_gain", "output_deviation",
                             "trajectory_exponent", "output", "state_deviation", "block_output_deviation"});
  stated.statement = node.text("statement");
  stated.domain = node.text("domain");
  (void)node.text("formula");
  stated.soundness = node.word("soundness", {"REAL", "DEPLOYED"});
  stated.verdict = node.word("verdict", kVerdicts);
  if (!node.at("layer").node().is_string())
    stated.layer = node.count("layer");
  else
    (void)node.word("layer", {"all"});
  stated.bound = optional_number(node, "bound");
  if (node.has("lower_bound")) stated.lower_bound = number(node, "lower_bound");
  if (!node.is_null("witness")) {
    const Member witness = node.object("witness");
    stated.witness = number(witness, "value");
    stated.witness_channel = witness.count("channel");
  }
  return stated;
}

StatedCondition condition(const Member& node) {
  return {node.text("condition"), node.word("verdict", kVerdicts), number(node, "value"), node.count("layer"),
          node.flag("holds"),     optional_number(node, "witness")};
}

}  // namespace

std::string StatedClaim::name() const {
  std::string text = theorem + ", " + tier + " tier, " +
                     (layer ? "layer " + std::to_string(*layer) : std::string("all layers")) + ", " + quantity;
  for (const std::string* word : {&policy, &method}) {
    if (!word->empty()) text += ", " + *word;
  }
  return text;
}

Document read_document(json root_json) {
  Document document;
  document.json = std::move(root_json);
  const Member root(document.json, "the certificate");
  if (root.count("schema_version") != kSchemaVersion) throw Deformed("schema_version: 1 was expected");
  document.verdict = root.word("verdict", kVerdicts);
  for (const Member& sentence : root.list("undecided")) document.undecided.push_back(sentence.as_text());
  (void)root.object("tool");
  (void)root.text("command");
  (void)root.text("date");
  for (const char* key : {"sequence", "model2", "adapter", "trace"}) (void)root.at(key);
  if (root.list("not_covered").empty()) throw Deformed("not_covered: is empty");

  const Member model = root.object("model");
  document.family = model.text("family");
  document.layout = model.text("layout");
  document.layers_of_model = model.count("layers");
  document.d_model = model.count("d_model");
  document.vocabulary = model.count("vocabulary");
  document.hf_compat = model.flag("hf_compat");
  for (const Member& file : model.list("files")) document.model_files.push_back(digest(file));

  const Member options = root.object("options");
  document.tier = options.word("tier", {"universal", "trajectory", "both"});
  document.effort = options.word("effort", {"fast", "thorough"});
  document.first_layer = options.object("layers").count("first");
  document.last_layer = options.object("layers").count("last");

  for (const Member& node : root.list("claims")) document.claims.push_back(claim(node, document.claims.size()));
  if (document.claims.empty()) throw Deformed("claims: is empty");
  for (const Member& node : root.list("fail_on")) document.conditions.push_back(condition(node));
  for (const Member& node : root.list("layers")) document.layers.push_back(layer(node));
  document.arrays = digest(root.object("arrays"));
  return document;
}

}  // namespace lyap::check
