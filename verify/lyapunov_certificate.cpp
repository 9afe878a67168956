#include "verify/lyapunov_certificate.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "numerics/contract_violation.hpp"

namespace lyap {
namespace {

[[noreturn]] void reject(const std::string& array, std::size_t entry, const std::string& problem) {
  throw ContractViolation("certificate refused: " + array + "[" + std::to_string(entry) + "] " + problem);
}

void require_length(const std::string& array, std::size_t length, std::size_t expected) {
  if (length != expected) {
    throw ContractViolation("certificate refused: " + array + " has " + std::to_string(length) + " entries, expected " +
                            std::to_string(expected));
  }
}

void require_range(const std::string& array, const std::vector<double>& lower, const std::vector<double>& upper,
                   std::size_t expected) {
  require_length(array + ".lower", lower.size(), expected);
  require_length(array + ".upper", upper.size(), expected);
  for (std::size_t i = 0; i < expected; ++i) {
    if (!(lower[i] <= upper[i])) reject(array, i, "is not a range (NaN or crossed ends)");
  }
}

void require_magnitudes(const std::string& array, const std::vector<double>& upper, std::size_t expected) {
  require_length(array, upper.size(), expected);
  for (std::size_t i = 0; i < expected; ++i) {
    if (!(upper[i] >= 0.0)) reject(array, i, "is NaN or negative");
  }
}

/// A rate above zero contradicts alpha > 0 and Delta >= 0.
void require_no_growth(const std::string& array, const std::vector<double>& upper) {
  for (std::size_t i = 0; i < upper.size(); ++i) {
    if (!(upper[i] <= 0.0)) reject(array, i, "is above zero or NaN");
  }
}

void require_witness_below(const std::string& array, const std::vector<double>& witness,
                           const std::vector<double>& upper) {
  require_length(array, witness.size(), upper.size());
  for (std::size_t i = 0; i < upper.size(); ++i) {
    if (witness[i] > upper[i]) reject(array, i, "is above the bound it belongs to");
  }
}

/// The lower end of p is the best that any relaxation said.
void require_best_relaxation(const std::vector<std::vector<double>>& by_relaxation, const std::vector<double>& lower) {
  std::vector<double> best(lower.size(), -std::numeric_limits<double>::infinity());
  bool any = false;
  for (std::size_t code = 0; code < by_relaxation.size(); ++code) {
    if (by_relaxation[code].empty()) continue;
    const std::string array = std::string("preactivation.lower_by.") + name_of(static_cast<Relaxation>(code));
    require_length(array, by_relaxation[code].size(), lower.size());
    any = true;
    for (std::size_t i = 0; i < lower.size(); ++i) {
      if (!(by_relaxation[code][i] <= lower[i])) reject(array, i, "is NaN or above preactivation.lower");
      best[i] = std::max(best[i], by_relaxation[code][i]);
    }
  }
  for (std::size_t i = 0; any && i < lower.size(); ++i) {
    if (best[i] != lower[i]) reject("preactivation.lower", i, "is not what any relaxation said");
  }
}

std::size_t element_count(const std::vector<std::size_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>());
}

}  // namespace

const char* name_of(Relaxation relaxation) {
  switch (relaxation) {
    case Relaxation::kInterval:
      return "interval";
    case Relaxation::kNorm:
      return "norm";
    case Relaxation::kLinear:
      return "linear";
    case Relaxation::kQuadratic:
      return "quadratic";
    case Relaxation::kQuadraticTapwise:
      return "quadratic-tapwise";
    case Relaxation::kVocabulary:
      return "vocabulary";
    case Relaxation::kExact:
      return "exact";
  }
  throw ContractViolation("name_of: no relaxation has this number");
}

const char* name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kProven:
      return "proven";
    case Verdict::kRefuted:
      return "refuted";
    case Verdict::kUndecided:
      return "undecided";
  }
  throw ContractViolation("name_of: no verdict has this number");
}

