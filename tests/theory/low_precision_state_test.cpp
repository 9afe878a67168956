#include "theory/low_precision_state.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>

#include "numerics/interval_functions.hpp"
#include "numerics/rounded_formats.hpp"
#include "tests/theory/scalar_trajectory.hpp"

// theory/theorems/low_precision_state.md

namespace lyap::theory::testing {
namespace {

struct Format {
  FloatingFormat format;
  Subnormals subnormals;
};
constexpr Format kStored[] = {{kBfloat16, Subnormals::kKept},
                              {kFloat16, Subnormals::kKept},
                              {kFloat32, Subnormals::kKept},
                              {kFloat32, Subnormals::kFlushedAfterRounding}};

StateRounding<Real> rounding_of(const Format& f) {
  return {real(f.format.unit_roundoff()), real(underflow_term(f.format, RoundingRule::kNearestEven, f.subnormals))};
}

/// The rounding of a real number to nearest: through its two binary64 neighbours, which round alike unless a tie lies
/// between them or on one; then any of the results is a nearest number.
double stored(const Real& x, const Format& f) {
  return round_to_format(x.to_double(Direction::kUp), f.format, RoundingRule::kNearestEven, f.subnormals).value;
}

/// A run of one state whose stored copy is rounded after every step; calls check(t, s, v, h, stored h).
template <class Check>
void walk(Draw& draw, const Format& f, std::size_t T, double least_s, double scale, Check check) {
  double kept = stored(real(draw.uniform(-scale, scale)), f);
  Real h = real(kept);
  for (std::size_t t = 1; t <= T; ++t) {
    const double s = draw.log_uniform(least_s, 4.0 * least_s);
    const double v = draw.uniform(-scale, scale);
    h = exp(-real(s)) * h - expm1(-real(s)) * real(v);
    kept = stored(exp(-real(s)) * real(kept) - expm1(-real(s)) * real(v), f);
    check(t, s, v, h, real(kept));
  }
}

RC_GTEST_PROP(StoredState, StaysWithinItsBoundWhenItsRoundingIsTheOnlyError, (unsigned seed)) {
  Draw draw(seed);
  const Format& f = kStored[draw.below(4)];
  const double least_s = draw.log_uniform(1e-9, 3.0);
  const double scale = f.format == kFloat16 ? draw.log_uniform(1e-7, 1e4) : draw.log_uniform(1e-44, 1e10);
  const double stored_H = round_to_format(scale, f.format, RoundingRule::kUpward).value;
  Real sum = real(0.0);
  walk(draw, f, static_cast<std::size_t>(draw.log_uniform(1.0, 300.0)), least_s, scale,
       [&](std::size_t t, double s, double, const Real& h, const Real& kept) {
         sum += real(s);
         const auto bound = stored_state_bound(real(0.0), exp(-sum), real(least_s), static_cast<double>(t),
                                               real(stored_H), real(stored_H), rounding_of(f));
         RC_ASSERT(abs(kept - h) <= with_slack(bound.total));
         RC_ASSERT(abs(kept) <= real(stored_H));
       });
}

RC_GTEST_PROP(StoredState, TheRecurrenceContainsRoundingTogetherWithOtherErrors, (unsigned seed)) {
  Draw draw(seed);
  const Format& f = kStored[draw.below(4)];
  const double least_s = draw.log_uniform(1e-6, 3.0);
  const double size = draw.log_uniform(1e-6, 0.5);
  Real h = real(0.0);
  double kept = 0.0;
  Real E = real(0.0);
  Interval E_interval = Interval::from_exact(0.0);
  const StateRounding<Interval> outward{
      Interval::from_exact(f.format.unit_roundoff()),
      Interval::from_exact(underflow_term(f.format, RoundingRule::kNearestEven, f.subnormals))};
  const auto T = static_cast<std::size_t>(draw.log_uniform(1.0, 200.0));
  for (std::size_t t = 0; t < T; ++t) {
    const Real s = real(draw.log_uniform(least_s, 4.0 * least_s));
    const Real v = real(draw.uniform(-2.0, 2.0));
    const Real v_prime = v + real(draw.below(2) == 0 ? size : -size);
    h = exp(-s) * h - expm1(-s) * v;
    kept = stored(exp(-s) * real(kept) - expm1(-s) * v_prime, f);
    E = stored_deviation(drawn(s, E, abs(v_prime - v)), h, rounding_of(f));
    const auto enclose = [](const Real& x) {
      return Interval::from_bounds(x.to_double(Direction::kDown), x.to_double(Direction::kUp));
    };
    E_interval = stored_deviation(drawn(enclose(s), E_interval, enclose(abs(v_prime - v))), enclose(h), outward);
    RC_ASSERT(abs(real(kept) - h) <= with_slack(E));
    RC_ASSERT(abs(real(kept) - h) <= E_interval.upper());
  }
}

TEST(StoredStateWithoutATerm, TheRelativeTermIsNeeded) {
  const Format f = kStored[0];
  const Real h = real(1.0 + 0x1p-8);  // half way between two bfloat16 numbers
  EXPECT_GT(abs(real(stored(h, f)) - h), rounding_of(f).u_min);
  EXPECT_LE(abs(real(stored(h, f)) - h), stored_deviation(real(0.0), h, rounding_of(f)));
}

TEST(StoredStateWithoutATerm, TheUnderflowTermIsNeeded) {
  const Format f = kStored[1];
  const Real h = real(0x1p-25);  // half the least subnormal of float16: becomes 0
  EXPECT_GT(abs(real(stored(h, f)) - h), rounding_of(f).u * h);
  EXPECT_LE(abs(real(stored(h, f)) - h), stored_deviation(real(0.0), h, rounding_of(f)));
}

TEST(StoredStateWithoutATerm, TheRoundingOfTheDeviationItselfIsNeeded) {
  const Format f = kStored[0];
  const Real h = real(0.0);
  const Real h_prime = real(1.0 + 0x1p-8 + 0x1p-30);  // E, and h = 0 makes the term u |h| vanish
  const Real seen = abs(real(stored(h_prime, f)) - h);
  EXPECT_GT(seen, h_prime + rounding_of(f).u_min);
  EXPECT_LE(seen, stored_deviation(h_prime, h, rounding_of(f)));
}

TEST(StoredStateWithoutATerm, ADecayNearOneMakesRoundingsAddUpBeyondWhatIsLeftOfTheFirst) {
  // s = 2^-12 and a target of 1: the stored bfloat16 never moves from 0.5, the real state does.
  const Format f = kStored[0];
  const Real s = real(0x1p-12);
  double kept = 0.5;
  Real h = real(0.5);
  for (int t = 0; t < 4000; ++t) {
    h = exp(-s) * h - expm1(-s);
    kept = stored(exp(-s) * real(kept) - expm1(-s), f);
  }
  const auto bound =
      stored_state_bound(real(0.0), exp(-s * real(4000.0)), s, 4000.0, real(1.0), real(1.0), rounding_of(f));
  EXPECT_EQ(kept, 0.5);
  EXPECT_GT(h - real(kept), real(0.3));
  EXPECT_GT(h - real(kept), rounding_of(f).u * real(20.0));  // many single roundings
  EXPECT_LE(h - real(kept), bound.total);
}

TEST(StoredStateWithoutATerm, TheInitialDeviationIsNeeded) {
  const Real seen = abs(real(stored(exp(-real(0.5)), kStored[0])));  // h = 0, stored 1, target 0
  const auto bound = [&](double initial) {
    return stored_state_bound(real(initial), exp(-real(0.5)), real(0.5), 1.0, real(1.0), real(1.0),
                              rounding_of(kStored[0]));
  };
  EXPECT_GT(seen, bound(0.0).total);
  EXPECT_LE(seen, bound(1.0).total);
}

TEST(StoredStateWithoutATerm, TheCapNeedsBothStates) {
  // A stored 1 with s = 2^-12 and a target of -1 stays; the real state goes to -1.
  const Real s = real(0x1p-12);
  EXPECT_EQ(stored(exp(-s) + expm1(-s), kStored[0]), 1.0);
  const Real steps = real(80000.0);
  const Real h = exp(-s * steps) + expm1(-s * steps);
  const auto bound =
      stored_state_bound(real(0.0), exp(-s * steps), s, 80000.0, real(1.0), real(1.0), rounding_of(kStored[0]));
  EXPECT_EQ(bound.regime, StoredStateRegime::kCapped);
  EXPECT_GT(real(1.0) - h, real(1.999));
  EXPECT_LE(real(1.0) - h, bound.total);
}

TEST(StoredState, NamesItsThreeRegimes) {
  const StateRounding<double> bf16{0x1p-8, 0x1p-134};
  const auto regime = [&](double s, double T) {
    return stored_state_bound(0.0, std::exp(-s * T), s, T, 1.0, 1.0, bf16).regime;
  };
  EXPECT_EQ(regime(0.5, 1000.0), StoredStateRegime::kContracting);
  EXPECT_EQ(regime(1e-6, 100.0), StoredStateRegime::kMarginal);
  EXPECT_EQ(regime(0.0, 100.0), StoredStateRegime::kMarginal);
  EXPECT_EQ(regime(1e-6, 1e6), StoredStateRegime::kCapped);
  const StateRounding<Interval> outward{Interval::from_exact(0x1p-8), Interval::from_exact(0x1p-134)};
  const Interval one = Interval::from_exact(1.0);
  const auto enclosed =
      stored_state_bound(Interval::from_exact(0.0), one, Interval::from_bounds(0.0, 1e-6), 100.0, one, one, outward);
  EXPECT_EQ(enclosed.regime, StoredStateRegime::kMarginal);
  EXPECT_LE(enclosed.total.upper(), 100.0 * 0x1p-8 * (1.0 + 0x1p-40));
}

TEST(StoredState, ContractsOnlyWhereTheDecayBeatsTheRoundoff) {
  EXPECT_TRUE(contracts_when_stored(4e-3, 0x1p-8));
  EXPECT_FALSE(contracts_when_stored(3.8e-3, 0x1p-8));  // log(1 + 2^-8) = 3.8986e-3
  EXPECT_TRUE(contracts_when_stored(Interval::from_bounds(4e-3, 1.0), Interval::from_exact(0x1p-8)));
  EXPECT_FALSE(contracts_when_stored(Interval::from_bounds(3e-3, 1.0), Interval::from_exact(0x1p-8)));
}

}  // namespace
}  // namespace lyap::theory::testing
