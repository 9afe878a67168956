#include "numerics/rounded_formats.hpp"

#include <gtest/gtest.h>
#include <mpfr.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include "numerics/contract_violation.hpp"
#include "numerics/rounding.hpp"

namespace lyap {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr RoundingRule kRules[] = {RoundingRule::kNearestEven, RoundingRule::kTowardZero, RoundingRule::kUpward,
                                   RoundingRule::kDownward};
constexpr FloatingFormat kFormats[] = {kBfloat16, kFloat16, kTf32, kFloat32};

mpfr_rnd_t mpfr_rule(RoundingRule rule) {
  switch (rule) {
    case RoundingRule::kNearestEven:
    case RoundingRule::kNearestAway:  // ties apart: NearestAwayDiffersFromNearestEvenInTiesOnly
      return MPFR_RNDN;
    case RoundingRule::kTowardZero:
      return MPFR_RNDZ;
    case RoundingRule::kUpward:
      return MPFR_RNDU;
    case RoundingRule::kDownward:
      break;
  }
  return MPFR_RNDD;
}

/// Rounds with MPFR in the format's own precision and exponent range: the judge.
class Judge {
 public:
  explicit Judge(const FloatingFormat& format) : emin_(mpfr_get_emin()), emax_(mpfr_get_emax()), format_(format) {
    mpfr_init2(value_, format.precision);
  }
  ~Judge() { mpfr_clear(value_); }
  Judge(const Judge&) = delete;
  Judge& operator=(const Judge&) = delete;

  double round(double x, RoundingRule rule) {
    mpfr_set_emin(format_.least_exponent - format_.precision + 2);
    mpfr_set_emax(format_.greatest_exponent + 1);
    int ternary = mpfr_set_d(value_, x, mpfr_rule(rule));
    ternary = mpfr_check_range(value_, ternary, mpfr_rule(rule));
    mpfr_subnormalize(value_, ternary, mpfr_rule(rule));
    mpfr_set_emin(emin_);
    mpfr_set_emax(emax_);
    return mpfr_get_d(value_, MPFR_RNDN);
  }

 private:
  mpfr_exp_t emin_, emax_;
  FloatingFormat format_;
  mpfr_t value_;
};

/// The finite numbers >= 0 of a 16-bit format, in order: its bit patterns 0, 1, 2, ...
std::vector<double> all_numbers(const FloatingFormat& format) {
  std::vector<double> numbers;
  const int fraction_bits = format.precision - 1;
  const std::int64_t hidden = std::int64_t{1} << fraction_bits;
  for (std::int64_t pattern = 0;; ++pattern) {
    const std::int64_t exponent = pattern >> fraction_bits;
    const std::int64_t fraction = pattern & (hidden - 1);
    if (exponent > format.greatest_exponent - format.least_exponent + 1) return numbers;
    const auto significand = static_cast<double>(exponent == 0 ? fraction : fraction + hidden);
    const int power = static_cast<int>(exponent == 0 ? 1 : exponent) - 1 + format.least_exponent - fraction_bits;
    numbers.push_back(std::ldexp(significand, power));
  }
}

void expect_agreement(Judge& judge, double x, const FloatingFormat& format) {
  for (const RoundingRule rule : kRules) {
    for (const double signed_x : {x, -x}) {
      const RoundedNumber got = round_to_format(signed_x, format, rule);
      const double expected = judge.round(signed_x, rule);
      ASSERT_EQ(got.value, expected) << signed_x << " rule " << static_cast<int>(rule);
      ASSERT_EQ(std::signbit(got.value), std::signbit(signed_x));
    }
  }
}

void check_every_number_and_midpoint(const FloatingFormat& format) {
  Judge judge(format);
  const std::vector<double> numbers = all_numbers(format);
  ASSERT_EQ(numbers.back(), format.largest());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const double next = i + 1 < numbers.size() ? numbers[i + 1] : std::ldexp(1.0, format.greatest_exponent + 1);
    const double tie = numbers[i] + (next - numbers[i]) / 2.0;
    for (const double x : {numbers[i], tie}) {
      expect_agreement(judge, x, format);
      if (x > 0.0) expect_agreement(judge, std::nextafter(x, 0.0), format);
      expect_agreement(judge, std::nextafter(x, kInfinity), format);
      const auto f = static_cast<float>(x);
      if (static_cast<double>(f) != x) continue;
      expect_agreement(judge, std::nextafterf(f, 0.0F), format);
      if (std::isfinite(std::nextafterf(f, INFINITY))) expect_agreement(judge, std::nextafterf(f, INFINITY), format);
    }
    for (const RoundingRule rule : kRules) ASSERT_EQ(round_to_format(numbers[i], format, rule).value, numbers[i]);
    const double even = i % 2 == 0 ? numbers[i] : next;
    ASSERT_EQ(round_to_format(tie, format).value, even > format.largest() ? kInfinity : even);
  }
}

