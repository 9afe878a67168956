#include "verify/certify/claims.hpp"

#include <cmath>

#include "verify/certify/bound_text.hpp"
#include "verify/certify/claim_domain.hpp"

namespace lyap {
namespace {

std::string layer_words(std::size_t layer) { return "layer " + std::to_string(layer); }

Claim universal_claim(const LayerSummary& layer, const char* theorem, const char* quantity) {
  Claim claim;
  claim.theorem = theorem;
  claim.tier = "universal";
  claim.quantity = quantity;
  claim.layer = layer.index;
  claim.domain = universal_domain(layer, layer.universal->over_vocabulary);
  claim.verdict = Verdict::kProven;
  return claim;
}

std::string unit_word(LayerKind kind) { return kind == LayerKind::kMamba1 ? "channel" : "head"; }

/// `stored` says where the input is, and is empty where it is not kept.
std::optional<ClaimWitness> witness_of(const RateSummary& rate, const LayerSummary& layer, const std::string& stored) {
  if (!rate.witness) return std::nullopt;
  ClaimWitness witness{*rate.witness, rate.witness_channel, ""};
  const std::string found = layer.kind == LayerKind::kMamba1 ? "found by search" : "along the head's own weights";
  witness.how = "reached by an input " + found + ", its value enclosed rigorously, in " + unit_word(layer.kind) + " " +
                std::to_string(rate.witness_channel) + stored;
  return witness;
}

std::string stored_words(const LayerSummary& layer, const char* beginning, const char* name) {
  return std::string(beginning) + "layer." + std::to_string(layer.index) + "." + name + " in the arrays file";
}

Claim zeta_claim(const LayerSummary& layer) {
  const RateSummary& zeta = layer.universal->zeta;
  Claim claim = universal_claim(layer, "T1", "zeta");
  const std::string two_runs = "In " + layer_words(layer.index) +
                               ", for two runs with the same inputs, no step lets the distance of a state grow";
  if (zeta.upper < 0.0) {
    claim.statement = two_runs + "; every step shrinks it at least by the factor exp(" +
                      short_upper_decimal(zeta.upper) + "), whatever the inputs.";
  } else {
    claim.statement =
        two_runs + ", whatever the inputs. The bound of the one-step rate is zero: nothing is said about shrinking.";
  }
  claim.formula = "|h'_T - h_T| <= exp((T - t) zeta) |h'_t - h_t|, zeta = -min alpha inf Delta <= bound";
  claim.bound = zeta.upper;
  claim.witness = witness_of(
      zeta, layer,
      layer.universal->has_witness_input ? stored_words(layer, ", at the last step of the block input ", "input") : "");
  return claim;
}

Claim exponent_claim(const LayerSummary& layer) {
  const RateSummary& exponent = layer.universal->exponent;
  Claim claim = universal_claim(layer, "T1", "exponent");
  claim.statement = "The Lyapunov exponent of every state of " + layer_words(layer.index) +
                    ", under every infinite input sequence, is at most " + short_upper_decimal(exponent.upper) +
                    " nats per step.";
  claim.formula = "lambda = limsup_T -(alpha/T) sum_{t<=T} Delta_t <= bound";
  claim.bound = exponent.upper;
  claim.witness = witness_of(exponent, layer,
                             layer.universal->has_sustained_input
                                 ? stored_words(layer, ", by repeating the block input ", "sustained_input")
                                 : "");
  return claim;
}

Claim strict_decay_claim(const LayerSummary& layer) {
  Claim claim = universal_claim(layer, "T1", "strict_decay");
  const double upper = layer.universal->exponent.upper;
  claim.statement = "Every state of " + layer_words(layer.index) +
                    " forgets its initial value exponentially fast, whatever the inputs: its exponent is below zero.";
  claim.formula = "lambda < 0";
  claim.bound = upper;
  if (!(upper < 0.0)) {
    claim.verdict = Verdict::kUndecided;
    claim.reason = "the upper bound of the exponent is zero: no negative rate that binary64 can hold was established.";
  }
  return claim;
}

Claim state_bound_claim(const LayerSummary& layer) {
  const double bound = layer.universal->state_bound_upper;
  Claim claim = universal_claim(layer, "T1", "state_bound");
  claim.formula = "|h_t| <= H = sup |v_t|, h_0 = 0";
  claim.bound = bound;
  if (std::isfinite(bound)) {
    claim.statement = "Started from zero, no state of " + layer_words(layer.index) + " ever exceeds " +
                      short_upper_decimal(bound) + " in size, at any step of any input.";
  } else {
    claim.statement =
        "Started from zero, the states of " + layer_words(layer.index) + " stay within a bound that binary64 can hold.";
    claim.verdict = Verdict::kUndecided;
    claim.reason = "the bound that was derived exceeds the largest binary64 number.";
  }
  return claim;
}

Claim output_gain_claim(const LayerSummary& layer, double gain) {
  Claim claim = universal_claim(layer, "T2", "output_gain");
  claim.formula = "|y'_t - y_t| <= (sup_t sum_n |C_{t,n}|) max_n |h'_{t,n} - h_{t,n}|, same inputs and parameters";
  claim.bound = gain;
  if (std::isfinite(gain)) {
    claim.statement = "In " + layer_words(layer.index) +
                      ", two runs with the same inputs give scan outputs that differ by at most " +
                      short_upper_decimal(gain) + " times the largest distance of their states, at every step.";
  } else {
    claim.statement = "In " + layer_words(layer.index) + ", outputs follow states with a gain that binary64 can hold.";
    claim.verdict = Verdict::kUndecided;
    claim.reason = "the gain that was derived exceeds the largest binary64 number.";
  }
  return claim;
}

Claim trajectory_claim(const LayerSummary& layer, const SequenceDescription& sequence, const char* theorem,
                       const char* quantity) {
  Claim claim;
  claim.theorem = theorem;
  claim.tier = "trajectory";
  claim.quantity = quantity;
  claim.layer = layer.index;
  claim.domain = sequence_domain(sequence, layer.trajectory->steps) + "; the state starts at zero" + clamp_words(layer);
  claim.verdict = Verdict::kProven;
  return claim;
}

Claim trajectory_exponent_claim(const LayerSummary& layer, const SequenceDescription& sequence) {
  const TrajectorySummary& trajectory = *layer.trajectory;
  const ExponentQuantile& fastest = trajectory.quantiles.front();
  Claim claim = trajectory_claim(layer, sequence, "T1", "trajectory_exponent");
  claim.statement = "On this sequence the finite-time exponents of " + layer_words(layer.index) + " lie between " +
                    short_lower_decimal(fastest.lower) + " and " + short_upper_decimal(trajectory.exponent_upper) +
                    " nats per step; each has its own enclosure in the arrays file.";
  if (trajectory.exponent_upper == 0.0)
    claim.statement += " The upper end is zero: for the slowest state no decay is established.";
  claim.formula = "|h'_T - h_T| = exp(T lambda_T) |h'_0 - h_0|, lambda_T = -(alpha/T) sum_{t<=T} Delta_t";
  claim.bound = trajectory.exponent_upper;
  claim.lower_bound = fastest.lower;
  return claim;
}

Claim trajectory_output_claim(const LayerSummary& layer, const SequenceDescription& sequence) {
  Claim claim = trajectory_claim(layer, sequence, "T2", "output");
  claim.statement = "On this sequence every scan output of " + layer_words(layer.index) +
                    ", after D and before the gate, lies in its enclosure in the arrays file.";
  claim.formula = "output.lower <= y_t = sum_n C_{t,n} h_{t,n} + D x_t <= output.upper";
  return claim;
}

Claim structural_claim(const char* theorem, const char* quantity, const char* domain, const std::string& statement,
                       const char* formula) {
  Claim claim;
  claim.theorem = theorem;
  claim.tier = "structural";
  claim.quantity = quantity;
  claim.statement = statement;
  claim.formula = formula;
  claim.domain = domain;
  claim.verdict = Verdict::kProven;
  return claim;
}

}  // namespace

std::vector<Claim> structural_claims(const ModelDescription& model) {
  const std::string layers = model.layers == 1 ? "the one layer" : "all " + std::to_string(model.layers) + " layers";
  std::vector<Claim> claims;
  claims.push_back(structural_claim(
      "T1", "exponent",
      "every real input sequence; rests only on A_log being finite, which was checked for every layer",
      "In " + layers +
          ", the distance of a state between two runs with the same inputs never grows: no exponent is above zero.",
      "|h'_T - h_T| = exp(-alpha sum Delta_t) |h'_0 - h_0| <= |h'_0 - h_0|, lambda <= 0"));
  claims.back().bound = 0.0;
  claims.push_back(structural_claim("T2", "output_deviation",
                                    "every real input sequence; rests only on the form of the recurrence",
                                    "In " + layers +
                                        ", two runs with the same inputs give scan outputs whose distance is at most "
                                        "the sum over states of |C| times the distance of the state.",
                                    "|y'_t - y_t| <= sum_n |C_{t,n}| |h'_{t,n} - h_{t,n}|"));
  return claims;
}

std::vector<Claim> layer_claims(const LayerSummary& layer, const std::optional<SequenceDescription>& sequence) {
  std::vector<Claim> claims;
  if (layer.universal) {
    claims.push_back(zeta_claim(layer));
    claims.push_back(exponent_claim(layer));
    claims.push_back(strict_decay_claim(layer));
    claims.push_back(state_bound_claim(layer));
    if (layer.universal->output_gain_upper)
      claims.push_back(output_gain_claim(layer, *layer.universal->output_gain_upper));
  }
  if (layer.trajectory && sequence) {
    claims.push_back(trajectory_exponent_claim(layer, *sequence));
    if (layer.trajectory->has_outputs) claims.push_back(trajectory_output_claim(layer, *sequence));
  }
  return claims;
}

}  // namespace lyap
