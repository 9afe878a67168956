#include "tests/reports/fabricated_deviations.hpp"

#include <algorithm>
#include <cmath>
#include <random>

#include "tests/reports/fabricated_certificate.hpp"

namespace lyap::testing {
namespace {

using nlohmann::json;

/// Largest state, what is measured relative to it, and bound / measured.
struct Level {
  double size = 10, measured = 0.006, ratio = 1.65;
};

json quantity(const FabricatedDeviations& what, const Level& level, bool with_measured) {
  const double measured = level.size * level.measured, bound = measured * level.ratio * 1.3;
  const double relative = level.measured * level.ratio, initial = what.initial ? bound * 0.01 : 0.0;
  json result{{"bound", stated(bound)}, {"decaying", stated(initial)},  {"staying", stated(bound - initial)},
              {"measured", nullptr},    {"ratio_median", nullptr},      {"ratio_p90", nullptr},
              {"relative", relative},   {"measured_relative", nullptr}, {"informative", relative < 1}};
  if (with_measured) {
    result["measured"] = measured;
    result["ratio_median"] = level.ratio;
    result["ratio_p90"] = 2 * level.ratio;
    result["measured_relative"] = level.measured;
  }
  return result;
}

json envelope(const FabricatedDeviations& what, const Level& level, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  json list = json::array();
  const std::size_t points = std::min<std::size_t>(128, what.steps);
  for (std::size_t i = 0; i < points; ++i) {
    const double size =
        level.size * std::exp(0.2 * normal(random)) * std::min(1.0, 0.1 + 0.05 * static_cast<double>(i));
    const double measured = size * level.measured * std::exp(0.15 * normal(random));
    list.push_back({{"begin", i * what.steps / points},
                    {"end", (i + 1) * what.steps / points},
                    {"bound", stated(measured * level.ratio * 1.2)},
                    {"measured", what.measured ? json(measured) : json(nullptr)},
                    {"size", stated(size)}});
  }
  return list;
}

json lost_contraction(bool mamba2) {
  const auto of = [&](const char* type, std::size_t ever, std::size_t most, std::size_t always, bool stored) {
    const std::size_t states = mamba2 ? 6 : 6144;
    return json{{"type", type},
                {"states", states},
                {"states_ever", std::min(ever, states)},
                {"states_in_most_steps", std::min(most, states / 2)},
                {"states_always", mamba2 ? 0 : always},
                {"share_of_steps", static_cast<double>(most) / 8000},
                {"stored_so", stored}};
  };
  return json::array(
      {of("float32", 0, 0, 0, true), of("float16", 432, 91, 11, false), of("bfloat16", 1876, 395, 80, false)});
}

double ratio_of(const std::string& method) {
  return method == "interval-run" ? 1.65 : method == "trace" ? 1.0004 : method == "a-priori" ? 35 : 79;
}

json deviation(const FabricatedDeviations& what, const std::string& method, const Level& level, std::uint64_t seed) {
  json result{{"method", method}, {"question", "local"}, {"steps", what.steps}};
  Level output = level, block = level;
  output.ratio *= 1.3;
  block.ratio *= 11;
  result["state_deviation"] = quantity(what, level, what.measured);
  result["output_deviation"] = quantity(what, output, what.measured);
  result["block_output_deviation"] = quantity(what, block, what.measured);
  result["envelope"] = envelope(what, level, seed);
  result["may_overflow"] = json::array();
  result["lost_contraction"] = json::array();
  return result;
}

double measured_of(const std::string& policy) {
  if (policy == "fp32") return 1e-7;
  if (policy == "tf32") return 6e-4;
  return policy.find("fp16") != std::string::npos ? 8e-4 : 6e-3;
}

void make_universal(json& item) {
  item["question"] = "universal";
  item["steps"] = 0;
  item["envelope"] = json::array();
  item["block_output_deviation"] = nullptr;
}

json attribution(std::size_t index, double size) {
  json list = json::array();
  double part = size;
  for (const char* tensor : {"x_proj", "in_proj", "dt_proj", "conv1d", "A_log", "D", "norm"}) {
    list.push_back(
        {{"tensor", tensor}, {"state", stated(part)}, {"output", stated(part * (index % 2 == 0 ? 1.4 : 0.6))}});
    part *= 0.45;
  }
  return list;
}

json overflow_finding(bool one) {
  return json{{"tensor", one ? "x_proj output" : "in_proj output"},
              {"channel", 17},
              {"channels", one ? 1 : 4},
              {"magnitude", stated(one ? 66102.0 : 71234.5)},
              {"type", "float16"}};
}

json file(const char* name) { return json{{"file", name}, {"sha256", std::string(64, 'c')}}; }

}  // namespace

void describe_comparisons(const FabricatedDeviations& what, json& certificate) {
  json& options = certificate["options"];
  options["policies"] = json::array();
  for (const std::string& policy : what.policies) {
    options["policies"].push_back(
        {{"name", policy}, {"summary", "summary of " + policy + ", weights stored in binary32"}});
  }
  certificate["model2"] = nullptr;
  certificate["adapter"] = nullptr;
  if (what.pair) {
    certificate["model2"] = {{"name", "tuned"},
                             {"family", "mamba"},
                             {"layout", "huggingface"},
                             {"remarks", json::array()},
                             {"files", json::array({file("model.safetensors")})}};
  }
  if (what.adapter) {
    certificate["adapter"] = {{"name", "my-lora"},
                              {"base_model", nullptr},
                              {"modules", 12},
                              {"targets", {"in_proj", "x_proj"}},
                              {"ranks", {8}},
                              {"remarks", json::array()},
                              {"files", json::array({file("adapter_model.safetensors")})}};
  }
}

json fabricate_policies(const FabricatedDeviations& what, std::size_t index, bool mamba2) {
  const bool vacuous =
      std::find(what.vacuous_layers.begin(), what.vacuous_layers.end(), index) != what.vacuous_layers.end();
  json list = json::array();
  for (const std::string& policy : what.policies) {
    Level level;
    level.size = 8 + static_cast<double>(index);
    level.measured = measured_of(policy) * (1 + 0.1 * static_cast<double>(index));
    for (const std::string& method : what.methods) {
      level.ratio = ratio_of(method) * what.looseness * (vacuous ? 2000 : 1);
      list.push_back(deviation(what, method, level, 100 * index + 7));
      list.back()["lost_contraction"] = lost_contraction(mamba2);
      if (what.overflow && method == "a-priori" && policy.find("fp16") != std::string::npos)
        list.back()["may_overflow"] = json::array({overflow_finding(false), overflow_finding(true)});
      list.back()["policy"] = policy;
    }
    if (!what.universal) continue;
    level.ratio = mamba2 ? 50 : 1e6;
    list.push_back(deviation(what, "kappa", level, 1));
    make_universal(list.back());
    list.back()["state_deviation"] = quantity(what, level, false);
    list.back()["output_deviation"] = quantity(what, level, false);
    list.back()["policy"] = policy;
  }
  return list;
}

json fabricate_pairs(const FabricatedDeviations& what, std::size_t index) {
  json list = json::array();
  const auto add = [&](const char* comparison, const char* question, double measured, const std::string& policy) {
    Level level{8 + static_cast<double>(index), measured * (1 + 0.1 * static_cast<double>(index)), 1.0001};
    if (!policy.empty()) level.ratio = 1.7;
    list.push_back(deviation(what, policy.empty() ? "two-trajectories" : "interval-run", level, index + 3));
    json& item = list.back();
    item["comparison"] = comparison;
    item["question"] = question;
    item["policy"] = policy.empty() ? json(nullptr) : json(policy);
    if (std::string(question) == "universal") {
      level.ratio = 90;
      item["method"] = "weight-difference";
      make_universal(item);
      item["state_deviation"] = quantity(what, level, false);
      item["output_deviation"] = quantity(what, level, false);
    }
    if (policy.empty() && std::string(question) != "own")
      item["attribution"] = attribution(index, level.size * measured);
  };
  for (const char* comparison : {"pair", "adapter"}) {
    if (!(comparison[0] == 'p' ? what.pair : what.adapter)) continue;
    add(comparison, "local", 0.0033, "");
    add(comparison, "own", 0.02, "");
    add(comparison, "universal", 0.0033, "");
    if (!what.pair_policy.empty()) add(comparison, "local", 0.0075, what.pair_policy);
  }
  return list;
}

}  // namespace lyap::testing
