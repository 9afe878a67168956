#include "numerics/square_root.hpp"

#include <gtest/gtest.h>

#include "monotone_function_check.hpp"
#include "numerics/contract_violation.hpp"

namespace lyap {
namespace {

using namespace enclosure_check;

const auto kEnclosure = [](const Interval& x) { return sqrt(x); };
const auto kJudge = [](const MpfrReal& x) { return sqrt(x); };

rc::Gen<Interval> intervals_of_positive_numbers() {
  return rc::gen::map(random_arguments::interval(), [](const Interval& x) { return abs(x); });
}

TEST(SquareRoot, contains_the_exact_range_and_is_at_most_the_stated_ulps_wider) {
  check_increasing(kEnclosure, kJudge, intervals_of_positive_numbers(), kSquareRootUlps);
}

TEST(SquareRoot, a_cut_or_slack_enclosure_is_caught_by_the_same_check) {
  // An odd integer above 2^52 is no square of a binary64 number: its root would be an integer or a half.
  const auto not_squares = rc::gen::map(rc::gen::inRange<std::int64_t>(1, std::int64_t{1} << 50),
                                        [](std::int64_t k) { return 0x1p+52 + 4.0 * static_cast<double>(k) + 3.0; });
  check_that_wrong_enclosures_are_caught(kEnclosure, kJudge, not_squares, kSquareRootUlps);
}

TEST(SquareRoot, is_true_and_tight_at_extremes) { check_extremes(kEnclosure, kJudge, kSquareRootUlps, 0.0); }

TEST(SquareRoot, does_not_depend_on_the_rounding_mode) { check_rounding_modes(kEnclosure, 0.0); }

TEST(SquareRoot, is_exact_where_the_root_is_a_number) {
  for (const double x : {0.0, 0x1p-1074, 0.25, 4.0, 0x1p+1022}) {
    EXPECT_TRUE(sqrt(Interval::from_exact(x)).is_point()) << x;
  }
}

TEST(SquareRoot, leaves_out_negative_numbers) {
  EXPECT_TRUE(have_same_bounds(sqrt(Interval::from_bounds(-3.0, 4.0)), Interval::from_bounds(0.0, 2.0)));
  EXPECT_TRUE(have_same_bounds(sqrt(Interval::entire()), Interval::from_bounds(0.0, kInfinity)));
  EXPECT_THROW((void)sqrt(Interval::from_exact(-1.0)), ContractViolation);
}

}  // namespace
}  // namespace lyap
