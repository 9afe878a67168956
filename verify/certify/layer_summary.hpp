#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <vector>

#include "verify/checkpoint/checkpoint.hpp"
#include "verify/deviation_certificate.hpp"
#include "verify/lyapunov_certificate.hpp"

namespace lyap {

/// A layer's largest rate: a proved bound and, where a search was made, the largest value rigorously reached.
struct RateSummary {
  double upper = 0.0;
  std::size_t channel = 0;        ///< where `upper` is attained
  std::optional<double> witness;  ///< largest lower bound of a reached value
  std::size_t witness_channel = 0;
};

/// What a layer's universal tier says, without its arrays.
struct UniversalSummary {
  RateSummary zeta, exponent;
  double step_size_lower = 0.0;    ///< smallest over channels
  double state_bound_upper = 0.0;  ///< H over channels
  double gain_initial_upper = 1.0;
  std::optional<double> output_gain_upper;       ///< largest sup_t sum_n |C_{t,n}|, where computed
  std::array<std::size_t, 7> relaxation_wins{};  ///< channels won, by Relaxation
  std::size_t channels = 0;
  bool has_witness_input = false, has_sustained_input = false;
  bool complete = true;          ///< false where the time allowed ended before every refinement
  bool over_vocabulary = false;  ///< the bounds hold for inputs from the embedding only (first layer)
};

/// Encloses the order statistic of the layer's finite-time exponents at `probability`.
struct ExponentQuantile {
  double probability = 0.0;
  double lower = 0.0;
  double upper = 0.0;
};

struct TrajectorySummary {
  std::size_t steps = 0;
  std::size_t exponents = 0;                ///< how many: states of Mamba-1, heads of Mamba-2
  std::vector<ExponentQuantile> quantiles;  ///< probabilities 0, 0.05, 0.25, 0.5, 0.75, 0.95, 1
  double exponent_upper = 0.0;              ///< the slowest state
  double state_upper = 0.0;                 ///< largest |h_T|
  bool has_outputs = false;
};

/// Everything that a certificate's JSON says about one layer.
struct LayerSummary {
  std::size_t index = 0;
  LayerKind kind = LayerKind::kMamba1;
  theory::StepSizeLimits step_limits;
  std::optional<UniversalSummary> universal;
  std::optional<TrajectorySummary> trajectory;
  std::vector<DeviationBounds> deviations;  ///< consistent; Theorems 3 and 4
};

[[nodiscard]] const char* name_of(LayerKind kind);

/// The summaries of a layer's bounds. Throw ContractViolation where the bounds are inconsistent.
[[nodiscard]] UniversalSummary summarize(const UniversalBounds& bounds);
[[nodiscard]] TrajectorySummary summarize(const TrajectoryBounds& bounds);

}  // namespace lyap
