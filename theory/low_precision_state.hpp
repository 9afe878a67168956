#pragma once

#include "theory/deviation_bound.hpp"
#include "theory/scalar.hpp"

/// A state that is stored in low precision after every step. Its rounding is up to u |h| and not proportional to 1 - a,
/// so the gap-free constant does not cover it: theory/theorems/low_precision_state.md. As in deviation_bound.hpp,
/// arguments are bounds and upper ends are what counts.
namespace lyap::theory {

/// |fl(h) - h| <= u |h| + u_min, overflow excluded.
template <class S>
struct StateRounding {
  S u, u_min;
};

/// Bound of |fl(h'_t) - h_t| from E >= |h'_t - h_t| before the rounding: (1 + u) E + u |h_t| + u_min. Holds whatever
/// else differs; put it after each trajectory_step. Grows like (1 + u)^T where a is near 1.
template <class S>
[[nodiscard]] S stored_deviation(const S& E, const S& h, const StateRounding<S>& rounding) {
  return (exact<S>(1.0) + rounding.u) * E + rounding.u * magnitude(h) + rounding.u_min;
}

/// Whether (1 + u) exp(-s) < 1 for certain: a step after which stored_deviation's factor does not grow.
template <class S>
[[nodiscard]] bool contracts_when_stored(const S& s, const S& u) {
  if constexpr (SetScalar<S>) {
    return log1p(u).upper() < s.lower();
  } else {
    return log1p(u) < s;
  }
}

/// Which of the three bounds below is the smallest. None of them may be called decaying: only its first part is.
enum class StoredStateRegime {
  kContracting,  ///< roundings die out: at most 1/(1 - max a) of them count
  kMarginal,     ///< decays too near 1 for that: the roundings of all T steps add up
  kCapped        ///< T is so large that only |ĥ_T|, |h_T| <= H is left to say
};

template <class S>
struct StoredStateBound {
  S decaying;     ///< P_T |ĥ_0 - h_0|
  S accumulated;  ///< (u Ĥ + u_min) min(T, 1/(1 - max a))
  S total;        ///< the smaller of decaying + accumulated and H + Ĥ: bounds |ĥ_T - h_T|
  StoredStateRegime regime;
};

/// What holds when the rounding of the state is the *only* error: same a and v in both trajectories, a ĥ + (1 - a) v
/// evaluated exactly and rounded once, to nearest. H bounds |h_0| and every |v_t|; stored_H is a number of the format
/// with stored_H >= H and stored_H >= |ĥ_0| (numerics: round H upward). `least_s` is the least s_t of the T steps, and
/// `surviving` is P_T.
template <class S>
[[nodiscard]] StoredStateBound<S> stored_state_bound(const S& initial_deviation, const S& surviving, const S& least_s,
                                                     double T, const S& H, const S& stored_H,
                                                     const StateRounding<S>& rounding) {
  const auto less = [](const S& x, const S& y) {
    if constexpr (SetScalar<S>) {
      return x.upper() < y.upper();
    } else {
      return x < y;
    }
  };
  const S steps = exact<S>(T);
  const S memory = exact<S>(1.0) / -expm1(-least_s);
  const S decaying = surviving * initial_deviation;
  const bool contracting = less(memory, steps);
  const S accumulated = (rounding.u * stored_H + rounding.u_min) * (contracting ? memory : steps);
  const S sum = decaying + accumulated;
  const S cap = H + stored_H;
  if (less(cap, sum)) return {decaying, accumulated, cap, StoredStateRegime::kCapped};
  return {decaying, accumulated, sum, contracting ? StoredStateRegime::kContracting : StoredStateRegime::kMarginal};
}

}  // namespace lyap::theory
