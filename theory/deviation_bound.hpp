#pragma once

#include <limits>

#include "theory/discretization.hpp"
#include "theory/scalar.hpp"

/// Theorem 3 as arithmetic: how far a second trajectory h' of one state can be from h when the two differ at every
/// step. Proofs: theory/theorems/theorem_3_perturbed_trajectories.md and trajectory_recurrence.md.
///
/// Arguments named `..._change` and K, E, tau, gamma are bounds: any number at least the quantity. All others are the
/// quantity itself. With a set scalar every argument may be an enclosure, and the *upper end* of a result is a bound
/// for all its points; lower ends of bounds mean nothing. With float and double nothing is rounded outward: results are
/// approximations of the bounds.
namespace lyap::theory {

/// |x|.
template <class S>
[[nodiscard]] S magnitude(const S& x) {
  return max(max(x, -x), exact<S>(0.0));
}

/// |log y - log x| for x, y > 0; 0 where both are the same number, 0 included.
template <class S>
[[nodiscard]] S log_distance(const S& x, const S& y) {
  if constexpr (!SetScalar<S>) {
    if (x == y) return exact<S>(0.0);
  }
  return max(log1p(magnitude(y - x) / min(x, y)), exact<S>(0.0));
}

/// log(softplus(p)/p) is below this for p >= 20: what the cut-off of deployed programs adds to tau and gamma wherever
/// max(p, p') >= 20.
inline constexpr double kCutOffLogarithm = 1.031e-10;

/// tau >= |log s' - log s|, from bounds of |log Δ' - log Δ| (|p' - p| where both programs clamp to the same limits) and
/// |A_log' - A_log|.
template <class S>
[[nodiscard]] S perturbation_distance(const S& log_Delta_change, const S& A_log_change) {
  return log_Delta_change + A_log_change;
}

/// gamma: bound of |log(ψ'/α') - log(ψ/α)|, the factor between v and B x.
template <class S>
[[nodiscard]] S target_distance(const S& log_Delta_change, const S& A_log_change, Discretization discretization) {
  return discretization == Discretization::kEuler ? max(log_Delta_change, A_log_change) : A_log_change;
}

/// The same for the factor between b and B x: Δ (euler), (1 - a)/α (zoh).
template <class S>
[[nodiscard]] S forcing_distance(const S& log_Delta_change, const S& A_log_change, Discretization discretization) {
  return discretization == Discretization::kEuler ? log_Delta_change : max(log_Delta_change, A_log_change);
}

/// |B' x' - B x| <= |B'| |x' - x| + |B' - B| |x|.
template <class S>
[[nodiscard]] S product_change(const S& B_prime, const S& x, const S& B_change, const S& x_change) {
  return magnitude(B_prime) * x_change + B_change * magnitude(x);
}

/// |f' B' x' - f B x| for a factor f > 0 whose logarithm changes by at most gamma: (exp(gamma) - 1) |f B x| +
/// exp(gamma) f |B' x' - B x|. With f = ψ/α and target_distance it bounds |v' - v| (Theorem 3, (2)), with f = c and
/// forcing_distance |b' - b|.
template <class S>
[[nodiscard]] S scaled_product_change(const S& factor, const S& Bx, const S& product_change, const S& gamma) {
  return expm1(gamma) * magnitude(factor * Bx) + exp(gamma) * factor * product_change;
}

/// |a' - a| when |log s' - log s| <= tau, without cancellation.
template <class S>
[[nodiscard]] S decay_change(const S& s, const S& tau) {
  const S slower = exp(-(s * exp(-tau))) * -expm1(s * expm1(-tau));
  const S faster = exp(-s) * -expm1(-(s * expm1(tau)));
  return max(slower, faster);
}

/// Bound of max(|h_{t-1} - v_t|, |h'_{t-1} - v'_t|) as gap_free_constant uses it, where only |h_{t-1} - v_t| and
/// E >= |h'_{t-1} - h_{t-1}| are known: |h - v| + max(E - |v' - v|, 0), less than the triangle inequality gives.
template <class S>
[[nodiscard]] S gap_from_one_trajectory(const S& h_minus_v, const S& E, const S& target_change) {
  return magnitude(h_minus_v) + max(E - target_change, exact<S>(0.0));
}

/// K_t of one step, both trajectories known: |v' - v| + (1 - exp(-tau)) gap. The step takes |h' - h| to at most
/// drawn(max(s, s'), |h' - h|, K_t). `gap` is max(|h_{t-1} - v_t|, |h'_{t-1} - v'_t|), or gap_from_one_trajectory.
template <class S>
[[nodiscard]] S gap_free_constant(const S& target_change, const S& tau, const S& gap) {
  return target_change - expm1(-tau) * gap;
}

/// K_t of one step where only h is known: |v' - v| + (exp(tau) - 1) |h_{t-1} - v_t|. The step takes |h' - h| to at most
/// drawn(s', |h' - h|, K_t).
template <class S>
[[nodiscard]] S one_sided_constant(const S& target_change, const S& tau, const S& h_minus_v) {
  return target_change + expm1(tau) * magnitude(h_minus_v);
}

/// exp(-s) E + (1 - exp(-s)) K, 1 - exp(-s) without cancellation. For a set scalar: at least this for every s in the
/// set (it is linear in exp(-s), so that the two ends decide; the set may be unbounded above).
template <class S>
[[nodiscard]] S drawn(const S& s, const S& E, const S& K) {
  const auto at = [&](const S& point) { return exp(-point) * E - expm1(-point) * K; };
  if constexpr (SetScalar<S>) {
    const bool bounded = s.upper() <= std::numeric_limits<double>::max();
    return max(at(S::from_exact(s.lower())), bounded ? at(S::from_exact(s.upper())) : K);
  } else {
    return at(s);
  }
}

/// drawn(s', E, K) for every s' with |log s' - log s| <= tau: a' lies in [a^exp(tau), a^exp(-tau)].
template <class S>
[[nodiscard]] S drawn_within(const S& s, const S& tau, const S& E, const S& K) {
  return max(drawn(s * exp(-tau), E, K), drawn(s * exp(tau), E, K));
}

/// The deviation's bound in the two parts that reports keep apart.
template <class S>
struct DeviationSplit {
  S decaying;  ///< P_T |h'_0 - h_0|: what is left of the initial deviation
  S staying;   ///< (1 - P_T) K: what a perturbation at every step keeps up; it does not decay
  S total;     ///< bound of their sum for one and the same P_T, at most max(|h'_0 - h_0|, K)
};

/// Theorem 3, (1): |h'_T - h_T| <= P_T |h'_0 - h_0| + (1 - P_T) K with K = sup K_t, free of T and of how small Δ gets.
template <class S>
class GapFreeBound {
 public:
  explicit GapFreeBound(const S& initial_deviation)
      : initial_(initial_deviation), K_(exact<S>(0.0)), slowest_(exact<S>(0.0)), fastest_(exact<S>(0.0)) {}

