#include "numerics/rounded_arrays.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "numerics/contract_violation.hpp"
#include "tests/numerics/vector_targets.hpp"

namespace lyap {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr RoundingRule kRules[] = {RoundingRule::kNearestEven, RoundingRule::kNearestAway, RoundingRule::kTowardZero,
                                   RoundingRule::kUpward, RoundingRule::kDownward};
constexpr FloatingFormat kFormats[] = {kBfloat16, kFloat16, kTf32, kFloat32};

/// Numbers where a format rounds: random bit patterns around its range, its own numbers, halves between them and what
/// lies next to those, zeros, ends of the range, infinities.
std::vector<double> telling_numbers(const FloatingFormat& format, std::mt19937_64& random, std::size_t count) {
  std::vector<double> x = {0.0, -0.0, kInfinity, -kInfinity, format.largest(), -format.largest(), 0x1p-1074};
  std::uniform_int_distribution<int> exponent(format.least_exponent - format.precision - 3, format.greatest_exponent);
  while (x.size() < count) {
    const double significand = 1.0 + std::ldexp(double(random() >> 12), -52);
    const double any = std::ldexp(significand, exponent(random)) * ((random() & 1) != 0 ? 1.0 : -1.0);
    const double below = round_to_format(any, format, RoundingRule::kDownward).value;
    const double above = round_to_format(any, format, RoundingRule::kUpward).value;
    x.push_back(any);
    if (!std::isfinite(below) || !std::isfinite(above)) continue;
    const double middle = below / 2.0 + above / 2.0;
    for (const double number : {below, middle, std::nextafter(middle, kInfinity), std::nextafter(middle, -kInfinity)})
      x.push_back(number);
  }
  return x;
}

template <class T>
bool same_number(T x, T y) {
  return x == y && std::signbit(x) == std::signbit(y);
}

class RoundedArrays : public testing::Test {
 protected:
  std::mt19937_64 random{20261125};
};

TEST_F(RoundedArrays, AreTheScalarRoundingEntryByEntryOnEveryTargetInEveryDirection) {
  for (const std::int64_t target : vector_targets::supported()) {
    const vector_targets::OnlyTarget only(target);
    for (const int direction : vector_targets::kDirections) {
      for (const FloatingFormat& format : kFormats) {
        const std::vector<double> x = telling_numbers(format, random, 2003);
        for (const RoundingRule rule : kRules) {
          std::vector<double> rounded = x;
          bool overflowed = false;
          {
            const vector_targets::Rounding rounding(direction);
            overflowed = round_array(std::span<double>(rounded), format, rule);
          }
          EXPECT_TRUE(overflowed);
          for (std::size_t i = 0; i < x.size(); ++i)
            ASSERT_TRUE(same_number(rounded[i], round_to_format(x[i], format, rule).value))
                << hwy::TargetName(target) << " precision " << format.precision << " rule " << int(rule) << ": "
                << std::hexfloat << x[i] << " -> " << rounded[i];
        }
      }
    }
  }
}

TEST_F(RoundedArrays, OfFloatsAreTheScalarRoundingToo) {
  for (const std::int64_t target : vector_targets::supported()) {
    const vector_targets::OnlyTarget only(target);
    for (const FloatingFormat& format : kFormats) {
      std::vector<float> x;
      for (const double number : telling_numbers(format, random, 2003)) x.push_back(float(number));
      for (const RoundingRule rule : kRules) {
        std::vector<float> rounded = x;
        round_array(std::span<float>(rounded), format, rule);
        for (std::size_t i = 0; i < x.size(); ++i)
          ASSERT_TRUE(same_number(double(rounded[i]), round_to_format(double(x[i]), format, rule).value))
              << hwy::TargetName(target) << " precision " << format.precision << " rule " << int(rule) << ": "
              << std::hexfloat << x[i] << " -> " << rounded[i];
      }
    }
  }
}

TEST_F(RoundedArrays, TellOverflowOfOneEntryAnywhereAndOnlyThen) {
  for (std::size_t length = 1; length < 20; ++length) {
    for (std::size_t place = 0; place < length; ++place) {
      std::vector<double> x(length, 65504.0);
      EXPECT_FALSE(round_array(std::span<double>(x), kFloat16));
      x[place] = -65520.0;
      EXPECT_TRUE(round_array(std::span<double>(x), kFloat16));
      EXPECT_EQ(x[place], -kInfinity);
    }
  }
}

TEST_F(RoundedArrays, KeepNotANumber) {
  std::vector<double> x = {std::numeric_limits<double>::quiet_NaN(), 1.0};
  EXPECT_FALSE(round_array(std::span<double>(x), kFloat16));
  EXPECT_TRUE(std::isnan(x[0]));
}

TEST_F(RoundedArrays, RefuseFormatsThatFloatsCannotHold) {
  std::vector<float> x(3, 1.0F);
  EXPECT_THROW(round_array(std::span<float>(x), FloatingFormat{30, -126, 127}), ContractViolation);
}

/// Whether set i of (lower, upper) holds every rounding of every number of `before`.
bool holds_roundings(double low, double high, double number, const SetRounding& rounding) {
  for (const RoundingRule rule : {rounding.smallest, rounding.greatest}) {
    for (const Subnormals subnormals :
         {Subnormals::kKept, Subnormals::kFlushedBeforeRounding, Subnormals::kFlushedAfterRounding}) {
      if (subnormals != Subnormals::kKept && !rounding.may_flush) continue;
      const double value = round_to_format(number, rounding.format, rule, subnormals).value;
      if (value < low || value > high) return false;
    }
  }
  return true;
}

TEST_F(RoundedArrays, OfIntervalsHoldEveryRoundingOfTheirNumbersAndAttainTheirEnds) {
  const SetRounding kinds[] = {
      {kBfloat16},
      {kFloat16},
      {kFloat32, RoundingRule::kNearestEven, RoundingRule::kNearestEven, true},
      {kTf32, RoundingRule::kTowardZero, RoundingRule::kTowardZero, true},
      {kTf32, RoundingRule::kTowardZero, RoundingRule::kNearestAway, false},
      {kTf32, RoundingRule::kNearestEven, RoundingRule::kNearestAway, true},
  };
  for (const SetRounding& rounding : kinds) {
    std::vector<double> lower = telling_numbers(rounding.format, random, 4001);
    std::vector<double> upper = lower;
    for (std::size_t i = 0; i < lower.size(); ++i) {
      if (i % 3 == 1) upper[i] = std::nextafter(lower[i], kInfinity);
      if (i % 3 == 2) upper[i] = std::max(lower[i], lower[(i * 7) % lower.size()]);
      lower[i] = std::min(lower[i], upper[i]);
    }
    std::vector<double> low = lower, high = upper;
    round_intervals({low, high}, rounding);
    for (std::size_t i = 0; i < low.size(); ++i) {
      for (const double number : {lower[i], lower[i] / 2.0 + upper[i] / 2.0, upper[i]}) {
        if (std::isnan(number)) continue;
        ASSERT_TRUE(holds_roundings(low[i], high[i], number, rounding))
            << std::hexfloat << "[" << lower[i] << ", " << upper[i] << "] -> [" << low[i] << ", " << high[i] << "]";
      }
      const auto attained = [&](double end, double number) {
        const auto at = [&](RoundingRule rule) { return round_to_format(number, rounding.format, rule).value; };
        const bool flushed = rounding.may_flush && end == 0.0 && std::abs(number) < rounding.format.least_normal();
        return end == at(rounding.smallest) || end == at(rounding.greatest) || flushed;
      };
      ASSERT_TRUE(attained(low[i], lower[i]) && attained(high[i], upper[i]));
    }
  }
}

RC_GTEST_PROP(RoundedArraysProperty, RandomBitPatternsAgreeWithTheScalarRounding, (std::uint64_t bits)) {
  const double x = std::bit_cast<double>(bits);
  RC_PRE(!std::isnan(x));
  for (const FloatingFormat& format : kFormats) {
    for (const RoundingRule rule : kRules) {
      double rounded = x;
      const bool overflowed = round_array(std::span<double>(&rounded, 1), format, rule);
      const RoundedNumber expected = round_to_format(x, format, rule);
      RC_ASSERT(same_number(rounded, expected.value));
      RC_ASSERT(overflowed == expected.overflowed);
    }
  }
}

}  // namespace
}  // namespace lyap
