#pragma once

#include <rapidcheck.h>

#include <bit>
#include <cmath>
#include <cstdint>

#include "enclosure_check.hpp"
#include "numerics/interval.hpp"

/// Generators, with shrinking, of the numbers and intervals that properties are tried on.
namespace lyap::random_arguments {

/// Uniform over [lower, upper].
inline rc::Gen<double> between(double lower, double upper) {
  return rc::gen::map(rc::gen::inRange<std::int64_t>(0, std::int64_t{1} << 53), [=](std::int64_t k) {
    const double t = static_cast<double>(k) * 0x1p-53;
    return std::clamp(lower + (upper - lower) * t, lower, upper);
  });
}

/// Any finite binary64 number: all exponents and both signs alike, subnormals included.
inline rc::Gen<double> any_finite() {
  return rc::gen::map(
      rc::gen::tuple(rc::gen::arbitrary<bool>(), rc::gen::inRange<std::uint64_t>(0, std::uint64_t{0x7FF} << 52)),
      [](const std::tuple<bool, std::uint64_t>& drawn) {
        const double magnitude = std::bit_cast<double>(std::get<1>(drawn));
        return std::get<0>(drawn) ? -magnitude : magnitude;
      });
}

/// Numbers at which the functions do something: moderate ones mostly, then any finite one, then an extreme.
inline rc::Gen<double> argument() {
  return rc::gen::weightedOneOf<double>({{4, between(-40.0, 40.0)},
                                         {3, between(-760.0, 760.0)},
                                         {2, any_finite()},
                                         {1, rc::gen::elementOf(enclosure_check::extreme_arguments())}});
}

/// Points, neighbours, narrow and wide intervals between arguments, a few of them unbounded.
inline rc::Gen<Interval> interval_of(const rc::Gen<double>& ends) {
  const auto ordered = [](const std::pair<double, double>& e) {
    return Interval::from_bounds(std::min(e.first, e.second), std::max(e.first, e.second));
  };
  return rc::gen::weightedOneOf<Interval>(
      {{4, rc::gen::map(rc::gen::pair(ends, ends), ordered)},
       {3, rc::gen::map(ends, [](double x) { return Interval::from_exact(x); })},
       {2, rc::gen::map(
               ends, [](double x) { return Interval::from_bounds(x, std::nextafter(x, enclosure_check::kLargest)); })},
       {1, rc::gen::map(ends, [](double x) { return Interval::from_bounds(x, enclosure_check::kInfinity); })},
       {1, rc::gen::map(ends, [](double x) { return Interval::from_bounds(-enclosure_check::kInfinity, x); })}});
}
inline rc::Gen<Interval> interval() { return interval_of(argument()); }

/// A finite point of x: an end or a point between.
inline rc::Gen<double> point_of(const Interval& x) {
  const double a = std::max(x.lower(), -enclosure_check::kLargest);
  const double b = std::min(x.upper(), enclosure_check::kLargest);
  return rc::gen::map(rc::gen::inRange(0, 1025), [=](int k) {
    const double t = k / 1024.0;
    return std::clamp((1.0 - t) * a + t * b, a, b);
  });
}

}  // namespace lyap::random_arguments
