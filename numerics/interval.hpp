#pragma once

#include <iosfwd>
#include <string_view>

#include "numerics/interval_policy.hpp"

namespace lyap {

/// A closed interval [lower, upper] of real numbers, lower <= upper, ends in binary64; an end may be infinite, never
/// NaN.
/// Containment contract of every operation and function here: for all real points of the operands where the real
/// operation is defined, its exact result lies in the returned interval. There is no implicit road from double.
/// Ends of + - * / are the exact range correctly rounded outward, in any rounding mode of the caller, which is left as
/// it was.
/// Boost.Interval under a policy of ours that changes the rounding direction inside each operation: this is the slow
/// reference (tens of nanoseconds an operation); arrays have numerics/vector_functions.hpp and
/// numerics/rigorous_product.hpp.
/// A point at infinity, from_exact(infinity), holds no real number: it serves as a bound that never binds in min and
/// max.
class Interval {
 public:
  Interval() = default;                                     ///< [0, 0]
  static Interval from_exact(double x);                     ///< {x}; throws ContractViolation for NaN
  static Interval from_bounds(double lower, double upper);  ///< throws ContractViolation for NaN or lower > upper
  /// The tightest interval around the decimal number, e.g. "0.1" or "-3.5e-7". Throws ContractViolation for any other
  /// text.
  static Interval from_decimal(std::string_view text);
  static Interval entire();  ///< (-infinity, infinity)

  [[nodiscard]] double lower() const { return without_sign_of_zero(bounds_.lower()); }
  [[nodiscard]] double upper() const { return without_sign_of_zero(bounds_.upper()); }
  /// upper - lower, rounded upward.
  [[nodiscard]] double width_upper_bound() const;
  /// A finite number in the interval, at most one ulp from its middle; where one end is infinite, the largest finite
  /// number of its sign; 0 for the entire line.
  [[nodiscard]] double midpoint() const;
  /// The least binary64 r with every point within r of midpoint(); infinite where an end is.
  [[nodiscard]] double radius_upper_bound() const;
  /// The largest and the least |x| over x in the interval, both exact.
  [[nodiscard]] double magnitude() const;
  [[nodiscard]] double mignitude() const;

  [[nodiscard]] bool contains(double x) const { return lower() <= x && x <= upper(); }
  [[nodiscard]] bool contains(const Interval& x) const { return lower() <= x.lower() && x.upper() <= upper(); }
  [[nodiscard]] bool is_point() const { return lower() == upper(); }

  Interval& operator+=(const Interval& y);
  Interval& operator-=(const Interval& y);
  Interval& operator*=(const Interval& y);
  /// Where y contains 0: the hull of all defined quotients, entire() where y is {0}.
  Interval& operator/=(const Interval& y);
  [[nodiscard]] Interval operator-() const;
  [[nodiscard]] Interval operator+() const { return *this; }

 private:
  explicit Interval(const BoostInterval& bounds) : bounds_(bounds) {}
  static double without_sign_of_zero(double x) { return x == 0.0 ? 0.0 : x; }

  BoostInterval bounds_{0.0, 0.0, true};
};

[[nodiscard]] inline Interval operator+(Interval x, const Interval& y) { return x += y; }
[[nodiscard]] inline Interval operator-(Interval x, const Interval& y) { return x -= y; }
[[nodiscard]] inline Interval operator*(Interval x, const Interval& y) { return x *= y; }
[[nodiscard]] inline Interval operator/(Interval x, const Interval& y) { return x /= y; }

/// Encloses {|p| : p in x}, exactly.
[[nodiscard]] Interval abs(const Interval& x);
/// Encloses {p p : p in x}: never negative, unlike x * x; ends correctly rounded outward.
[[nodiscard]] Interval square(const Interval& x);
/// Enclose {max(p, q) : p in x, q in y} and the same for min, exactly.
[[nodiscard]] Interval max(const Interval& x, const Interval& y);
[[nodiscard]] Interval min(const Interval& x, const Interval& y);
/// The least interval that holds both.
[[nodiscard]] Interval hull(const Interval& x, const Interval& y);
/// The common part. Throws ContractViolation where there is none: two enclosures of one number always meet.
[[nodiscard]] Interval intersect(const Interval& x, const Interval& y);
[[nodiscard]] bool are_disjoint(const Interval& x, const Interval& y);

/// p < q (p <= q) for all p in x and q in y.
[[nodiscard]] bool certainly_less(const Interval& x, const Interval& y);
[[nodiscard]] bool certainly_at_most(const Interval& x, const Interval& y);
/// Equality of the sets; says nothing about numbers that they enclose.
[[nodiscard]] bool have_same_bounds(const Interval& x, const Interval& y);

/// "[lower, upper]" in hexadecimal, exact.
std::ostream& operator<<(std::ostream& out, const Interval& x);

}  // namespace lyap
