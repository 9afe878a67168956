#include "numerics/softplus.hpp"

#include <gtest/gtest.h>

#include "monotone_function_check.hpp"

namespace lyap {
namespace {

using namespace enclosure_check;

const auto kEnclosure = [](const Interval& x) { return softplus(x); };
const auto kJudge = [](const MpfrReal& x) { return softplus(x); };

TEST(Softplus, contains_the_exact_range_and_is_at_most_the_stated_ulps_wider) {
  check_increasing(kEnclosure, kJudge, random_arguments::interval(), kSoftplusUlps);
}

TEST(Softplus, a_cut_or_slack_enclosure_is_caught_by_the_same_check) {
  check_that_wrong_enclosures_are_caught(kEnclosure, kJudge, random_arguments::between(-700.0, 100.0), kSoftplusUlps);
}

TEST(Softplus, is_true_and_tight_at_extremes) { check_extremes(kEnclosure, kJudge, kSoftplusUlps); }

TEST(Softplus, does_not_depend_on_the_rounding_mode) { check_rounding_modes(kEnclosure); }

TEST(Softplus, is_never_negative_and_zero_below_only_where_the_value_is_below_the_smallest_subnormal) {
  for (const double p : extreme_arguments()) {
    const Interval y = softplus(Interval::from_exact(p));
    EXPECT_GE(y.lower(), 0.0);
    EXPECT_GT(y.upper(), 0.0);
    if (y.lower() == 0.0) {
      EXPECT_LT(softplus(MpfrReal::from_exact(p)), kSmallest) << p;
    }
  }
  EXPECT_EQ(softplus(Interval::from_exact(-744.0)).lower(),
            kSmallest);  // exp(-744) is 1.6 times the smallest subnormal
}

TEST(Softplus, keeps_the_term_that_deployed_programs_cut_off_above_20) {
  EXPECT_GT(softplus(Interval::from_exact(21.0)).lower(), 21.0);
  EXPECT_TRUE(have_same_bounds(softplus(Interval::from_exact(700.0)),
                               Interval::from_bounds(700.0, std::nextafter(700.0, 701.0))));
}

TEST(Softplus, takes_unbounded_intervals) {
  EXPECT_TRUE(have_same_bounds(softplus(Interval::entire()), Interval::from_bounds(0.0, kInfinity)));
}

}  // namespace
}  // namespace lyap
