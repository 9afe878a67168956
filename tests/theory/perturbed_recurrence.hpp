#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "tests/theory/scalar_trajectory.hpp"
#include "theory/deviation_bound.hpp"

/// Random pairs of trajectories of one state, given by binary64 numbers, so that every scalar type starts from the same
/// exact data.
namespace lyap::theory::testing {

struct RawStep {
  double Delta, B, x;
};

struct RawPair {
  double A_log = 0.0, A_log_prime = 0.0, h0 = 0.0, h0_prime = 0.0;
  std::vector<RawStep> steps, perturbed;
  Discretization discretization = Discretization::kEuler;
};

/// One step of one trajectory in S, from exact data.
template <class S>
struct Moment {
  S Delta, B, x, s, v, b;
};

template <class S>
Moment<S> moment(double A_log, const RawStep& raw, Discretization d) {
  const S alpha = exp(exact<S>(A_log));
  const S Delta = exact<S>(raw.Delta);
  const S B = exact<S>(raw.B);
  const S x = exact<S>(raw.x);
  return {Delta, B, x, alpha * Delta, target(alpha, Delta, B * x, d), discretize(alpha, Delta, d).c * B * x};
}

inline Real after(const Real& h, const Moment<Real>& m) { return exp(-m.s) * h + m.b; }

/// How perturbations are chosen inside their size.
enum class Adversary {
  kUniform,  ///< anywhere inside
  kCorners,  ///< at the ends, random signs
  kGreedy    ///< at the ends, the signs that make the deviation largest at each step
};

struct Regime {
  double size;  ///< |log Δ' - log Δ|, |A_log' - A_log|, |B' - B|, |x' - x| stay within about this
  double least_Delta, greatest_Delta, least_A_log, greatest_A_log;
};

/// Trained models: decay rates 1e-2..30, step sizes 1e-4..1; extremes: far beyond both.
inline Regime random_regime(Draw& draw) {
  const double size = draw.log_uniform(1e-7, 1.0);
  if (draw.below(2) == 0) return {size, 1e-4, 1.0, -4.0, 3.5};
  return {size, 1e-12, 50.0, -12.0, 8.0};
}

inline RawStep moved(const RawStep& step, const std::vector<double>& by) {
  return {step.Delta * std::exp(by[0]), step.B + by[1], step.x + by[2]};
}

inline std::vector<double> signs(std::size_t bits, double size) {
  return {(bits & 1) ? size : -size, (bits & 2) ? size : -size, (bits & 4) ? size : -size};
}

inline RawPair random_pair_of(Draw& draw, std::size_t T, Adversary adversary) {
  const Regime regime = random_regime(draw);
  const auto pick = [&](double size) {
    return adversary == Adversary::kUniform ? draw.uniform(-size, size) : (draw.below(2) == 0 ? -size : size);
  };
  RawPair pair;
  pair.discretization = draw.below(2) == 0 ? Discretization::kEuler : Discretization::kZoh;
  pair.A_log = draw.uniform(regime.least_A_log, regime.greatest_A_log);
  pair.A_log_prime = draw.below(3) == 0 ? pair.A_log : pair.A_log + pick(regime.size);
  pair.h0 = draw.uniform(-2.0, 2.0);
  pair.h0_prime = draw.below(3) == 0 ? pair.h0 : pair.h0 + pick(regime.size);
  Real h = real(pair.h0);
  Real h_prime = real(pair.h0_prime);
  for (std::size_t t = 0; t < T; ++t) {
    const RawStep step{draw.log_uniform(regime.least_Delta, regime.greatest_Delta), draw.uniform(-3.0, 3.0),
                       draw.uniform(-2.0, 2.0)};
    RawStep other = moved(step, {pick(regime.size), pick(regime.size), pick(regime.size)});
    if (adversary == Adversary::kGreedy) {
      h = after(h, moment<Real>(pair.A_log, step, pair.discretization));
      Real best = real(-1.0);
      Real reached = h_prime;
      for (std::size_t bits = 0; bits < 8; ++bits) {
        const RawStep candidate = moved(step, signs(bits, regime.size));
        const Real next = after(h_prime, moment<Real>(pair.A_log_prime, candidate, pair.discretization));
        if (abs(next - h) <= best) continue;
        best = abs(next - h);
        reached = next;
        other = candidate;
      }
      h_prime = reached;
    }
    pair.steps.push_back(step);
    pair.perturbed.push_back(other);
  }
  return pair;
}

/// Bounds of |h' - h| after one step, by every form of theory/deviation_bound.hpp, in S.
template <class S>
struct Bounds {
  S both_known, one_known;            ///< trajectory recurrence
  DeviationSplit<S> gap_free, sided;  ///< Theorem 3 with gap_free_constant and one_sided_constant
};

/// Follows one pair in S. `h` and `h_prime` are enclosures of the states before the step (points for MpfrReal).
template <class S>
class BoundTracker {
 public:
  explicit BoundTracker(const RawPair& pair)
      : pair_(pair),
        E_(magnitude(exact<S>(pair.h0_prime) - exact<S>(pair.h0))),
        E_sided_(E_),
        gap_free_(E_),
        sided_(E_) {}

  Bounds<S> step(std::size_t t, const S& h, const S& h_prime) {
    const Moment<S> m = moment<S>(pair_.A_log, pair_.steps[t], pair_.discretization);
    const Moment<S> o = moment<S>(pair_.A_log_prime, pair_.perturbed[t], pair_.discretization);
    // Both trajectories known: differences themselves.
    const S log_Delta = log_distance(m.Delta, o.Delta);
    const S A_log = magnitude(exact<S>(pair_.A_log_prime) - exact<S>(pair_.A_log));
    const S tau = perturbation_distance(log_Delta, A_log);
    const S gap = max(magnitude(h - m.v), magnitude(h_prime - o.v));
    const S K = gap_free_constant(magnitude(o.v - m.v), tau, gap);
    const S s_star = max(m.s, o.s);
    const S difference = decay_change(m.s, tau) * magnitude(h) + magnitude(o.b - m.b);
    // h' is not used here: the gap comes from one trajectory.
    const S indirect =
        gap_free_constant(magnitude(o.v - m.v), tau, gap_from_one_trajectory(S(h - m.v), E_, S(magnitude(o.v - m.v))));
    E_ = trajectory_step(E_, {o.s, difference, s_star, min(K, indirect)});
    gap_free_.step(s_star, K);
    // Only the sizes of the differences known.
    const S product = product_change(o.B, m.x, S(magnitude(o.B - m.B)), S(magnitude(o.x - m.x)));
    const S one = exact<S>(1.0);
    const S alpha = exp(exact<S>(pair_.A_log));
    const S Bx = m.B * m.x;
    const S dv = scaled_product_change(target(alpha, m.Delta, one, pair_.discretization), Bx, product,
                                       target_distance(log_Delta, A_log, pair_.discretization));
    const S db = scaled_product_change(discretize(alpha, m.Delta, pair_.discretization).c, Bx, product,
                                       forcing_distance(log_Delta, A_log, pair_.discretization));
    const S K_sided = one_sided_constant(dv, tau, S(h - m.v));
    const S difference_sided = decay_change(m.s, tau) * magnitude(h) + db;
    E_sided_ = one_sided_trajectory_step(E_sided_, m.s, tau, difference_sided, K_sided);
    sided_.step_within(m.s, tau, K_sided);
    return {E_, E_sided_, gap_free_.split(), sided_.split()};
  }

 private:
  const RawPair& pair_;
  S E_, E_sided_;
  GapFreeBound<S> gap_free_, sided_;
};

}  // namespace lyap::theory::testing
