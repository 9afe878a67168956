#include "theory/deviation_bound.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "numerics/interval_functions.hpp"
#include "tests/theory/perturbed_recurrence.hpp"

// theory/theorems/theorem_3_perturbed_trajectories.md, trajectory_recurrence.md

namespace lyap::theory::testing {
namespace {

RawPair draw_pair(Draw& draw) {
  const auto T = static_cast<std::size_t>(draw.log_uniform(1.0, 200.0));
  return random_pair_of(draw, T, static_cast<Adversary>(draw.below(3)));
}

/// Walks a pair in 256 bits and calls check(t, h before, h' before, |h' - h| after) at every step.
template <class Check>
void walk(const RawPair& pair, Check check) {
  Real h = real(pair.h0);
  Real h_prime = real(pair.h0_prime);
  for (std::size_t t = 0; t < pair.steps.size(); ++t) {
    const Real before = h;
    const Real before_prime = h_prime;
    h = after(h, moment<Real>(pair.A_log, pair.steps[t], pair.discretization));
    h_prime = after(h_prime, moment<Real>(pair.A_log_prime, pair.perturbed[t], pair.discretization));
    check(t, before, before_prime, abs(h_prime - h));
  }
}

Interval enclosing(const Real& x) {
  return Interval::from_bounds(x.to_double(Direction::kDown), x.to_double(Direction::kUp));
}

RC_GTEST_PROP(DeviationBound, EveryFormContainsTheDeviationOfRandomAndAdversarialPerturbations, (unsigned seed)) {
  Draw draw(seed);
  const RawPair pair = draw_pair(draw);
  BoundTracker<Real> tracker(pair);
  const Real initial = abs(real(pair.h0_prime) - real(pair.h0));
  walk(pair, [&](std::size_t t, const Real& h, const Real& h_prime, const Real& deviation) {
    const auto bounds = tracker.step(t, h, h_prime);
    RC_ASSERT(deviation <= with_slack(bounds.both_known));
    RC_ASSERT(deviation <= with_slack(bounds.one_known));
    RC_ASSERT(deviation <= with_slack(bounds.gap_free.total));
    RC_ASSERT(deviation <= with_slack(bounds.sided.total));
    RC_ASSERT(bounds.gap_free.total <= with_slack(bounds.gap_free.decaying + bounds.gap_free.staying));
    RC_ASSERT(bounds.both_known <= with_slack(bounds.gap_free.total));
    RC_ASSERT(bounds.gap_free.decaying <= with_slack(initial));
  });
}

RC_GTEST_PROP(DeviationBound, UpperEndsInIntervalsContainTheDeviationWithoutSlack, (unsigned seed)) {
  Draw draw(seed);
  const RawPair pair = random_pair_of(draw, static_cast<std::size_t>(draw.log_uniform(1.0, 60.0)),
                                      static_cast<Adversary>(draw.below(3)));
  BoundTracker<Interval> tracker(pair);
  walk(pair, [&](std::size_t t, const Real& h, const Real& h_prime, const Real& deviation) {
    const auto bounds = tracker.step(t, enclosing(h), enclosing(h_prime));
    for (const Interval& bound : {bounds.both_known, bounds.one_known, bounds.gap_free.total, bounds.sided.total}) {
      RC_ASSERT(deviation <= bound.upper());
    }
  });
}

// All terms are positive: exp and expm1 within an ulp, products, the sum; s <= 1 keeps the exponents' own rounding
// small.
constexpr double kBinary64Roundings = 16.0 * 0x1p-52;

RC_GTEST_PROP(DeviationBound, InBinary64EachFormulaIsTheValueIn256BitsUpToAFewRoundings, (unsigned seed)) {
  Draw draw(seed);
  const double s = draw.log_uniform(1e-12, 1.0);
  const double tau = draw.log_uniform(1e-9, 1.0);
  const double E = draw.log_uniform(1e-9, 1e3);
  const double K = draw.log_uniform(1e-9, 1e3);
  const auto agree = [](double got, const Real& expected) {
    return abs(real(got) - expected) <= real(kBinary64Roundings) * expected;
  };
  RC_ASSERT(agree(drawn(s, E, K), drawn(real(s), real(E), real(K))));
  RC_ASSERT(agree(drawn_within(s, tau, E, K), drawn_within(real(s), real(tau), real(E), real(K))));
  RC_ASSERT(agree(decay_change(s, tau), decay_change(real(s), real(tau))));
  RC_ASSERT(agree(gap_free_constant(E, tau, K), gap_free_constant(real(E), real(tau), real(K))));
  RC_ASSERT(agree(one_sided_constant(E, tau, K), one_sided_constant(real(E), real(tau), real(K))));
}

// The interval form is not loose for its own sake: with points it is the 256-bit value within rounding.
RC_GTEST_PROP(DeviationBound, IntervalsAddOnlyTheirRounding, (unsigned seed)) {
  Draw draw(seed);
  const double s = draw.log_uniform(1e-12, 1e2);
  const double E = draw.log_uniform(1e-9, 1e3);
  const double K = draw.log_uniform(1e-9, 1e3);
  const Interval bound = drawn(Interval::from_exact(s), Interval::from_exact(E), Interval::from_exact(K));
  const Real value = drawn(real(s), real(E), real(K));
  RC_ASSERT(value <= bound.upper());
  RC_ASSERT(real(bound.upper()) <= value * real(1.0 + 0x1p-48));
  const Interval spread = drawn(Interval::from_bounds(s, 2.0 * s), Interval::from_exact(E), Interval::from_exact(K));
  RC_ASSERT(value <= spread.upper() && drawn(real(1.5 * s), real(E), real(K)) <= spread.upper());
  RC_ASSERT(spread.upper() <= std::max(E, K) * (1.0 + 0x1p-48));  // the product rule would give E + K
}

RC_GTEST_PROP(DeviationBound, AnUnboundedExponentLeavesOnlyTheConstant, (unsigned seed)) {
  Draw draw(seed);
  const double E = draw.log_uniform(1e-9, 1e3);
  const double K = draw.log_uniform(1e-9, 1e3);
  const Interval s = Interval::from_bounds(0.0, std::numeric_limits<double>::infinity());
  RC_ASSERT(drawn(s, Interval::from_exact(E), Interval::from_exact(K)).upper() >= std::max(E, K));
}

// ---- tightness --------------------------------------------------------------------------------------------------

TEST(DeviationBound, IsAttainedWhenEveryTargetMovesByTheSameAmount) {
  RawPair pair;
  pair.discretization = Discretization::kZoh;
  for (int t = 0; t < 200; ++t) {
    pair.steps.push_back({0.125, 1.0, 0.5});
    pair.perturbed.push_back({0.125, 1.0, 0.75});
  }
  BoundTracker<Real> tracker(pair);
  walk(pair, [&](std::size_t t, const Real& h, const Real& h_prime, const Real& deviation) {
    const auto bounds = tracker.step(t, h, h_prime);
    for (const Real& bound : {bounds.both_known, bounds.one_known, bounds.gap_free.total, bounds.sided.total}) {
      EXPECT_LE(abs(bound - deviation), real(0x1p-220));
    }
  });
}

TEST(DeviationBound, TheChangeOfATargetIsAttainedInTheSlowLimit) {
  // psi -> 1 as s -> 0: Δ' = e^g Δ, alpha' = e^-g alpha, x' = x + w give v' - v = e^g (1 + w) - 1, the bound itself.
  const Real g = real(0.5);
  const Real w = real(0.25);
  const Real one = real(1.0);
  const Real tiny = real(0x1p-300);
  const Real change =
      target(exp(-g), tiny * exp(g), one + w, Discretization::kEuler) - target(one, tiny, one, Discretization::kEuler);
  const Real bound = scaled_product_change(target(one, tiny, one, Discretization::kEuler), one,
                                           product_change(one, one, real(0.0), w), g);
  EXPECT_LE(change, with_slack(bound));
  EXPECT_LE(bound - change, real(0x1p-200));
  EXPECT_GT(change, expm1(g) + w);  // without the factor exp(gamma) it would be exceeded
}

TEST(DeviationBound, TheDecaysChangeIsAttainedAtOneEndOfTheDistance) {
  const Real tau = real(0.75);
  for (const double s : {1e-6, 0.1, 1.0, 5.0, 80.0}) {
    const Real slower = exp(-real(s) * exp(-tau)) - exp(-real(s));
    const Real faster = exp(-real(s)) - exp(-real(s) * exp(tau));
    EXPECT_LE(abs(decay_change(real(s), tau) - max(slower, faster)), real(0x1p-230));
  }
}

TEST(DeviationBound, TheGapFromOneTrajectoryIsLessThanTheTriangleInequalityAndAttained) {
  // h = v = 0 and v' = v: all of |h' - v'| is E. The step with s' < s then keeps a' E; as s -> 0 the bound is a' E too.
  const Real E = real(1.0);
  const Real zero = real(0.0);
  const Real s = real(0x1p-40);
  const Real s_prime = real(0x1p-41);
  const Real K = gap_free_constant(zero, log_distance(s, s_prime), gap_from_one_trajectory(zero, E, zero));
  const Real bound = drawn(s, E, K);
  EXPECT_GE(bound, exp(-s_prime) * E);
  EXPECT_LE(bound - exp(-s_prime) * E, real(0x1p-79));
  EXPECT_EQ(gap_from_one_trajectory(real(1.0), real(2.0), real(0.5)), real(2.5));  // the triangle inequality: 3.5
}

// ---- negative controls: each term alone ---------------------------------------------------------------------------

/// Deviation after one step from h, h'.
Real one_step(const Real& h, const Real& h_prime, const Real& s, const Real& s_prime, const Real& v,
              const Real& v_prime) {
  return abs(exp(-s_prime) * h_prime - expm1(-s_prime) * v_prime - (exp(-s) * h - expm1(-s) * v));
}

TEST(DeviationBoundWithoutATerm, TheInitialDeviationIsNeeded) {
  const Real zero = real(0.0);
  EXPECT_GT(one_step(zero, real(1.0), real(1.0), real(1.0), zero, zero), drawn(real(1.0), zero, zero));
}

TEST(DeviationBoundWithoutATerm, TheTargetsChangeIsNeeded) {
  const Real zero = real(0.0);
  const Real seen = one_step(zero, zero, real(1.0), real(1.0), zero, real(1.0));
  EXPECT_GT(seen, drawn(real(1.0), zero, gap_free_constant(zero, zero, zero)));
  EXPECT_LE(seen, with_slack(drawn(real(1.0), zero, gap_free_constant(real(1.0), zero, zero))));
}

TEST(DeviationBoundWithoutATerm, TheDecaysChangeIsNeededInEveryForm) {
  const Real zero = real(0.0);
  const Real h = real(1.0);
  const Real s = real(1.0);
  const Real s_prime = real(0.5);
  const Real tau = log_distance(s, s_prime);
  const Real seen = one_step(h, h, s, s_prime, zero, zero);
  EXPECT_GT(seen, drawn(s, zero, gap_free_constant(zero, zero, h)));
  EXPECT_LE(seen, with_slack(drawn(s, zero, gap_free_constant(zero, tau, h))));
  EXPECT_GT(seen, drawn_within(s, tau, zero, one_sided_constant(zero, zero, h)));
  EXPECT_LE(seen, with_slack(drawn_within(s, tau, zero, one_sided_constant(zero, tau, h))));
  EXPECT_LE(seen, with_slack(decay_change(s, tau) * h));
}

TEST(DeviationBoundWithoutATerm, TheOneSidedFormNeedsTheLargerFactor) {
  // s' = s/2 without any other change: 1 - exp(-tau) = 1/2 in place of exp(tau) - 1 = 1 is exceeded.
  const Real zero = real(0.0);
  const Real s = real(0x1p-20);
  const Real s_prime = real(0x1p-21);
  const Real tau = log_distance(s, s_prime);
  const Real seen = one_step(real(1.0), real(1.0), s, s_prime, zero, zero);
  EXPECT_GT(seen, drawn(s_prime, zero, gap_free_constant(zero, tau, real(1.0))));
  EXPECT_LE(seen, with_slack(drawn(s_prime, zero, one_sided_constant(zero, tau, real(1.0)))));
}

TEST(DeviationBoundWithoutATerm, TheRangeOfThePerturbedDecayIsNeeded) {
  const Real zero = real(0.0);
  const Real s = real(1.0);
  const Real tau = real(0.5);
  const Real slower = one_step(zero, real(1.0), s, s * exp(-tau), zero, zero);
  EXPECT_GT(slower, drawn(s, real(1.0), zero));
  EXPECT_LE(slower, with_slack(drawn_within(s, tau, real(1.0), zero)));
  const Real faster = one_step(zero, zero, s, s * exp(tau), zero, real(1.0));  // v' - v = 1
  EXPECT_GT(faster, drawn(s, zero, real(1.0)));
  EXPECT_LE(faster, with_slack(drawn_within(s, tau, zero, real(1.0))));
}

TEST(DeviationBoundWithoutATerm, TheOtherTrajectorysGapIsNeeded) {
  // h = v: the first trajectory rests at its target; h' does not, and its decay is slower.
  const Real zero = real(0.0);
  const Real s = real(1.0);
  const Real tau = log_distance(s, real(0.5));
  const Real seen = one_step(zero, real(1.0), s, real(0.5), zero, zero);
  EXPECT_GT(seen, drawn(s, real(1.0), gap_free_constant(zero, tau, zero)));
  EXPECT_LE(seen, with_slack(drawn(s, real(1.0), gap_free_constant(zero, tau, real(1.0)))));
}

TEST(DeviationBoundWithoutATerm, EveryPartOfAProductsChangeIsNeeded) {
  const Real zero = real(0.0);
  const Real one = real(1.0);
  EXPECT_GT(one, product_change(one, one, zero, zero));                // x' - x = 1 left out
  EXPECT_LE(one, product_change(one, one, zero, one));                 // B = B' = 1, x = 1, x' = 2
  EXPECT_LE(one, product_change(real(2.0), one, one, zero));           // B' - B = 1
  EXPECT_GT(real(3.0), product_change(one, one, one, one));            // B for B': 2 * 2 - 1 = 3 is exceeded
  EXPECT_LE(real(3.0), product_change(real(2.0), one, one, one));      // attained
  EXPECT_GT(expm1(one), scaled_product_change(one, one, zero, zero));  // gamma = 1 left out
  EXPECT_LE(expm1(one), scaled_product_change(one, one, zero, one));
}

TEST(DeviationBoundWithoutATerm, TheForcingsDistanceUnderZeroOrderHoldNeedsBothChanges) {
  const Real one = real(1.0);
  const Real zero = real(0.0);
  const auto c = [](double alpha, double Delta) {
    return discretize(real(alpha), real(Delta), Discretization::kZoh).c;
  };
  const Real by_Delta = log_distance(c(1.0, 0x1p-60), c(1.0, 0x1p-59));
  EXPECT_GT(by_Delta, zero);
  EXPECT_LE(by_Delta, with_slack(forcing_distance(log(real(2.0)), zero, Discretization::kZoh)));
  const Real by_alpha = log_distance(c(64.0, 4.0), c(128.0, 4.0));
  EXPECT_GT(by_alpha, zero);
  EXPECT_LE(by_alpha, with_slack(forcing_distance(zero, log(real(2.0)), Discretization::kZoh)));
  EXPECT_LE(expm1(zero), one);
}

TEST(DeviationBound, TheCutOffsConstantIsLargeEnoughAndNotMuchTooLarge) {
  EXPECT_LT(log_distance(real(20.0), softplus(real(20.0))), real(kCutOffLogarithm));
  EXPECT_GT(log_distance(real(20.0), softplus(real(20.0))), real(0.999 * kCutOffLogarithm));
}

// ---- the two counterexamples to the printed theorem -------------------------------------------------------------

TEST(DeviationBound, APerturbationThatStaysForEverIsInThePartThatStays) {
  constexpr double kEpsilon = 0.125;
  RawPair pair;
  pair.discretization = Discretization::kZoh;
  pair.h0_prime = kEpsilon;
  for (int t = 0; t < 100; ++t) {
    pair.steps.push_back({1.0, 1.0, 0.0});
    pair.perturbed.push_back({1.0, 1.0, kEpsilon});
  }
  BoundTracker<Real> tracker(pair);
  walk(pair, [&](std::size_t t, const Real& h, const Real& h_prime, const Real& deviation) {
    const auto split = tracker.step(t, h, h_prime).gap_free;
    EXPECT_LE(abs(deviation - real(kEpsilon)), real(0x1p-240));
    EXPECT_LE(abs(split.total - real(kEpsilon)), real(0x1p-240));
    EXPECT_LE(abs(split.decaying - exp(-real(static_cast<double>(t + 1))) * real(kEpsilon)), real(0x1p-240));
    EXPECT_LT(split.decaying, deviation);  // the part that decays does not bound the deviation
  });
}

TEST(DeviationBound, StaysBoundedWhereStepSizesShrinkAndAnArbitraryForcingErrorWouldAddUp) {
  constexpr double kPhi = 1e-3;
  GapFreeBound<Real> gap_free(real(0.0));
  Real forced = real(0.0);
  Real E = real(0.0);
  for (int T = 1; T <= 400; ++T) {
    const Real s = real(std::ldexp(1.0, -T));
    forced = exp(-s) * forced + real(kPhi);
    gap_free.step(s, real(kPhi));
    E = trajectory_step(E, {s, real(kPhi), s, real(kPhi)});  // a target off by phi
    EXPECT_LE(gap_free.split().total, real(kPhi));
    EXPECT_LE(E, real(kPhi));
    EXPECT_GE(forced, real(kPhi) * real(T) * exp(real(-1.0)));
  }
  EXPECT_GT(forced, real(100.0) * gap_free.K());  // without the structure b = (1 - a) v no such bound holds
}

}  // namespace
}  // namespace lyap::theory::testing
