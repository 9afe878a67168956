#include "numerics/decimal_text.hpp"

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <bit>
#include <cstdio>
#include <cstdlib>

#include "enclosure_check.hpp"
#include "numerics/contract_violation.hpp"
#include "numerics/mpfr_real.hpp"
#include "random_arguments.hpp"

namespace lyap {
namespace {

using namespace enclosure_check;

constexpr mpfr_prec_t kBits = 4000;  // enough to place a decimal of 17 digits against any binary64 number

MpfrReal value(const std::string& text) { return MpfrReal::from_decimal(text, kBits); }
MpfrReal exactly(double x) { return MpfrReal::from_exact(x, kBits); }

bool is_upper_bound(const std::string& text, double x) { return value(text) >= exactly(x); }
bool is_lower_bound(const std::string& text, double x) { return value(text) <= exactly(x); }

int significant_digits(const std::string& text) {
  const std::string mantissa = text.substr(0, text.find('e'));
  std::string digits;
  for (const char c : mantissa) {
    if (c >= '0' && c <= '9' && !(c == '0' && digits.empty())) digits += c;
  }
  if (mantissa.find('.') == std::string::npos) digits.erase(digits.find_last_not_of('0') + 1);
  return static_cast<int>(digits.size());
}

RC_GTEST_PROP(DecimalBound, lies_on_its_side_and_within_one_unit_of_the_last_digit, ()) {
  const double x = *rc::gen::oneOf(random_arguments::argument(), random_arguments::any_finite());
  const int digits = *rc::gen::inRange(2, 18);
  const std::string above = decimal_upper_bound(x, digits);
  const std::string below = decimal_lower_bound(x, digits);
  RC_ASSERT(is_upper_bound(above, x));
  RC_ASSERT(is_lower_bound(below, x));
  const MpfrReal unit = abs(exactly(x)) * value("1e" + std::to_string(1 - digits));
  RC_ASSERT(value(above) - exactly(x) <= unit);
  RC_ASSERT(exactly(x) - value(below) <= unit);
  RC_ASSERT(significant_digits(above) <= digits);
  RC_ASSERT(significant_digits(below) <= digits);
}

RC_GTEST_PROP(DecimalBound, with_17_digits_reads_back_as_a_number_on_its_side_and_at_most_one_ulp_away, ()) {
  const double x = *random_arguments::any_finite();
  const double above = std::strtod(decimal_upper_bound(x).c_str(), nullptr);
  const double below = std::strtod(decimal_lower_bound(x).c_str(), nullptr);
  RC_ASSERT(below <= x && x <= above);
  RC_ASSERT(above <= std::nextafter(x, kInfinity) && below >= std::nextafter(x, -kInfinity));
}

RC_GTEST_PROP(DecimalBound, rounding_to_nearest_is_caught_by_the_same_check, ()) {
  const double x = *random_arguments::between(1.0, 2.0);
  char nearest[64];
  std::snprintf(nearest, sizeof nearest, "%.5g", x);
  RC_PRE(value(nearest) != exactly(x));
  RC_ASSERT(!(is_upper_bound(nearest, x) && is_lower_bound(nearest, x)));
  RC_ASSERT(!is_upper_bound(decimal_lower_bound(x, 5), x));
  RC_ASSERT(!is_lower_bound(decimal_upper_bound(x, 5), x));
}

TEST(DecimalBound, is_written_as_people_write) {
  EXPECT_EQ(decimal_upper_bound(0.1), "0.10000000000000001");
  EXPECT_EQ(decimal_lower_bound(0.1), "0.1");
  EXPECT_EQ(decimal_upper_bound(0.5), "0.5");
  EXPECT_EQ(decimal_upper_bound(-0x1.8p-30, 3), "-1.39e-09");
  EXPECT_EQ(decimal_lower_bound(-0x1.8p-30, 3), "-1.4e-09");
  EXPECT_EQ(decimal_upper_bound(12345.0, 3), "12400");
  EXPECT_EQ(decimal_lower_bound(12345.0, 3), "12300");
  EXPECT_EQ(decimal_upper_bound(0.00123456, 3), "0.00124");
  EXPECT_EQ(decimal_upper_bound(1e300, 3), "1.01e+300");
  EXPECT_EQ(decimal_upper_bound(5e-324, 2), "5e-324");
  EXPECT_EQ(decimal_upper_bound(999.9, 3), "1000");
  EXPECT_EQ(decimal_upper_bound(1024.0), "1024");
  EXPECT_EQ(decimal_upper_bound(0.0), "0");
  EXPECT_EQ(decimal_lower_bound(-0.0), "0");
  EXPECT_EQ(decimal_upper_bound(kInfinity), "inf");
  EXPECT_EQ(decimal_lower_bound(-kInfinity), "-inf");
}

TEST(DecimalBound, refuses_what_has_no_bound) {
  EXPECT_THROW((void)decimal_upper_bound(std::nan("")), ContractViolation);
  EXPECT_THROW((void)decimal_upper_bound(1.0, 1), ContractViolation);
  EXPECT_THROW((void)decimal_lower_bound(1.0, 5000), ContractViolation);
}

RC_GTEST_PROP(HexText, reads_back_bit_for_bit_and_is_what_printf_writes, ()) {
  const double x = *random_arguments::any_finite();
  const std::string text = hex_text(x);
  RC_ASSERT(std::bit_cast<std::uint64_t>(std::strtod(text.c_str(), nullptr)) == std::bit_cast<std::uint64_t>(x));
  char printed[64];
  std::snprintf(printed, sizeof printed, "%a", x);
  RC_ASSERT(text == printed);
}

TEST(HexText, names_zeros_and_what_is_not_finite) {
  EXPECT_EQ(hex_text(0x1.8p-30), "0x1.8p-30");
  EXPECT_EQ(hex_text(0.0), "0x0p+0");
  EXPECT_EQ(hex_text(-0.0), "-0x0p+0");
  EXPECT_EQ(hex_text(kInfinity), "inf");
  EXPECT_EQ(hex_text(-kInfinity), "-inf");
  EXPECT_EQ(hex_text(std::nan("")), "nan");
}

}  // namespace
}  // namespace lyap
