#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "tests/theory/random_block.hpp"
#include "theory/selective_recurrence.hpp"

// theory/theorems/universal_domain.md

namespace lyap::theory::testing {
namespace {

Real norm_2(const Array<Real>& x) {
  Real sum = real(0.0);
  for (const Real& entry : x) sum += entry * entry;
  return sqrt(sum);
}

Array<Real> random_reals(Draw& draw, std::size_t count, double scale) {
  Array<Real> result;
  for (std::size_t i = 0; i < count; ++i) result.push_back(real(draw.uniform(-scale, scale)));
  return result;
}

/// √d |g (*) row|_2
Real radius_of(const Vector& gain, const Matrix& W, std::size_t row) {
  Array<Real> product;
  for (std::size_t i = 0; i < W.columns; ++i) product.push_back(real(gain[i]) * real(W(row, i)));
  return sqrt(real(static_cast<double>(W.columns))) * norm_2(product);
}

RC_GTEST_PROP(UniversalDomain, TheNormLayerMapsOntoTheOpenBall, (unsigned seed)) {
  Draw draw(seed);
  const std::size_t d = 1 + draw.below(6);
  const double epsilon = draw.log_uniform(1e-8, 1.0);
  const Real root_d = sqrt(real(static_cast<double>(d)));
  const Vector ones(d, 1.0);
  const Array<Real> image = rms_norm(random_reals(draw, d, draw.log_uniform(1e-6, 1e6)), ones, epsilon);
  RC_ASSERT(norm_2(image) < root_d);

  Array<Real> n = random_reals(draw, d, 1.0);  // a point of the ball, and the residual stream that reaches it
  const Real shrink = root_d * real(draw.uniform(0.0, 0.999)) / (norm_2(n) + real(1e-30));
  for (Real& entry : n) entry *= shrink;
  const Real rms = sqrt(real(epsilon) / (real(1.0) - norm_2(n) * norm_2(n) / real(static_cast<double>(d))));
  Array<Real> r = n;
  for (Real& entry : r) entry *= rms;
  const Array<Real> reached = rms_norm(r, ones, epsilon);
  for (std::size_t i = 0; i < d; ++i) RC_ASSERT(abs(reached[i] - n[i]) <= real(0x1p-220));
}

RC_GTEST_PROP(UniversalDomain, TheStepSizePreActivationOfMamba2StaysInItsExactRangeAndTheWitnessNearlyReachesTheEnd,
              (unsigned seed)) {
  Draw draw(seed);
  const Mamba2Weights w = random_mamba2(draw);
  const std::size_t k = draw.below(w.heads);
  const std::size_t row = w.d_inner + w.conv_channels() + k;
  const Real centre = real(w.dt_bias[k]) + real(w.in_proj_bias.empty() ? 0.0 : w.in_proj_bias[row]);
  const Real rho = radius_of(w.norm_weight, w.in_proj, row);
  for (const BlockStep<Real>& t : run<Real>(w, random_inputs(draw, w.d_model)).steps)
    RC_ASSERT(abs(t.p[k] - centre) <= with_slack(rho));

  RC_PRE(rho > real(1e-3));
  BlockState<Real> state = initial_state<Real>(w);
  Array<Real> r;
  for (std::size_t i = 0; i < w.d_model; ++i)
    r.push_back(real(-1e4) * real(w.norm_weight[i]) * real(w.in_proj(row, i)));
  const Real mean_of_squares = norm_2(r) * norm_2(r) / real(static_cast<double>(w.d_model));
  const Real gap = step(w, r, state).p[k] - (centre - rho);
  RC_ASSERT(gap >= real(0.0));
  RC_ASSERT(gap <= with_slack(rho * real(w.norm_epsilon) / (real(2.0) * mean_of_squares)));
}

/// Section 4 in 256 bits: bounds of p of one channel with m taps present.
struct Range {
  Real lower, upper;
  void include(const Range& other) {
    lower = min(lower, other.lower);
    upper = max(upper, other.upper);
  }
};

/// silu on [l, u]: enough for a test, by the convexity of silu's one dip.
Range silu_range(const Real& l, const Real& u) {
  Range range{min(silu(l), silu(u)), max(silu(l), silu(u))};
  if (l < real(-1.278) && u > real(-1.279)) range.lower = real(-0.278465);
  return range;
}

struct Relaxations {
  Range interval, norm, linear;
};

Relaxations relax(const Mamba1Weights& w, std::size_t channel, std::size_t m) {
  const std::size_t d = w.d_model;
  const std::size_t J = w.d_conv;
  const Real root_d = sqrt(real(static_cast<double>(d)));
  Real frobenius = real(0.0);  // of W diag(g): at least its spectral norm
  const Real b = real(w.dt_bias[channel]);
  Real low = b;
  Real high = b;
  Real at_rest = b;
  Real linear_low = b;
  Real linear_high = b;
  std::vector<Array<Real>> tap_rows(m, Array<Real>(d, real(0.0)));
  Array<Real> tap_norms(m, real(0.0));
  for (std::size_t k = 0; k < w.d_inner; ++k) {
    Real omega = real(0.0);
    for (std::size_t rank = 0; rank < w.dt_rank; ++rank)
      omega += real(w.dt_proj(channel, rank)) * real(w.x_proj(rank, k));
    Real beta = real(w.conv_bias.empty() ? 0.0 : w.conv_bias[k]);
    Real sum_of_taps = real(0.0);
    for (std::size_t j = 0; j < m; ++j) {
      const Real c = real(w.conv_weight(k, J - 1 - j));
      sum_of_taps += abs(c);
      beta += c * real(w.in_proj_bias.empty() ? 0.0 : w.in_proj_bias[k]);
      tap_norms[j] += square(omega * c);
    }
    const Real rho = radius_of(w.norm_weight, w.in_proj, k);
    frobenius += square(rho) / real(static_cast<double>(d));
    const Real l = beta - rho * sum_of_taps;
    const Real u = beta + rho * sum_of_taps;
    const Range range = silu_range(l, u);
    low += min(omega * range.lower, omega * range.upper);
    high += max(omega * range.lower, omega * range.upper);
    at_rest += omega * silu(beta);

    // silu(q) in q/2 + [0, |q|/2]: slope 1/2, no transcendental gap.
    const Real gap = max(abs(l), abs(u)) * real(0.5);
    linear_low += omega * beta * real(0.5) + min(real(0.0), omega * gap);
    linear_high += omega * beta * real(0.5) + max(real(0.0), omega * gap);
    for (std::size_t j = 0; j < m; ++j) {
      for (std::size_t i = 0; i < d; ++i) {
        tap_rows[j][i] +=
            omega * real(0.5) * real(w.conv_weight(k, J - 1 - j)) * real(w.in_proj(k, i)) * real(w.norm_weight[i]);
      }
    }
  }
  Real norm_radius = real(0.0);
  Real linear_radius = real(0.0);
  for (std::size_t j = 0; j < m; ++j) {
    norm_radius += real(1.09984) * root_d * sqrt(frobenius) * sqrt(tap_norms[j]);
    linear_radius += root_d * norm_2(tap_rows[j]);
  }
  return {{low, high},
          {at_rest - norm_radius, at_rest + norm_radius},
          {linear_low - linear_radius, linear_high + linear_radius}};
}

/// The hull over 1..J present taps.
Relaxations relax_over_the_start(const Mamba1Weights& w, std::size_t channel) {
  Relaxations result = relax(w, channel, 1);
  for (std::size_t m = 2; m <= w.d_conv; ++m) {
    const Relaxations next = relax(w, channel, m);
    result.interval.include(next.interval);
    result.norm.include(next.norm);
    result.linear.include(next.linear);
  }
  return result;
}

bool holds(const Range& range, const Real& p) {
  const Real slack = real(0x1p-200) * (real(1.0) + abs(p));
  return range.lower - slack <= p && p <= range.upper + slack;
}

RC_GTEST_PROP(UniversalDomain, EveryRelaxationOfMamba1ContainsThePreActivationAtEveryStep, (unsigned seed)) {
  Draw draw(seed);
  const Mamba1Weights w = random_mamba1(draw);
  const std::size_t channel = draw.below(w.d_inner);
  const Relaxations bounds = relax_over_the_start(w, channel);
  for (const BlockStep<Real>& t : run<Real>(w, random_inputs(draw, w.d_model)).steps) {
    RC_ASSERT(holds(bounds.interval, t.p[channel]));
    RC_ASSERT(holds(bounds.norm, t.p[channel]));
    RC_ASSERT(holds(bounds.linear, t.p[channel]));
  }
}

TEST(UniversalDomain, WithAnInProjBiasTheFirstStepsLeaveTheRangeThatAssumesEveryTap) {
  Mamba1Weights w;
  w.d_model = w.d_inner = w.d_state = w.dt_rank = 1;
  w.d_conv = 2;
  w.norm_epsilon = 1e-5;
  w.norm_weight = {1.0};
  w.in_proj = Matrix(2, 1);
  w.in_proj.entries = {0.01, 0.0};
  w.in_proj_bias = {10.0, 0.0};
  w.conv_weight = Matrix(1, 2);
  w.conv_weight.entries = {-1.0, 1.0};  // all taps: the bias cancels; the first step alone: it does not
  w.x_proj = Matrix(3, 1);
  w.x_proj.entries = {1.0, 0.0, 0.0};
  w.dt_proj = Matrix(1, 1);
  w.dt_proj.entries = {1.0};
  w.dt_bias = {0.0};
  w.A_log = Matrix(1, 1);
  w.D = {0.0};
  w.out_proj = Matrix(1, 1);
  const Matrix inputs(3, 1);
  const auto steps = run<Real>(w, inputs).steps;
  const Relaxations all_taps_present = relax(w, 0, 2);
  EXPECT_FALSE(holds(all_taps_present.interval, steps[0].p[0]));
  EXPECT_TRUE(holds(relax_over_the_start(w, 0).interval, steps[0].p[0]));
  EXPECT_TRUE(holds(all_taps_present.interval, steps[2].p[0]));
}

}  // namespace
}  // namespace lyap::theory::testing
