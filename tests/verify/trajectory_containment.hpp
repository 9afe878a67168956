#pragma once

#include <cstddef>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "numerics/interval.hpp"
#include "numerics/interval_functions.hpp"
#include "numerics/mpfr_real.hpp"
#include "theory/lyapunov_exponent.hpp"
#include "theory/selective_recurrence.hpp"
#include "verify/certify/trajectory.hpp"

/// What the trajectory tier's results are compared with: theory's template, run in another scalar.
namespace lyap::testing {

/// The quantities of a run that a TrajectoryBounds encloses, in its order.
template <class S>
struct TrajectoryValues {
  std::vector<S> exponents, final_state, outputs;
};

template <class S, class Weights>
[[nodiscard]] TrajectoryValues<S> values_of(const Weights& block, const theory::Matrix& inputs,
                                            theory::Softplus softplus) {
  const theory::BlockRun<S> run = theory::run<S>(block, inputs, {theory::Discretization::kEuler, softplus});
  TrajectoryValues<S> values;
  const std::size_t per_step_size = run.alpha.size() / run.sum_of_steps.size();
  for (std::size_t i = 0; i < run.alpha.size(); ++i) {
    values.exponents.push_back(
        theory::finite_time_exponent(run.alpha[i], run.sum_of_steps[i / per_step_size], inputs.rows));
  }
  values.final_state = run.h;
  for (const auto& step : run.steps) values.outputs.insert(values.outputs.end(), step.y.begin(), step.y.end());
  return values;
}

inline TrajectoryOptions with_outputs() {
  TrajectoryOptions options;
  options.save_outputs = true;
  return options;
}

/// What lies outside, in words; nothing where all is inside and no end is NaN.
inline std::optional<std::string> first_outside(const char* what, const std::vector<MpfrReal>& values,
                                                const std::vector<double>& lower, const std::vector<double>& upper) {
  if (lower.size() != values.size() || upper.size() != values.size())
    return std::string(what) + ": wrong number of entries";
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] >= lower[i] && values[i] <= upper[i]) continue;
    std::ostringstream text;
    text.precision(17);
    text << what << ' ' << i << ": " << values[i] << " is not in [" << lower[i] << ", " << upper[i] << ']';
    return text.str();
  }
  return std::nullopt;
}

inline std::optional<std::string> first_outside(const TrajectoryValues<MpfrReal>& values,
                                                const TrajectoryBounds& bounds) {
  auto outside = first_outside("exponent", values.exponents, bounds.exponent_lower, bounds.exponent_upper);
  if (!outside)
    outside = first_outside("state", values.final_state, bounds.final_state_lower, bounds.final_state_upper);
  if (!outside) outside = first_outside("output", values.outputs, bounds.output_lower, bounds.output_upper);
  return outside;
}

/// Containment of both programs, with and without the softplus cut-off.
template <class Weights>
std::optional<std::string> first_outside(const Weights& block, const theory::Matrix& inputs,
                                         const TrajectoryBounds& bounds) {
  for (const theory::Softplus softplus : {theory::Softplus::kTextbook, theory::Softplus::kDeployed}) {
    if (auto outside = first_outside(values_of<MpfrReal>(block, inputs, softplus), bounds)) return outside;
  }
  return std::nullopt;
}

}  // namespace lyap::testing