  /// One step with both decays known: s_star is max(s, s') (for a set scalar an enclosure of it), K_t
  /// gap_free_constant.
  void step(const S& s_star, const S& K_t) { add(s_star, s_star, K_t); }
  /// One step with s' known only within tau of s; K_t is one_sided_constant.
  void step_within(const S& s, const S& tau, const S& K_t) { add(s * exp(-tau), s * exp(tau), K_t); }

  [[nodiscard]] const S& K() const { return K_; }
  [[nodiscard]] S surviving_part() const { return exp(-slowest_); }  ///< P_T, or its upper bound
  [[nodiscard]] DeviationSplit<S> split() const {
    return {surviving_part() * initial_, -expm1(-fastest_) * K_,
            max(drawn(slowest_, initial_, K_), drawn(fastest_, initial_, K_))};
  }

 private:
  void add(const S& slowest, const S& fastest, const S& K_t) {
    slowest_ += slowest;
    fastest_ += fastest;
    K_ = max(K_, K_t);
  }

  S initial_, K_;
  S slowest_, fastest_;  // Σ s*, bounded from both sides
};

/// What is known of one step before it is taken, for trajectory_step.
template <class S>
struct StepDifference {
  S s_prime;     ///< α' Δ'
  S difference;  ///< bound of |(a' - a) h_{t-1} + (b' - b)|, e.g. |a' - a| |h_{t-1}| + |b' - b|
  S s_star;      ///< max(s, s'), or s' with one_sided_constant
  S K;           ///< K_t of this step
};

/// E_t from E_{t-1}: the smaller of a' E + |(a' - a) h + (b' - b)| and a* E + (1 - a*) K_t. Both hold at every step, so
/// the smaller one may be taken anew each time.
template <class S>
[[nodiscard]] S trajectory_step(const S& E, const StepDifference<S>& step) {
  return min(drawn(step.s_prime, E, exact<S>(0.0)) + step.difference, drawn(step.s_star, E, step.K));
}

/// The same where s' is known only within tau of s; K is one_sided_constant.
template <class S>
[[nodiscard]] S one_sided_trajectory_step(const S& E, const S& s, const S& tau, const S& difference, const S& K) {
  return min(drawn_within(s, tau, E, exact<S>(0.0)) + difference, drawn_within(s, tau, E, K));
}

}  // namespace lyap::theory
