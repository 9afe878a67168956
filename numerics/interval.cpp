#include "numerics/interval.hpp"

#include <algorithm>
#include <boost/numeric/interval/arith.hpp>
#include <boost/numeric/interval/utility.hpp>
#include <cmath>
#include <limits>
#include <ostream>

#include "numerics/contract_violation.hpp"
#include "numerics/decimal_text.hpp"

namespace lyap {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kLargest = std::numeric_limits<double>::max();

}  // namespace

Interval Interval::from_exact(double x) { return from_bounds(x, x); }

Interval Interval::from_bounds(double lower, double upper) {
  if (std::isnan(lower) || std::isnan(upper)) throw ContractViolation("Interval: an end is not a number");
  if (lower > upper) throw ContractViolation("Interval: the lower end exceeds the upper end");
  return Interval(BoostInterval(lower, upper, true));
}

Interval Interval::from_decimal(std::string_view text) {
  return from_bounds(double_from_decimal(text, Direction::kDown), double_from_decimal(text, Direction::kUp));
}

Interval Interval::entire() { return from_bounds(-kInfinity, kInfinity); }

double Interval::width_upper_bound() const { return is_point() ? 0.0 : DirectedArithmetic::sub_up(upper(), lower()); }

double Interval::midpoint() const {
  const double a = lower();
  const double b = upper();
  if (a == -kInfinity && b == kInfinity) return 0.0;
  if (a == -kInfinity) return -kLargest;
  if (b == kInfinity) return kLargest;
  // Halving first avoids overflow but loses the last bit of subnormals; the clamp keeps the result inside in every
  // case.
  const double middle = std::fabs(a) > 1.0 || std::fabs(b) > 1.0 ? a / 2.0 + b / 2.0 : (a + b) / 2.0;
  return without_sign_of_zero(std::clamp(middle, a, b));
}

double Interval::radius_upper_bound() const {
  if (is_point()) return 0.0;
  const double m = midpoint();
  return std::max(DirectedArithmetic::sub_up(m, lower()), DirectedArithmetic::sub_up(upper(), m));
}

double Interval::magnitude() const { return std::max(std::fabs(lower()), std::fabs(upper())); }

double Interval::mignitude() const { return contains(0.0) ? 0.0 : std::min(std::fabs(lower()), std::fabs(upper())); }

Interval& Interval::operator+=(const Interval& y) {
  bounds_ += y.bounds_;
  return *this;
}

Interval& Interval::operator-=(const Interval& y) {
  bounds_ -= y.bounds_;
  return *this;
}

Interval& Interval::operator*=(const Interval& y) {
  bounds_ *= y.bounds_;
  return *this;
}

Interval& Interval::operator/=(const Interval& y) {
  if (y.bounds_.lower() == 0.0 && y.bounds_.upper() == 0.0) return *this = entire();
  bounds_ /= y.bounds_;
  return *this;
}

Interval Interval::operator-() const { return Interval(-bounds_); }

Interval abs(const Interval& x) { return Interval::from_bounds(x.mignitude(), x.magnitude()); }

Interval square(const Interval& x) {
  const double least = x.mignitude();
  const double largest = x.magnitude();
  return Interval::from_bounds(DirectedArithmetic::mul_down(least, least),
                               DirectedArithmetic::mul_up(largest, largest));
}

Interval max(const Interval& x, const Interval& y) {
  return Interval::from_bounds(std::max(x.lower(), y.lower()), std::max(x.upper(), y.upper()));
}

Interval min(const Interval& x, const Interval& y) {
  return Interval::from_bounds(std::min(x.lower(), y.lower()), std::min(x.upper(), y.upper()));
}

Interval hull(const Interval& x, const Interval& y) {
  return Interval::from_bounds(std::min(x.lower(), y.lower()), std::max(x.upper(), y.upper()));
}

Interval intersect(const Interval& x, const Interval& y) {
  if (are_disjoint(x, y)) throw ContractViolation("intersect: the intervals have no common point");
  return Interval::from_bounds(std::max(x.lower(), y.lower()), std::min(x.upper(), y.upper()));
}

bool are_disjoint(const Interval& x, const Interval& y) { return x.upper() < y.lower() || y.upper() < x.lower(); }

bool certainly_less(const Interval& x, const Interval& y) { return x.upper() < y.lower(); }
bool certainly_at_most(const Interval& x, const Interval& y) { return x.upper() <= y.lower(); }
bool have_same_bounds(const Interval& x, const Interval& y) { return x.lower() == y.lower() && x.upper() == y.upper(); }

std::ostream& operator<<(std::ostream& out, const Interval& x) {
  return out << '[' << hex_text(x.lower()) << ", " << hex_text(x.upper()) << ']';
}

}  // namespace lyap
