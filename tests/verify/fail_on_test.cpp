#include "verify/certify/fail_on.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace lyap {
namespace {

FailOnCondition parsed(const std::string& text) { return parse_fail_on(text).at(0); }
double below(double x) { return std::nextafter(x, -std::numeric_limits<double>::infinity()); }
double above(double x) { return std::nextafter(x, std::numeric_limits<double>::infinity()); }

TEST(FailOn, ReadsEveryNameOperatorAndKindOfNumber) {
  const auto conditions = parse_fail_on(
      " exponent >= -1e-9, zeta>-0x1.8p-30 ,state_bound<=inf,state_deviation<3,output_deviation==0.5,uninformative!=0");
  ASSERT_EQ(conditions.size(), 6u);
  EXPECT_EQ(conditions[0].quantity, FailOnQuantity::kExponent);
  EXPECT_EQ(conditions[0].comparison, FailOnComparison::kGreaterEqual);
  EXPECT_EQ(conditions[1].number_lower, -0x1.8p-30);
  EXPECT_EQ(conditions[1].number_upper, -0x1.8p-30);
  EXPECT_EQ(conditions[2].number_upper, std::numeric_limits<double>::infinity());
  EXPECT_EQ(conditions[3].comparison, FailOnComparison::kLess);
  EXPECT_EQ(conditions[4].comparison, FailOnComparison::kEqual);
  EXPECT_EQ(conditions[5].comparison, FailOnComparison::kNotEqual);
  EXPECT_EQ(conditions[0].text, "exponent>=-1e-9");
}

TEST(FailOn, RefusesWhatIsNoComparison) {
  for (const char* text : {"", ",", "exponent", "exponent>=", "exponent>=nan", "exponent>=-nan", "exponent>=1,",
                           "lambda>=1", "exponent=1", "exponent>==1", "exponent>=--1", "exponent>=1e", "exponent>=0x",
                           "exponent>=1;2", ">=1", "exponent >= -1e-9 zeta > 1", "exponent=>1", "exponent!1"}) {
    EXPECT_THROW((void)parse_fail_on(text), FailOnError) << text;
  }
}

TEST(FailOn, ADecimalThatIsNoBinary64NumberIsComparedAsTheRealNumberItIs) {
  const double nearest = 0.1;  // 0x1.999999999999ap-4 is above one tenth
  EXPECT_FALSE(holds(parsed("zeta<=0.1"), nearest));
  EXPECT_TRUE(holds(parsed("zeta<=0.1"), below(nearest)));
  EXPECT_TRUE(holds(parsed("zeta>=0.1"), nearest));
  EXPECT_TRUE(holds(parsed("zeta>0.1"), nearest));
  EXPECT_FALSE(holds(parsed("zeta>=0.1"), below(nearest)));
  EXPECT_FALSE(holds(parsed("zeta==0.1"), nearest));
  EXPECT_TRUE(holds(parsed("zeta!=0.1"), nearest));
  EXPECT_FALSE(holds(parsed("zeta<-0.1"), above(-nearest)));
  EXPECT_TRUE(holds(parsed("zeta<-0.1"), -nearest));
}

TEST(FailOn, ABinary64NumberIsComparedExactly) {
  EXPECT_TRUE(holds(parsed("zeta==0.5"), 0.5));
  EXPECT_TRUE(holds(parsed("zeta>=0.5"), 0.5));
  EXPECT_FALSE(holds(parsed("zeta>0.5"), 0.5));
  EXPECT_TRUE(holds(parsed("zeta>0.5"), above(0.5)));
  EXPECT_TRUE(holds(parsed("zeta<=0.5"), 0.5));
  EXPECT_FALSE(holds(parsed("zeta<0.5"), 0.5));
  EXPECT_TRUE(holds(parsed("state_bound>=inf"), std::numeric_limits<double>::infinity()));
  EXPECT_FALSE(holds(parsed("state_bound>=inf"), std::numeric_limits<double>::max()));
  EXPECT_TRUE(holds(parsed("exponent>=0"), -0.0));
}

TEST(FailOn, NumbersBeyondBinary64StayBetweenTheirNeighbours) {
  EXPECT_FALSE(holds(parsed("state_bound>=1e400"), std::numeric_limits<double>::max()));
  EXPECT_TRUE(holds(parsed("state_bound>=1e400"), std::numeric_limits<double>::infinity()));
  EXPECT_TRUE(holds(parsed("zeta<1e-400"), 0.0));
  EXPECT_TRUE(holds(parsed("zeta>-1e-400"), 0.0));
  EXPECT_FALSE(holds(parsed("zeta>=1e-400"), 0.0));
}

TEST(FailOn, TheRequirementIsProvenByTheBoundAndRefutedByTheWitnessAndOtherwiseUndecided) {
  const FailOnCondition condition = parsed("exponent>=-1e-9");
  EXPECT_EQ(judge(condition, {-1e-8, 0, std::nullopt}).verdict, Verdict::kProven);
  EXPECT_EQ(judge(condition, {-1e-10, 0, std::nullopt}).verdict, Verdict::kUndecided);
  EXPECT_EQ(judge(condition, {-1e-10, 0, -1e-8}).verdict, Verdict::kUndecided);
  EXPECT_EQ(judge(condition, {-1e-11, 0, -1e-10}).verdict, Verdict::kRefuted);
  EXPECT_TRUE(judge(condition, {-1e-10, 0, std::nullopt}).holds);
}

TEST(FailOn, AnUpperBoundBelowTheNumberRefutesARequirementToBeAboveIt) {
  const FailOnCondition condition = parsed("exponent<-1");
  EXPECT_EQ(judge(condition, {-2, 0, std::nullopt}).verdict, Verdict::kRefuted);
  EXPECT_EQ(judge(condition, {-0.5, 0, std::nullopt}).verdict, Verdict::kUndecided);
  EXPECT_EQ(judge(condition, {-0.5, 0, -0.75}).verdict, Verdict::kProven);
}

}  // namespace
}  // namespace lyap
