#include <gtest/gtest.h>

#include "tests/theory/scalar_trajectory.hpp"

// theory/theorems/counterexamples_to_theorem_3.md

namespace lyap::theory::testing {
namespace {

TEST(PrintedTheorem3, IsRefutedByAPerturbationThatStaysForEver) {
  constexpr double kEpsilon = 0.125;
  const Parameters step{real(1.0), real(1.0), real(1.0), real(0.0)};
  Parameters other = step;
  other.x = real(kEpsilon);
  Real h = real(0.0);
  Real h_prime = real(kEpsilon);
  constexpr int T = 100;
  for (int t = 0; t < T; ++t) {
    h = step.next(h, Discretization::kZoh);
    h_prime = other.next(h_prime, Discretization::kZoh);
    EXPECT_LE(abs(h_prime - h - real(kEpsilon)), real(0x1p-245));
  }
  // O(ε exp(T ζ)) with ζ = λ_max = -1 would allow ε e^-100 times a constant: the constant would have to exceed e^99.
  EXPECT_GT(h_prime - h, exp(real(99.0)) * real(kEpsilon) * exp(real(-T)));
}

TEST(PrintedTheorem3, AnArbitraryForcingErrorMakesTheDeviationGrowLinearlyAlthoughNoExponentIsPositive) {
  constexpr double kPhi = 1e-3;
  Real deviation = real(0.0);
  for (int T = 1; T <= 1000; ++T) {
    deviation = exp(-exact<Real>(std::ldexp(1.0, -T))) * deviation + real(kPhi);
    EXPECT_GE(deviation, real(kPhi) * real(T) * exp(real(-1.0)));
  }
}

TEST(OurTheorem3, SurvivesBothBecauseTheForcingCarriesOneMinusA) {
  // The same step sizes 2^-t, with the targets off by phi instead of the forcing: the deviation stays below phi.
  constexpr double kPhi = 1e-3;
  Real deviation = real(0.0);
  for (int T = 1; T <= 1000; ++T) {
    const Real s = real(std::ldexp(1.0, -T));
    deviation = exp(-s) * deviation - expm1(-s) * real(kPhi);
    EXPECT_LE(deviation, real(kPhi));
  }
}

}  // namespace
}  // namespace lyap::theory::testing
