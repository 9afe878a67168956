#include "reports/deviation_sentences.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "reports/number_text.hpp"

namespace lyap {
namespace {

struct PolicyWords {
  const char* name;
  const char* words;
};
constexpr PolicyWords kPolicyWords[] = {
    {"fp32", "float32 everywhere"},
    {"tf32", "matrix products in TF32, everything else in float32"},
    {"amp-bf16", "autocast to bfloat16: weights kept in float32, layers compute in bfloat16, fused kernels"},
    {"amp-fp16", "autocast to float16: weights kept in float32, layers compute in float16, fused kernels"},
    {"all-bf16", "weights and residual stream stored in bfloat16, fused kernels"},
    {"all-fp16", "weights and residual stream stored in float16, fused kernels"},
    {"plain-amp-bf16", "autocast to bfloat16: weights kept in float32, plain PyTorch without fused kernels"},
    {"plain-amp-fp16", "autocast to float16: weights kept in float32, plain PyTorch without fused kernels"},
    {"plain-all-bf16", "weights and residual stream stored in bfloat16, plain PyTorch without fused kernels"},
    {"plain-all-fp16", "weights and residual stream stored in float16, plain PyTorch without fused kernels"},
};

std::string policy_words(const std::string& policy) {
  for (const auto& [name, words] : kPolicyWords) {
    if (policy == name) return words;
  }
  return "arithmetic of the policy " + policy;
}

std::string title_of(const DeviationGroup& group) {
  if (group.comparison == "policy") return group.policy;
  const std::string title = group.comparison == "adapter" ? "The adapter" : "The other checkpoint";
  return group.policy.empty() ? title : title + ", in " + group.policy;
}

std::string description_of(const DeviationGroup& group) {
  const std::string base = group.comparison == "policy"    ? "this model in other arithmetic: "
                           : group.comparison == "adapter" ? "this model with a LoRA adapter"
                                                           : "a second set of weights of the same shape";
  if (group.comparison == "policy") return base + policy_words(group.policy);
  return group.policy.empty() ? base + ", both in exact arithmetic"
                              : base + ", run in other arithmetic (" + policy_words(group.policy) + ")";
}

/// "layer 3", "layers 0, 1 and 4", "layers 0, 1, 2, 3 and 8 more".
std::string layers_words(const std::vector<std::size_t>& layers) {
  constexpr std::size_t kShown = 6;
  if (layers.size() == 1) return "layer " + std::to_string(layers.front());
  const bool all = layers.size() <= kShown;
  const std::size_t listed = all ? layers.size() - 1 : 4;
  std::string text = "layers ";
  for (std::size_t i = 0; i < listed; ++i) text.append(i == 0 ? "" : ", ").append(std::to_string(layers[i]));
  return text + " and " + (all ? std::to_string(layers.back()) : std::to_string(layers.size() - listed) + " more");
}

/// The largest of the layers' sharpest relative bounds, and the largest relative change measured.
struct Reach {
  double relative = -1;
  std::size_t layer = 0;
  std::set<std::string> methods;
  std::optional<double> measured;
  std::size_t steps = 0;
};

using Layers = std::vector<const LayerDeviations*>;

Reach reach_of(const Layers& layers, Quantity quantity, Domain domain) {
  Reach reach;
  for (const LayerDeviations* layer : layers) {
    const RecordedDeviation* bound = sharpest(*layer, quantity, domain);
    if (bound == nullptr) continue;
    const RecordedQuantity& values = *quantity_of(*bound, quantity);
    reach.methods.insert(method_words(*bound));
    reach.steps = std::max(reach.steps, bound->steps);
    if (values.measured_relative) reach.measured = std::max(reach.measured.value_or(0), *values.measured_relative);
    if (values.relative > reach.relative) reach.relative = values.relative, reach.layer = layer->layer->index;
  }
  return reach;
}

bool is_informative(const LayerDeviations& layer, Quantity quantity, Domain domain) {
  const RecordedDeviation* bound = sharpest(layer, quantity, domain);
  return bound != nullptr && quantity_of(*bound, quantity)->informative;
}

/// Layers whose bounds of all `quantities` are informative, and the others that have such bounds.
std::pair<Layers, Layers> split_layers(const DeviationGroup& group, Domain domain,
                                       const std::vector<Quantity>& quantities) {
  std::pair<Layers, Layers> split;
  for (const LayerDeviations& layer : group.layers) {
    if (sharpest(layer, quantities.front(), domain) == nullptr) continue;
    const bool good = std::all_of(quantities.begin(), quantities.end(),
                                  [&](Quantity quantity) { return is_informative(layer, quantity, domain); });
    (good ? split.first : split.second).push_back(&layer);
  }
  return split;
}

std::vector<std::size_t> indices(const Layers& layers) {
  std::vector<std::size_t> list;
  for (const LayerDeviations* layer : layers) list.push_back(layer->layer->index);
  return list;
}

std::string joined(const std::set<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text.append(text.empty() ? "" : ", ").append(part);
  return text;
}

std::string two_shares(const Reach& state, const Reach& output) {
  return relative_text(state.relative) + " (states) and " + relative_text(output.relative) + " (scan outputs)";
}

std::string measured_words(const Reach& state, const Reach& output) {
  if (!state.measured) return "";
  std::string text = "; measured: " + relative_text(*state.measured);
  if (output.measured) text += " and " + relative_text(*output.measured);
  return text;
}

std::string domain_words(const Reach& state, Domain domain, bool pair) {
  if (domain == Domain::kEveryInput) return "whatever the input and its length";
  return "on the given " + std::to_string(state.steps) + " steps" +
         (domain == Domain::kOwnInput ? (pair ? ", each model with the input that its own layers computed" : "")
                                      : ", with the same input to the layer");
}

/// The tensor with the largest part of the state's bound anywhere in the group.
std::string largest_part(const DeviationGroup& group) {
  double largest = 0;
  std::string tensor;
  std::size_t place = 0, count = 0;
  for (const LayerDeviations& layer : group.layers) {
    for (const RecordedDeviation* bound : layer.bounds) {
      count = std::max(count, bound->attribution.size());
      for (const RecordedAttribution& part : bound->attribution) {
        if (part.state > largest) largest = part.state, tensor = part.tensor, place = layer.layer->index;
      }
    }
  }
  if (tensor.empty() || count < 2) return "";
  return "; the largest part comes from " + tensor + " (layer " + std::to_string(place) +
         "), so change that tensor less to stay closer";
}

/// What to ask for where bounds decide nothing.
std::string sharper_words(const DeviationGroup& group) {
  std::set<std::string> methods;
  bool on_sequence = false;
  for (const LayerDeviations& layer : group.layers) {
    for (const RecordedDeviation* bound : layer.bounds) {
      methods.insert(bound->method);
      on_sequence = on_sequence || bound->steps > 0;
    }
  }
  if (!on_sequence) return "ask for bounds on a sequence (--tokens or --text)";
  if (group.comparison != "policy" && group.policy.empty()) return "compare the models' answers on your own data";
  if (methods.contains("interval-run")) return "certify recorded scan inputs (--trace)";
  return "ask for the interval run (--method interval-run) or certify recorded scan inputs (--trace)";
}

std::string measured_advice(const Reach& state) {
  return state.measured ? "go by what was measured on this sequence (" + relative_text(*state.measured) +
                              " of the states’ size), or "
                        : "";
}

std::string undecided_action(const DeviationGroup& group, const Reach& state) {
  const std::string what = group.comparison == "policy" ? group.policy : "this change of weights";
  return "Do not decide about " + what +
         " by these bounds: in every layer they are as large as what they bound, or larger; " + measured_advice(state) +
         sharper_words(group) + ".";
}

std::string decided_action(const DeviationGroup& group, Domain domain, const Layers& good, const Layers& rest) {
  const Reach state = reach_of(good, Quantity::kState, domain), output = reach_of(good, Quantity::kOutput, domain);
  const bool policy = group.comparison == "policy";
  const std::string which = rest.empty() ? "every layer" : layers_words(indices(good));
  const std::string changed = group.comparison == "adapter" ? "the adapter" : "the other checkpoint";
  std::set<std::string> methods = state.methods;
  methods.insert(output.methods.begin(), output.methods.end());
  std::string text = policy ? "Run " + which + " in " + group.policy + " if changes of " + two_shares(state, output) +
                                  " are acceptable: "
                            : "Expect " + changed + (group.policy.empty() ? "" : " in " + group.policy) +
                                  " to change " + which + " by up to " + two_shares(state, output) + ": ";
  text += domain_words(state, domain, !policy) + ", at least half of the states and outputs of " +
          (good.size() == 1 && !rest.empty() ? "that layer" : "each such layer") +
          " never move further than this share of " +
          (domain == Domain::kEveryInput ? "the bound of their size" : "their largest size") + " (largest: layer " +
          std::to_string(state.layer) + "; by " + joined(methods) + ")";
  if (methods.contains("interval run")) text += ", provided the program rounds exactly where the policy says";
  text += measured_words(state, output);
  if (!policy) text += largest_part(group);
  if (rest.empty()) return text + ".";
  return text + "; in " + layers_words(indices(rest)) + " the bounds decide nothing: there " +
         measured_advice(reach_of(rest, Quantity::kState, domain)) + sharper_words(group) + ".";
}

void add_overflow(const DeviationGroup& group, DeviationSentence& sentence) {
  std::set<std::string> said;
  for (const LayerDeviations& layer : group.layers) {
    for (const RecordedDeviation* bound : layer.bounds) {
      for (const RecordedOverflow& finding : bound->overflow) {
        std::string text = "layer " + std::to_string(layer.layer->index) + ", " + finding.tensor + ": ";
        text += finding.channels == 1
                    ? "channel " + std::to_string(finding.channel)
                    : std::to_string(finding.channels) + " channels, the first is " + std::to_string(finding.channel);
        text += ", up to " + rounded_text(finding.magnitude, TextRounding::kUp);
        if (finding.type == "float16") text += " (float16 ends at 65,504)";
        if (!said.insert(text).second) continue;
        sentence.findings.push_back("May leave the range of " + finding.type + ": " + text + ", by " +
                                    method_words(*bound) + ".");
      }
    }
  }
}

void add_own_input(const DeviationGroup& group, DeviationSentence& sentence) {
  if (!has_domain(group, Domain::kOwnInput)) return;
  const auto [good, rest] = split_layers(group, Domain::kOwnInput, {Quantity::kState, Quantity::kOutput});
  std::string text = "Own input (each model’s layer gets what its own layers below computed): ";
  if (!good.empty()) {
    text += "changes of up to " +
            two_shares(reach_of(good, Quantity::kState, Domain::kOwnInput),
                       reach_of(good, Quantity::kOutput, Domain::kOwnInput)) +
            (rest.empty() ? "." : " in " + layers_words(indices(good)) + "; ");
  }
  if (!rest.empty()) text += "not informative in " + layers_words(indices(rest)) + ".";
  sentence.notes.push_back(text);
}

void add_every_input(const DeviationGroup& group, Domain main, DeviationSentence& sentence) {
  if (main == Domain::kEveryInput || !has_domain(group, Domain::kEveryInput)) return;
  const auto [good, rest] = split_layers(group, Domain::kEveryInput, {Quantity::kState});
  std::string text = "Every input: ";
  if (!good.empty()) {
    text += "states of " + (rest.empty() ? "every layer" : layers_words(indices(good))) + " move by at most " +
            relative_text(reach_of(good, Quantity::kState, Domain::kEveryInput).relative) +
            " of the bound of their size (half of the states or more)" + (rest.empty() ? "." : "; ");
  }
  if (!rest.empty())
    text += "not informative in " + (good.empty() ? "any layer" : layers_words(indices(rest))) +
            "; a bound for all inputs says little about the inputs that occur.";
  sentence.notes.push_back(text);
}

void add_block_output(const DeviationGroup& group, Domain main, DeviationSentence& sentence) {
  const auto [good, rest] = split_layers(group, main, {Quantity::kBlockOutput});
  if (good.empty() && rest.empty()) return;
  std::string text = "Block output o: ";
  if (!good.empty()) {
    text += "changes of at most " + relative_text(reach_of(good, Quantity::kBlockOutput, main).relative) +
            " of its norm, in half of the steps or more" +
            (rest.empty() ? "." : ", in " + layers_words(indices(good)) + "; ");
  }
  if (!rest.empty()) text += "not informative in " + layers_words(indices(rest)) + ".";
  sentence.notes.push_back(text);
}

void add_parts(const DeviationGroup& group, DeviationSentence& sentence) {
  double decaying = 0;
  for (const LayerDeviations& layer : group.layers) {
    for (const RecordedDeviation* bound : layer.bounds) decaying = std::max(decaying, bound->state.decaying);
  }
  sentence.notes.push_back(
      decaying > 0 ? "Two parts: at most " + rounded_text(decaying, TextRounding::kUp) +
                         " of the states’ bounds is due to different initial states, and that initial part decays; the "
                         "staying part is kept up by a perturbation at every step."
                   : "Both runs have the same initial state, so the initial part, the only one that decays, is 0; the "
                     "whole bound is the staying part, kept up by a perturbation at every step.");
}

}  // namespace

DeviationSentence deviation_sentence(const DeviationGroup& group) {
  DeviationSentence sentence;
  sentence.title = title_of(group);
  sentence.description = description_of(group);
  const Domain main = has_domain(group, Domain::kSameInput)  ? Domain::kSameInput
                      : has_domain(group, Domain::kOwnInput) ? Domain::kOwnInput
                                                             : Domain::kEveryInput;
  const auto [good, rest] = split_layers(group, main, {Quantity::kState, Quantity::kOutput});
  sentence.informative = rest.empty()   ? Informative::kEverywhere
                         : good.empty() ? Informative::kNowhere
                                        : Informative::kInPart;
  sentence.action = good.empty() ? undecided_action(group, reach_of(rest, Quantity::kState, main))
                                 : decided_action(group, main, good, rest);
  add_overflow(group, sentence);
  add_block_output(group, main, sentence);
  if (main != Domain::kOwnInput) add_own_input(group, sentence);
  add_every_input(group, main, sentence);
  add_parts(group, sentence);
  return sentence;
}

std::vector<std::string> method_sentences(const std::vector<DeviationGroup>& groups) {
  std::set<std::string> methods;
  for (const DeviationGroup& group : groups) {
    for (const LayerDeviations& layer : group.layers) {
      for (const RecordedDeviation* bound : layer.bounds) methods.insert(bound->method);
    }
  }
  std::vector<std::string> list;
  const auto say = [&](const char* method, const char* text) {
    if (methods.contains(method)) list.emplace_back(text);
  };
  say("interval-run",
      "Interval run: the deployed program on the given sequence, rounding by rounding. It holds for programs that "
      "round "
      "exactly where the policy says; check a kernel’s rounding sites (a recorded trace does) before relying on it.");
  say("trace", "Trace: from the scan inputs that one kernel recorded, for that kernel on that sequence.");
  say("a-priori", "A-priori: every program of the policy, whatever its kernels, on the given sequence.");
  say("kappa",
      "K: one number that does not grow with the length; on the given sequence, or, where the table says so, for every "
      "input.");
  say("two-trajectories", "Two trajectories: both models enclosed on the given sequence and subtracted.");
  say("weight-difference", "Weight difference: from the exact differences of the weights, for every input.");
  return list;
}

const char* informative_class(Informative informative) {
  return informative == Informative::kEverywhere ? "informative"
         : informative == Informative::kInPart   ? "partly"
                                                 : "vacuous";
}

const char* informative_word(Informative informative) {
  return informative == Informative::kEverywhere ? "informative"
         : informative == Informative::kInPart   ? "informative in part"
                                                 : "not informative";
}

}  // namespace lyap
