#include "reports/claim_sentences.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "reports/layer_pictures.hpp"
#include "reports/number_text.hpp"

namespace lyap {
namespace {

/// A rate slower than this halves a deviation after more than 69,000 steps: longer than most contexts.
constexpr double kUsefulRate = 1e-5;

using ClaimGroup = std::vector<const RecordedClaim*>;

ClaimGroup claims_of(const CertificateRecord& record, const std::string& theorem, const std::string& tier) {
  ClaimGroup group;
  for (const RecordedClaim& claim : record.claims) {
    if (claim.theorem == theorem && claim.tier == tier) group.push_back(&claim);
  }
  return group;
}

std::string weakest_verdict(const ClaimGroup& group) {
  std::string verdict = "proven";
  for (const RecordedClaim* claim : group) {
    if (claim->verdict == "refuted") return "refuted";
    if (claim->verdict == "undecided") verdict = "undecided";
  }
  return verdict;
}

std::string count_words(std::size_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

std::string without_full_stop(std::string text) {
  if (!text.empty() && text.back() == '.') text.pop_back();
  return text;
}

/// ", strict decay" for the quantity strict_decay.
std::string quantity_words(const RecordedClaim& claim) {
  if (claim.quantity.empty()) return "";
  std::string words = ", " + claim.quantity;
  std::replace(words.begin(), words.end(), '_', ' ');
  return words;
}

std::string claim_name(const RecordedClaim& claim) {
  std::string name =
      theorem_title(claim.theorem) + ", " + claim.tier + ", " + layer_words(claim) + quantity_words(claim);
  if (!claim.policy.empty()) name += ", " + claim.policy;
  if (!claim.method.empty()) name += ", " + claim.method;
  return name;
}

/// "a; b; c and 5 more".
std::string list_words(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 6;
  std::string text;
  for (std::size_t i = 0; i < std::min(kShown, names.size()); ++i) text += (i == 0 ? "" : "; ") + names[i];
  if (names.size() > kShown)
    text += "; and " + std::to_string(names.size() - kShown) + " more (in the table of claims)";
  return text;
}

std::string names_with_verdict(const ClaimGroup& group, const std::string& verdict) {
  std::vector<std::string> names;
  for (const RecordedClaim* claim : group) {
    if (claim->verdict != verdict) continue;
    std::string name = layer_words(*claim) + quantity_words(*claim);
    if (!claim->reason.empty()) name += " (" + without_full_stop(claim->reason) + ")";
    names.push_back(std::move(name));
  }
  return list_words(names);
}

/// What holds besides a claim that was not established or was contradicted; never the sentence of the proved case.
std::string failing_text(const std::string& topic, const ClaimGroup& group, const std::string& verdict) {
  const auto proven = static_cast<std::size_t>(
      std::count_if(group.begin(), group.end(), [](const RecordedClaim* claim) { return claim->verdict == "proven"; }));
  std::string text = topic +
                     (verdict == "refuted" ? ": contradicted by a rigorous witness for " : ": not established for ") +
                     names_with_verdict(group, verdict) + ".";
  if (verdict == "refuted" && names_with_verdict(group, "undecided") != "")
    text += " Not established either: " + names_with_verdict(group, "undecided") + ".";
  text += proven == 0
              ? " None of its claims is proved."
              : " Proved for the rest (" + std::to_string(proven) + " of " + count_words(group.size(), "claim") + ").";
  return text;
}

/// "each layer's", or which layers' where not all were analysed.
std::string analysed_layers(const CertificateRecord& record, std::vector<double> RecordedLayer::*array) {
  const auto count = static_cast<std::size_t>(std::count_if(
      record.layers.begin(), record.layers.end(), [&](const RecordedLayer& layer) { return !(layer.*array).empty(); }));
  return count >= record.layer_count ? "each layer" : "each of the " + count_words(count, "analysed layer");
}

/// The inputs that universal bounds speak of.
std::string universal_inputs(const CertificateRecord& record) {
  std::vector<std::string> restricted;
  for (const RecordedLayer& layer : record.layers) {
    if (layer.only_tokens) restricted.push_back("layer " + std::to_string(layer.index));
  }
  if (restricted.empty()) return "every real input sequence";
  return restricted.size() == record.layers.size()
             ? "every sequence of the model's tokens"
             : "every real input sequence (" + list_words(restricted) + ": every sequence of the model's tokens)";
}

std::string state_universal_text(const CertificateRecord& record) {
  const LargestRate sustained = largest_over_layers(record, &RecordedLayer::exponent_upper);
  const LargestRate step = largest_over_layers(record, &RecordedLayer::zeta_upper);
  if (std::isnan(step.value)) return "The bounds that were claimed hold for " + universal_inputs(record) + ".";
  if (!(step.value < 0)) {
    return "For " + universal_inputs(record) +
           " no state recurrence expands. That it contracts is not proved for layer " + std::to_string(step.layer) +
           ": its bound is zero, so a state there may keep a deviation forever.";
  }
  std::string text = "For " + universal_inputs(record) + " the state recurrence of " +
                     analysed_layers(record, &RecordedLayer::zeta_upper) +
                     " contracts: every step shrinks the deviation of every state at least by the factor exp(" +
                     rounded_text(step.value, TextRounding::kUp) + ") (slowest: layer " + std::to_string(step.layer) +
                     ")";
  if (!std::isnan(sustained.value)) {
    text += ", and in the long run the exponent is at most " + rounded_text(sustained.value, TextRounding::kUp) +
            " nats per step (layer " + std::to_string(sustained.layer) + ")";
  }
  text += ".";
  const LargestRate bound = largest_over_layers(record, &RecordedLayer::state_bound_upper);
  if (!std::isnan(bound.value) && !std::isinf(bound.value))
    text += " No state, started at zero, ever exceeds " + rounded_text(bound.value, TextRounding::kUp) +
            " in size (layer " + std::to_string(bound.layer) + ").";
  return text;
}

/// What a trajectory exponent belongs to: a head where all layers are Mamba-2, a state otherwise.
std::string state_noun(const CertificateRecord& record) {
  const bool heads = std::all_of(record.layers.begin(), record.layers.end(),
                                 [](const RecordedLayer& layer) { return layer.kind == "mamba2"; });
  return heads ? "heads" : "states";
}

/// Steps within which half of all states or heads of the model halve a deviation on the sequence, rounded up.
std::string median_half_life(const CertificateRecord& record) {
  std::vector<double> all;
  for (const RecordedLayer& layer : record.layers)
    all.insert(all.end(), layer.trajectory_upper.begin(), layer.trajectory_upper.end());
  const double steps = halving_steps_upper_bound(covering_quantile(std::move(all), 0.5));
  return std::isinf(steps) ? "no provable number of" : rounded_text(steps, TextRounding::kUp);
}

std::string state_trajectory_text(const CertificateRecord& record) {
  const LargestRate slowest = largest_over_layers(record, &RecordedLayer::trajectory_upper);
  if (std::isnan(slowest.value)) return "The finite-time exponents on the given sequence are enclosed.";
  double fastest = 0;
  std::size_t least = std::numeric_limits<std::size_t>::max(), most = 0;
  for (const RecordedLayer& layer : record.layers) {
    for (const double rate : layer.trajectory_lower) fastest = std::min(fastest, rate);
    if (!layer.trajectory_lower.empty()) least = std::min(least, layer.steps), most = std::max(most, layer.steps);
  }
  const bool one_length = least == most && most > 0;
  std::string text = "On the given sequence" + (one_length ? " of " + std::to_string(most) + " steps" : std::string()) +
                     " every state of " + analysed_layers(record, &RecordedLayer::trajectory_upper) +
                     " has a finite-time exponent between " + rounded_text(fastest, TextRounding::kDown) + " and " +
                     rounded_text(slowest.value, TextRounding::kUp) + " nats per step (slowest: layer " +
                     std::to_string(slowest.layer) + ")";
  if (one_length) {
    const double share = surviving_share_upper_bound(slowest.value, static_cast<double>(most));
    text += share < 1
                ? ": of a deviation at its start, at most " + share_text(share) + " is left at its end, in any state"
                : ": the slowest state may keep a deviation from its start whole to its end";
  }
  return text + ". At its average rates half of all " + state_noun(record) + " halve a deviation within " +
         median_half_life(record) + " steps.";
}

std::string outputs_text(const CertificateRecord& record, const std::string& tier, const ClaimGroup& group) {
  if (tier == "structural") {
    return "Whatever the input, a deviation of a layer's state changes that layer's scan output by no more than the "
           "sum of |C| times the states' deviations: with the same inputs it fades as they do.";
  }
  if (tier == "trajectory")
    return "On the given sequence every scan output lies within its stored enclosure (" +
           count_words(group.size(), "claim") + ").";
  LargestRate gain{std::numeric_limits<double>::quiet_NaN(), 0};
  for (const RecordedLayer& layer : record.layers) {
    if (layer.output_gain_upper && !(*layer.output_gain_upper <= gain.value))
      gain = {*layer.output_gain_upper, layer.index};
  }
  if (std::isnan(gain.value))
    return "The output bounds that were claimed hold for " + universal_inputs(record) + " (" +
           count_words(group.size(), "claim") + ").";
  return "For " + universal_inputs(record) +
         ", two runs of a layer with the same inputs give scan outputs that differ by at most " +
         rounded_text(gain.value, TextRounding::kUp) + " times the largest distance of their states (largest: layer " +
         std::to_string(gain.layer) + "); the outputs' distance fades as the states' does.";
}

std::string proven_text(const CertificateRecord& record, const std::string& theorem, const std::string& tier,
                        const ClaimGroup& group) {
  if (theorem == "T1" && tier == "structural") {
    return "Whatever the input, no layer's state recurrence expands: two runs of one layer on the same inputs never "
           "move apart (exponent at most 0).";
  }
  if (theorem == "T1" && tier == "universal") return state_universal_text(record);
  if (theorem == "T1") return state_trajectory_text(record);
  if (theorem == "T2") return outputs_text(record, tier, group);
  const std::string what = theorem == "T3" ? "the state" : "the output";
  const std::string where =
      tier == "trajectory" ? "at every step of the given sequence" : "for every input and all time";
  return "With a perturbation at every step (precision, adapter or other weights), the deviation of " + what +
         " stays within the stated bounds " + where +
         ". It does not decay to zero: only the part that an initial deviation causes does. " +
         count_words(group.size(), "claim") +
         " established. Proved is not yet informative: whether a bound is small enough to be of use is said above.";
}

std::string topic_of(const std::string& theorem, const std::string& tier) {
  const std::string what = theorem == "T1"   ? "Contraction of the state"
                           : theorem == "T2" ? "Stability of the outputs"
                           : theorem == "T3" ? "Bounded deviation of the state"
                                             : "Bounded deviation of the output";
  return what + (tier == "structural"  ? ", whatever the input"
                 : tier == "universal" ? ", for every real input sequence"
                                       : ", on the given sequence");
}

}  // namespace

std::string theorem_title(const std::string& theorem) {
  if (theorem == "T1") return "Theorem 1 (state)";
  if (theorem == "T2") return "Theorem 2 (outputs)";
  if (theorem == "T3") return "Theorem 3 (perturbed state)";
  return "Theorem 4 (perturbed outputs)";
}

std::string layer_words(const RecordedClaim& claim) {
  return claim.layer ? "layer " + std::to_string(*claim.layer) : "every layer";
}

LargestRate largest_over_layers(const CertificateRecord& record, std::vector<double> RecordedLayer::*array) {
  LargestRate result{std::numeric_limits<double>::quiet_NaN(), 0};
  for (const RecordedLayer& layer : record.layers) {
    const double value = covering_quantile(layer.*array, 1.0);
    if (!std::isnan(value) && !(value <= result.value)) result = {value, layer.index};
  }
  return result;
}

std::string verdict_sentence(const CertificateRecord& record) {
  std::vector<std::string> refuted, undecided;
  for (const RecordedClaim& claim : record.claims) {
    if (claim.verdict == "refuted") refuted.push_back(claim_name(claim));
    if (claim.verdict == "undecided") undecided.push_back(claim_name(claim));
  }
  const std::size_t total = record.claims.size(), proven = total - refuted.size() - undecided.size();
  if (record.verdict == "proven") {
    return total == 1 ? "The one claim that was asked for is proved."
                      : "All " + std::to_string(total) + " claims that were asked for are proved.";
  }
  std::string text =
      std::to_string(proven) + " of " + count_words(total, "claim") + (proven == 1 ? " is" : " are") + " proved.";
  if (!refuted.empty()) text += " Contradicted by a rigorous witness: " + list_words(refuted) + ".";
  if (!undecided.empty()) text += " Neither proved nor contradicted: " + list_words(undecided) + ".";
  if (record.verdict == "refuted" && refuted.empty())
    text += " A requirement that was set for this run (--fail-on) is contradicted by a rigorous witness.";
  if (record.verdict == "undecided" && undecided.empty())
    text += " A requirement that was set for this run (--fail-on) is neither proved nor contradicted.";
  return text;
}

std::vector<ClaimSentence> theorem_sentences(const CertificateRecord& record) {
  std::vector<ClaimSentence> sentences;
  for (const char* theorem : {"T1", "T2", "T3", "T4"}) {
    for (const char* tier : {"structural", "universal", "trajectory"}) {
      const ClaimGroup group = claims_of(record, theorem, tier);
      if (group.empty()) continue;
      const std::string verdict = weakest_verdict(group);
      const std::string text = verdict == "proven" ? proven_text(record, theorem, tier, group)
                                                   : failing_text(topic_of(theorem, tier), group, verdict);
      sentences.push_back({theorem_title(theorem), verdict, text});
    }
  }
  return sentences;
}

std::string forgetting_sentence(const CertificateRecord& record) {
  const LargestRate sustained = largest_over_layers(record, &RecordedLayer::exponent_upper);
  const LargestRate step = largest_over_layers(record, &RecordedLayer::zeta_upper);
  const double rate = std::isnan(sustained.value) ? step.value : sustained.value;
  if (std::isnan(rate)) return "";
  if (!(rate < 0))
    return "The bound is zero: no rate of forgetting that holds for every input is proved. Slow states may remember "
           "without limit.";
  const double steps = halving_steps_upper_bound(rate);
  const std::string number = std::isinf(steps) ? "more than 10³⁰⁸" : "up to " + rounded_text(steps, TextRounding::kUp);
  if (-rate < kUsefulRate) {
    return "A rate of " + rounded_text(rate, TextRounding::kUp) + " is true and tiny: it allows the slowest state " +
           number +
           " steps before a deviation has halved. Read it as “no uniform forgetting”: there may be inputs that this "
           "model does not forget within any context it will ever see. "
           "What a given text does to it is the trajectory tier's question.";
  }
  return "A rate of " + rounded_text(rate, TextRounding::kUp) +
         " means that in the long run, whatever the input, a deviation of any state halves every " + number + " steps.";
}

}  // namespace lyap
