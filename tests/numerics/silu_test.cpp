#include "numerics/silu.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "enclosure_check.hpp"
#include "monotone_function_check.hpp"
#include "random_arguments.hpp"

namespace lyap {
namespace {

using namespace enclosure_check;

MpfrReal one() { return MpfrReal::from_exact(1.0); }

/// 1 + p + exp(p), which increases and has the sign of silu'(p) = sigmoid(p)^2 exp(-p) (1 + p + exp(p)).
MpfrReal sign_of_slope(const MpfrReal& p) { return one() + p + exp(p); }

/// The argmin to 256 bits, by Newton's method.
MpfrReal argmin() {
  MpfrReal c = MpfrReal::from_exact(-1.3);
  for (int i = 0; i < 12; ++i) c -= sign_of_slope(c) / (one() + exp(c));
  return c;
}

Range exact_range(const Interval& x) {
  const MpfrReal c = argmin();
  const MpfrReal at_lower = silu(MpfrReal::from_exact(x.lower()));
  const MpfrReal at_upper = silu(MpfrReal::from_exact(x.upper()));
  return {contains(x, c) ? one() + c : min(at_lower, at_upper), max(at_lower, at_upper)};
}

rc::Gen<Interval> intervals() {
  return rc::gen::oneOf(random_arguments::interval(),
                        random_arguments::interval_of(random_arguments::between(-3.0, 0.5)));
}

TEST(Silu, argmin_is_strictly_between_its_two_bounds_which_are_neighbours) {
  EXPECT_LT(sign_of_slope(MpfrReal::from_exact(kSiluArgminLower)), 0.0);
  EXPECT_GT(sign_of_slope(MpfrReal::from_exact(kSiluArgminUpper)), 0.0);
  EXPECT_EQ(std::nextafter(kSiluArgminLower, 0.0), kSiluArgminUpper);
}

TEST(Silu, minimum_is_strictly_between_its_two_bounds_which_are_neighbours) {
  // The minimum is 1 + c, and 1 + p + exp(p) changes sign at c: its signs at bound - 1 place c, hence the minimum,
  // without rounding.
  EXPECT_LT(sign_of_slope(MpfrReal::from_exact(kSiluMinimumLower) - one()), 0.0);
  EXPECT_GT(sign_of_slope(MpfrReal::from_exact(kSiluMinimumUpper) - one()), 0.0);
  EXPECT_EQ(std::nextafter(kSiluMinimumLower, 0.0), kSiluMinimumUpper);
  EXPECT_LT(abs(silu(argmin()) - (one() + argmin())), 0x1p-250);
}

RC_GTEST_PROP(Silu, contains_the_exact_range_and_is_at_most_the_stated_ulps_wider, ()) {
  const Interval x = *intervals();
  const Interval y = silu(x);
  const Range exact = exact_range(x);
  RC_ASSERT(contains_range(y, exact));
  RC_ASSERT(is_within_ulps(y, exact, kSiluUlps));
  RC_ASSERT(contains(y, silu(MpfrReal::from_exact(*random_arguments::point_of(x)))));
}

RC_GTEST_PROP(Silu, a_cut_or_slack_enclosure_is_caught_by_the_same_check, ()) {
  const double end = *random_arguments::between(-700.0, 30.0);
  RC_PRE(end != 0.0);
  const Interval x = Interval::from_bounds(end, *rc::gen::elementOf(std::vector<double>{end, std::max(end, 0.25)}));
  const Interval y = silu(x);
  const Range exact = exact_range(x);
  RC_ASSERT(!contains_range(with_lower_end_cut(y), exact));
  RC_ASSERT(!contains_range(with_upper_end_cut(y), exact));
  RC_ASSERT(!is_within_ulps(with_lower_end_slack(y), exact, kSiluUlps));
  RC_ASSERT(!is_within_ulps(with_upper_end_slack(y), exact, kSiluUlps));
}

TEST(Silu, an_enclosure_from_the_end_points_alone_is_caught) {
  const Interval x = Interval::from_bounds(-2.0, 1.0);
  const Interval ends = hull(silu(Interval::from_exact(-2.0)), silu(Interval::from_exact(1.0)));
  EXPECT_FALSE(contains_range(ends, exact_range(x)));
  EXPECT_TRUE(contains_range(silu(x), exact_range(x)));
}

TEST(Silu, is_true_and_tight_at_extremes) {
  for (const double p : extreme_arguments()) {
    const Interval x = Interval::from_exact(p);
    EXPECT_TRUE(contains_range(silu(x), exact_range(x))) << p << silu(x);
    EXPECT_TRUE(is_within_ulps(silu(x), exact_range(x), kSiluUlps)) << p << silu(x);
    EXPECT_TRUE(p < 0.0 ? silu(x).upper() <= 0.0 : silu(x).lower() >= 0.0) << p;
  }
}

TEST(Silu, does_not_depend_on_the_rounding_mode) {
  check_rounding_modes([](const Interval& x) { return silu(x); });
}

TEST(Silu, takes_unbounded_intervals) {
  EXPECT_TRUE(have_same_bounds(silu(Interval::entire()), Interval::from_bounds(kSiluMinimumLower, kInfinity)));
  const Interval tail = silu(Interval::from_bounds(-kInfinity, -2.0));
  EXPECT_EQ(tail.upper(), 0.0);
  EXPECT_EQ(tail.lower(), silu(Interval::from_exact(-2.0)).lower());
}

TEST(Silu, is_exact_at_zero) { EXPECT_TRUE(have_same_bounds(silu(Interval()), Interval())); }

}  // namespace
}  // namespace lyap
