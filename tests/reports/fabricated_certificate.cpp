#include "tests/reports/fabricated_certificate.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <limits>
#include <random>

namespace lyap::testing {
namespace {

using nlohmann::json;

NamedArray array(std::size_t layer, const std::string& name, std::vector<std::size_t> shape,
                 std::vector<double> values) {
  NamedArray result;
  result.name = "layer." + std::to_string(layer) + "." + name;
  result.shape = std::move(shape);
  result.f64 = std::move(values);
  return result;
}

/// p: witness, then ever looser bounds. In the last channel time ended before the quadratic relaxation.
void add_preactivations(std::vector<NamedArray>& arrays, const Fabrication& what, std::size_t layer) {
  std::mt19937_64 random(2000 + layer);
  std::normal_distribution<double> normal;
  std::vector<double> witness, lower, interval, norm, linear, quadratic, sustained, sustained_witness;
  for (std::size_t c = 0; c < what.channels; ++c) {
    witness.push_back(-8 - std::abs(normal(random)) * 8);
    quadratic.push_back(1.05 * witness.back());
    linear.push_back(6 * witness.back());
    norm.push_back(12 * witness.back());
    interval.push_back(20 * witness.back());
    sustained_witness.push_back(0.8 * witness.back());
    sustained.push_back(0.9 * witness.back());
  }
  quadratic.back() = -std::numeric_limits<double>::infinity();
  for (std::size_t c = 0; c < what.channels; ++c) lower.push_back(std::max(quadratic[c], linear[c]));
  const std::vector<std::size_t> shape{what.channels};
  arrays.push_back(array(layer, "preactivation.lower", shape, lower));
  arrays.push_back(array(layer, "preactivation.witness", shape, witness));
  arrays.push_back(array(layer, "preactivation.lower_by.interval", shape, interval));
  arrays.push_back(array(layer, "preactivation.lower_by.norm", shape, norm));
  arrays.push_back(array(layer, "preactivation.lower_by.linear", shape, linear));
  arrays.push_back(array(layer, "preactivation.lower_by.quadratic", shape, quadratic));
  arrays.push_back(array(layer, "sustained_preactivation.lower", shape, sustained));
  arrays.push_back(array(layer, "sustained_preactivation.witness", shape, sustained_witness));
}

/// One layer's arrays: worst pre-activations down to about -50 (Mamba-1) or -14 (Mamba-2), and exponents as ordinary
/// text gives them.
void add_layer(std::vector<NamedArray>& arrays, const Fabrication& what, std::size_t layer) {
  std::mt19937_64 random(1000 + layer);
  std::normal_distribution<double> normal;
  const bool first_kind = what.kind == "mamba1";
  std::vector<double> zeta, exponent, zeta_witness, exponent_witness, bound, low, high;
  for (std::size_t c = 0; c < what.channels; ++c) {
    const double worst =
        first_kind ? -8 - std::abs(normal(random)) * (4.0 + static_cast<double>(layer)) : -12 - normal(random);
    const double alpha = std::exp(normal(random) * 0.5);
    zeta.push_back(-alpha * std::exp(first_kind ? 1.08 * worst : worst));
    zeta_witness.push_back(first_kind ? -alpha * std::exp(worst) : zeta.back() * (1 + 1e-9));
    exponent.push_back(first_kind ? -alpha * std::exp(0.85 * worst) : zeta.back());
    exponent_witness.push_back(first_kind ? -alpha * std::exp(0.8 * worst) : zeta.back() * (1 + 1e-9));
    bound.push_back(std::exp(normal(random)) * 12);
    const double step = std::exp(-4 + 1.5 * normal(random));
    for (std::size_t n = 0; n < (first_kind ? what.states : 1); ++n) {
      const double rate = -step * static_cast<double>(n + 1);
      low.push_back(rate * (1 + 1e-10));
      high.push_back(rate * (1 - 1e-10));
    }
  }
  const std::vector<std::size_t> c{what.channels},
      cn = first_kind ? std::vector<std::size_t>{what.channels, what.states} : c;
  arrays.push_back(array(layer, "zeta.upper", c, zeta));
  arrays.push_back(array(layer, "zeta.witness", c, zeta_witness));
  arrays.push_back(array(layer, "exponent.upper", c, exponent));
  arrays.push_back(array(layer, "exponent.witness", c, exponent_witness));
  arrays.push_back(array(layer, "state_bound.upper", c, bound));
  if (what.thorough) add_preactivations(arrays, what, layer);
  if (!what.trajectory) return;
  arrays.push_back(array(layer, "trajectory.exponent.lower", cn, low));
  arrays.push_back(array(layer, "trajectory.exponent.upper", cn, high));
}

const NamedArray* find(const std::vector<NamedArray>& arrays, std::size_t layer, const std::string& name) {
  const std::string full = "layer." + std::to_string(layer) + "." + name;
  const auto found =
      std::find_if(arrays.begin(), arrays.end(), [&](const NamedArray& candidate) { return candidate.name == full; });
  return found == arrays.end() ? nullptr : &*found;
}

/// The array's largest number as a summary states it; null where there is none.
json largest(const std::vector<NamedArray>& arrays, std::size_t layer, const std::string& name) {
  const NamedArray* found = find(arrays, layer, name);
  double result = std::numeric_limits<double>::quiet_NaN();
  for (const double value : found == nullptr ? std::vector<double>{} : found->f64) {
    if (!(value <= result) && !std::isnan(value)) result = value;
  }
  return std::isnan(result) ? json(nullptr) : stated(result);
}

json claim(const char* theorem, const char* tier, const char* quantity, const json& layer, const std::string& statement,
           const std::string& formula) {
  return json{{"theorem", theorem},   {"tier", tier},
              {"comparison", "none"}, {"method", nullptr},
              {"policy", nullptr},    {"layer", layer},
              {"quantity", quantity}, {"statement", statement},
              {"formula", formula},   {"domain", "every real input sequence"},
              {"soundness", "REAL"},  {"verdict", "proven"},
              {"bound", nullptr},     {"witness", nullptr}};
}

json claims(const Fabrication& what, const std::vector<NamedArray>& arrays) {
  json list = json::array();
  list.push_back(claim("T1", "structural", "exponent", "all",
                       "In all layers the distance of a state between two runs with the same inputs never grows.",
                       "lambda <= 0"));
  list.back()["bound"] = stated(0.0);
  list.push_back(claim("T2", "structural", "output_deviation", "all",
                       "Scan outputs differ by at most the sum over states of |C| times the distance of the state.",
                       "|y' - y| <= sum |C| |h' - h|"));
  for (std::size_t i = 0; i < what.layers; ++i) {
    json zeta =
        claim("T1", "universal", "zeta", i,
              "In layer " + std::to_string(i) + " every step shrinks the distance of two states, whatever the inputs.",
              "|h'_T - h_T| <= exp((T - t) zeta) |h'_t - h_t|");
    zeta["bound"] = largest(arrays, i, "zeta.upper");
    if (const json witness = largest(arrays, i, "zeta.witness"); !witness.is_null())
      zeta["witness"] = json{{"value", witness}, {"channel", 3}, {"how", "reached by an input found by search"}};
    list.push_back(zeta);
    list.push_back(claim("T1", "universal", "exponent", i,
                         "The Lyapunov exponent of every state of layer " + std::to_string(i) + " is below zero.",
                         "lambda = limsup_T -(alpha/T) sum Delta_t <= bound"));
    list.back()["bound"] = largest(arrays, i, "exponent.upper");
    list.push_back(claim(
        "T2", "universal", "output_gain", i,
        "Outputs of layer " + std::to_string(i) + " differ by at most 35.2 times the largest distance of their states.",
        "|y' - y| <= gain max |h' - h|"));
    list.back()["bound"] = stated(35.2);
    if (what.deviations) {
      for (const std::string& policy : what.deviations->policies) {
        list.push_back(claim("T3", "trajectory", "state_deviation", i,
                             "On this sequence no state of layer " + std::to_string(i) + " moves further in " + policy +
                                 " than the bound.",
                             "|h'_t - h_t| <= bound"));
        list.back().update({{"comparison", "policy"},
                            {"policy", policy},
                            {"method", "interval-run"},
                            {"soundness", "DEPLOYED"},
                            {"program", "Every program that rounds exactly where the policy says."},
                            {"bound", stated(0.13)}});
      }
    }
    if (!what.trajectory) continue;
    list.push_back(claim("T1", "trajectory", "trajectory_exponent", i,
                         "On this sequence the finite-time exponents of layer " + std::to_string(i) + " are enclosed.",
                         "lambda_T = -(alpha/T) sum Delta_t"));
    list.back()["bound"] = largest(arrays, i, "trajectory.exponent.upper");
    list.back()["domain"] =
        "exactly the " + std::to_string(what.steps) + " block inputs that lyap's float32 run produced";
  }
  return list;
}

json layer_summary(const Fabrication& what, const std::vector<NamedArray>& arrays, std::size_t i) {
  json layer{{"index", i},       {"kind", what.kind},           {"policies", json::object()},
             {"domain", "real"}, {"output_gain", stated(35.2)}, {"trajectory", nullptr}};
  for (const char* name : {"zeta", "exponent"}) {
    const std::string prefix = name;
    layer[name] = json{{"upper", largest(arrays, i, prefix + ".upper")},
                       {"channel", 0},
                       {"witness", largest(arrays, i, prefix + ".witness")}};
  }
  layer["state_bound"] = largest(arrays, i, "state_bound.upper");
  layer["relaxation_wins"] =
      what.kind == "mamba1" ? json{{"quadratic", what.channels - 5}, {"linear", 5}} : json{{"exact", what.channels}};
  if (what.trajectory) layer["trajectory"] = json{{"steps", what.steps}};
  if (what.deviations) {
    layer["policies"] = fabricate_policies(*what.deviations, i, what.kind == "mamba2");
    layer["pairs"] = fabricate_pairs(*what.deviations, i);
  }
  return layer;
}

json certificate(const Fabrication& what, const std::vector<NamedArray>& arrays, const std::string& name,
                 const std::string& sha256) {
  json result{{"schema_version", 1},
              {"verdict", "proven"},
              {"undecided", json::array()},
              {"date", "2026-11-25T10:00:00Z"},
              {"fail_on", json::array()}};
  result["tool"] = json{{"name", "lyap"},
                        {"version", "0.1.0"},
                        {"commit", "0123abc"},
                        {"compiler", "GNU 12.2.0"},
                        {"flags", "-O3 -frounding-math -ffp-contract=off"},
                        {"rounding_self_test", "passed on 2 threads"}};
  result["model"] =
      json{{"name", name},
           {"family", what.kind == "mamba1" ? "mamba" : "mamba2"},
           {"layers", what.layers},
           {"d_model", 192},
           {"files", json::array({json{{"file", "config.json"}, {"sha256", std::string(64, 'a')}},
                                  json{{"file", "model.safetensors"}, {"sha256", std::string(64, 'b')}}})}};
  result["command"] = "lyap certify models/" + name + " --tokens sample.safetensors --out " + name + ".json";
  result["claims"] = claims(what, arrays);
  result["layers"] = json::array();
  for (std::size_t i = 0; i < what.layers; ++i) result["layers"].push_back(layer_summary(what, arrays, i));
  if (what.deviations) describe_comparisons(*what.deviations, result);
  result["not_covered"] =
      json::array({"Rounding in the program that runs the model is not covered.",
                   "Trajectory claims say nothing about other sequences, nor about what comes after the last step."});
  result["arrays"] = json{{"file", name + ".safetensors"}, {"sha256", sha256}};
  return result;
}

}  // namespace

json stated(double value) {
  char hex[64], decimal[64];
  std::snprintf(hex, sizeof hex, "%a", value);
  std::snprintf(decimal, sizeof decimal, "%.17g", value);
  return json{{"hex", value == 0 ? "0x0p+0" : hex}, {"decimal", decimal}};
}

std::filesystem::path fabricate_certificate(const std::filesystem::path& folder, const std::string& name,
                                            const Fabrication& what) {
  std::filesystem::create_directories(folder);
  std::vector<NamedArray> arrays;
  for (std::size_t i = 0; i < what.layers; ++i) add_layer(arrays, what, i);
  if (what.change_arrays) what.change_arrays(arrays);
  ArrayFileWriter writer(folder / (name + ".safetensors"));
  for (const NamedArray& each : arrays) writer.add(each);
  const std::string sha256 = writer.finish();
  writer.rename_into_place();
  json document = certificate(what, arrays, name, sha256);
  if (what.change_json) what.change_json(document);
  const std::filesystem::path path = folder / (name + ".json");
  std::ofstream(path, std::ios::binary) << document.dump(1);
  return path;
}

}  // namespace lyap::testing
