#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>

#include "tests/theory/scalar_trajectory.hpp"

// theory/theorems/gains.md. One channel with one state: what is proved for it holds for the maximum over states.

namespace lyap::theory::testing {
namespace {

constexpr Discretization kEuler = Discretization::kEuler;

/// The box of inputs of one state, and G = ψ(α Δ_hi)/α, H = G B̄ x̄.
struct Box {
  Real alpha;
  double Delta_lo, Delta_hi, B_hi, x_hi;
  [[nodiscard]] Real G() const { return psi(alpha * real(Delta_hi)) / alpha; }
  [[nodiscard]] Real H() const { return G() * real(B_hi) * real(x_hi); }
};

Box random_box(Draw& draw) {
  const double low = draw.log_uniform(1e-6, 1.0);
  return {real(draw.log_uniform(1e-3, 1e3)), low, low * draw.log_uniform(1.0, 1e4), draw.log_uniform(0.01, 10.0),
          draw.log_uniform(0.01, 10.0)};
}

/// A sequence in the box that likes its corners, where extreme deviations live.
Parameters random_step(Draw& draw, const Box& box) {
  const auto corner_or_inside = [&](double low, double high) {
    const std::array<double, 3> choices{low, high, draw.uniform(low, high)};
    return real(choices.at(draw.below(3)));
  };
  return {box.alpha, corner_or_inside(box.Delta_lo, box.Delta_hi), corner_or_inside(-box.B_hi, box.B_hi),
          corner_or_inside(-box.x_hi, box.x_hi)};
}

enum class Perturbed { kX, kB, kStep, kALog };

/// The largest |h'_t - h_t| over a random sequence on which the named quantity differs at every step, by at most `size`
/// (absolute for x and B, |log| for the others).
Real largest_deviation(Draw& draw, const Box& box, Perturbed what, double size) {
  const double factor_of_alpha = draw.below(2) == 0 ? -size : size;
  Real h = real(0.0);
  Real h_prime = real(0.0);
  Real largest = real(0.0);
  for (int t = 0; t < 40; ++t) {
    const Parameters step = random_step(draw, box);
    Parameters other = step;
    const double change = draw.below(2) == 0 ? (draw.below(2) == 0 ? -size : size) : draw.uniform(-size, size);
    if (what == Perturbed::kX) other.x += real(change);
    if (what == Perturbed::kB) other.B += real(change);
    if (what == Perturbed::kStep) other.Delta *= exp(real(change));
    if (what == Perturbed::kALog) other.alpha *= exp(real(factor_of_alpha));
    h = step.next(h, kEuler);
    h_prime = other.next(h_prime, kEuler);
    largest = max(largest, abs(h_prime - h));
  }
  return largest;
}

RC_GTEST_PROP(Gains, XBoundsTheDeviationPerUnitOfX, (unsigned seed)) {
  Draw draw(seed);
  const Box box = random_box(draw);
  const double size = draw.log_uniform(1e-3, 10.0);
  RC_ASSERT(largest_deviation(draw, box, Perturbed::kX, size) <= with_slack(box.G() * real(box.B_hi) * real(size)));
}

RC_GTEST_PROP(Gains, BBoundsTheDeviationPerUnitOfB, (unsigned seed)) {
  Draw draw(seed);
  const Box box = random_box(draw);
  const double size = draw.log_uniform(1e-3, 10.0);
  RC_ASSERT(largest_deviation(draw, box, Perturbed::kB, size) <= with_slack(box.G() * real(box.x_hi) * real(size)));
}

RC_GTEST_PROP(Gains, StepIsTwiceTheStateBoundPerUnitOfTheRelativeChange, (unsigned seed)) {
  Draw draw(seed);
  const Box box = random_box(draw);
  const double gamma = draw.log_uniform(1e-6, 3.0);
  RC_ASSERT(largest_deviation(draw, box, Perturbed::kStep, gamma) <=
            with_slack(real(2.0) * box.H() * expm1(real(gamma))));
}

RC_GTEST_PROP(Gains, ALogIsTheStateBoundPerUnitOfTheRelativeChange, (unsigned seed)) {
  Draw draw(seed);
  const Box box = random_box(draw);
  const double gamma = draw.log_uniform(1e-6, 3.0);
  RC_ASSERT(largest_deviation(draw, box, Perturbed::kALog, gamma) <= with_slack(box.H() * expm1(real(gamma))));
}

RC_GTEST_PROP(Gains, InitialBoundsWhatIsLeftAfterAnyStep, (unsigned seed)) {
  Draw draw(seed);
  const Box box = random_box(draw);
  Real left = real(1.0);
  for (int t = 0; t < 20; ++t) {
    left *= random_step(draw, box).discrete(kEuler).a;
    RC_ASSERT(left <= with_slack(exp(-(box.alpha * real(box.Delta_lo)))));
  }
}

RC_GTEST_PROP(Gains, TheRatioInequalityBehindThemHoldsOnBothSides, (unsigned seed)) {
  Draw draw(seed);
  const Real s = real(draw.log_uniform(1e-9, 50.0));
  const Real tau = real(draw.uniform(-3.0, 3.0));
  const Real s_prime = s * exp(tau);
  const Real change = abs(expm1(-s_prime) - expm1(-s));
  RC_ASSERT(change <= with_slack(-expm1(-s_prime) * expm1(abs(tau))));
  RC_ASSERT(change <= with_slack(-expm1(-max(s, s_prime)) * -expm1(-abs(tau))));
}

TEST(Gains, AConstantOffsetOfXAttainsItsGain) {
  const Box box{real(0.5), 0.1, 2.0, 1.5, 1.0};
  const Parameters step{box.alpha, real(2.0), real(1.5), real(0.25)};
  Parameters other = step;
  other.x += real(0.5);
  Real h = real(0.0);
  Real h_prime = real(0.0);
  for (int t = 0; t < 200; ++t) {
    h = step.next(h, kEuler);
    h_prime = other.next(h_prime, kEuler);
  }
  const Real gain = box.G() * real(box.B_hi);
  EXPECT_GE((h_prime - h) / real(0.5), gain * (real(1.0) - real(0x1p-200)));
  EXPECT_LE((h_prime - h) / real(0.5), with_slack(gain));
}

TEST(Gains, SlowSteadyInputAttainsTheGainOfALog) {
  constexpr double kGamma = 0.5;
  const Parameters step{real(1.0), real(0x1p-40), real(1.0), real(1.0)};
  Parameters other = step;
  other.alpha *= exp(real(-kGamma));
  const Real deviation = other.v(kEuler) - step.v(kEuler);  // both states rest at their targets
  const Real gain = psi(step.alpha * step.Delta) * expm1(real(kGamma));
  EXPECT_LE(deviation, with_slack(gain));
  EXPECT_GE(deviation, gain * (real(1.0) - real(0x1p-38)));
}

TEST(Gains, AnyConstantBelowOnePlusExpMinusTwoWouldBeExceededByTheStepGain) {
  // At rest at -H, one step towards +H with s = 2 whose size is multiplied by exp(γ): moves the state by (1 + e^-2) H γ
  // to first order.
  const Real gamma = real(1e-6);
  const Parameters step{real(1.0), real(2.0), real(1.0), real(1.0)};
  Parameters other = step;
  other.Delta *= exp(gamma);
  const Real H = other.v(kEuler);  // the larger of the two targets: the box holds both step sizes
  const Real rest = -step.v(kEuler);
  const Real ratio = (other.next(rest, kEuler) - step.next(rest, kEuler)) / (H * expm1(gamma));
  EXPECT_GT(ratio, real(1.135));
  EXPECT_LT(ratio, real(2.0));
}

TEST(Gains, LeavingPsiOutOfTheBoundsOfXIsRefuted) {
  const Box box{real(1.0), 2.0, 2.0, 1.0, 1.0};
  const Parameters step{real(1.0), real(2.0), real(1.0), real(0.0)};
  Parameters other = step;
  other.x += real(1.0);
  EXPECT_GT(other.next(real(0.0), kEuler) - step.next(real(0.0), kEuler), real(box.B_hi) / box.alpha);
}

}  // namespace
}  // namespace lyap::theory::testing
