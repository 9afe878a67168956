#include "verify/deviation/kappa_over_ball.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>

#include "numerics/interval_functions.hpp"
#include "numerics/mpfr_real.hpp"
#include "tests/verify/campaign_blocks.hpp"
#include "theory/deviation_bound.hpp"
#include "theory/discretization.hpp"
#include "theory/selective_recurrence.hpp"
#include "verify/deviation/universal_deviation.hpp"

// The coefficients of K, one step at a time in multiple precision, against theory's formula, and with each term
// dropped.

namespace lyap::testing {
namespace {

using deviation::HeadPerturbation;
using deviation::KappaCoefficients;
using Real = MpfrReal;

Real real(double x) { return theory::exact<Real>(x); }

/// One head with one rate, and the sizes of what drives it.
struct Case {
  Interval p;
  double p_change, A_log, A_log_prime, B, B_change, x, x_change;
  theory::StepSizeLimits limits, limits_prime;

  [[nodiscard]] HeadPerturbation head() const {
    return {p, p_change, limits, limits_prime, {&A_log, 1}, {&A_log_prime, 1}, theory::kUnrounded};
  }
};

Case drawn_case(Campaign& draw) {
  Case c;
  const double low = draw.uniform(-30.0, 10.0);
  c.p = Interval::from_bounds(low, low + std::exp(draw.uniform(-5.0, 3.5)));
  c.p_change = draw.chance(0.2) ? 0.0 : std::exp(draw.uniform(-15.0, 2.0));
  c.A_log = draw.uniform(-4.0, 4.0);
  c.A_log_prime = c.A_log + (draw.chance(0.5) ? 0.0 : draw.normal() * std::exp(draw.uniform(-12.0, 0.0)));
  c.B = std::fabs(draw.normal());
  c.x = std::fabs(draw.normal());
  c.B_change = draw.chance(0.3) ? 0.0 : c.B * std::exp(draw.uniform(-12.0, 0.0));
  c.x_change = draw.chance(0.3) ? 0.0 : c.x * std::exp(draw.uniform(-12.0, 0.0));
  if (draw.chance(0.3)) c.limits = c.limits_prime = {0.01, draw.chance(0.5) ? 0.1 : 20.0};
  if (draw.chance(0.2)) c.limits_prime = {0.02, 3.0};
  return c;
}

/// Which part of K is left out.
enum class Dropped { kNothing, kDecay, kStep, kTarget, kSecondH, kXChange, kBChange };

struct Sizes {
  double H, H_prime;
};

Sizes sizes_of(const Case& c) {
  double target = 0.0;
  for (const KappaCoefficients& k : deviation::kappa_coefficients(c.head())) target = std::max(target, k.target);
  return {target * c.B * c.x * (1.0 + 0x1p-40), target * (c.B + c.B_change) * (c.x + c.x_change) * (1.0 + 0x1p-40)};
}

double kappa(const Case& c, const Sizes& sizes, Dropped dropped) {
  const double Bx = c.B * c.x;
  const double dx = dropped == Dropped::kXChange ? 0.0 : c.x_change,
               dB = dropped == Dropped::kBChange ? 0.0 : c.B_change;
  const double Bx_change = (c.B + dB) * dx + dB * c.x;
  const double larger = dropped == Dropped::kSecondH ? sizes.H : std::max(sizes.H, sizes.H_prime);
  double K = 0.0;
  for (const KappaCoefficients& k : deviation::kappa_coefficients(c.head())) {
    const double decay = dropped == Dropped::kDecay ? 0.0 : k.decay;
    const double step = dropped == Dropped::kStep ? 0.0 : k.step_target;
    const double target = dropped == Dropped::kTarget ? 0.0 : k.target;
    K = std::max(K, decay * larger + step * Bx + target * Bx_change);
  }
  return K * (1.0 + 0x1p-40);
}

/// One step of both trajectories, from any states that they can be in. Returns (|h'_1 - h_1| - a* |h'_0 - h_0|)/(1 -
/// a*).
double needed_constant(const Case& c, const Sizes& sizes, Campaign& draw) {
  const auto side = [&](double size) {
    return size * (draw.chance(0.6) ? (draw.chance(0.5) ? 1.0 : -1.0) : draw.uniform(-1.0, 1.0));
  };
  const double p =
      draw.chance(0.5) ? (draw.chance(0.5) ? c.p.lower() : c.p.upper()) : draw.uniform(c.p.lower(), c.p.upper());
  const Real p_prime = real(p) + real(side(c.p_change));
  const Real Delta = theory::step_size(real(p), c.limits, theory::Softplus::kTextbook);
  const Real Delta_prime = theory::step_size(p_prime, c.limits_prime, theory::Softplus::kTextbook);
  const Real B = real(side(c.B)), x = real(side(c.x));
  const Real B_prime = B + real(side(c.B_change)), x_prime = x + real(side(c.x_change));
  const Real h = real(side(sizes.H)), h_prime = draw.chance(0.5) ? h : real(side(sizes.H_prime));
  const Real s = exp(real(c.A_log)) * Delta, s_prime = exp(real(c.A_log_prime)) * Delta_prime;
  const Real next = exp(-s) * h + Delta * B * x, next_prime = exp(-s_prime) * h_prime + Delta_prime * B_prime * x_prime;
  const Real slowest = max(s, s_prime);
  const Real rest = theory::magnitude(next_prime - next) - exp(-slowest) * theory::magnitude(h_prime - h);
  return (rest / -expm1(-slowest)).approx_to_double();
}

TEST(KappaCoefficients, BoundOneStepFromAnyStates) {
  Campaign draw(601);
  double worst = 0.0;
  for (int i = 0; i < scaled(2000); ++i) {
    const Case c = drawn_case(draw);
    const Sizes sizes = sizes_of(c);
    const double K = kappa(c, sizes, Dropped::kNothing);
    for (int j = 0; j < 20; ++j) {
      const double needed = needed_constant(c, sizes, draw);
      ASSERT_LE(needed, K + 0x1p-200 * (sizes.H + sizes.H_prime)) << "case " << i;  // the judge has 256 bits
      if (K > 0.0) worst = std::max(worst, needed / K);
    }
  }
  std::cout << "largest needed/K " << worst << '\n';
  EXPECT_GT(worst, 0.9);
}

TEST(KappaCoefficients, FailWithoutAnyOneTerm) {
  for (const Dropped dropped :
       {Dropped::kDecay, Dropped::kStep, Dropped::kTarget, Dropped::kSecondH, Dropped::kXChange, Dropped::kBChange}) {
    Campaign draw(602);
    bool violated = false;
    for (int i = 0; i < 4000 && !violated; ++i) {
      const Case c = drawn_case(draw);
      const Sizes sizes = sizes_of(c);
      for (int j = 0; j < 20 && !violated; ++j)
        violated = needed_constant(c, sizes, draw) > kappa(c, sizes, dropped) * (1.0 + 1e-9);
    }
    EXPECT_TRUE(violated) << "nothing is lost without term " << static_cast<int>(dropped);
  }
}

/// theory's K with the same perturbations: |v' - v| + (1 - exp(-tau)) (H + H').
Interval formula(const Case& c, const Sizes& sizes, double target) {
  const auto point = [](double x) { return Interval::from_exact(x); };
  const Interval A_log_change = abs(point(c.A_log_prime) - point(c.A_log));
  const Interval log_Delta = point(c.p_change);
  const Interval tau = theory::perturbation_distance(log_Delta, A_log_change);
  const Interval gamma = theory::target_distance(log_Delta, A_log_change, theory::Discretization::kEuler);
  const Interval change =
      theory::product_change(point(c.B + c.B_change), point(c.x), point(c.B_change), point(c.x_change));
  const Interval v_change = theory::scaled_product_change(point(target), point(c.B) * point(c.x), change, gamma);
  return theory::gap_free_constant(v_change, tau, point(sizes.H) + point(sizes.H_prime));
}

TEST(KappaCoefficients, NeverExceedTheFormulaOfTheory) {
  Campaign draw(603);
  for (int i = 0; i < scaled(2000); ++i) {
    Case c = drawn_case(draw);
    c.limits_prime = c.limits;  // tau from pre-activations
    c.p = Interval::from_bounds(c.p.lower(), std::min(c.p.upper(), 19.0 - c.p_change));
    if (c.p.lower() >= c.p.upper() - 1e-3 || c.p_change > 5.0) continue;
    const Sizes sizes = sizes_of(c);
    // The first block's own largest psi/alpha.
    const Interval Delta = theory::step_size(Interval::from_exact(c.p.upper()), c.limits, theory::Softplus::kTextbook);
    const Interval alpha = exp(Interval::from_exact(c.A_log));
    const double target = (theory::psi(alpha * Delta) / alpha).upper();
    const double K = kappa(c, sizes, Dropped::kNothing), theorem = formula(c, sizes, target).upper();
    ASSERT_LE(K, theorem * (1.0 + 1e-9)) << "case " << i;
  }
}

TEST(KappaCoefficients, VanishLinearly) {
  Campaign draw(604);
  for (int i = 0; i < scaled(100); ++i) {
    Case c = drawn_case(draw);
    c.limits_prime = c.limits;
    c.p = Interval::from_bounds(-8.0, 15.0);
    const auto at = [&](double scale) {
      Case smaller = c;
      smaller.p_change = scale;
      smaller.A_log_prime = c.A_log + scale;
      smaller.B_change = c.B * scale;
      smaller.x_change = c.x * scale;
      return kappa(smaller, sizes_of(smaller), Dropped::kNothing);
    };
    for (int k = 10; k < 40; ++k) {
      const double ratio = at(std::ldexp(1.0, -k - 1)) / at(std::ldexp(1.0, -k));
      EXPECT_NEAR(ratio, 0.5, 0.002) << "case " << i << ", 2^-" << k;
    }
  }
}

/// A block whose convolution cancels in_proj's bias once all taps are there: x is large at the first step only.
theory::Mamba2Weights block_with_a_large_start() {
  theory::Mamba2Weights block;
  block.d_model = 1;
  block.d_inner = block.heads = block.head_dim = block.d_state = block.groups = 1;
  block.d_conv = 2;
  block.norm_epsilon = 1e-5;
  block.norm_weight = {0x1p-20};
  block.in_proj = theory::Matrix(5, 1);  // z, x, B, C, dt
  block.in_proj.entries.assign(5, 1.0);
  block.in_proj_bias = {0.0, 5.0, 5.0, 5.0, 0.0};
  block.conv_weight = theory::Matrix(3, 2);
  block.conv_weight.entries = {-1.0, 1.0, -1.0, 1.0, -1.0, 1.0};
  block.dt_bias = {-1.0};
  block.A_log = {0.0};
  block.D = {0.0};
  block.gated_norm_weight = {1.0};
  block.gated_norm_epsilon = 1e-5;
  block.out_proj = theory::Matrix(1, 1);
  return block;
}

TEST(UniversalDeviation, CoversTheStartOfTheSequenceWhereTapsAreMissing) {
  const theory::Mamba2Weights block = block_with_a_large_start();
  theory::Mamba2Weights other = block;
  other.dt_bias = {-0.5};
  const DeviationBounds bounds = deviation::universal_pair_deviation(block, other);
  auto state = theory::initial_state<double>(block), state_prime = theory::initial_state<double>(other);
  (void)theory::step(block, theory::Array<double>{1.0}, state);
  (void)theory::step(other, theory::Array<double>{1.0}, state_prime);
  const double first = std::fabs(state_prime.scan.h()[0] - state.scan.h()[0]);
  EXPECT_LE(first, bounds.state.upper[0]);
  EXPECT_GT(first, 0.05 * bounds.state.upper[0]);

  // With all taps present x and B stay below 2^-17: a bound from that range alone would be violated at once.
  deviation::BallDomain later = deviation::ball_domain(block);
  later.x = later.B = {0x1p-17};
  const auto radii = deviation::weight_radii(later, deviation::change_between(block, other));
  const deviation::BallKappa wrong = deviation::kappa_over_ball(
      {later, radii, block.step_limits, other.step_limits, block.A_log, other.A_log, theory::kUnrounded});
  EXPECT_LT(wrong.kappa[0], first);
}

}  // namespace
}  // namespace lyap::testing
