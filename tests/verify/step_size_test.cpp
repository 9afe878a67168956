#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "numerics/exponential.hpp"
#include "numerics/mpfr_real.hpp"
#include "numerics/softplus.hpp"
#include "verify/certify/step_size.hpp"

namespace lyap {
namespace {

MpfrReal exact(double x) { return MpfrReal::from_exact(x); }
double target_scale_upper_bound(double A_log, double step) {
  return target_scales_upper_bound(std::vector<double>{A_log}, step)[0];
}
double uniform(double from, double to) { return from + (to - from) * (*rc::gen::inRange(0, 1 << 30)) * 0x1p-30; }

TEST(StepSize, BothProgramsAreCoveredAcrossTheCutOff) {
  const Interval step = step_size_range(Interval::from_bounds(19.5, 20.5));
  EXPECT_LE(step.lower(), 19.5 + 1e-8);
  const Interval above = step_size_range(Interval::from_bounds(20.0, 20.5));
  EXPECT_EQ(above.lower(), 20.0);  // just above 20 a program returns p, below softplus(20)
  EXPECT_GT(above.upper(), 20.5);
  const Interval at = step_size_range(Interval::from_exact(20.0));
  EXPECT_GT(at.lower(), 20.0);  // at 20 both programs compute softplus
}

TEST(StepSize, ClampsAreAppliedAtBothEnds) {
  const theory::StepSizeLimits limits{0.004, 0.04};
  EXPECT_TRUE(
      have_same_bounds(step_size_range(Interval::from_bounds(-900, 900), limits), Interval::from_bounds(0.004, 0.04)));
  EXPECT_TRUE(
      have_same_bounds(step_size_range(Interval::from_bounds(-900, -800), limits), Interval::from_exact(0.004)));
}

RC_GTEST_PROP(StepSize, DecayRatesOfEveryPointLieInTheRange, ()) {
  const double A_log = uniform(-745, 700);
  const double p = *rc::gen::inRange(0, 3) == 0 ? uniform(-750, 80) : uniform(-5, 30);
  const double spread = *rc::gen::inRange(0, 2) == 0 ? 0.0 : uniform(0, 3);
  const Interval range = Interval::from_bounds(p, p + spread);
  const Interval rate = decay_rate_range(A_log, range);
  for (const double point : {p, p + spread, p + 0.5 * spread}) {
    RC_ASSERT(contains(rate, exp(exact(A_log)) * softplus(exact(point))));
    if (point > 20.0) RC_ASSERT(contains(rate, exp(exact(A_log)) * exact(point)));
  }
}

// alpha Delta is representable although Delta = softplus(-750) is not.
TEST(StepSize, ARateIsPositiveWhereOnlyItsStepSizeUnderflows) {
  const Interval rate = decay_rate_range(700.0, Interval::from_exact(-750.0));
  EXPECT_GT(rate.lower(), 0.999 * std::exp(-50.0));
  EXPECT_LT(rate.upper(), 1.001 * std::exp(-50.0));
  EXPECT_EQ(decay_rate_range(0.0, Interval::from_exact(-800.0)).lower(), 0.0);
}

RC_GTEST_PROP(StepSize, TheTargetsScaleCoversEverySmallerStep, ()) {
  const double A_log = *rc::gen::inRange(0, 2) == 0 ? uniform(-745, 700) : uniform(-3, 5);
  const double step = std::exp(uniform(-740, 7));
  const double bound = target_scale_upper_bound(A_log, step);
  const MpfrReal alpha = exp(exact(A_log));
  for (const double Delta : {step, 0.5 * step, 1e-3 * step}) {
    if (Delta == 0.0) continue;
    RC_ASSERT(exact(Delta) / -expm1(-(alpha * exact(Delta))) <= exact(bound) || std::isinf(bound));
  }
  RC_ASSERT(exact(bound) <= (exact(1.0) / alpha + exact(step)) * exact(1.0 + 1e-12) || std::isinf(bound));
}

TEST(StepSize, TheTargetsScaleIsFiniteWhereTheNumberIs) {
  EXPECT_TRUE(std::isfinite(target_scale_upper_bound(-700.0, 1e-300)));
  EXPECT_TRUE(std::isinf(target_scale_upper_bound(-745.0, 1.0)));  // 1/alpha = e^745 exceeds binary64
  EXPECT_TRUE(std::isfinite(target_scale_upper_bound(700.0, 80.0)));
}

}  // namespace
}  // namespace lyap
