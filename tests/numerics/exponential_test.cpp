#include "numerics/exponential.hpp"

#include <gtest/gtest.h>

#include "monotone_function_check.hpp"

namespace lyap {
namespace {

using namespace enclosure_check;

const auto kExp = [](const Interval& x) { return exp(x); };
const auto kExpJudge = [](const MpfrReal& x) { return exp(x); };
const auto kExpm1 = [](const Interval& x) { return expm1(x); };
const auto kExpm1Judge = [](const MpfrReal& x) { return expm1(x); };

TEST(Exp, contains_the_exact_range_and_is_at_most_the_stated_ulps_wider) {
  check_increasing(kExp, kExpJudge, random_arguments::interval(), kExponentialUlps);
}

TEST(Exp, a_cut_or_slack_enclosure_is_caught_by_the_same_check) {
  check_that_wrong_enclosures_are_caught(kExp, kExpJudge, random_arguments::between(0.5, 700.0), kExponentialUlps);
}

TEST(Exp, is_true_and_tight_at_extremes) { check_extremes(kExp, kExpJudge, kExponentialUlps); }

TEST(Exp, does_not_depend_on_the_rounding_mode) { check_rounding_modes(kExp); }

TEST(Exp, is_never_negative_and_has_infinite_ends_only_above_the_largest_number) {
  EXPECT_TRUE(have_same_bounds(exp(Interval::entire()), Interval::from_bounds(0.0, kInfinity)));
  EXPECT_TRUE(have_same_bounds(exp(Interval::from_exact(710.0)), Interval::from_bounds(kLargest, kInfinity)));
  EXPECT_LT(exp(Interval::from_exact(709.78)).upper(), kInfinity);
  EXPECT_TRUE(have_same_bounds(exp(Interval::from_exact(-1e300)), Interval::from_bounds(0.0, kSmallest)));
  EXPECT_TRUE(have_same_bounds(exp(Interval()), Interval::from_exact(1.0)));
}

TEST(Expm1, contains_the_exact_range_and_is_at_most_the_stated_ulps_wider) {
  check_increasing(kExpm1, kExpm1Judge, random_arguments::interval(), kExponentialUlps);
}

TEST(Expm1, a_cut_or_slack_enclosure_is_caught_by_the_same_check) {
  check_that_wrong_enclosures_are_caught(kExpm1, kExpm1Judge, random_arguments::between(0.5, 700.0), kExponentialUlps);
  check_that_wrong_enclosures_are_caught(kExpm1, kExpm1Judge, random_arguments::between(-30.0, -0.5), kExponentialUlps);
}

TEST(Expm1, is_true_and_tight_at_extremes) { check_extremes(kExpm1, kExpm1Judge, kExponentialUlps); }

TEST(Expm1, does_not_depend_on_the_rounding_mode) { check_rounding_modes(kExpm1); }

TEST(Expm1, is_exact_at_zero_and_never_below_minus_one) {
  EXPECT_TRUE(have_same_bounds(expm1(Interval()), Interval()));
  EXPECT_TRUE(have_same_bounds(expm1(Interval::entire()), Interval::from_bounds(-1.0, kInfinity)));
}

}  // namespace
}  // namespace lyap
