#include "reports/deviation_sentences.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "reports/number_text.hpp"

namespace lyap {
namespace {

/// The policy's own summary, with the names of types that people use.
std::string policy_words(const DeviationGroup& group) {
  std::string words = group.policy_summary;
  for (std::size_t at = words.find("binary32"); at != std::string::npos; at = words.find("binary32", at))
    words.replace(at, 8, "float32");
  return words.empty() ? "the arithmetic of the policy " + group.policy : words;
}

std::string second_words(const DeviationGroup& group) {
  return (group.comparison == "adapter" ? "the adapter" : "the other checkpoint") +
         (group.second_name.empty() ? "" : " " + group.second_name);
}

std::string title_of(const DeviationGroup& group) {
  if (group.comparison == "policy") return group.policy;
  std::string title = second_words(group);
  title.front() = 'T';
  return group.policy.empty() ? title : title + ", in " + group.policy;
}

std::string description_of(const DeviationGroup& group) {
  if (group.comparison == "policy") return policy_words(group);
  const std::string base = group.comparison == "adapter"
                               ? "LoRA, merged" + (group.second_details.empty() ? "" : ", " + group.second_details)
                               : "other weights of the same shape";
  return base + (group.policy.empty() ? "; both in exact arithmetic" : "; computed in: " + policy_words(group));
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
  std::string text = " Measured: " + relative_text(*state.measured);
  if (output.measured) text += " (states) and " + relative_text(*output.measured) + " (scan outputs)";
  return text + ".";
}

std::string domain_words(const Reach& state, Domain domain) {
  if (domain == Domain::kEveryInput) return "Proved for every input of any length";
  return "Proved on the given " + std::to_string(state.steps) + " steps, " +
         (domain == Domain::kOwnInput ? "each model’s layer with the input that its own layers computed"
                                      : "with the same input to the layer");
}

/// The tensor with the largest part of any layer's state bound: of those for `domain`, or where they name no tensors,
/// of all.
std::string largest_part(const DeviationGroup& group, Domain domain) {
  for (const bool any_domain : {false, true}) {
    double largest = 0;
    std::string tensor;
    std::size_t place = 0;
    for (const LayerDeviations& layer : group.layers) {
      for (const RecordedDeviation* bound : layer.bounds) {
        if (bound->attribution.size() < 2 || (!any_domain && domain_of(*bound) != domain)) continue;
        for (const RecordedAttribution& part : bound->attribution) {
          if (part.state > largest) largest = part.state, tensor = part.tensor, place = layer.layer->index;
        }
      }
    }
    if (!tensor.empty())
      return "; the largest part comes from " + tensor + " (layer " + std::to_string(place) +
             "), so change that tensor less to stay closer";
  }
  return "";
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
  if (methods.contains("trace")) return "test it on your own data";
  if (methods.contains("interval-run")) return "certify recorded scan inputs (--trace)";
  return "ask for the interval run (--method interval-run) or certify recorded scan inputs (--trace)";
}

/// What to do about layers whose bounds decide nothing.
std::string undecided_advice(const DeviationGroup& group, const Layers& layers, Domain domain) {
  const Reach state = reach_of(layers, Quantity::kState, domain);
  return (state.measured ? "go by what was measured on this sequence (" + relative_text(*state.measured) +
                               " of a typical state), or "
                         : "") +
         sharper_words(group);
}

void say_undecided(const DeviationGroup& group, Domain domain, const Layers& rest, DeviationSentence& sentence) {
  const std::string what = group.comparison == "policy" ? group.policy : "this change of weights";
  sentence.action = "Do not decide about " + what + " by these bounds: " + undecided_advice(group, rest, domain) + ".";
  sentence.basis =
      "In every layer the bounds are as large as what they bound, or larger. That says nothing about the "
      "model, for or against.";
}

void say_decided(const DeviationGroup& group, Domain domain, const Layers& good, const Layers& rest,
                 DeviationSentence& sentence) {
  const Reach state = reach_of(good, Quantity::kState, domain), output = reach_of(good, Quantity::kOutput, domain);
  const bool policy = group.comparison == "policy";
  const std::string which = rest.empty() ? "every layer" : layers_words(indices(good));
  const bool every_input = domain == Domain::kEveryInput;
  const std::string shares = every_input ? relative_text(state.relative) + " of what a typical state can reach and " +
                                               relative_text(output.relative) +
                                               " of what a typical scan output can, whatever the input,"
                                         : relative_text(state.relative) + " of a typical state and " +
                                               relative_text(output.relative) + " of a typical scan output";
  std::set<std::string> methods = state.methods;
  methods.insert(output.methods.begin(), output.methods.end());
  const bool exact_program = methods.contains("interval run");
  sentence.action = policy ? "Run " + which + " in " + group.policy + " if " +
                                 (exact_program ? "your program rounds exactly where the policy says and " : "") +
                                 "a change of at most " + shares + " is acceptable"
                           : "Expect " + second_words(group) + (group.policy.empty() ? "" : " in " + group.policy) +
                                 (exact_program ? ", if your program rounds exactly where the policy says," : "") +
                                 " to change " + which + " by at most " + shares + largest_part(group, domain);
  if (!rest.empty()) sentence.action += "; for " + layers_words(indices(rest)) + " the bounds decide nothing";
  sentence.action += ".";
  sentence.basis = domain_words(state, domain) + ", by " + joined(methods) +
                   ": at least half of the states and outputs of a layer never move further than this share of " +
                   (every_input ? "the bound of their size" : "their largest size") + " (most: layer " +
                   std::to_string(state.layer) + ")." + measured_words(state, output);
  if (!rest.empty()) {
    std::string name = layers_words(indices(rest));
    name.front() = 'L';
    sentence.basis += " " + name + ": " + undecided_advice(group, rest, domain) + ".";
  }
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
        text += finding.type == "float16" ? std::string(" where float16 ends at 65,504")
                                          : " beyond the range of " + finding.type;
        if (!said.insert(text).second) continue;
        sentence.findings.push_back(text + ", by " + method_words(*bound) + ".");
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

/// Decays or states kept in a type in which a decay may round to 1.
void add_lost_contraction(const DeviationGroup& group, DeviationSentence& sentence) {
  std::set<std::string> types, said;
  for (const LayerDeviations& layer : group.layers) {
    for (const RecordedDeviation* bound : layer.bounds) {
      for (const RecordedLostContraction& lost : bound->lost_contraction) {
        if (!lost.stored_so || lost.ever == 0) continue;
        types.insert(lost.type);
        said.insert(std::to_string(layer.layer->index));
      }
    }
  }
  if (types.empty()) return;
  sentence.notes.push_back("Contraction may be lost: decay or state is kept in " + joined(types) + ", and in " +
                           std::to_string(said.size()) + (said.size() == 1 ? " layer" : " layers") +
                           " some decay may round to 1, so the computed recurrence may keep there what the real one "
                           "forgets" +
                           (types == std::set<std::string>{"float32"} ? "." : "; keep both in float32."));
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
  if (good.empty())
    say_undecided(group, main, rest, sentence);
  else
    say_decided(group, main, good, rest, sentence);
  add_overflow(group, sentence);
  add_block_output(group, main, sentence);
  if (main != Domain::kOwnInput) add_own_input(group, sentence);
  add_every_input(group, main, sentence);
  add_lost_contraction(group, sentence);
  add_parts(group, sentence);
  return sentence;
}

std::string verdict_caution(const CertificateRecord& record) {
  for (const DeviationGroup& group : deviation_groups(record)) {
    if (deviation_sentence(group).informative != Informative::kEverywhere)
      return " Not every bound is informative: what that means for each comparison is said below.";
  }
  return "";
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
