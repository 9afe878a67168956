#include "numerics/sigmoid.hpp"

#include <gtest/gtest.h>

#include "monotone_function_check.hpp"

namespace lyap {
namespace {

using namespace enclosure_check;

const auto kEnclosure = [](const Interval& x) { return sigmoid(x); };
const auto kJudge = [](const MpfrReal& x) { return sigmoid(x); };

TEST(Sigmoid, contains_the_exact_range_and_is_at_most_the_stated_ulps_wider) {
  check_increasing(kEnclosure, kJudge, random_arguments::interval(), kSigmoidUlps);
}

TEST(Sigmoid, a_cut_or_slack_enclosure_is_caught_by_the_same_check) {
  check_that_wrong_enclosures_are_caught(kEnclosure, kJudge, random_arguments::between(-700.0, -0.5), kSigmoidUlps);
  check_that_wrong_enclosures_are_caught(kEnclosure, kJudge, random_arguments::between(0.5, 100.0), kSigmoidUlps);
}

TEST(Sigmoid, is_true_and_tight_at_extremes) { check_extremes(kEnclosure, kJudge, kSigmoidUlps); }

TEST(Sigmoid, does_not_depend_on_the_rounding_mode) { check_rounding_modes(kEnclosure); }

TEST(Sigmoid, stays_between_zero_and_one) {
  EXPECT_TRUE(have_same_bounds(sigmoid(Interval::entire()), Interval::from_bounds(0.0, 1.0)));
  EXPECT_TRUE(have_same_bounds(sigmoid(Interval()), Interval::from_exact(0.5)));
  for (const double p : extreme_arguments()) {
    const Interval y = sigmoid(Interval::from_exact(p));
    EXPECT_GE(y.lower(), 0.0);
    EXPECT_LE(y.upper(), 1.0);
    if (y.lower() == 0.0) {
      EXPECT_LT(sigmoid(MpfrReal::from_exact(p)), kSmallest) << p;
    }
  }
}

}  // namespace
}  // namespace lyap
