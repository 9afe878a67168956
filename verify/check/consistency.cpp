#include "verify/check/consistency.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "verify/checkpoint/bad_input.hpp"

namespace lyap::check {
namespace {

std::string layer_words(std::size_t layer) { return "layer " + std::to_string(layer); }
std::string shown(double value) { return std::isnan(value) ? "NaN" : Number(value).text(); }

/// Rejects where a stated number is not the arrays'.
void require_same(double stated, double found, const std::string& what, const char* source, Findings& findings) {
  if (stated == found) return;
  findings.reject(what + ": the JSON says " + shown(stated) + ", the " + source + " " + shown(found));
}

std::size_t index_of_largest(const std::vector<double>& values) {
  return static_cast<std::size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

double largest(const std::vector<double>& values) { return values[index_of_largest(values)]; }

std::optional<double> largest_reached(const std::vector<double>& values) {
  std::optional<double> best;
  for (const double value : values) {
    if (!std::isnan(value) && (!best || value > *best)) best = value;
  }
  return best;
}

void check_rate(const StatedRate& stated, const std::vector<double>& upper, const std::vector<double>& witness,
                const std::string& what, Findings& findings) {
  require_same(stated.upper, largest(upper), what, "arrays", findings);
  if (stated.channel >= upper.size() || upper[stated.channel] != largest(upper))
    findings.reject(what + ": channel " + std::to_string(stated.channel) + " does not have the largest bound");
  const std::optional<double> reached = largest_reached(witness);
  if (stated.witness.has_value() != reached.has_value())
    findings.reject(what + ".witness: JSON and arrays differ in whether there is one");
  else if (reached)
    require_same(*stated.witness, *reached, what + ".witness", "arrays", findings);
}

const char* relaxation_name(std::uint8_t code) {
  constexpr std::array<const char*, 7> kNames{"interval",          "norm",       "linear", "quadratic",
                                              "quadratic-tapwise", "vocabulary", "exact"};
  return code < kNames.size() ? kNames[code] : "unknown";
}

/// The k-th smallest of `values` for a probability, as certificates count.
double quantile(const std::vector<double>& sorted, double probability) {
  const auto k = static_cast<std::size_t>(std::lround(probability * static_cast<double>(sorted.size() - 1)));
  return sorted[std::min(k, sorted.size() - 1)];
}

/// A lower and an upper array of one name; rejects NaN and crossed ends.
struct Ends {
  std::vector<double> lower, upper;
};
std::optional<Ends> read_ends(const ArraysFile& arrays, std::size_t layer, const std::string& name,
                              Findings& findings) {
  const std::string full = "layer." + std::to_string(layer) + "." + name;
  const StoredTensor* lower = arrays.find(full + ".lower");
  const StoredTensor* upper = arrays.find(full + ".upper");
  if (lower == nullptr || upper == nullptr) return std::nullopt;
  Ends ends{arrays.read_numbers(*lower), arrays.read_numbers(*upper)};
  for (std::size_t i = 0; i < std::min(ends.lower.size(), ends.upper.size()); ++i) {
    if (ends.lower[i] <= ends.upper[i]) continue;
    findings.reject(layer_words(layer) + ": " + name + ", entry " + std::to_string(i) +
                    ": the lower end is not at most the upper end");
    return std::nullopt;
  }
  return ends;
}

std::string array_prefix(const StatedDeviation& deviation) {
  if (deviation.comparison == "policy") {
    const bool universal = deviation.question == "universal";
    return "policy." + deviation.policy + "." + (universal ? deviation.question : deviation.method) + ".";
  }
  const std::string pair = "pair." + deviation.question + ".";
  return deviation.policy.empty() ? pair : pair + deviation.policy + "." + deviation.method + ".";
}

}  // namespace

void check_layers(const Document& document, Findings& findings) {
  if (document.first_layer > document.last_layer || document.last_layer >= document.layers_of_model)
    throw Deformed("options, layers: are not layers of the model");
  std::size_t expected = document.first_layer;
  const bool all_have_universal = document.tier != "trajectory";
  for (const StatedLayer& layer : document.layers) {
    // Layers without recorded activations are left out of the trajectory tier, so gaps are fine there.
    if (all_have_universal ? layer.index != expected : layer.index < expected)
      throw Deformed("layers: " + layer_words(layer.index) + " stands where layer " + std::to_string(expected) +
                     " was expected");
    if (layer.index > document.last_layer) throw Deformed("layers: " + layer_words(layer.index) + " was not asked for");
    if (layer.universal.has_value() != all_have_universal)
      findings.reject(layer_words(layer.index) + ": zeta: there is " + (all_have_universal ? "no" : "a") +
                      " universal tier");
    expected = layer.index + 1;
  }
  if (all_have_universal && expected != document.last_layer + 1)
    throw Deformed("layers: " + layer_words(expected) + " is missing");
  if (document.layers.empty()) throw Deformed("layers: is empty");
}

void check_universal_summary(const StatedLayer& layer, const UniversalArrays& arrays, Findings& findings) {
  const std::string here = layer_words(layer.index) + ": ";
  const StatedUniversal& stated = *layer.universal;
  check_rate(stated.zeta, arrays.at("zeta.upper"), arrays.at("zeta.witness"), here + "zeta", findings);
  check_rate(stated.exponent, arrays.at("exponent.upper"), arrays.at("exponent.witness"), here + "exponent", findings);
  require_same(stated.state_bound, largest(arrays.at("state_bound.upper")), here + "state_bound", "arrays", findings);
  const auto& steps = arrays.at("step_size.lower");
  require_same(stated.step_size_lower, *std::min_element(steps.begin(), steps.end()), here + "step_size.lower",
               "arrays", findings);
  if (stated.output_gain.has_value() != arrays.has("output_gain.upper"))
    findings.reject(here + "output_gain: JSON and arrays differ in whether there is one");
  else if (stated.output_gain)
    require_same(*stated.output_gain, largest(arrays.at("output_gain.upper")), here + "output_gain", "arrays",
                 findings);
  std::map<std::string, std::size_t> wins;
  for (const std::uint8_t code : arrays.relaxation) ++wins[relaxation_name(code)];
  if (wins != stated.relaxation_wins) findings.reject(here + "relaxation_wins: are not the counts of the array");
}

void check_claimed_witnesses(const Document& document, const UniversalArrays& arrays, Findings& findings) {
  for (const StatedClaim& claim : document.claims) {
    if (claim.tier != "universal" || claim.layer != arrays.layer || !claim.witness) continue;
    if (claim.quantity != "zeta" && claim.quantity != "exponent") continue;
    const std::vector<double>& reached = arrays.at(claim.quantity + ".witness");
    if (claim.witness_channel >= reached.size() || reached[claim.witness_channel] != *claim.witness)
      findings.reject("claim " + claim.name() + ": channel " + std::to_string(claim.witness_channel) +
                      " does not have its witness");
  }
}

void check_trajectory_summary(const StatedLayer& layer, const ArraysFile& arrays, Findings& findings) {
  const std::string here = layer_words(layer.index) + ": trajectory.";
  const StatedTrajectory& stated = *layer.trajectory;
  if (auto exponents = read_ends(arrays, layer.index, "trajectory.exponent", findings)) {
    if (stated.exponents != exponents->upper.size()) findings.reject(here + "exponents: is not their number");
    std::sort(exponents->lower.begin(), exponents->lower.end());
    std::sort(exponents->upper.begin(), exponents->upper.end());
    if (exponents->upper.back() > 0.0) findings.reject(here + "exponent.upper: a rate is above zero");
    for (const StatedQuantile& q : stated.quantiles) {
      if (!(q.probability >= 0.0 && q.probability <= 1.0)) {
        findings.reject(here + "quantiles: a probability is none");
        continue;
      }
      const std::string what = here + "quantiles at " + shown(q.probability);
      require_same(q.lower, quantile(exponents->lower, q.probability), what, "arrays", findings);
      require_same(q.upper, quantile(exponents->upper, q.probability), what, "arrays", findings);
    }
  }
  if (const auto states = read_ends(arrays, layer.index, "trajectory.final_state", findings)) {
    double size = 0.0;
    for (std::size_t i = 0; i < states->upper.size(); ++i)
      size = std::max({size, std::fabs(states->lower[i]), std::fabs(states->upper[i])});
    require_same(stated.state_upper, size, here + "state_upper", "arrays", findings);
  }
  (void)read_ends(arrays, layer.index, "trajectory.output", findings);
}

void check_deviation_summary(const StatedLayer& layer, const ArraysFile& arrays, Findings& findings) {
  for (const StatedDeviation& stated : layer.deviations) {
    const std::string name = array_prefix(stated) + stated.quantity;
    const std::string here = layer_words(layer.index) + ": " + name;
    const StoredTensor* array = arrays.find("layer." + std::to_string(layer.index) + "." + name + ".upper");
    if (array == nullptr) {
      findings.reject(here + ": there is no such array");
      continue;
    }
    const std::vector<double> values = arrays.read_numbers(*array);
    const bool is_sound =
        !values.empty() && std::none_of(values.begin(), values.end(), [](double x) { return !(x >= 0.0); });
    if (!is_sound) {
      findings.reject(here + ": NaN or a number below zero is no bound");
      continue;
    }
    require_same(stated.staying, largest(values), here + " (staying)", "arrays", findings);
    if (Number(stated.bound) < add(Number(stated.staying), Number(stated.decaying), Toward::kDown))
      findings.reject(here + ": the bound is below the sum of its parts");
  }
}

}  // namespace lyap::check