TEST(RoundToFormat, NearestAwayDiffersFromNearestEvenInTiesOnly) {
  std::mt19937_64 random(7);
  for (const FloatingFormat& format : kFormats) {
    std::uniform_int_distribution<int> exponent(format.least_exponent - format.precision + 1,
                                                format.greatest_exponent - 1);
    for (int i = 0; i < 2000; ++i) {
      const double any = std::ldexp(1.0 + std::ldexp(double(random() >> 12), -52), exponent(random));
      const double below = round_to_format(any, format, RoundingRule::kDownward).value;
      const double above = round_to_format(any, format, RoundingRule::kUpward).value;
      const double middle = below / 2.0 + above / 2.0;
      EXPECT_EQ(round_to_format(middle, format, RoundingRule::kNearestAway).value, above);
      EXPECT_EQ(round_to_format(-middle, format, RoundingRule::kNearestAway).value, -above);
      if (any == middle) continue;
      EXPECT_EQ(round_to_format(any, format, RoundingRule::kNearestAway).value,
                round_to_format(any, format, RoundingRule::kNearestEven).value);
    }
  }
}

TEST(RoundedFormats, EveryBfloat16AndEveryTieBetweenTwoAgreesWithMpfr) { check_every_number_and_midpoint(kBfloat16); }
TEST(RoundedFormats, EveryFloat16AndEveryTieBetweenTwoAgreesWithMpfr) { check_every_number_and_midpoint(kFloat16); }

RC_GTEST_PROP(RoundedFormats, AnyBinary64AgreesWithMpfrInEveryFormat, (std::uint64_t seed)) {
  std::mt19937_64 engine(seed);
  for (const FloatingFormat& format : kFormats) {
    Judge judge(format);
    const int exponent = std::uniform_int_distribution<int>(-1074, 1023)(engine);
    const int near = std::uniform_int_distribution<int>(format.least_exponent - format.precision - 3,
                                                        format.greatest_exponent + 2)(engine);
    const double fraction = 1.0 + std::ldexp(static_cast<double>(engine() >> 12), -52);
    expect_agreement(judge, std::ldexp(fraction, exponent), format);
    expect_agreement(judge, std::ldexp(fraction, near), format);
    const auto coarse = std::ldexp(std::floor(std::ldexp(fraction, format.precision)), near - format.precision);
    expect_agreement(judge, coarse, format);  // a number or a tie
  }
}

RC_GTEST_PROP(RoundedFormats, Binary32IsWhatTheProcessorRoundsTo, (double x)) {
  const float processor = static_cast<float>(x);
  RC_ASSERT(round_to_format(x, kFloat32).value == static_cast<double>(processor));
}

