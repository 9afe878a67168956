#include "verify/certify/certificate.hpp"

#include "verify/certify/bound_text.hpp"

namespace lyap {

const char* name_of(Tier tier) {
  switch (tier) {
    case Tier::kUniversal:
      return "universal";
    case Tier::kTrajectory:
      return "trajectory";
    case Tier::kBoth:
      return "both";
  }
  return "unknown";
}

const char* name_of(Effort effort) { return effort == Effort::kFast ? "fast" : "thorough"; }

const char* name_of(SequenceKind kind) {
  switch (kind) {
    case SequenceKind::kTokens:
      return "tokens";
    case SequenceKind::kText:
      return "text";
    case SequenceKind::kActivations:
      return "activations";
  }
  return "unknown";
}

Verdict overall_verdict(const Certificate& certificate) {
  Verdict verdict = Verdict::kProven;
  const auto join = [&verdict](Verdict other) {
    if (other == Verdict::kRefuted) verdict = Verdict::kRefuted;
    if (other == Verdict::kUndecided && verdict == Verdict::kProven) verdict = Verdict::kUndecided;
  };
  for (const Claim& claim : certificate.claims) join(claim.verdict);
  for (const FailOnOutcome& outcome : certificate.fail_on) join(outcome.verdict);
  return verdict;
}

std::vector<std::string> undecided_sentences(const Certificate& certificate) {
  std::vector<std::string> sentences;
  for (const Claim& claim : certificate.claims) {
    if (claim.verdict != Verdict::kUndecided) continue;
    const std::string place = claim.layer ? "layer " + std::to_string(*claim.layer) : "all layers";
    std::string name = claim.theorem + ", " + claim.tier + " tier, " + place + ", " + claim.quantity;
    for (const std::string& part : {claim.policy, claim.method}) {
      if (!part.empty()) name += ", " + part;
    }
    sentences.push_back(name + ": " + claim.reason);
  }
  for (const FailOnOutcome& outcome : certificate.fail_on) {
    if (outcome.verdict != Verdict::kUndecided) continue;
    if (outcome.condition.quantity == FailOnQuantity::kUninformative) {
      sentences.push_back("--fail-on " + outcome.condition.text + ": " + short_upper_decimal(outcome.value.upper) +
                          " bounds are as large as what they bound the change of, and decide nothing.");
      continue;
    }
    sentences.push_back("--fail-on " + outcome.condition.text + ": the bound " +
                        short_upper_decimal(outcome.value.upper) + " in layer " + std::to_string(outcome.value.layer) +
                        " does not settle whether the real quantity meets it.");
  }
  return sentences;
}

}  // namespace lyap