namespace {

void require_reached_ends(const SelectedRanges& ranges) {
  const std::size_t count = ranges.lower.size();
  require_range("selected", ranges.lower, ranges.upper, count);
  require_length("selected.lower.witness", ranges.lower_witness.size(), count);
  require_length("selected.upper.witness", ranges.upper_witness.size(), count);
  for (std::size_t r = 0; r < count; ++r) {
    if (!(ranges.lower_witness[r] >= ranges.lower[r])) reject("selected.lower.witness", r, "is NaN or below its bound");
    if (!(ranges.upper_witness[r] <= ranges.upper[r])) reject("selected.upper.witness", r, "is NaN or above its bound");
  }
}

void require_upper_witness(const std::vector<double>& witness, const std::vector<double>& upper) {
  if (!witness.empty()) require_length("preactivation.upper.witness", witness.size(), upper.size());
  for (std::size_t i = 0; i < witness.size(); ++i) {
    if (!(witness[i] <= upper[i])) reject("preactivation.upper.witness", i, "is NaN or above its bound");
  }
}

}  // namespace

void require_consistent(const UniversalBounds& b) {
  const std::size_t c = b.zeta_upper.size();
  if (c == 0) throw ContractViolation("certificate refused: a layer without channels");
  require_range("preactivation", b.preactivation_lower, b.preactivation_upper, c);
  require_range("step_size", b.step_size_lower, b.step_size_upper, c);
  require_range("zeta", b.zeta_lower, b.zeta_upper, c);
  require_magnitudes("step_size.lower", b.step_size_lower, c);
  require_no_growth("zeta.upper", b.zeta_upper);
  require_length("exponent.upper", b.exponent_upper.size(), c);
  require_no_growth("exponent.upper", b.exponent_upper);
  for (std::size_t i = 0; i < c; ++i) {
    if (b.exponent_upper[i] > b.zeta_upper[i]) reject("exponent.upper", i, "is above zeta.upper");
  }
  require_witness_below("zeta.witness", b.zeta_witness, b.zeta_upper);
  require_witness_below("exponent.witness", b.exponent_witness, b.exponent_upper);
  require_length("relaxation", b.relaxation.size(), c);
  require_best_relaxation(b.preactivation_lower_by_relaxation, b.preactivation_lower);
  for (const std::uint8_t code : b.relaxation) (void)name_of(static_cast<Relaxation>(code));
  require_magnitudes("state_bound.upper", b.state_bound_upper, c);
  require_magnitudes("gain.initial.upper", b.gain_initial_upper, c);
  require_magnitudes("gain.x.upper", b.gain_x_upper, c);
  require_magnitudes("gain.B.upper", b.gain_B_upper, c);
  require_magnitudes("gain.C.upper", b.gain_C_upper, c);
  require_magnitudes("gain.step.upper", b.gain_step_upper, c);
  require_magnitudes("gain.A_log.upper", b.gain_A_log_upper, c);
  if (!b.output_gain_upper.empty()) require_magnitudes("output_gain.upper", b.output_gain_upper, c);
  require_reached_ends(b.selected);
  require_upper_witness(b.preactivation_upper_witness, b.preactivation_upper);
  if (b.preactivation_witness.empty() && b.sustained_preactivation_lower.empty()) return;
  for (const auto* optional :
       {&b.preactivation_witness, &b.sustained_preactivation_lower, &b.sustained_preactivation_witness}) {
    if (!optional->empty()) require_length("thorough tier", optional->size(), c);
  }
  for (std::size_t i = 0; i < c; ++i) {
    if (!b.preactivation_witness.empty() && b.preactivation_witness[i] < b.preactivation_lower[i])
      reject("preactivation.witness", i, "is below the bound it belongs to");
    if (b.sustained_preactivation_lower.empty()) continue;
    if (std::isnan(b.sustained_preactivation_lower[i])) reject("sustained_preactivation.lower", i, "is NaN");
    if (b.sustained_preactivation_witness.empty()) continue;
    if (b.sustained_preactivation_witness[i] < b.sustained_preactivation_lower[i])
      reject("sustained_preactivation.witness", i, "is below its bound");
  }
}

void require_consistent(const TrajectoryBounds& b) {
  if (b.steps == 0) throw ContractViolation("certificate refused: a trajectory without steps");
  const std::size_t exponents = element_count(b.exponent_shape);
  if (exponents == 0) throw ContractViolation("certificate refused: a trajectory without states");
  require_range("trajectory.exponent", b.exponent_lower, b.exponent_upper, exponents);
  require_no_growth("trajectory.exponent.upper", b.exponent_upper);
  require_range("trajectory.final_state", b.final_state_lower, b.final_state_upper, element_count(b.state_shape));
  require_range("trajectory.output", b.output_lower, b.output_upper, b.output_lower.size());
}

}  // namespace lyap
