#include "verify/deviation/deviation_rates.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "numerics/mpfr_real.hpp"
#include "numerics/rounding.hpp"
#include "tests/verify/campaign_blocks.hpp"

// Decays at three step sizes against real arithmetic to 256 bits, for numbers chosen from the enclosures given.

namespace lyap::testing {
namespace {

using deviation::RateBlock;
using deviation::RateRange;
using deviation::StepRange;

struct Case {
  std::vector<double> alpha_lower, alpha_upper, step_lower, step_upper;
  std::vector<StepRange> steps;
};

double above(double x, double relative) { return x + std::fabs(x) * relative; }

/// `distance`: of the ends of the program's step sizes, relative to the real one.
Case drawn_rates(Campaign& draw, std::size_t heads, std::size_t rates, double distance) {
  Case c;
  for (std::size_t i = 0; i < heads * rates; ++i) {
    const double alpha = std::exp(draw.uniform(-4.0, 4.0));
    c.alpha_lower.push_back(alpha);
    c.alpha_upper.push_back(above(alpha, draw.chance(0.5) ? 0.0 : 0x1p-50));
  }
  for (std::size_t head = 0; head < heads; ++head) {
    const double Delta = std::exp(draw.uniform(-8.0, 1.0));
    const double lower = Delta, upper = above(Delta, draw.chance(0.5) ? 0.0 : std::exp2(-draw.uniform(20.0, 52.0)));
    StepRange step;
    step.near = draw.chance(0.2) ? lower : lower * (1.0 - std::min(draw.uniform(0.0, distance), 1.0));
    step.far = draw.chance(0.2) ? upper : upper * (1.0 + draw.uniform(0.0, distance));
    {
      const RoundingUpward upward;
      step.down = pinned(upper) - step.near;
      step.up = pinned(step.far) - lower;
    }
    c.step_lower.push_back(lower);
    c.step_upper.push_back(upper);
    c.steps.push_back(step);
  }
  return c;
}

MpfrReal real(double x) { return MpfrReal::from_exact(x); }

/// One rate, alpha and Delta being numbers of their enclosures. `loosest`: the greatest width of a drop,
/// relative to it.
void judge(const RateRange& range, std::size_t n, const StepRange& step, double alpha, double Delta, double& loosest) {
  const MpfrReal a = exp(-(real(alpha) * real(Delta)));
  const MpfrReal near = exp(-(real(alpha) * real(step.near))), far = exp(-(real(alpha) * real(step.far)));
  ASSERT_GE(real(range.decay[n]), a);
  ASSERT_GE(real(range.decay_near[n]), near);
  ASSERT_GE(real(range.decay_far[n]), far);
  ASSERT_LE(range.decay_near[n], 1.0);
  const MpfrReal up = near - a, down = far - a;
  ASSERT_GE(real(range.drop_near[n]), up);
  ASSERT_LE(real(range.drop_near[n]) - real(range.drop_near_width[n]), up);
  ASSERT_GE(real(range.drop_far[n]), down);
  ASSERT_LE(real(range.drop_far[n]) - real(range.drop_far_width[n]), down);
  ASSERT_GE(real(range.slope[n]), real(alpha) * a);
  ASSERT_GE(real(range.slope_near[n]), real(alpha) * near);
  ASSERT_GE(real(range.minus_slope[n]), -(real(alpha) * a));
  ASSERT_GE(real(range.minus_slope_far[n]), -(real(alpha) * far));
  constexpr double kOpen = 1e-12;  // by the enclosures of alpha and Delta, and binary64
  for (const auto& [width, drop] : {std::pair{range.drop_near_width[n], up}, std::pair{range.drop_far_width[n], down}})
    loosest = std::max(loosest, (width - kOpen) / (std::fabs(drop.approx_to_double()) + kOpen));
}

TEST(RateBlock, HoldsForEveryRateAndStepSizeOfTheEnclosures) {
  Campaign draw(47);
  double loosest = 0.0;
  for (int i = 0; i < scaled(600); ++i) {
    const std::size_t heads = draw.size(1, 5), rates = draw.size(1, 20);
    const Case c = drawn_rates(draw, heads, rates, std::exp2(-draw.uniform(0.0, 30.0)));
    RateBlock block(heads, rates);
    block.enclose({c.alpha_lower.data(), c.alpha_upper.data(), c.step_lower.data(), c.step_upper.data()},
                  c.steps.data());
    for (std::size_t head = 0; head < heads; ++head) {
      const RateRange range = block.range(head);
      EXPECT_EQ(range.one, rates == 1);
      for (std::size_t n = 0; n < rates; ++n) {
        const std::size_t rate = head * rates + n;
        double unused = 0.0;
        for (const double alpha : {c.alpha_lower[rate], c.alpha_upper[rate]}) {
          for (const double Delta : {c.step_lower[head], c.step_upper[head]}) {
            const bool is_point = c.step_lower[head] == c.step_upper[head];
            judge(range, n, c.steps[head], alpha, Delta, is_point ? loosest : unused);
          }
        }
      }
    }
  }
  EXPECT_LE(loosest, 1e-4) << "Taylor's remainder is part of the width";
}

/// An exponent out of the ordinary takes the other way, with the same bounds.
TEST(RateBlock, HoldsWhereOneRateIsFarFromTheOthers) {
  const std::vector<double> alpha{1e-3, 1.0, 1e4}, lower{0.5}, upper{0.5};
  StepRange step;
  step.near = 0.25;
  step.far = 0.75;
  step.down = step.up = 0.25;
  RateBlock block(1, 3);
  block.enclose({alpha.data(), alpha.data(), lower.data(), upper.data()}, &step);
  double loosest = 0.0;
  for (std::size_t n = 0; n < 3; ++n) judge(block.range(0), n, step, alpha[n], 0.5, loosest);
  EXPECT_LE(loosest, 1e-3);
}

}  // namespace
}  // namespace lyap::testing
