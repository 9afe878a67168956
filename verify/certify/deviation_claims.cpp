#include "verify/certify/deviation_claims.hpp"

#include <cmath>
#include <string>

#include "numerics/contract_violation.hpp"
#include "verify/certify/bound_text.hpp"
#include "verify/certify/claim_domain.hpp"
#include "verify/certify/deviation_groups.hpp"
#include "verify/deviation/deployed_program.hpp"

namespace lyap {
namespace {

std::string scan_words() {
  return "the scan in binary32, in any bracketing with at most " + std::to_string(deviation::kScanDepth) +
         " additions on a term's path";
}

std::string second_words(const Certificate& certificate, Comparison comparison) {
  const std::string name = certificate.second_model ? certificate.second_model->name : "the second model";
  return comparison == Comparison::kAdapter ? "this layer with the adapter " + name + " merged"
                                            : "this layer of " + name;
}

/// Who deviates from the reference.
std::string subject_words(const DeviationBounds& bounds, const Certificate& certificate) {
  const bool second = bounds.comparison != Comparison::kPolicy;
  const std::string block = second ? second_words(certificate, bounds.comparison) : "";
  if (bounds.policy.empty()) return block + ", in real arithmetic,";
  if (bounds.method == DeviationMethod::kTrace)
    return "the scan in binary32 of the inputs that the recording program had,";
  const std::string program = "every program" + (second ? " of " + block : std::string());
  if (bounds.method == DeviationMethod::kIntervalRun)
    return program + " that rounds exactly where the policy " + bounds.policy + " says";
  return program + " whose roundings obey the policy " + bounds.policy +
         (bounds.question == DeviationQuestion::kUniversal ? ", its recurrence taken as exact," : "");
}

std::string kept_words(DeviationQuantity quantity, const std::string& bound) {
  switch (quantity) {
    case DeviationQuantity::kState:
      return "keeps every state within " + bound + " of the real block's state";
    case DeviationQuantity::kOutput:
      return "keeps every scan output within " + bound + " of the real block's, after D and before the gate";
    case DeviationQuantity::kBlockOutput:
      return "keeps the block's output within " + bound + " of the real block's, in the 2-norm";
  }
  return "";
}

const char* typical_words(DeviationQuantity quantity) {
  return quantity == DeviationQuantity::kState    ? "half of the states"
         : quantity == DeviationQuantity::kOutput ? "half of the scan outputs"
                                                  : "half of the steps";
}

std::string informative_words(const DeviationBounds& bounds, const QuantityDeviation& values,
                              DeviationQuantity quantity) {
  const std::string size = bounds.question == DeviationQuestion::kUniversal ? "the bound of its size" : "its size";
  if (!values.informative)
    return " This is not informative: for " + std::string(typical_words(quantity)) +
           " or more the bound is as large as " +
           (bounds.question == DeviationQuestion::kUniversal ? "the bound of their size." : "they are.");
  return " For " + std::string(typical_words(quantity)) + " or more the bound is at most " +
         short_upper_decimal(100.0 * values.relative_median) + " % of " + size + ".";
}

std::string formula_of(const DeviationBounds& bounds, DeviationQuantity quantity) {
  const char* left = quantity == DeviationQuantity::kState    ? "|h'_t - h_t|"
                     : quantity == DeviationQuantity::kOutput ? "|y'_t - y_t|"
                                                              : "|o'_t - o_t|_2";
  if (bounds.method == DeviationMethod::kKappa && quantity == DeviationQuantity::kState)
    return std::string(left) + " <= P_t |h'_0 - h_0| + (1 - P_t) K <= bound for every t, h'_0 = h_0 = 0";
  return std::string(left) + " <= bound for every t, h'_0 = h_0 = 0";
}

std::string question_words(const DeviationBounds& bounds, const Certificate& certificate) {
  const std::string second = certificate.second_model ? certificate.second_model->name : "the second model";
  switch (bounds.question) {
    case DeviationQuestion::kLocal:
      return bounds.method == DeviationMethod::kTrace
                 ? "; the recorded scan inputs are in " + (certificate.trace ? certificate.trace->file : "the trace")
                 : std::string("; both runs get the same block inputs (local question)");
    case DeviationQuestion::kOwn:
      return "; the second run gets the block inputs that lyap's float32 run of " + second +
             " produced from the same tokens (own input)";
    case DeviationQuestion::kUniversal:
      return "; the same inputs in both runs";
  }
  return "";
}

std::string overflow_words(const DeviationBounds& bounds) {
  std::string text;
  for (const OverflowFinding& finding : bounds.may_overflow) {
    text += (text.empty() ? "; where nothing leaves the range of its type, which is not excluded for " : ", ") +
            finding.tensor + " (" + finding.type + ", " + std::to_string(finding.channels) +
            (finding.channels == 1 ? " channel" : " channels") + " from channel " + std::to_string(finding.channel) +
            ", up to " + short_upper_decimal(finding.magnitude_upper) + ")";
  }
  return text;
}

std::string domain_of(const DeviationBounds& bounds, const LayerSummary& layer, const Certificate& certificate) {
  const bool universal = bounds.question == DeviationQuestion::kUniversal;
  if (!universal && !certificate.sequence)
    throw ContractViolation("deviation_claims: a bound on a sequence without a sequence");
  std::string domain = universal ? universal_domain(layer, false)
                                 : sequence_domain(*certificate.sequence, bounds.steps) + clamp_words(layer);
  if (bounds.comparison == Comparison::kAdapter && !bounds.policy.empty())
    domain += "; for the merged weights that binary64 arithmetic gives, before the policy rounds them";
  return domain + question_words(bounds, certificate) + "; both states start at zero" + overflow_words(bounds);
}

Claim claim_of(const DeviationBounds& bounds, DeviationQuantity quantity, const LayerSummary& layer,
               const Certificate& certificate) {
  const QuantityDeviation& values = *quantity_of(bounds, quantity);
  Claim claim;
  claim.theorem = quantity == DeviationQuantity::kState ? "T3" : "T4";
  claim.tier = bounds.question == DeviationQuestion::kUniversal ? "universal" : "trajectory";
  claim.quantity = quantity == DeviationQuantity::kState    ? "state_deviation"
                   : quantity == DeviationQuantity::kOutput ? "output_deviation"
                                                            : "block_output_deviation";
  claim.layer = layer.index;
  claim.comparison = name_of(bounds.comparison);
  claim.method = name_of(bounds.method);
  claim.policy = bounds.policy;
  if (const auto* policy = bounds.policy.empty() ? nullptr : theory::find_policy(bounds.policy))
    claim.program = program_words(*policy, bounds.method, bounds.question);
  claim.formula = formula_of(bounds, quantity);
  claim.domain = domain_of(bounds, layer, certificate);
  const double bound = whole_bound(values);
  claim.bound = bound;
  const std::string place = "In layer " + std::to_string(layer.index) + ", " + subject_words(bounds, certificate) + " ";
  if (std::isfinite(bound)) {
    claim.verdict = Verdict::kProven;
    claim.statement = place + kept_words(quantity, short_upper_decimal(bound)) + ", at every step." +
                      informative_words(bounds, values, quantity);
  } else {
    claim.verdict = Verdict::kUndecided;
    claim.statement = place + kept_words(quantity, "a distance that binary64 can hold") + ", at every step.";
    claim.reason = "the method bounds it by no number that binary64 can hold, which says nothing about the model.";
  }
  return claim;
}

}  // namespace

std::string program_words(const theory::PrecisionPolicy& policy, DeviationMethod method, DeviationQuestion question) {
  const std::string name = std::string(policy.name) + " (" + policy.summary + ")";
  if (method == DeviationMethod::kTrace) {
    return "The scan of a program of " + name +
           " from the x, B, C and pre-activation that it recorded: " + scan_words() +
           ". How the program came to these inputs is not assumed, and neither is anything said about what it does "
           "after the scan.";
  }
  const std::string sums = std::string("sums within layers in ") + policy.in_proj.accumulation.name;
  if (method == DeviationMethod::kIntervalRun) {
    return "Every program that rounds exactly where the policy " + name +
           " says, at its sites and to its types, and nowhere else in less than binary32: " + sums +
           ", in whichever order they are added; " + scan_words() +
           ". Not modelled: roundings at other places, sums whose parts are added in less than binary32, other "
           "formulas. That a kernel rounds at these places is not checked here: compare tensors that it recorded.";
  }
  const std::string scan = question == DeviationQuestion::kUniversal
                               ? "; the recurrence counts as exact: what a scan adds in binary32, by its order and its "
                                 "tiles, is its own tolerance and not in this bound"
                               : "; " + scan_words();
  return "Every program whose every rounding stays within the model of the policy " + name +
         ": half a unit in the last place of the type that the policy names, or the truncation it states, and " + sums +
         ", in whichever order they are added" + scan +
         ". Not modelled: roundings to other types or at places that the policy does not name, and sums whose parts "
         "are "
         "added in less than binary32.";
}

std::vector<Claim> deviation_claims(const LayerSummary& layer, const Certificate& certificate) {
  std::vector<Claim> claims;
  for (const DeviationBounds& bounds : layer.deviations) {
    for (const DeviationQuantity quantity :
         {DeviationQuantity::kState, DeviationQuantity::kOutput, DeviationQuantity::kBlockOutput}) {
      if (quantity_of(bounds, quantity) != nullptr) claims.push_back(claim_of(bounds, quantity, layer, certificate));
    }
  }
  return claims;
}

}  // namespace lyap
