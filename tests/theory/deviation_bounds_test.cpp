#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <vector>

#include "tests/theory/random_block.hpp"
#include "theory/layers.hpp"

// theory/theorems/theorem_2_output_deviation.md, theorem_3_perturbed_trajectories.md, theorem_4_perturbed_outputs.md

namespace lyap::theory::testing {
namespace {

struct PerturbedPair {
  std::vector<Parameters> steps, perturbed;
  Real h0, h0_prime;
  Discretization discretization;
};

/// Two trajectories of one state whose parameters and inputs differ at every step, by a common size drawn from tiny to
/// large.
PerturbedPair random_pair(Draw& draw, bool zoh) {
  PerturbedPair pair{
      {}, {}, real(draw.uniform(-2.0, 2.0)), real(0.0), zoh ? Discretization::kZoh : Discretization::kEuler};
  const double size = draw.log_uniform(1e-6, 2.0);
  pair.h0_prime = pair.h0 + real(draw.uniform(-size, size));
  const Real alpha = real(draw.log_uniform(1e-3, 1e2));
  const Real alpha_prime = alpha * exp(real(draw.uniform(-size, size)));
  for (std::size_t t = 0; t < 30; ++t) {
    const Parameters step{alpha, real(draw.log_uniform(1e-6, 10.0)), real(draw.uniform(-3.0, 3.0)),
                          real(draw.uniform(-2.0, 2.0))};
    pair.steps.push_back(step);
    pair.perturbed.push_back({alpha_prime, step.Delta * exp(real(draw.uniform(-size, size))),
                              step.B + real(draw.uniform(-size, size)), step.x + real(draw.uniform(-size, size))});
  }
  return pair;
}

Real log_ratio(const Real& x, const Real& y) { return abs(log(x / y)); }

/// Walks both trajectories and calls check(t, |h'_t - h_t|, P_t, K_t), K_t the supremum so far of the page's
/// expression.
template <class Check>
void walk(const PerturbedPair& pair, Check check) {
  Real h = pair.h0;
  Real h_prime = pair.h0_prime;
  Real P = real(1.0);
  Real K = real(0.0);
  for (std::size_t t = 0; t < pair.steps.size(); ++t) {
    const Parameters& step = pair.steps[t];
    const Parameters& other = pair.perturbed[t];
    const Real v = step.v(pair.discretization);
    const Real v_prime = other.v(pair.discretization);
    const Real tau = log_ratio(other.alpha * other.Delta, step.alpha * step.Delta);
    K = max(K, abs(v_prime - v) + -expm1(-tau) * max(abs(h - v), abs(h_prime - v_prime)));
    P *= min(step.discrete(pair.discretization).a, other.discrete(pair.discretization).a);
    h = step.next(h, pair.discretization);
    h_prime = other.next(h_prime, pair.discretization);
    check(abs(h_prime - h), P, K);
  }
}

RC_GTEST_PROP(Theorem3, BoundsTheDeviationByADecayingPartAndAPartThatStays, (unsigned seed, bool zoh)) {
  Draw draw(seed);
  const PerturbedPair pair = random_pair(draw, zoh);
  const Real initial = abs(pair.h0_prime - pair.h0);
  walk(pair, [&](const Real& deviation, const Real& P, const Real& K) {
    const Real bound = P * initial + (real(1.0) - P) * K;
    RC_ASSERT(deviation <= with_slack(bound));
    RC_ASSERT(bound <= with_slack(max(initial, K)));
  });
}

RC_GTEST_PROP(Theorem3, TheTargetMovesByAtMostTheSecondFormula, (unsigned seed, bool zoh)) {
  Draw draw(seed);
  const PerturbedPair pair = random_pair(draw, zoh);
  for (std::size_t t = 0; t < pair.steps.size(); ++t) {
    const Parameters& step = pair.steps[t];
    const Parameters& other = pair.perturbed[t];
    const Discretization d = pair.discretization;
    Real gamma = log_ratio(other.alpha, step.alpha);
    if (!zoh) gamma = max(gamma, log_ratio(other.Delta, step.Delta));
    const Real scale = target(step.alpha, step.Delta, real(1.0), d);
    const Real bound =
        expm1(gamma) * abs(step.v(d)) +
        exp(gamma) * scale * (abs(other.B) * abs(other.x - step.x) + abs(other.B - step.B) * abs(step.x));
    RC_ASSERT(abs(other.v(d) - step.v(d)) <= with_slack(bound));
  }
}

TEST(Theorem3, IsAttainedWhenEveryTargetMovesByTheSameAmount) {
  PerturbedPair pair{{}, {}, real(0.0), real(0.0), Discretization::kZoh};
  for (int t = 0; t < 300; ++t) {
    const Parameters step{real(1.0), real(1.0), real(1.0), real(0.5)};
    pair.steps.push_back(step);
    pair.perturbed.push_back({step.alpha, step.Delta, step.B, real(0.75)});
  }
  walk(pair, [&](const Real& deviation, const Real& P, const Real& K) {
    EXPECT_LE(abs(deviation - (real(1.0) - P) * K), real(0x1p-240));
    EXPECT_LE(abs(K - real(0.25)), real(0x1p-250));
  });
}

TEST(Theorem3, LeavingOutTheChangeOfTheDecayGivesABoundThatIsExceeded) {
  const Parameters step{real(1.0), real(0.5), real(0.0), real(0.0)};  // no forcing: only the decays differ
  Parameters other = step;
  other.Delta = real(1.0);
  const Real h = real(2.0);
  const Real deviation = abs(other.next(h, Discretization::kEuler) - step.next(h, Discretization::kEuler));
  EXPECT_GT(deviation, abs(other.v(Discretization::kEuler) - step.v(Discretization::kEuler)));
  const PerturbedPair pair{{step}, {other}, h, h, Discretization::kEuler};
  walk(pair, [&](const Real& seen, const Real& P, const Real& K) { EXPECT_LE(seen, with_slack((real(1.0) - P) * K)); });
}

RC_GTEST_PROP(Theorem3, LogSoftplusMovesByAtMostThePreActivation, (unsigned seed)) {
  Draw draw(seed);
  const Real p = real(draw.uniform(-700.0, 60.0));
  const Real moved = p + real(draw.uniform(-3.0, 3.0));
  RC_ASSERT(log_ratio(softplus(moved), softplus(p)) <= with_slack(abs(moved - p)));
}

TEST(Theorem3, TheCutOffOfSoftplusChangesTheLogarithmByLessThanItsStatedConstant) {
  EXPECT_LT(log_ratio(softplus(real(20.0)), real(20.0)), real(1.031e-10));
  EXPECT_GT(log_ratio(softplus(real(20.0)), real(20.0)), real(1.030e-10));
  EXPECT_LT(softplus(real(20.0)) - real(20.0), real(2.07e-9));
}

RC_GTEST_PROP(Theorems2And4, BoundTheOutputOfAMixtureOfStates, (unsigned seed)) {
  Draw draw(seed);
  const std::size_t N = 1 + draw.below(6);
  Real y = real(0.0);
  Real y_prime = real(0.0);
  Real bound = real(0.0);
  for (std::size_t n = 0; n <= N; ++n) {  // the last term is D x, with D for C and x for h
    const Real C = real(draw.uniform(-2.0, 2.0));
    const Real C_prime = C + real(draw.uniform(-0.5, 0.5));
    const Real h = real(draw.uniform(-2.0, 2.0));
    const Real h_prime = h + real(draw.uniform(-0.5, 0.5));
    y += C * h;
    y_prime += C_prime * h_prime;
    bound += abs(C_prime) * abs(h_prime - h) + abs(C_prime - C) * abs(h);
  }
  RC_ASSERT(abs(y_prime - y) <= with_slack(bound));
}

RC_GTEST_PROP(Theorems2And4, BoundTheGate, (unsigned seed)) {
  Draw draw(seed);
  const Real y = real(draw.uniform(-3.0, 3.0));
  const Real y_prime = y + real(draw.uniform(-1.0, 1.0));
  const Real z = real(draw.uniform(-8.0, 8.0));
  const Real z_prime = z + real(draw.uniform(-1.0, 1.0));
  const Real silu_change = abs(silu(z_prime) - silu(z));
  RC_ASSERT(silu_change <= with_slack(real(1.09984) * abs(z_prime - z)));
  RC_ASSERT(abs(y_prime * silu(z_prime) - y * silu(z)) <=
            with_slack(abs(silu(z_prime)) * abs(y_prime - y) + silu_change * abs(y)));
}

TEST(Theorems2And4, SiluIsNotOneLipschitz) {
  EXPECT_GT(silu(real(2.5)) - silu(real(2.3)), real(1.099) * (real(2.5) - real(2.3)));
}

Real norm_2(const Array<Real>& x) {
  Real sum = real(0.0);
  for (const Real& entry : x) sum += entry * entry;
  return sqrt(sum);
}

RC_GTEST_PROP(Theorems2And4, TheNormMovesByAtMostTwiceTheRelativeChangeAndNeverMoreThanItsCap, (unsigned seed)) {
  Draw draw(seed);
  const std::size_t width = 1 + draw.below(6);
  const double epsilon = draw.log_uniform(1e-8, 1.0);
  const double size = draw.log_uniform(1e-3, 10.0);
  Array<Real> w;
  Array<Real> w_prime;
  for (std::size_t i = 0; i < width; ++i) {
    w.push_back(real(draw.uniform(-1.0, 1.0)));
    w_prime.push_back(w.back() + real(draw.uniform(-size, size)));
  }
  const Vector ones(width, 1.0);
  const Array<Real> n = rms_norm(w, ones, epsilon);
  const Array<Real> n_prime = rms_norm(w_prime, ones, epsilon);
  Array<Real> change;
  Array<Real> input_change;
  for (std::size_t i = 0; i < width; ++i) {
    change.push_back(n_prime[i] - n[i]);
    input_change.push_back(w_prime[i] - w[i]);
  }
  const auto rms = [&](const Array<Real>& x) {
    return sqrt(norm_2(x) * norm_2(x) / real(static_cast<double>(width)) + real(epsilon));
  };
  RC_ASSERT(norm_2(change) <= with_slack(real(2.0) * norm_2(input_change) / max(rms(w), rms(w_prime))));
  RC_ASSERT(norm_2(change) <= real(2.0) * sqrt(real(static_cast<double>(width))));
}

}  // namespace
}  // namespace lyap::theory::testing
