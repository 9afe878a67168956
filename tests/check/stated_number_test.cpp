#include "verify/check/stated_number.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace lyap::check {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

json number(const char* hex, const char* decimal) { return {{"hex", hex}, {"decimal", decimal}}; }

std::vector<std::string> rejections(const json& document) {
  Findings findings;
  check_decimals(document, findings);
  return findings.rejections;
}

TEST(StatedNumber, HexadecimalFloatsAreExact) {
  EXPECT_EQ(stated_number(number("-0x1.8p-30", "0"), "x"), -0x1.8p-30);
  EXPECT_EQ(stated_number(number("0x0.0000000000001p-1022", "0"), "x"), 0x1p-1074);
  EXPECT_EQ(stated_number(number("0x0p+0", "0"), "x"), 0.0);
  EXPECT_EQ(stated_number(number("-inf", "0"), "x"), -HUGE_VAL);
  for (const char* text : {"", "1.5", "0x2p+0", "0x1.p+0", "0x1p+0 ", "0x1.00000000000001p+0", "0x1p+1024", "nan",
                           "0x1p-1075", "0X1p+0", "0x1.8"}) {
    EXPECT_THROW((void)stated_number(number(text, "0"), "x"), Deformed) << text;
  }
  EXPECT_THROW((void)stated_number(json{{"hex", "0x1p+0"}}, "x"), Deformed);
}

TEST(StatedNumber, DecimalsAreOnTheSafeSide) {
  EXPECT_THAT(rejections({{"upper", number("0x1.999999999999ap-4", "0.100000001")}}), IsEmpty());
  EXPECT_THAT(rejections({{"upper", number("0x1.999999999999ap-4", "0.1")}}), ElementsAre(HasSubstr("outward")));
  EXPECT_THAT(rejections({{"lower", number("0x1.999999999999ap-4", "0.1")}}), IsEmpty());
  EXPECT_THAT(rejections({{"lower", number("0x1.999999999999ap-4", "0.100000001")}}),
              ElementsAre(HasSubstr("outward")));
  EXPECT_THAT(rejections({{"witness", {{"value", number("-0x1p+0", "-1")}}}}), IsEmpty());
  EXPECT_THAT(rejections({{"witness", {{"value", number("-0x1p+0", "-0.999999999")}}}}),
              ElementsAre(HasSubstr("outward")));
  EXPECT_THAT(rejections({{"fail_on", {{{"value", number("-0x1p+0", "-1.000000001")}}}}}),
              ElementsAre(HasSubstr("outward")));
  EXPECT_THAT(rejections({{"bound", number("0x1p+0", "2")}}), ElementsAre(HasSubstr("far")));
  EXPECT_THAT(rejections({{"bound", number("0x1p-1074", "4.94065646e-324")}}), IsEmpty());
  EXPECT_THAT(rejections({{"bound", number("inf", "inf")}}), IsEmpty());
  EXPECT_THAT(rejections({{"bound", number("inf", "1e308")}}), ElementsAre(HasSubstr("inf")));
  EXPECT_THAT(rejections({{"bound", number("0x1p+0", "one")}}), ElementsAre(HasSubstr("decimal")));
}

}  // namespace
}  // namespace lyap::check
