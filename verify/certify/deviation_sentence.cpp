#include "verify/certify/deviation_sentence.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include "verify/certify/bound_text.hpp"

namespace lyap {
namespace {

using Layers = std::vector<const LayerDeviations*>;

bool is_informative(const LayerDeviations& layer) {
  for (const DeviationQuantity quantity : {DeviationQuantity::kState, DeviationQuantity::kOutput}) {
    const DeviationBounds* bounds = sharpest(layer, quantity);
    if (bounds == nullptr || !quantity_of(*bounds, quantity)->informative) return false;
  }
  return true;
}

/// Layers with informative bounds of states and outputs, and the others.
std::pair<Layers, Layers> split_layers(const DeviationGroup& group) {
  std::pair<Layers, Layers> split;
  for (const LayerDeviations& layer : group.layers)
    (is_informative(layer) ? split.first : split.second).push_back(&layer);
  return split;
}

/// "layer 3", "layers 0, 1 and 4", "layers 0, 1, 2, 3 and 8 more".
std::string layer_words(const Layers& layers) {
  constexpr std::size_t kAll = 6, kSome = 4;
  if (layers.size() == 1) return "layer " + std::to_string(layers.front()->layer);
  const bool all = layers.size() <= kAll;
  const std::size_t listed = all ? layers.size() - 1 : kSome;
  std::string text = "layers ";
  for (std::size_t i = 0; i < listed; ++i) text += (i == 0 ? "" : ", ") + std::to_string(layers[i]->layer);
  return text + " and " +
         (all ? std::to_string(layers.back()->layer) : std::to_string(layers.size() - listed) + " more");
}

/// "0.991 %", rounded up.
std::string share_text(double share) { return short_upper_decimal(100.0 * share) + " %"; }

/// The largest over `layers` of the sharpest relative bounds, and what was measured.
struct Reach {
  double relative = -1.0;
  std::size_t layer = 0;
  std::set<std::string> methods;
  std::optional<double> measured;
};

Reach reach_of(const Layers& layers, DeviationQuantity quantity) {
  Reach reach;
  for (const LayerDeviations* layer : layers) {
    const DeviationBounds* bounds = sharpest(*layer, quantity);
    if (bounds == nullptr) continue;
    const QuantityDeviation& values = *quantity_of(*bounds, quantity);
    reach.methods.insert(name_of(bounds->method));
    if (values.measured_relative_median)
      reach.measured = std::max(reach.measured.value_or(0.0), *values.measured_relative_median);
    if (values.relative_median > reach.relative) {
      reach.relative = values.relative_median;
      reach.layer = layer->layer;
    }
  }
  return reach;
}

bool uses(const DeviationGroup& group, DeviationMethod method) {
  return std::any_of(group.layers.begin(), group.layers.end(), [method](const LayerDeviations& layer) {
    return std::any_of(layer.bounds.begin(), layer.bounds.end(),
                       [method](const DeviationBounds* bounds) { return bounds->method == method; });
  });
}

std::string joined(const std::set<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

/// "; one emulated run moved a typical state by 0.62 %"
std::string measured_words(const DeviationGroup& group, const Layers& layers) {
  const Reach reach = reach_of(layers, DeviationQuantity::kState);
  if (!reach.measured) return "";
  const char* who = group.recorded         ? "; the recorded scan moved a typical state by up to "
                    : group.policy.empty() ? "; a typical state does move by up to "
                                           : "; one emulated run moved a typical state by up to ";
  return who + share_text(*reach.measured);
}

/// What to ask for where the bounds decide nothing.
std::string next_step(const DeviationGroup& group, const Certificate& certificate) {
  if (group.question == DeviationQuestion::kUniversal) {
    return certificate.sequence ? "a bound for every input says little about the inputs that occur"
                                : "ask for bounds on a text of yours (--text or --tokens)";
  }
  if (group.comparison != Comparison::kPolicy) return "compare the two models on your own data";
  if (group.recorded) return "test it on your own data";
  if (uses(group, DeviationMethod::kIntervalRun)) return "record the kernel's scan inputs and pass them as --trace";
  return "ask for --method interval-run, or record the kernel's scan inputs for --trace";
}

std::string size_words(const DeviationGroup& group, const std::string& share, const char* noun) {
  const bool universal = group.question == DeviationQuestion::kUniversal;
  return share + (universal ? " of what bounds a typical " : " of a typical ") + noun;
}

/// The tensor with the largest part of the state's bound in any layer; empty where parts are not known.
std::string largest_part(const DeviationGroup& group) {
  double largest = 0.0;
  std::string words;
  for (const LayerDeviations& layer : group.layers) {
    for (const DeviationBounds* bounds : layer.bounds) {
      if (bounds->attribution.size() < 2) continue;
      for (const TensorAttribution& part : bounds->attribution) {
        if (!(part.state_upper > largest)) continue;
        largest = part.state_upper;
        words =
            "; changed alone, " + part.tensor + " of layer " + std::to_string(layer.layer) + " moves states the most";
      }
    }
  }
  return words;
}

/// "; programs whose roundings merely obey the policy: at most 26 %", where the sharpest bound is about fewer programs.
std::string every_program_words(const DeviationGroup& group) {
  if (!uses(group, DeviationMethod::kIntervalRun) || !uses(group, DeviationMethod::kApriori)) return "";
  double largest = 0.0;
  for (const LayerDeviations& layer : group.layers) {
    LayerDeviations wider{layer.layer, layer.bounds};
    std::erase_if(wider.bounds,
                  [](const DeviationBounds* bounds) { return bounds->method == DeviationMethod::kIntervalRun; });
    const DeviationBounds* bounds = sharpest(wider, DeviationQuantity::kState);
    if (bounds == nullptr) return "";
    largest = std::max(largest, bounds->state.relative_median);
  }
  return "; for programs whose roundings merely obey the policy " +
         (largest < 1.0 ? "at most " + share_text(largest) + " of a typical state"
                        : std::string("the bounds are not informative everywhere"));
}

std::string condition_words(const DeviationGroup& group, const std::set<std::string>& methods) {
  if (group.policy.empty()) return "";
  if (group.recorded) return ", of the program that recorded them,";
  if (methods.contains(name_of(DeviationMethod::kIntervalRun)))
    return ", if your program rounds exactly where the policy says,";
  return ", if your program's roundings obey the policy,";
}

}  // namespace

std::string group_name(const DeviationGroup& group, const Certificate& certificate) {
  if (group.comparison == Comparison::kPolicy) return group.policy;
  const std::string name = certificate.second_model ? certificate.second_model->name : "the second model";
  const std::string second = group.comparison == Comparison::kAdapter ? "the adapter " + name : name;
  return group.policy.empty() ? second : second + " in " + group.policy;
}

std::string deviation_sentence(const DeviationGroup& group, const Certificate& certificate) {
  const char* where = group.recorded                                ? ", recorded scan inputs: "
                      : group.question == DeviationQuestion::kLocal ? ", same input to each layer of this sequence: "
                      : group.question == DeviationQuestion::kOwn   ? ", each model's own inputs on this sequence: "
                                                                    : ", every input: ";
  const std::string begin = group_name(group, certificate) + where;
  const auto [good, rest] = split_layers(group);
  if (good.empty()) {
    return begin + "the bounds decide nothing, for or against" + measured_words(group, rest) + "; " +
           next_step(group, certificate) + ".";
  }
  const Reach state = reach_of(good, DeviationQuantity::kState), output = reach_of(good, DeviationQuantity::kOutput);
  std::set<std::string> methods = state.methods;
  methods.insert(output.methods.begin(), output.methods.end());
  std::string text = begin + "expect" + condition_words(group, methods) + " changes of at most " +
                     size_words(group, share_text(state.relative), "state") + " and " +
                     size_words(group, share_text(output.relative), "scan output") + " in " +
                     (rest.empty() ? "every layer" : layer_words(good)) + " (most: layer " +
                     std::to_string(state.layer) + "; by " + joined(methods) + ")" + measured_words(group, good) +
                     every_program_words(group) + largest_part(group);
  if (!rest.empty())
    text += "; for " + layer_words(rest) + " the bounds decide nothing: " + next_step(group, certificate);
  return text + ".";
}

std::vector<std::string> deviation_findings(const DeviationGroup& group) {
  std::vector<std::string> findings;
  const auto add = [&findings](const std::string& text) {
    if (std::find(findings.begin(), findings.end(), text) == findings.end()) findings.push_back(text);
  };
  for (const LayerDeviations& layer : group.layers) {
    const std::string place = "layer " + std::to_string(layer.layer) + ", ";
    for (const DeviationBounds* bounds : layer.bounds) {
      for (const OverflowFinding& finding : bounds->may_overflow) {
        add(group.policy + " may overflow " + finding.type + " in " + place + finding.tensor + ": " +
            (finding.channels == 1
                 ? "channel " + std::to_string(finding.channel)
                 : std::to_string(finding.channels) + " channels, the first is " + std::to_string(finding.channel)) +
            ", up to " + short_upper_decimal(finding.magnitude_upper) + " (" + name_of(bounds->method) +
            "); keep that tensor in binary32 or bfloat16 there.");
      }
      for (const LostContraction& lost : bounds->lost_contraction) {
        if (!lost.stored_so || lost.states_ever == 0) continue;
        const std::string advice = lost.type == "float32" ? "." : "; keep both in binary32.";
        add(group.policy + " stores a or h in " + lost.type + ": in " + place + std::to_string(lost.states_ever) +
            " of " + std::to_string(lost.states) +
            " states a may round to 1, so that the computed recurrence need not contract there" + advice);
      }
    }
  }
  return findings;
}

}  // namespace lyap
