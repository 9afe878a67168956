#include "verify/deviation/random_blocks_record.hpp"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "numerics/decimal_text.hpp"
#include "verify/certify/bound_text.hpp"
#include "verify/certify/build_information.hpp"

namespace lyap {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kSchemaVersion = 1;

const char* const kGenerator =
    "SplitMix64 by counting: word n of a stream is a fixed function of seed, distribution, block, what is drawn, and "
    "n; "
    "uniform numbers from 53 bits, normal ones by Box and Muller, all rounded to binary32";
const char* const kPerturbation =
    "every component of h_0 and of the first input x_1 moves by +epsilon, nothing else; the paper's x_0 and u_1";
const char* const kGiven =
    "p_t, B_t and C_t are read from a sequence of their own, which is not perturbed: only h_0 and x_1 differ, as in "
    "the "
    "paper";
const char* const kSelective =
    "p_t, B_t and C_t are read from the input x_t: the perturbed x_1 changes the step size, B and C of the first step "
    "too";

std::vector<std::string> what_is_shown() {
  return {
      "Theorem 1: from the second step on both runs have the same parameters, and h'_t - h_t = a_t (h'_{t-1} - "
      "h_{t-1}) "
      "with 0 < a_t <= 1: no state's deviation ever grows again.",
      "Envelope of the state: E_t = a_t E_{t-1}, rounded upward, from E_1, the bound of Theorem 3 for the first step; "
      "it "
      "holds for every perturbation of h_0 and x_1 by at most epsilon in each component, not only for the one that is "
      "measured.",
      "Envelope of the output: sum over n of |C_t| E_t, Theorem 2; at the first step |C'| E_1 + |C' - C| |h_1|, "
      "Theorem "
      "4.",
      "rate_envelope of the state: E_1 exp((t - 1) zeta), zeta = -min over channels, states and steps from the second "
      "on "
      "of alpha Delta_t: the paper's own form, with its constant.",
      "The measured deviations are enclosed too (outward rounding); largest_width is the largest relative width."};
}

std::vector<std::string> what_is_not_covered() {
  return {
      "Blocks that were not drawn: an envelope is for these blocks, on these inputs.",
      "Perturbations at later steps, of the weights, or by rounding: Theorems 3 and 4 are about those, and what they "
      "bound does not decay to zero.",
      "The convolution, the gate, the projections in and out of the block: the paper's block has none of them."};
}

/// Objects and lists of objects over several lines, lists of numbers on one.
void append_indented(const Json& node, std::size_t depth, std::string& text) {
  const bool nested = node.is_object() || (node.is_array() && !node.empty() && !node.front().is_number());
  if (!nested) {
    text += node.dump();
    return;
  }
  text += node.is_object() ? '{' : '[';
  for (auto item = node.begin(); item != node.end(); ++item) {
    text += (item == node.begin() ? "\n" : ",\n") + std::string(depth + 1, ' ');
    if (node.is_object()) text += Json(item.key()).dump() + ": ";
    append_indented(*item, depth + 1, text);
  }
  text += "\n" + std::string(depth, ' ') + (node.is_object() ? '}' : ']');
}

Json statistics_json(const RandomBlockStatistics& statistics) {
  return Json{{"mean", statistics.mean},
              {"standard_deviation", statistics.standard_deviation},
              {"largest", statistics.largest},
              {"envelope", statistics.envelope},
              {"mean_envelope", statistics.mean_envelope}};
}

Json result_json(const RandomBlockEpsilonResult& result) {
  Json state = statistics_json(result.state);
  state["rate_envelope"] = result.rate_envelope;
  return Json{{"epsilon", result.epsilon},
              {"epsilon_hex", hex_text(result.epsilon)},
              {"violations", result.violations},
              {"state", state},
              {"output", statistics_json(result.output)}};
}

Json distribution_json(const RandomBlockDistributionResult& distribution) {
  Json json{{"name", distribution.distribution->name}, {"words", distribution.distribution->words}};
  json["variants"] = Json::array();
  for (const RandomBlockVariantResult& variant : distribution.variants) {
    Json part{{"name", name_of(variant.variant)},
              {"words", variant.variant == RandomBlockVariant::kGiven ? kGiven : kSelective},
              {"zeta", variant.zeta},
              {"largest_width", variant.largest_width}};
    part["results"] = Json::array();
    for (const RandomBlockEpsilonResult& result : variant.results) part["results"].push_back(result_json(result));
    json["variants"].push_back(part);
  }
  return json;
}

std::string few_digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2e", value);
  return text;
}

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(width, text.size()), ' ');
  return text;
}

