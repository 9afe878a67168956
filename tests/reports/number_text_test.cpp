#include "reports/number_text.hpp"

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <cfenv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>

namespace lyap {
namespace {

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

/// "−1.39 × 10⁻⁹" as "-1.39e-9".
std::string as_c_number(std::string text) {
  const char* const kDigits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  replace_all(text, "−", "-");
  replace_all(text, "\u00a0×\u00a010", "e");
  replace_all(text, "⁻", "-");
  for (int digit = 0; digit < 10; ++digit) replace_all(text, kDigits[digit], std::to_string(digit));
  return text;
}

/// Whether the decimal is at least (at most) the binary64 number, decided exactly: rounding it down (up) to binary64 is
/// monotone and leaves `value` fixed.
bool decimal_is_at_least(const std::string& decimal, double value) {
  std::fesetround(FE_DOWNWARD);
  const double below = std::strtod(decimal.c_str(), nullptr);
  std::fesetround(FE_TONEAREST);
  return below >= value;
}
bool decimal_is_at_most(const std::string& decimal, double value) {
  std::fesetround(FE_UPWARD);
  const double above = std::strtod(decimal.c_str(), nullptr);
  std::fesetround(FE_TONEAREST);
  return above <= value;
}

/// Any finite binary64 number but zero, all exponents alike.
rc::Gen<double> any_finite() {
  return rc::gen::suchThat(rc::gen::map(rc::gen::arbitrary<std::uint64_t>(),
                                        [](std::uint64_t bits) {
                                          double value;
                                          std::memcpy(&value, &bits, sizeof value);
                                          return value;
                                        }),
                           [](double value) { return std::isfinite(value) && value != 0; });
}

RC_GTEST_PROP(NumberText, a_decimal_rounded_up_is_at_least_the_number_and_one_rounded_down_at_most, ()) {
  const double value = *any_finite();
  RC_ASSERT(decimal_is_at_least(as_c_number(rounded_text(value, TextRounding::kUp)), value));
  RC_ASSERT(decimal_is_at_most(as_c_number(rounded_text(value, TextRounding::kDown)), value));
}

RC_GTEST_PROP(NumberText, both_roundings_lie_within_one_unit_of_the_last_digit, ()) {
  int exponent = 0;
  const double value = std::frexp(*any_finite(), &exponent) * 8;  // in [4, 8), where units are plain numbers
  const double above = std::strtod(as_c_number(rounded_text(value, TextRounding::kUp)).c_str(), nullptr);
  const double below = std::strtod(as_c_number(rounded_text(value, TextRounding::kDown)).c_str(), nullptr);
  const double unit = std::pow(10.0, std::floor(std::log10(std::abs(value))) - (kReportDigits - 1));
  RC_ASSERT(above - below <= unit * (1 + 1e-9));
}

TEST(NumberText, rounding_to_nearest_would_be_nicer_than_proved) {
  int nicer = 0;
  for (int i = 1; i <= 1000; ++i) {
    const double value = -1.0 / (3.0 * i);
    char nearest[40];
    std::snprintf(nearest, sizeof nearest, "%.2e", value);
    nicer += decimal_is_at_least(nearest, value) ? 0 : 1;
  }
  EXPECT_GT(nicer, 300);
}

TEST(NumberText, known_numbers_are_written_as_people_read_them) {
  EXPECT_EQ(rounded_text(-1.39123e-9, TextRounding::kUp), "−1.39\u00a0×\u00a010⁻⁹");
  EXPECT_EQ(rounded_text(-1.39123e-9, TextRounding::kDown), "−1.4\u00a0×\u00a010⁻⁹");
  EXPECT_EQ(rounded_text(999.5, TextRounding::kUp), "1000");
  EXPECT_EQ(rounded_text(9999.5, TextRounding::kUp), "1\u00a0×\u00a010⁴");
  EXPECT_EQ(rounded_text(12.345, TextRounding::kDown), "12.3");
  EXPECT_EQ(rounded_text(0.5, TextRounding::kUp), "0.5");
  EXPECT_EQ(rounded_text(2048, TextRounding::kDown), "2040");
  EXPECT_EQ(rounded_text(0.0, TextRounding::kUp), "0");
  EXPECT_EQ(rounded_text(-0.0, TextRounding::kUp), "0");
  EXPECT_EQ(rounded_text(-5e-324, TextRounding::kUp), "−4.94\u00a0×\u00a010⁻³²⁴");
  EXPECT_EQ(rounded_text(std::numeric_limits<double>::max(), TextRounding::kUp), "1.8\u00a0×\u00a010³⁰⁸");
  EXPECT_EQ(rounded_text(std::numeric_limits<double>::infinity(), TextRounding::kUp), "∞");
  EXPECT_EQ(rounded_text(std::nan(""), TextRounding::kUp), "none");
}

RC_GTEST_PROP(NumberText, halving_steps_are_enough_to_halve, ()) {
  const double rate = -std::abs(*any_finite());
  const double steps = halving_steps_upper_bound(rate);
  RC_ASSERT(steps > 0);
  if (std::isfinite(steps) && steps > 1e-300 && -rate > 1e-300) {
    // In 80-bit arithmetic: steps * |rate| >= ln 2, and hardly more.
    const long double product = static_cast<long double>(steps) * static_cast<long double>(-rate);
    RC_ASSERT(product >= 0.693147180559945309417232121458176568L);
    RC_ASSERT(product <= 0.693147180559945309417232121458176568L * (1 + 1e-15L));
  }
}

RC_GTEST_PROP(NumberText, a_surviving_share_is_never_below_the_exponential, ()) {
  const double rate = -std::pow(10.0, *rc::gen::inRange(-120, 20) / 10.0);
  const double steps = std::pow(10.0, *rc::gen::inRange(0, 80) / 10.0);
  const double share = surviving_share_upper_bound(rate, steps);
  const long double exact = std::exp(static_cast<long double>(steps) * static_cast<long double>(rate));
  RC_ASSERT(share >= static_cast<double>(exact));
  RC_ASSERT(share <= static_cast<double>(exact) + 1.0001e-4);
}

TEST(NumberText, a_share_as_percent_is_never_smaller_and_at_most_a_tenth_of_a_percent_larger) {
  for (int k = 1; k <= 10000; ++k) {
    const std::string text = share_text(k / 1e4);
    const double percent = std::strtod(text.c_str(), nullptr);
    const long hundredths = std::lround(percent * 100);
    EXPECT_GE(hundredths, k) << text;
    EXPECT_LT(hundredths, k < 1000 ? k + 1 : k + 10) << text;
  }
  EXPECT_EQ(share_text(1e-4), "0.01\u00a0%");
  EXPECT_EQ(share_text(1.0), "100\u00a0%");
  EXPECT_EQ(share_text(0.8841), "88.5\u00a0%");
}

TEST(NumberText, no_rate_means_no_halving_and_nothing_lost) {
  EXPECT_TRUE(std::isinf(halving_steps_upper_bound(0.0)));
  EXPECT_TRUE(std::isinf(halving_steps_upper_bound(-5e-324)));
  EXPECT_EQ(surviving_share_upper_bound(0.0, 100), 1.0);
  EXPECT_EQ(surviving_share_upper_bound(-1.0, 1e6), 1e-4);
}

}  // namespace
}  // namespace lyap
