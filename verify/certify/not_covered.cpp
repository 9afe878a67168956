#include "verify/certify/not_covered.hpp"

#include <algorithm>
#include <limits>

namespace lyap {
namespace {

std::string list_of(const std::vector<std::size_t>& layers) {
  std::string text;
  for (const std::size_t layer : layers) text += (text.empty() ? "" : ", ") + std::to_string(layer);
  return text;
}

/// Layers of the model for which `has` is false.
template <class Has>
std::vector<std::size_t> layers_without(const Certificate& certificate, Has has) {
  std::vector<std::size_t> missing;
  for (std::size_t i = 0; i < certificate.model.layers; ++i) {
    const auto found = std::find_if(certificate.layers.begin(), certificate.layers.end(),
                                    [i](const LayerSummary& layer) { return layer.index == i; });
    if (found == certificate.layers.end() || !has(*found)) missing.push_back(i);
  }
  return missing;
}

void add_tier_sentences(const Certificate& certificate, std::vector<std::string>& sentences) {
  if (includes_universal(certificate.tier)) {
    const auto missing =
        layers_without(certificate, [](const LayerSummary& layer) { return layer.universal.has_value(); });
    if (!missing.empty())
      sentences.push_back("The universal tier was not run for layers " + list_of(missing) +
                          "; only the structural claims speak of them.");
    sentences.push_back(
        "Universal bounds hold for the worst input; on ordinary text states may decay much faster. The distance "
        "between witness and bound shows how much is "
        "unknown.");
    const auto refined = [&certificate](auto condition) {
      return std::any_of(certificate.layers.begin(), certificate.layers.end(),
                         [&](const LayerSummary& layer) { return layer.universal && condition(layer); });
    };
    if (certificate.effort == Effort::kFast &&
        refined([](const LayerSummary& layer) { return layer.kind == LayerKind::kMamba1; })) {
      sentences.push_back(
          "The sharper bounds of --effort thorough were not computed; the bounds that are stated hold, but may be far "
          "from what is reached.");
    }
    if (refined([](const LayerSummary& layer) { return !layer.universal->complete; })) {
      sentences.push_back(
          "The refinements were ended, by --minutes or Ctrl-C, before every bound was refined; the bounds that "
          "are stated hold all the same.");
    }
  } else {
    sentences.push_back(
        "The universal tier was not asked for: nothing is said about inputs other than the given sequence, beyond the "
        "structural claims.");
  }
  if (!includes_trajectory(certificate.tier)) {
    sentences.push_back(
        "No sequence was analysed: how fast states decay on ordinary text is not part of this certificate.");
    return;
  }
  const auto missing =
      layers_without(certificate, [](const LayerSummary& layer) { return layer.trajectory.has_value(); });
  if (!missing.empty()) sentences.push_back("The trajectory tier was not run for layers " + list_of(missing) + ".");
  if (certificate.sequence && certificate.sequence->kind != SequenceKind::kActivations) {
    sentences.push_back(
        "Trajectory claims are about the block inputs that lyap's float32 run produced, taken as exact numbers; they "
        "are not about the inputs that the "
        "real-valued network, or another program, would compute from the same tokens.");
  }
  sentences.push_back("Trajectory claims say nothing about other sequences, nor about what comes after the last step.");
}

void add_policy_sentences(const Certificate& certificate, std::vector<std::string>& sentences) {
  sentences.push_back(
      "Claims with a policy are about the programs that the claim describes (soundness DEPLOYED). Whether a given "
      "kernel "
      "is one of them is not shown here: its rounding sites have to be compared with the policy's, or its scan inputs "
      "recorded (--trace).");
  sentences.push_back(
      "What was measured for a policy comes from one run of lyap's own emulation on a processor: bit for bit at every "
      "rounding site of the policy, sums in binary32 in the order of the matrix library. A tensor core's order of "
      "summation is not reproduced. It proves nothing.");
  const auto is_universal_program = [](const DeviationBounds& bounds) {
    return bounds.comparison != Comparison::kPolicy && !bounds.policy.empty() &&
           bounds.question == DeviationQuestion::kUniversal;
  };
  const bool bounded_for_every_input =
      std::any_of(certificate.layers.begin(), certificate.layers.end(), [&](const LayerSummary& layer) {
        return std::any_of(layer.deviations.begin(), layer.deviations.end(), is_universal_program);
      });
  if (certificate.second_model && !bounded_for_every_input) {
    sentences.push_back(
        "The program of the second model is bounded on the sequence only; for every input the second model is compared "
        "in real arithmetic.");
  }
}

void add_second_model_sentences(const SecondModelDescription& second, std::vector<std::string>& sentences) {
  if (second.comparison == Comparison::kPair) {
    sentences.push_back("The two models are compared block by block; final norms and heads are not compared.");
    return;
  }
  sentences.push_back(
      "Claims about the adapter are about the merged model W + scale B A, before merging rounds it to a type. What an "
      "attached adapter computes may differ.");
  for (const std::string& remark : second.remarks) sentences.push_back("Adapter: " + remark);
}

/// What Theorems 3 and 4 leave open in this run.
void add_comparison_sentences(const Certificate& certificate, std::vector<std::string>& sentences) {
  sentences.push_back(
      "Deviations are those of single blocks. Bounds of blocks cannot be joined into one of the stacked layers: "
      "nothing "
      "is said about logits or answers.");
  sentences.push_back(
      "Under a perturbation at every step a deviation does not decay to zero; only the part that different initial "
      "states cause does.");
  sentences.push_back(
      "A bound that is as large as what it bounds the change of is not informative; that is a property of the method "
      "and says nothing about the model.");
  if (!certificate.policies.empty()) add_policy_sentences(certificate, sentences);
  if (certificate.second_model) add_second_model_sentences(*certificate.second_model, sentences);
}

}  // namespace

std::vector<std::string> not_covered_sentences(const Certificate& certificate) {
  std::vector<std::string> sentences;
  sentences.push_back(
      "The exponent is that of each layer's recurrence with its inputs held fixed, not that of the stacked layers and "
      "not that of the loop in which a model reads "
      "its own output.");
  const bool compares = !certificate.policies.empty() || certificate.second_model.has_value();
  sentences.push_back(
      compares ? "Claims without a policy are about real arithmetic on the stored weights (soundness REAL)."
               : "All claims are about real arithmetic on the stored weights (soundness REAL); rounding in the program "
                 "that runs the model is not covered.");
  if (compares) {
    add_comparison_sentences(certificate, sentences);
  } else {
    sentences.push_back(
        "Theorems 3 and 4 (mixed precision, quantised or fine-tuned weights, changed inputs at every step) are not "
        "part of this certificate. Under a perturbation at every step a deviation does not decay to zero.");
  }
  sentences.push_back(
      std::string("Residual stream and language-model head are not covered") +
      (compares
           ? "; outputs are the scan's, after D and before the gate, and where they are named so the block's."
           : ", and neither are gate and output projection: outputs are the scan's, after D and before the gate."));
  add_tier_sentences(certificate, sentences);
  const bool clamped = std::any_of(certificate.layers.begin(), certificate.layers.end(), [](const LayerSummary& layer) {
    return layer.step_limits.lower > 0.0 || layer.step_limits.upper < std::numeric_limits<double>::infinity();
  });
  if (clamped) {
    sentences.push_back(
        "Where the step size is clamped, the claims hold for programs that clamp. Some programs clamp while reading a "
        "prompt and not while generating token by "
        "token; generation there is not covered.");
  }
  return sentences;
}

}  // namespace lyap
