#include "numerics/logarithm.hpp"

#include <gtest/gtest.h>

#include "monotone_function_check.hpp"
#include "numerics/contract_violation.hpp"

namespace lyap {
namespace {

using namespace enclosure_check;

const auto kLog = [](const Interval& x) { return log(x); };
const auto kLogJudge = [](const MpfrReal& x) { return log(x); };
const auto kLog1p = [](const Interval& x) { return log1p(x); };
const auto kLog1pJudge = [](const MpfrReal& x) { return log1p(x); };

rc::Gen<Interval> intervals_from(double least) {
  return rc::gen::map(random_arguments::interval(), [least](const Interval& x) {
    return Interval::from_bounds(std::max(x.lower(), least), std::max(x.upper(), std::nextafter(least, kInfinity)));
  });
}

TEST(Log, contains_the_exact_range_and_is_at_most_the_stated_ulps_wider) {
  check_increasing(kLog, kLogJudge, intervals_from(0.0), kLogarithmUlps);
}

TEST(Log, a_cut_or_slack_enclosure_is_caught_by_the_same_check) {
  check_that_wrong_enclosures_are_caught(kLog, kLogJudge, random_arguments::between(2.0, 1e6), kLogarithmUlps);
  check_that_wrong_enclosures_are_caught(kLog, kLogJudge, random_arguments::between(1e-6, 0.5), kLogarithmUlps);
}

TEST(Log, is_true_and_tight_at_extremes) { check_extremes(kLog, kLogJudge, kLogarithmUlps, kSmallest); }

TEST(Log, does_not_depend_on_the_rounding_mode) { check_rounding_modes(kLog, kSmallest); }

TEST(Log, leaves_out_what_is_not_positive) {
  EXPECT_TRUE(have_same_bounds(log(Interval::from_bounds(-5.0, 1.0)), Interval::from_bounds(-kInfinity, 0.0)));
  EXPECT_TRUE(have_same_bounds(log(Interval::entire()), Interval::entire()));
  EXPECT_THROW((void)log(Interval()), ContractViolation);
  EXPECT_THROW((void)log(Interval::from_bounds(-2.0, -1.0)), ContractViolation);
}

TEST(Log1p, contains_the_exact_range_and_is_at_most_the_stated_ulps_wider) {
  check_increasing(kLog1p, kLog1pJudge, intervals_from(-1.0), kLogarithmUlps);
}

TEST(Log1p, a_cut_or_slack_enclosure_is_caught_by_the_same_check) {
  check_that_wrong_enclosures_are_caught(kLog1p, kLog1pJudge, random_arguments::between(0.5, 1e6), kLogarithmUlps);
  check_that_wrong_enclosures_are_caught(kLog1p, kLog1pJudge, random_arguments::between(-0.999, -0.5), kLogarithmUlps);
}

TEST(Log1p, is_true_and_tight_at_extremes) { check_extremes(kLog1p, kLog1pJudge, kLogarithmUlps, -0.99); }

TEST(Log1p, does_not_depend_on_the_rounding_mode) { check_rounding_modes(kLog1p, -0.99); }

TEST(Log1p, leaves_out_what_is_not_above_minus_one) {
  EXPECT_TRUE(have_same_bounds(log1p(Interval::from_bounds(-5.0, 0.0)), Interval::from_bounds(-kInfinity, 0.0)));
  EXPECT_THROW((void)log1p(Interval::from_exact(-1.0)), ContractViolation);
}

}  // namespace
}  // namespace lyap