RC_GTEST_PROP(RoundedFormats, TheResultDoesNotDependOnTheCallersRoundingMode, (std::uint64_t seed)) {
  std::mt19937_64 engine(seed);
  const double x =
      std::ldexp(static_cast<double>(engine() >> 11), std::uniform_int_distribution<int>(-200, 80)(engine));
  for (const FloatingFormat& format : kFormats) {
    const double expected = round_to_format(x, format).value;
    double got = 0.0;
    {
      const RoundingUpward upward;
      got = round_to_format(pinned(x), format).value;
    }
    RC_ASSERT(got == expected);
  }
}

TEST(RoundedFormats, ReportsOverflowExactlyFromTheTieAboveTheLargestNumber) {
  EXPECT_EQ(kFloat16.largest(), 65504.0);
  EXPECT_FALSE(round_to_format(std::nextafter(65520.0, 0.0), kFloat16).overflowed);
  EXPECT_EQ(round_to_format(std::nextafter(65520.0, 0.0), kFloat16).value, 65504.0);
  EXPECT_TRUE(round_to_format(65520.0, kFloat16).overflowed);
  EXPECT_EQ(round_to_format(-65520.0, kFloat16).value, -kInfinity);
  EXPECT_TRUE(round_to_format(kInfinity, kFloat16).overflowed);
  EXPECT_EQ(round_to_format(kInfinity, kFloat16, RoundingRule::kTowardZero).value, kInfinity);
  EXPECT_FALSE(round_to_format(65535.0, kFloat16, RoundingRule::kTowardZero).overflowed);
  EXPECT_TRUE(round_to_format(65536.0, kFloat16, RoundingRule::kTowardZero).overflowed);
  EXPECT_EQ(round_to_format(65536.0, kFloat16, RoundingRule::kTowardZero).value, 65504.0);
  EXPECT_EQ(kBfloat16.largest(), 0x1.FEp127);
  EXPECT_EQ(kFloat32.largest(), static_cast<double>(std::numeric_limits<float>::max()));
  EXPECT_THROW((void)round_to_format(std::nan(""), kFloat16), ContractViolation);
}

TEST(RoundedFormats, TruncationToTf32DropsTheLowThirteenBits) {
  EXPECT_EQ(round_to_format(1.0 + 0x1p-10 + 0x1.FFFp-11, kTf32, RoundingRule::kTowardZero).value, 1.0 + 0x1p-10);
  EXPECT_EQ(round_to_format(1.0 + 0x1p-10 + 0x1.FFFp-11, kTf32).value, 1.0 + 0x1p-9);
}

TEST(RoundedFormats, FlushedNumbersBecomeZeroAndTheTwoWaysOfDecidingItDifferOnlyJustBelowTheLeastNormal) {
  for (const FloatingFormat& format : kFormats) {
    const double least = format.least_normal();
    const double step = format.least_subnormal();
    const auto before = Subnormals::kFlushedBeforeRounding;
    const auto after = Subnormals::kFlushedAfterRounding;
    const auto nearest = RoundingRule::kNearestEven;
    EXPECT_EQ(round_to_format(least, format, nearest, before).value, least);
    EXPECT_EQ(round_to_format(least - step, format, nearest, after).value, 0.0);
    EXPECT_TRUE(std::signbit(round_to_format(-step, format, nearest, after).value));
    const double between = least - step / 4.0;
    EXPECT_EQ(round_to_format(between, format, nearest, before).value, 0.0);
    EXPECT_EQ(round_to_format(between, format, nearest, after).value, least);
    const Interval both = round_to_format(Interval::from_exact(between), format, nearest, after).value;
    EXPECT_TRUE(both.contains(0.0) && both.contains(least));
  }
}

