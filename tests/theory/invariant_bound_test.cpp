#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "numerics/interval_functions.hpp"
#include "tests/theory/scalar_trajectory.hpp"

// theory/theorems/invariant_bound.md

namespace lyap::theory::testing {
namespace {

Parameters random_step(Draw& draw) {
  return {real(draw.log_uniform(1e-6, 1e3)), real(draw.log_uniform(1e-9, 1e2)), real(draw.uniform(-3.0, 3.0)),
          real(draw.uniform(-2.0, 2.0))};
}

RC_GTEST_PROP(InvariantBound, EveryStepIsAConvexCombinationOfStateAndTarget, (unsigned seed, bool zoh)) {
  Draw draw(seed);
  const Discretization d = zoh ? Discretization::kZoh : Discretization::kEuler;
  const Parameters step = random_step(draw);
  const Real h = real(draw.uniform(-5.0, 5.0));
  const Real decay = step.discrete(d).a;
  const Real one_minus_a = -expm1(-(step.alpha * step.Delta));
  const Real convex = decay * h + one_minus_a * step.v(d);
  RC_ASSERT(abs(convex - step.next(h, d)) <= real(0x1p-240) * (abs(h) + abs(step.v(d))));
  RC_ASSERT(real(0.0) < decay);
  RC_ASSERT(decay <= real(1.0));
}

RC_GTEST_PROP(InvariantBound, TheStateNeverLeavesTheHullOfItsStartAndTheTargets, (unsigned seed, bool zoh)) {
  Draw draw(seed);
  const Discretization d = zoh ? Discretization::kZoh : Discretization::kEuler;
  Real h = real(draw.uniform(-1.0, 1.0));
  Real low = h;
  Real high = h;
  const Real alpha = real(draw.log_uniform(1e-6, 1e3));
  for (int t = 0; t < 50; ++t) {
    Parameters step = random_step(draw);
    step.alpha = alpha;
    low = min(low, step.v(d));
    high = max(high, step.v(d));
    h = step.next(h, d);
    RC_ASSERT(low - with_slack(abs(low)) + abs(low) <= h);
    RC_ASSERT(h <= high + with_slack(abs(high)) - abs(high));
  }
}

TEST(InvariantBound, AConstantInputReachesTheBoundToWithinItsLastBits) {
  for (const Discretization d : {Discretization::kEuler, Discretization::kZoh}) {
    const Parameters step{real(2.0), real(1.0), real(1.5), real(0.5)};
    Real h = real(0.0);
    for (int t = 0; t < 100; ++t) h = step.next(h, d);
    EXPECT_GT(h / step.v(d), real(1.0) - real(0x1p-200));  // a^100 = exp(-200) = 2^-288
    EXPECT_LE(h, with_slack(step.v(d)));
  }
}

TEST(InvariantBound, LeavingOutPsiGivesANumberThatEulerStepsExceed) {
  const Parameters step{real(2.0), real(1.0), real(1.0), real(1.0)};
  const Real without_psi = step.B * step.x / step.alpha;
  EXPECT_GT(step.next(real(0.0), Discretization::kEuler), without_psi);
  EXPECT_LE(step.next(real(0.0), Discretization::kZoh), without_psi);
}

TEST(InvariantBound, TheBoundDoesNotGrowAsStepsBecomeTinyAlthoughTheGeometricSeriesBoundDoes) {
  Real h = real(0.0);
  Real largest_b = real(0.0);
  Real largest_a = real(0.0);
  for (int t = 0; t < 400; ++t) {
    const Parameters step{real(1.0), real(t % 2 == 0 ? 1e-30 : 0.5), real(1.0), real(1.0)};
    h = step.next(h, Discretization::kEuler);
    largest_b = max(largest_b, step.discrete(Discretization::kEuler).c);
    largest_a = max(largest_a, step.discrete(Discretization::kEuler).a);
  }
  EXPECT_LE(h, with_slack(psi(real(0.5))));
  EXPECT_GT(largest_b / (real(1.0) - largest_a), 1e29);
}

RC_GTEST_PROP(Psi, LiesBetweenOneAndOnePlusS, (unsigned seed)) {
  Draw draw(seed);
  const double s = draw.log_uniform(1e-300, 1e300);
  const Real value = psi(real(s));
  RC_ASSERT(value >= real(1.0) - real(0x1p-250));
  RC_ASSERT(value <= with_slack(real(1.0) + real(s)));
  RC_ASSERT(contains(psi(Interval::from_exact(s)), value));
}

RC_GTEST_PROP(Psi, IncreasesAndGrowsByAtMostTheFactorOfItsArgument, (unsigned seed)) {
  Draw draw(seed);
  const Real s = real(draw.log_uniform(1e-9, 1e3));
  const Real gamma = real(draw.log_uniform(1e-9, 5.0));
  const Real larger = psi(s * exp(gamma));
  RC_ASSERT(with_slack(larger) >= psi(s));
  RC_ASSERT(larger <= with_slack(exp(gamma) * psi(s)));
}

TEST(Psi, IsOneAtZeroInEveryScalar) {
  EXPECT_EQ(psi(0.0), 1.0);
  EXPECT_EQ(psi(0.0F), 1.0F);
  EXPECT_TRUE(psi(real(0.0)) == 1.0);
  EXPECT_TRUE(psi(Interval()).contains(1.0));
  EXPECT_LE(psi(Interval()).upper(), 1.0 + 0x1p-52);
}

TEST(Psi, OfAnIntervalIsNotWidenedByTheTwoOccurrencesOfS) {
  const Interval range = psi(Interval::from_bounds(0.5, 2.0));
  EXPECT_TRUE(contains(range, psi(real(0.5))));
  EXPECT_TRUE(contains(range, psi(real(2.0))));
  constexpr double kEndUlps = 8.0 * 0x1p-52;  // two operations and expm1, each an ulp of a number below 4
  EXPECT_GE(real(range.lower()), psi(real(0.5)) - real(kEndUlps));
  EXPECT_LE(real(range.upper()), psi(real(2.0)) + real(kEndUlps));
}

TEST(Psi, HandlesSubnormalAndHugeArguments) {
  for (const double s : {0x1p-1074, 0x1p-1022, 0x1p-1001, 0x1p-999, 1e-20, 700.0, 1e300}) {
    EXPECT_TRUE(contains(psi(Interval::from_exact(s)), psi(MpfrReal::from_exact(s, 2400)))) << s;
    EXPECT_LE(psi(Interval::from_exact(s)).upper(), (1.0 + s) * (1.0 + 0x1p-50)) << s;
  }
}

}  // namespace
}  // namespace lyap::theory::testing
