#include "verify/certify/layer_summary.hpp"

#include <algorithm>
#include <cmath>

namespace lyap {
namespace {

constexpr std::array<double, 7> kProbabilities{0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0};

double largest(const std::vector<double>& values) { return *std::max_element(values.begin(), values.end()); }

RateSummary summarize_rate(const std::vector<double>& upper, const std::vector<double>& witness) {
  RateSummary summary;
  summary.channel = static_cast<std::size_t>(std::max_element(upper.begin(), upper.end()) - upper.begin());
  summary.upper = upper[summary.channel];
  for (std::size_t i = 0; i < witness.size(); ++i) {
    if (std::isnan(witness[i])) continue;
    if (!summary.witness || witness[i] > *summary.witness) {
      summary.witness = witness[i];
      summary.witness_channel = i;
    }
  }
  return summary;
}

/// The k-th smallest of the lower ends and of the upper ends enclose the k-th smallest of the numbers between them.
std::vector<ExponentQuantile> quantiles_of(std::vector<double> lower, std::vector<double> upper) {
  std::sort(lower.begin(), lower.end());
  std::sort(upper.begin(), upper.end());
  std::vector<ExponentQuantile> quantiles;
  for (const double probability : kProbabilities) {
    const auto k = static_cast<std::size_t>(std::lround(probability * static_cast<double>(lower.size() - 1)));
    quantiles.push_back({probability, lower[k], upper[k]});
  }
  return quantiles;
}

}  // namespace

const char* name_of(LayerKind kind) { return kind == LayerKind::kMamba1 ? "mamba1" : "mamba2"; }

UniversalSummary summarize(const UniversalBounds& bounds) {
  require_consistent(bounds);
  UniversalSummary summary;
  summary.channels = bounds.zeta_upper.size();
  summary.zeta = summarize_rate(bounds.zeta_upper, bounds.zeta_witness);
  summary.exponent = summarize_rate(bounds.exponent_upper, bounds.exponent_witness);
  summary.step_size_lower = *std::min_element(bounds.step_size_lower.begin(), bounds.step_size_lower.end());
  summary.state_bound_upper = largest(bounds.state_bound_upper);
  summary.gain_initial_upper = largest(bounds.gain_initial_upper);
  if (!bounds.output_gain_upper.empty()) summary.output_gain_upper = largest(bounds.output_gain_upper);
  for (const std::uint8_t code : bounds.relaxation) ++summary.relaxation_wins[code];
  summary.has_witness_input = bounds.witness_input.rows > 0;
  summary.has_sustained_input = bounds.sustained_witness_input.rows > 0;
  summary.complete = bounds.complete;
  return summary;
}

TrajectorySummary summarize(const TrajectoryBounds& bounds) {
  require_consistent(bounds);
  TrajectorySummary summary;
  summary.steps = bounds.steps;
  summary.exponents = bounds.exponent_upper.size();
  summary.quantiles = quantiles_of(bounds.exponent_lower, bounds.exponent_upper);
  summary.exponent_upper = largest(bounds.exponent_upper);
  for (std::size_t i = 0; i < bounds.final_state_upper.size(); ++i) {
    summary.state_upper =
        std::max({summary.state_upper, std::fabs(bounds.final_state_lower[i]), std::fabs(bounds.final_state_upper[i])});
  }
  summary.has_outputs = !bounds.output_upper.empty();
  return summary;
}

}  // namespace lyap
