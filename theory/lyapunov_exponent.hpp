#pragma once

#include <cstddef>

#include "theory/scalar.hpp"

/// The numbers of Theorem 1 for one state with decay rate α > 0 (theorems/theorem_1_state_deviation.md). Rates are in
/// nats per step.
namespace lyap::theory {

/// λ_T = -(α/T) Σ Δ_t: the finite-time Lyapunov exponent of T >= 1 steps whose sizes sum to `sum_of_steps`. Never
/// positive.
template <class S>
[[nodiscard]] S finite_time_exponent(const S& alpha, const S& sum_of_steps, std::size_t T) {
  return -(alpha * sum_of_steps) / exact<S>(static_cast<double>(T));
}

/// The same for every decay rate of a block: alpha (c, d_state) or (c), sum_of_steps (c); the result is shaped as
/// alpha.
template <class S>
[[nodiscard]] Array<S> finite_time_exponents(const Array<S>& alpha, const Array<S>& sum_of_steps, std::size_t T) {
  const std::size_t rates = alpha.size() / sum_of_steps.size();
  Array<S> result;
  for (std::size_t i = 0; i < alpha.size(); ++i)
    result.push_back(finite_time_exponent(alpha[i], sum_of_steps[i / rates], T));
  return result;
}

/// exp(-α Σ Δ_t), in [0, 1]: the part of a deviation that is left after these steps. |h'_T - h_T| is exactly this times
/// the initial one.
template <class S>
[[nodiscard]] S surviving_part(const S& alpha, const S& sum_of_steps) {
  return exp(-(alpha * sum_of_steps));
}

/// -α Δ: the rate of one step. ζ, its supremum, is this at the smallest step size: |δ_T| <= |δ_t| exp((T - t) ζ).
template <class S>
[[nodiscard]] S one_step_rate(const S& alpha, const S& Delta) {
  return -(alpha * Delta);
}

/// log 2 / -λ: the steps after which a deviation has halved at the exponent λ < 0.
template <class S>
[[nodiscard]] S half_life(const S& lambda) {
  return log1p(exact<S>(1.0)) / -lambda;
}

}  // namespace lyap::theory
