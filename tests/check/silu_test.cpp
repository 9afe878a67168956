#include "verify/check/silu.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace lyap::check {
namespace {

double approx_silu(double q) { return q / (1.0 + std::exp(-q)); }

Range range(double lower, double upper) { return {Number(lower), Number(upper)}; }

TEST(CheckSilu, TheLeastValueIsMinusWOfInverseE) {
  const Range all = silu(range(-30.0, 1.0));
  EXPECT_NEAR(all.lower.to_double(Toward::kDown), -0.2784645427610738, 1e-16);
  // w exp(w + 1) = 1 from both sides, one unit of 2^-100 away
  const Number w = negated(all.lower);
  const Number value = multiply(w, exponential(add(w, Number(1.0), Toward::kUp), Toward::kUp), Toward::kUp);
  EXPECT_TRUE(value >= Number(1.0));
  EXPECT_TRUE(value < add(Number(1.0), Number(0x1p-100), Toward::kDown));
}

TEST(CheckSilu, RangesContainSamplesAndTouchThem) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> place(-12.0, 12.0);
  for (int trial = 0; trial < 300; ++trial) {
    double a = place(random), b = place(random);
    if (a > b) std::swap(a, b);
    const Range found = silu(range(a, b));
    double lowest = HUGE_VAL, highest = -HUGE_VAL;
    for (int i = 0; i <= 2000; ++i) {
      const double value = approx_silu(a + (b - a) * i / 2000.0);
      lowest = std::min(lowest, value), highest = std::max(highest, value);
    }
    EXPECT_LE(found.lower.to_double(Toward::kDown), lowest + 1e-14);
    EXPECT_GE(found.upper.to_double(Toward::kUp), highest - 1e-14);
    EXPECT_NEAR(found.lower.to_double(Toward::kDown), lowest, 1e-4);
    EXPECT_NEAR(found.upper.to_double(Toward::kUp), highest, 1e-12);
  }
}

TEST(CheckSilu, TheDistanceFromALineContainsSamplesAndTouchesThem) {
  std::mt19937_64 random(2);
  std::uniform_real_distribution<double> place(-12.0, 12.0), tilt(-0.5, 1.5);
  for (int trial = 0; trial < 300; ++trial) {
    double a = place(random), b = place(random);
    if (a > b) std::swap(a, b);
    const double slope = trial % 2 == 0 ? tilt(random) : silu_by_chord(range(a, b)).slope;
    const Range found = silu_less_line(slope, range(a, b));
    double lowest = HUGE_VAL, highest = -HUGE_VAL;
    for (int i = 0; i <= 4000; ++i) {
      const double q = a + (b - a) * i / 4000.0;
      const double value = approx_silu(q) - slope * q;
      lowest = std::min(lowest, value), highest = std::max(highest, value);
    }
    EXPECT_LE(found.lower.to_double(Toward::kDown), lowest + 1e-14) << a << ' ' << b << ' ' << slope;
    EXPECT_GE(found.upper.to_double(Toward::kUp), highest - 1e-14) << a << ' ' << b << ' ' << slope;
    EXPECT_NEAR(found.lower.to_double(Toward::kDown), lowest, 1e-5) << a << ' ' << b << ' ' << slope;
    EXPECT_NEAR(found.upper.to_double(Toward::kUp), highest, 1e-5) << a << ' ' << b << ' ' << slope;
  }
}

TEST(CheckSilu, FarOutAndAtOnePoint) {
  const Range far = silu(range(-1e200, 1e200));
  EXPECT_GE(far.upper.to_double(Toward::kUp), 1e200);
  const Range line = silu_less_line(0.5, range(-1e100, 1e100));
  EXPECT_LE(line.lower.to_double(Toward::kDown), 0.0);
  EXPECT_GE(line.upper.to_double(Toward::kUp), 0.5e100);
  const Range point = silu(range(0.0, 0.0));
  EXPECT_EQ(point.lower.to_double(Toward::kDown), 0.0);
  EXPECT_EQ(point.upper.to_double(Toward::kUp), 0.0);
}

}  // namespace
}  // namespace lyap::check
