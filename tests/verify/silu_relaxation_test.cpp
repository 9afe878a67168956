#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "numerics/interval.hpp"
#include "numerics/mpfr_real.hpp"
#include "numerics/sigmoid.hpp"
#include "numerics/silu.hpp"
#include "verify/certify/silu_relaxation.hpp"

namespace lyap {
namespace {

MpfrReal exact(double x) { return MpfrReal::from_exact(x); }

MpfrReal residual(double slope, double q) { return silu(exact(q)) - exact(slope) * exact(q); }

double uniform(double from, double to) { return from + (to - from) * (*rc::gen::inRange(0, 1 << 30)) * 0x1p-30; }

// Silu's second derivative has the sign of 2 - q tanh(q/2).
MpfrReal curvature(double q) {
  const MpfrReal x = exact(q);
  return exact(2.0) - x * (exact(2.0) * sigmoid(x) - exact(1.0));
}

TEST(SiluRelaxation, TheInflectionPointLiesBetweenItsConstants) {
  EXPECT_GT(curvature(kSiluInflectionLower), exact(0.0));
  EXPECT_LT(curvature(kSiluInflectionUpper), exact(0.0));
  EXPECT_LT(kSiluInflectionUpper - kSiluInflectionLower, 2e-15);
}

RC_GTEST_PROP(SiluRelaxation, EveryPointOfTheRangeLiesInTheRelaxation, ()) {
  const double scale = std::exp(uniform(-7, 6));
  const double a = uniform(-scale, scale);
  const double b = uniform(-scale, scale);
  const Interval range = Interval::from_bounds(std::min(a, b), std::max(a, b));
  const LinearRelaxation relaxation = chord_relaxation(range);
  for (int i = 0; i < 40; ++i) {
    const double q = std::clamp(uniform(range.lower(), range.upper()), range.lower(), range.upper());
    RC_ASSERT(contains(relaxation.residual, residual(relaxation.slope, q)));
  }
}

RC_GTEST_PROP(SiluRelaxation, AnySlopeGivesASoundResidual, ()) {
  const double slope = uniform(-1, 2);
  const double a = uniform(-30, 30);
  const double b = uniform(-30, 30);
  const Interval range = Interval::from_bounds(std::min(a, b), std::max(a, b));
  const Interval bound = silu_residual(slope, range);
  for (int i = 0; i < 40; ++i) {
    const double q = std::clamp(uniform(range.lower(), range.upper()), range.lower(), range.upper());
    RC_ASSERT(contains(bound, residual(slope, q)));
  }
}

// A dense grid reaches the residual's ends to second order in its spacing (|silu''| <= 1/2), so the closed form may not
// be wider by more than that.
RC_GTEST_PROP(SiluRelaxation, TheResidualIsNoWiderThanADenseGridSays, ()) {
  const double a = uniform(-30, 30);
  const double b = uniform(-30, 30);
  const Interval range = Interval::from_bounds(std::min(a, b), std::max(a, b));
  const LinearRelaxation relaxation = chord_relaxation(range);
  const int points = 4000;
  double lowest = HUGE_VAL;
  double highest = -HUGE_VAL;
  for (int i = 0; i <= points; ++i) {
    const double q = range.lower() + (range.upper() - range.lower()) * i / points;
    const double value = q / (1 + std::exp(-q)) - relaxation.slope * q;
    lowest = std::min(lowest, value);
    highest = std::max(highest, value);
  }
  const double spacing = (range.upper() - range.lower()) / points;
  const double slack = 0.25 * spacing * spacing + 1e-13;
  RC_ASSERT(relaxation.residual.lower() >= lowest - slack);
  RC_ASSERT(relaxation.residual.upper() <= highest + slack);
}

TEST(SiluRelaxation, AResidualShrunkByAThousandthIsCaught) {
  const Interval range = Interval::from_bounds(-8, 5);
  const LinearRelaxation relaxation = chord_relaxation(range);
  const Interval shrunk = Interval::from_bounds(0.999 * relaxation.residual.lower(), relaxation.residual.upper());
  bool caught = false;
  for (int i = 0; i <= 13000; ++i) caught = caught || !contains(shrunk, residual(relaxation.slope, -8 + i * 1e-3));
  EXPECT_TRUE(caught);
}

TEST(SiluRelaxation, ExtremeRangesStaySound) {
  for (const auto& [a, b] : {std::pair{-800.0, 700.0},
                             {-1e300, 1e300},
                             {0.0, 0.0},
                             {-5e-324, 5e-324},
                             {-900.0, -800.0},
                             {2.399, 2.4},
                             {1e5, 1e6}}) {
    const LinearRelaxation relaxation = chord_relaxation(Interval::from_bounds(a, b));
    EXPECT_FALSE(std::isnan(relaxation.slope));
    for (const double q : {a, b, 0.5 * a + 0.5 * b})
      EXPECT_TRUE(contains(relaxation.residual, residual(relaxation.slope, q))) << a << ' ' << b;
  }
}

RC_GTEST_PROP(SiluRelaxation, SilusSlopeStaysBelowTheLipschitzConstant, ()) {
  const double q = uniform(-20, 20);
  const MpfrReal s = sigmoid(exact(q));
  const MpfrReal slope = s + exact(q) * s * (exact(1.0) - s);
  RC_ASSERT(slope <= exact(1.09984));
  RC_ASSERT(slope >= exact(-0.09984));
}

}  // namespace
}  // namespace lyap