RC_GTEST_PROP(RoundedFormats, AnIntervalRoundsToTheHullOfItsRoundedPoints, (std::uint64_t seed)) {
  std::mt19937_64 engine(seed);
  for (const FloatingFormat& format : kFormats) {
    const int power = std::uniform_int_distribution<int>(format.least_exponent - format.precision - 2,
                                                         format.greatest_exponent + 1)(engine);
    std::uniform_real_distribution<double> unit(-2.0, 2.0);
    double lower = std::ldexp(unit(engine), power);
    double upper = lower + std::ldexp(std::fabs(unit(engine)), power - format.precision);
    if (upper < lower) std::swap(lower, upper);
    for (const RoundingRule rule : kRules) {
      for (const auto subnormals :
           {Subnormals::kKept, Subnormals::kFlushedBeforeRounding, Subnormals::kFlushedAfterRounding}) {
        const RoundedInterval image = round_to_format(Interval::from_bounds(lower, upper), format, rule, subnormals);
        for (const double share : {0.0, 0.25, 0.5, 0.75, 1.0}) {
          const double x = std::min(lower + share * (upper - lower), upper);
          const RoundedNumber point = round_to_format(x, format, rule, subnormals);
          RC_ASSERT(image.value.contains(point.value));
          RC_ASSERT(image.may_overflow || !point.overflowed);
          RC_ASSERT(!image.must_overflow || point.overflowed);
        }
        if (subnormals != Subnormals::kKept || image.may_overflow) continue;
        RC_ASSERT(image.value.lower() == round_to_format(lower, format, rule).value);
        RC_ASSERT(image.value.upper() == round_to_format(upper, format, rule).value);
      }
    }
  }
}

TEST(RoundedFormats, AnIntervalThatMayOverflowSaysSo) {
  const RoundedInterval maybe = round_to_format(Interval::from_bounds(6.0e4, 7.0e4), kFloat16);
  EXPECT_TRUE(maybe.may_overflow);
  EXPECT_FALSE(maybe.must_overflow);
  EXPECT_EQ(maybe.value.upper(), kInfinity);
  const RoundedInterval certain = round_to_format(Interval::from_bounds(6.6e4, 7.0e4), kFloat16);
  EXPECT_TRUE(certain.must_overflow);
  EXPECT_EQ(certain.value.lower(), 65504.0);
  EXPECT_FALSE(round_to_format(Interval::from_bounds(-7.0e4, 7.0e4), kFloat16).must_overflow);
  EXPECT_FALSE(round_to_format(Interval::from_bounds(1.0, 2.0), kFloat16).may_overflow);
}

RC_GTEST_PROP(RoundedFormats, TheErrorIsWithinTheRoundoffAndTheUnderflowTerm, (std::uint64_t seed)) {
  std::mt19937_64 engine(seed);
  for (const FloatingFormat& format : kFormats) {
    const int power = std::uniform_int_distribution<int>(format.least_exponent - format.precision - 2,
                                                         format.greatest_exponent - 1)(engine);
    const double x = std::ldexp(std::uniform_real_distribution<double>(-2.0, 2.0)(engine), power);
    for (const auto subnormals :
         {Subnormals::kKept, Subnormals::kFlushedBeforeRounding, Subnormals::kFlushedAfterRounding}) {
      for (const RoundingRule rule : kRules) {
        const double u = (rule == RoundingRule::kNearestEven ? 1.0 : 2.0) * format.unit_roundoff();
        const double error = std::fabs(round_to_format(x, format, rule, subnormals).value - x);
        // One of the two terms alone covers the error: relative where the number is normal, absolute below.
        RC_ASSERT(error <= std::max(u * std::fabs(x), underflow_term(format, rule, subnormals)));
      }
    }
  }
}

TEST(RoundedFormats, HalfTheUnderflowTermWouldNotCoverTheError) {
  for (const FloatingFormat& format : kFormats) {
    const double x = format.least_subnormal() / 2.0;
    const double term = underflow_term(format, RoundingRule::kNearestEven, Subnormals::kKept);
    EXPECT_EQ(round_to_format(x, format).value, 0.0);
    EXPECT_GT(x, format.unit_roundoff() * x + term / 2.0);
  }
}

}  // namespace
}  // namespace lyap