/// Positions in `times` of the first step, the recorded one nearest to the square root of the last, and the last.
std::vector<std::size_t> shown_places(const std::vector<std::size_t>& times) {
  std::vector<std::size_t> places{0};
  std::size_t middle = 0;
  while (middle + 1 < times.size() && times[middle] * times[middle] < times.back()) ++middle;
  for (const std::size_t place : {middle, times.size() - 1}) {
    if (place > places.back()) places.push_back(place);
  }
  return places;
}

}  // namespace

std::string name_of(RandomBlockVariant variant) {
  return variant == RandomBlockVariant::kGiven ? "given" : "selective";
}

std::string random_blocks_json(const RandomBlockExperiment& experiment, const RandomBlockProvenance& provenance) {
  const BuildInformation& build = build_information();
  const RandomBlockOptions& options = experiment.options;
  Json json{{"record", "random-blocks"}, {"schema_version", kSchemaVersion}};
  json["tool"] = Json{{"name", "lyap"},         {"version", build.version},
                      {"commit", build.commit}, {"compiler", build.compiler},
                      {"flags", build.flags},   {"rounding_self_test", "passed"}};
  json["command"] = provenance.command;
  json["date"] = provenance.date;
  json["source"] =
      "Halloran, Gulati, Roysdon, Mamba State-Space Models Are Lyapunov-Stable Learners, section 4.1, Figures 1, 5 and "
      "6; the paper does not say how its parameters are drawn";
  json["experiment"] = Json{{"blocks", options.blocks},
                            {"width", options.shape.width},
                            {"states", options.shape.states},
                            {"steps", options.shape.steps},
                            {"seed", options.seed},
                            {"generator", kGenerator},
                            {"discretisation", "zoh"},
                            {"perturbation", kPerturbation},
                            {"largest_over", "channels (output), channels and states (state)"}};
  json["violations"] = experiment.violations();
  json["shown"] = what_is_shown();
  json["not_covered"] = what_is_not_covered();
  json["times"] = experiment.times;
  json["distributions"] = Json::array();
  for (const auto& distribution : experiment.distributions)
    json["distributions"].push_back(distribution_json(distribution));
  std::string text;
  append_indented(json, 0, text);
  return text + "\n";
}

std::string random_blocks_table(const RandomBlockExperiment& experiment) {
  const RandomBlockShape& shape = experiment.options.shape;
  std::string text =
      std::to_string(experiment.options.blocks) +
      " random blocks per distribution, D = " + std::to_string(shape.width) + ", N = " + std::to_string(shape.states) +
      ", T = " + std::to_string(shape.steps) + ", seed " + std::to_string(experiment.options.seed) +
      "; h_0 and the first input moved by epsilon.\nLargest output deviation over the channels: mean over "
      "the blocks, and the proved envelope of all of them.\n\n";
  const std::vector<std::size_t> places = shown_places(experiment.times);
  text += padded("distribution", 14) + padded("parameters", 12) + padded("epsilon", 9);
  for (const std::size_t k : places) text += padded("t = " + std::to_string(experiment.times[k]), 24);
  text += "\n";
  for (const auto& distribution : experiment.distributions) {
    for (const auto& variant : distribution.variants) {
      for (const auto& result : variant.results) {
        text += padded(std::string(distribution.distribution->name), 14) + padded(name_of(variant.variant), 12) +
                padded(Json(result.epsilon).dump(), 9);
        for (const std::size_t k : places) {
          text +=
              padded(few_digits(result.output.mean[k]) + " <= " + short_upper_decimal(result.output.envelope[k]), 24);
        }
        while (text.back() == ' ') text.pop_back();
        text += "\n";
      }
    }
  }
  return text +
         "\nNo deviation of any block at any step lies above its envelope. From the second step on no state's "
         "deviation grows (Theorem 1).\n";
}

}  // namespace lyap
