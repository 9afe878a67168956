#include "numerics/hyperbolic_tangent.hpp"

#include <gtest/gtest.h>

#include "monotone_function_check.hpp"

namespace lyap {
namespace {

using namespace enclosure_check;

const auto kEnclosure = [](const Interval& x) { return tanh(x); };
const auto kJudge = [](const MpfrReal& x) { return tanh(x); };

TEST(HyperbolicTangent, contains_the_exact_range_and_is_at_most_the_stated_ulps_wider) {
  check_increasing(kEnclosure, kJudge, random_arguments::interval(), kHyperbolicTangentUlps);
}

TEST(HyperbolicTangent, a_cut_or_slack_enclosure_is_caught_by_the_same_check) {
  check_that_wrong_enclosures_are_caught(kEnclosure, kJudge, random_arguments::between(0.1, 50.0),
                                         kHyperbolicTangentUlps);
  check_that_wrong_enclosures_are_caught(kEnclosure, kJudge, random_arguments::between(-50.0, -0.1),
                                         kHyperbolicTangentUlps);
}

TEST(HyperbolicTangent, is_true_and_tight_at_extremes) { check_extremes(kEnclosure, kJudge, kHyperbolicTangentUlps); }

TEST(HyperbolicTangent, does_not_depend_on_the_rounding_mode) { check_rounding_modes(kEnclosure); }

TEST(HyperbolicTangent, stays_between_minus_one_and_one_and_is_exact_at_zero) {
  EXPECT_TRUE(have_same_bounds(tanh(Interval::entire()), Interval::from_bounds(-1.0, 1.0)));
  EXPECT_TRUE(have_same_bounds(tanh(Interval()), Interval()));
}

}  // namespace
}  // namespace lyap
