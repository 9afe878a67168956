#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <vector>

#include "tests/theory/random_block.hpp"
#include "theory/lyapunov_exponent.hpp"
#include "theory/selective_recurrence.hpp"

// theory/theorems/time_invariant_case.md: constant Δ, B, C, as in appendix E of the paper.

namespace lyap::theory::testing {
namespace {

struct TimeInvariantSystem {
  Vector A_log, D;
  Array<Real> Delta, B, C;
  std::vector<Array<Real>> x;  // (T) arrays of (1)
};

TimeInvariantSystem random_system(Draw& draw) {
  TimeInvariantSystem system;
  const std::size_t N = 1 + draw.below(5);
  system.A_log = random_vector(draw, N, 3.0);
  system.D = random_vector(draw, 1, 1.0);
  system.Delta = {real(draw.log_uniform(1e-4, 5.0))};
  for (std::size_t n = 0; n < N; ++n) {
    system.B.push_back(real(draw.uniform(-2.0, 2.0)));
    system.C.push_back(real(draw.uniform(-2.0, 2.0)));
  }
  const std::size_t T = 1 + draw.below(20);
  for (std::size_t t = 0; t < T; ++t) system.x.push_back({real(draw.uniform(-1.0, 1.0))});
  return system;
}

RC_GTEST_PROP(TimeInvariantCase, TheScanIsTheUnrolledConvolutionOfTheClassicalTheory, (unsigned seed, bool zoh)) {
  Draw draw(seed);
  const Discretization d = zoh ? Discretization::kZoh : Discretization::kEuler;
  const TimeInvariantSystem system = random_system(draw);
  const std::size_t N = system.B.size();
  SelectiveScan<Real> scan({1, 1, N, 1}, system.A_log, system.D, d);
  Real y = real(0.0);
  for (const Array<Real>& x : system.x) y = scan.step(system.Delta, x, system.B, system.C).front();

  const std::size_t T = system.x.size();
  Real unrolled = real(system.D.front()) * system.x.back().front();
  for (std::size_t n = 0; n < N; ++n) {
    const Real alpha = exp(real(system.A_log[n]));
    const auto [a, c] = discretize(alpha, system.Delta.front(), d);
    Real power = real(1.0);
    for (std::size_t j = 0; j < T; ++j) {
      unrolled += system.C[n] * power * c * system.B[n] * system.x[T - 1 - j].front();
      power *= a;
    }
    RC_ASSERT(real(0.0) < a);
    RC_ASSERT(a <=
              real(1.0));  // |eigenvalue| <= 1 (Orvieto et al.); the continuous eigenvalue -α is negative (Goel et al.)
    const Real lambda = finite_time_exponent(alpha, system.Delta.front() * real(static_cast<double>(T)), T);
    RC_ASSERT(abs(exp(lambda) - a) <= real(0x1p-240));
  }
  RC_ASSERT(abs(y - unrolled) <= real(0x1p-230));
}

RC_GTEST_PROP(TimeInvariantCase, ZeroOrderHoldSamplesTheContinuousSolutionSoTwoHalfStepsAreOneStep, (unsigned seed)) {
  Draw draw(seed);
  const Parameters whole{real(draw.log_uniform(1e-2, 10.0)), real(draw.log_uniform(1e-3, 5.0)),
                         real(draw.uniform(-2.0, 2.0)), real(draw.uniform(-2.0, 2.0))};
  Parameters half = whole;
  half.Delta *= real(0.5);
  const Real h = real(draw.uniform(-3.0, 3.0));
  const Real twice = half.next(half.next(h, Discretization::kZoh), Discretization::kZoh);
  RC_ASSERT(abs(twice - whole.next(h, Discretization::kZoh)) <=
            real(0x1p-230) * (real(1.0) + abs(whole.v(Discretization::kZoh))));
}

TEST(TimeInvariantCase, EulerStepsDoNotHaveThatProperty) {
  const Parameters whole{real(1.0), real(1.0), real(1.0), real(1.0)};
  Parameters half = whole;
  half.Delta *= real(0.5);
  const Real twice = half.next(half.next(real(0.0), Discretization::kEuler), Discretization::kEuler);
  EXPECT_GT(abs(twice - whole.next(real(0.0), Discretization::kEuler)), real(0.1));
}

TEST(TimeInvariantCase, AConstantInputSettlesAtTheEquilibriumTimesPsiForEulerSteps) {
  const Parameters step{real(2.0), real(0.75), real(1.5), real(0.5)};
  const Real equilibrium = step.B * step.x / step.alpha;
  for (const Discretization d : {Discretization::kEuler, Discretization::kZoh}) {
    Real h = real(3.0);
    for (int t = 0; t < 150; ++t) h = step.next(h, d);
    const Real expected = d == Discretization::kZoh ? equilibrium : psi(step.alpha * step.Delta) * equilibrium;
    EXPECT_LE(abs(h - expected), real(0x1p-240));  // a^150 = exp(-225) = 2^-324
  }
}

}  // namespace
}  // namespace lyap::theory::testing
