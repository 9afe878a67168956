#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "numerics/interval.hpp"
#include "numerics/mpfr_real.hpp"

/// What every test of an enclosure asks: does it hold the exact range, and how much wider is it?
namespace lyap::enclosure_check {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
inline constexpr double kLargest = std::numeric_limits<double>::max();
inline constexpr double kSmallest = std::numeric_limits<double>::denorm_min();
inline constexpr double kSmallestNormal = std::numeric_limits<double>::min();

/// Arguments where programs go wrong: ends of the range, subnormals, thresholds of exp, ties, the softplus cut-off.
inline std::vector<double> extreme_arguments() {
  std::vector<double> positive{0.0,
                               kSmallest,
                               1e-310,
                               kSmallestNormal,
                               1e-300,
                               0x1p-54,
                               0x1p-53,
                               1e-8,
                               0.5,
                               1.0,
                               1.2784645427610738,
                               20.0,
                               36.05,
                               37.0,
                               88.7,
                               700.0,
                               709.78,
                               709.79,
                               710.0,
                               744.44,
                               745.13,
                               745.14,
                               750.0,
                               1e5,
                               1e300,
                               kLargest};
  std::vector<double> all;
  for (const double p : positive) {
    all.push_back(p);
    all.push_back(-p);
  }
  return all;
}

/// The exact range of a function on an interval, as the judge sees it.
struct Range {
  MpfrReal lower;
  MpfrReal upper;
};

/// The range of an increasing function of MpfrReal.
template <class Function>
Range range_of_increasing(const Function& function, const Interval& x) {
  return {function(MpfrReal::from_exact(x.lower())), function(MpfrReal::from_exact(x.upper()))};
}

inline bool contains_range(const Interval& enclosure, const Range& exact) {
  return exact.lower >= enclosure.lower() && exact.upper <= enclosure.upper();
}

/// x moved by a number of steps through binary64 towards an end of the line.
inline double stepped(double x, int steps, double towards) {
  for (int i = 0; i < steps; ++i) x = std::nextafter(x, towards);
  return x;
}

/// Each end, moved inward by `ulps` steps, has reached the exact range or passed into it.
inline bool is_within_ulps(const Interval& enclosure, const Range& exact, int ulps) {
  return exact.lower <= stepped(enclosure.lower(), ulps, kInfinity) &&
         exact.upper >= stepped(enclosure.upper(), ulps, -kInfinity);
}

/// The deliberately wrong enclosures of the negative controls: one end moved inward, and one end moved outward, by one
/// ulp.
inline Interval with_lower_end_cut(const Interval& x) {
  return Interval::from_bounds(stepped(x.lower(), 1, kInfinity), std::max(x.upper(), stepped(x.lower(), 1, kInfinity)));
}
inline Interval with_upper_end_cut(const Interval& x) {
  return Interval::from_bounds(std::min(x.lower(), stepped(x.upper(), 1, -kInfinity)),
                               stepped(x.upper(), 1, -kInfinity));
}
inline Interval with_lower_end_slack(const Interval& x) {
  return Interval::from_bounds(stepped(x.lower(), 1, -kInfinity), x.upper());
}
inline Interval with_upper_end_slack(const Interval& x) {
  return Interval::from_bounds(x.lower(), stepped(x.upper(), 1, kInfinity));
}

}  // namespace lyap::enclosure_check
