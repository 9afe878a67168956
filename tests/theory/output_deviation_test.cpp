#include "theory/output_deviation.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "numerics/interval_functions.hpp"
#include "tests/theory/perturbed_recurrence.hpp"

// theory/theorems/theorem_2_output_deviation.md, theorem_4_perturbed_outputs.md

namespace lyap::theory::testing {
namespace {

RC_GTEST_PROP(OutputDeviation, ContainsTheOutputOfPerturbedTrajectories, (unsigned seed)) {
  Draw draw(seed);
  const std::size_t N = 1 + draw.below(4);
  const auto T = static_cast<std::size_t>(draw.log_uniform(1.0, 40.0));
  std::vector<RawPair> pairs;
  for (std::size_t n = 0; n < N; ++n) pairs.push_back(random_pair_of(draw, T, static_cast<Adversary>(draw.below(3))));
  Array<Real> C, C_prime, C_change, h, h_prime, E;
  for (std::size_t n = 0; n < N; ++n) {
    C.push_back(real(draw.uniform(-2.0, 2.0)));
    C_prime.push_back(C[n] + real(draw.uniform(-0.5, 0.5)));
    C_change.push_back(abs(C_prime[n] - C[n]));
    Real state = real(pairs[n].h0);
    Real other = real(pairs[n].h0_prime);
    BoundTracker<Real> tracker(pairs[n]);
    for (std::size_t t = 0; t < T; ++t) {
      E.resize(n);
      E.push_back(tracker.step(t, state, other).both_known);
      state = after(state, moment<Real>(pairs[n].A_log, pairs[n].steps[t], pairs[n].discretization));
      other = after(other, moment<Real>(pairs[n].A_log_prime, pairs[n].perturbed[t], pairs[n].discretization));
    }
    h.push_back(state);
    h_prime.push_back(other);
  }
  const Real D = real(draw.uniform(-1.0, 1.0));
  const Real D_prime = D + real(draw.uniform(-0.25, 0.25));
  const Real x = real(draw.uniform(-1.0, 1.0));
  const Real x_prime = x + real(draw.uniform(-0.25, 0.25));
  Real y = D * x;
  Real y_prime = D_prime * x_prime;
  for (std::size_t n = 0; n < N; ++n) {
    y += C[n] * h[n];
    y_prime += C_prime[n] * h_prime[n];
  }
  const Real Dx = output_term_change(D_prime, Real(abs(D_prime - D)), x, Real(abs(x_prime - x)));
  const Real bound = output_change(C_prime, C_change, h, E, Dx);
  RC_ASSERT(abs(y_prime - y) <= with_slack(bound));

  const Real z = real(draw.uniform(-8.0, 8.0));
  const Real z_change = real(draw.uniform(-1.0, 1.0));
  RC_ASSERT(abs(silu(z + z_change) - silu(z)) <= with_slack(silu_change(Real(abs(z_change)))));
  RC_ASSERT(abs(y_prime * silu(z + z_change) - y * silu(z)) <=
            with_slack(gated_change(silu(z + z_change), silu_change(Real(abs(z_change))), y, bound)));
}

TEST(OutputDeviation, IsAttainedAndEveryTermIsNeeded) {
  const Array<Real> zero{real(0.0)};
  const Array<Real> one{real(1.0)};
  const Array<Real> two{real(2.0)};
  const Real none = real(0.0);
  // C = 1, C' = 2, h = 1, h' = 2: y' - y = 3
  EXPECT_EQ(output_change(two, one, one, one, none), real(3.0));
  EXPECT_LT(output_change(two, zero, one, one, none), real(3.0));
  EXPECT_LT(output_change(two, one, one, zero, none), real(3.0));
  EXPECT_LT(output_change(one, one, one, one, none), real(3.0));
  EXPECT_LT(output_change(two, one, zero, one, none), real(3.0));
  EXPECT_LT(output_change(zero, zero, zero, zero, none), real(1.0));  // D x moving by 1
  EXPECT_EQ(output_change(zero, zero, zero, zero, real(1.0)), real(1.0));
  // the gate: y = 1, y' = 2, silu from 1 to 2
  EXPECT_EQ(gated_change(real(2.0), real(1.0), real(1.0), real(1.0)), real(3.0));
  EXPECT_LT(gated_change(real(2.0), none, real(1.0), real(1.0)), real(3.0));
  EXPECT_LT(gated_change(real(2.0), real(1.0), real(1.0), none), real(3.0));
  // out_proj: W' = 2, W = 1, o = 1, o' = 2
  EXPECT_EQ(projected_change(real(2.0), real(1.0), real(1.0)), real(3.0));
  EXPECT_LT(projected_change(real(2.0), real(1.0), none), real(3.0));
  EXPECT_LT(projected_change(real(2.0), none, real(1.0)), real(3.0));
}

TEST(OutputDeviation, ASlopeOfOneForSiluWouldBeExceededAndTheConstantIsSharp) {
  const Real change = silu(real(2.400001)) - silu(real(2.399999));
  const Real width = real(2.400001) - real(2.399999);
  EXPECT_GT(change, width);
  EXPECT_LE(change, silu_change(width));
  EXPECT_GT(change, real(0.99999) * silu_change(width));
}

TEST(OutputDeviation, TheNormsChangeIsCapped) {
  EXPECT_EQ(normalised_change(real(1e9), real(1e-3), 4.0), real(4.0));
  EXPECT_EQ(normalised_change(real(1.0), real(2.0), 4.0), real(1.0));
  const Interval bound = normalised_change(Interval::from_exact(1e9), Interval::from_exact(1e-3), 4.0);
  EXPECT_TRUE(bound.contains(4.0));
}

}  // namespace
}  // namespace lyap::theory::testing
