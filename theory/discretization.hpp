#pragma once

#include "theory/scalar.hpp"

/// From continuous to discrete time, for one scalar state. Both discretisations are one formula,
///
///     h_t = a h_{t-1} + (1 - a) v_t,   a = exp(-s),   s = α Δ_t,   v_t = ψ(s)/α · B_t x_t,
///
/// so h_t is a convex combination of h_{t-1} and v_t. Everything that is proved in theory/theorems follows from that.
namespace lyap::theory {

/// zoh: zero-order hold, as the paper writes it. euler: what every released program computes.
enum class Discretization { kEuler, kZoh };

/// One step of one state: h_t = a h_{t-1} + c B_t x_t.
template <class S>
struct DiscreteStep {
  S a;  ///< decay exp(-α Δ), in (0, 1]
  S c;  ///< what multiplies B x: Δ (euler) or (1 - a)/α (zoh)
};

/// a and c for the decay rate α > 0 and the step size Δ >= 0. The 1 - a of zoh is computed as -expm1(-s), without
/// cancellation.
template <class S>
[[nodiscard]] DiscreteStep<S> discretize(const S& alpha, const S& Delta, Discretization discretization) {
  const S s = alpha * Delta;
  if (discretization == Discretization::kEuler) return {exp(-s), Delta};
  return {exp(-s), -expm1(-s) / alpha};
}

/// ψ(s) = s/(1 - exp(-s)), ψ(0) = 1, for s >= 0: the factor by which an Euler step's target exceeds that of zero-order
/// hold. Increasing, 1 <= ψ(s) <= 1 + s, and ψ(e^γ s) <= e^γ ψ(s) (theorems/gains.md). For a set scalar: contains ψ(s)
/// for every s in the set.
template <class S>
[[nodiscard]] S psi(const S& s) {
  constexpr double kTiny = 0x1p-1000;  // below it, 1 and 1 + s are neighbours in every scalar used here that is a set
  return increasing_image(s, [](const S& point) {
    if constexpr (SetScalar<S>) {
      const S one = exact<S>(1.0);
      if (point.upper() < kTiny) return S::from_bounds(1.0, (one + point).upper());
      return point / -expm1(-point);
    } else {
      return point == exact<S>(0.0) ? exact<S>(1.0) : point / -expm1(-point);
    }
  });
}

/// v = ψ(s)/α · B x: the value towards which one step draws the state (`Bx` is the product B_t x_t).
template <class S>
[[nodiscard]] S target(const S& alpha, const S& Delta, const S& Bx, Discretization discretization) {
  if (discretization == Discretization::kZoh) return Bx / alpha;
  return psi(alpha * Delta) / alpha * Bx;
}

}  // namespace lyap::theory
