#pragma once

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <cfenv>

#include "enclosure_check.hpp"
#include "random_arguments.hpp"

/// The tests that every increasing function shares: containment, tightness, the negative control, extremes, rounding
/// modes.
namespace lyap::enclosure_check {

/// Containment of a random inner point and of the whole range, and tightness, on random intervals.
template <class Enclosure, class Judge>
void check_increasing(const Enclosure& enclosure, const Judge& judge, const rc::Gen<Interval>& intervals, int ulps) {
  EXPECT_TRUE(rc::check([&] {
    const Interval x = *intervals;
    const Interval y = enclosure(x);
    const Range exact = range_of_increasing(judge, x);
    RC_ASSERT(contains_range(y, exact));
    RC_ASSERT(is_within_ulps(y, exact, ulps));
    RC_ASSERT(contains(y, judge(MpfrReal::from_exact(*random_arguments::point_of(x)))));
  }));
}

/// The same check must refuse an enclosure with one end cut by an ulp, and one an ulp slacker than promised, wherever
/// the values are irrational (so that an end cannot be exact).
template <class Enclosure, class Judge>
void check_that_wrong_enclosures_are_caught(const Enclosure& enclosure, const Judge& judge,
                                            const rc::Gen<double>& points, int ulps) {
  EXPECT_TRUE(rc::check([&] {
    const Interval x = Interval::from_exact(*points);
    const Interval y = enclosure(x);
    const Range exact = range_of_increasing(judge, x);
    RC_ASSERT(!contains_range(with_lower_end_cut(y), exact));
    RC_ASSERT(!contains_range(with_upper_end_cut(y), exact));
    RC_ASSERT(!is_within_ulps(with_lower_end_slack(y), exact, ulps));
    RC_ASSERT(!is_within_ulps(with_upper_end_slack(y), exact, ulps));
  }));
}

/// At every extreme argument: ends that are numbers, in order, that contain the value and are tight.
template <class Enclosure, class Judge>
void check_extremes(const Enclosure& enclosure, const Judge& judge, int ulps, double least = -kInfinity) {
  for (const double p : extreme_arguments()) {
    if (p < least) continue;
    const Interval y = enclosure(Interval::from_exact(p));
    const Range exact = range_of_increasing(judge, Interval::from_exact(p));
    EXPECT_FALSE(std::isnan(y.lower()) || std::isnan(y.upper())) << p;
    EXPECT_LE(y.lower(), y.upper()) << p;
    EXPECT_TRUE(contains_range(y, exact)) << p << " " << y;
    EXPECT_TRUE(is_within_ulps(y, exact, ulps)) << p << " " << y;
  }
}

/// The bounds do not depend on the rounding mode in force, which is left as it was.
template <class Enclosure>
void check_rounding_modes(const Enclosure& enclosure, double least = -kInfinity) {
  const int nearest = std::fegetround();
  for (const double p : extreme_arguments()) {
    if (p < least) continue;
    const Interval expected = enclosure(Interval::from_exact(p));
    for (const int mode : {FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO}) {
      std::fesetround(mode);
      const Interval got = enclosure(Interval::from_exact(p));
      EXPECT_EQ(std::fegetround(), mode);
      std::fesetround(nearest);
      EXPECT_TRUE(have_same_bounds(got, expected)) << p << " " << got << " " << expected;
    }
  }
}

}  // namespace lyap::enclosure_check
