#include "numerics/rounded_formats.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "numerics/contract_violation.hpp"

namespace lyap {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Whether the magnitude is to be raised to the next number of the format, given what was cut off it.
bool is_raised(RoundingRule rule, bool negative, bool odd, double rest) {
  switch (rule) {
    case RoundingRule::kNearestEven:
      return rest > 0.5 || (rest == 0.5 && odd);
    case RoundingRule::kNearestAway:
      return rest >= 0.5;
    case RoundingRule::kUpward:
      return rest > 0.0 && !negative;
    case RoundingRule::kDownward:
      return rest > 0.0 && negative;
    case RoundingRule::kTowardZero:
      break;
  }
  return false;
}

bool is_nearest(RoundingRule rule) { return rule == RoundingRule::kNearestEven || rule == RoundingRule::kNearestAway; }

/// What a magnitude above the largest finite number becomes.
double overflow_magnitude(const FloatingFormat& format, RoundingRule rule, bool negative) {
  const bool to_infinity =
      is_nearest(rule) || (rule == RoundingRule::kUpward && !negative) || (rule == RoundingRule::kDownward && negative);
  return to_infinity ? kInfinity : format.largest();
}

/// Rounds a finite magnitude below 2^(greatest_exponent + 1) with unlimited exponents above. Every operation is exact.
double rounded_magnitude(double magnitude, const FloatingFormat& format, RoundingRule rule, bool negative) {
  const int exponent = std::max(std::ilogb(magnitude), format.least_exponent);
  const int quantum = exponent - format.precision + 1;
  const double scaled = std::ldexp(magnitude, -quantum);  // below 2^precision
  const auto whole = static_cast<std::int64_t>(scaled);
  const double rest = scaled - static_cast<double>(whole);
  const bool raised = is_raised(rule, negative, (whole & 1) != 0, rest);
  return std::ldexp(static_cast<double>(whole + (raised ? 1 : 0)), quantum);
}

Interval hull_of(const RoundedNumber& low, const RoundedNumber& high, const FloatingFormat& format) {
  const double lower = low.value == kInfinity ? format.largest() : low.value;
  const double upper = high.value == -kInfinity ? -format.largest() : high.value;
  return Interval::from_bounds(lower, upper);
}

}  // namespace

double FloatingFormat::unit_roundoff() const { return std::ldexp(1.0, -precision); }
double FloatingFormat::largest() const {
  return std::ldexp(std::ldexp(1.0, precision) - 1.0, greatest_exponent - precision + 1);
}
double FloatingFormat::least_normal() const { return std::ldexp(1.0, least_exponent); }
double FloatingFormat::least_subnormal() const { return std::ldexp(1.0, least_exponent - precision + 1); }

RoundedNumber round_to_format(double x, const FloatingFormat& format, RoundingRule rule, Subnormals subnormals) {
  if (std::isnan(x)) throw ContractViolation("round_to_format: not a number");
  const bool negative = std::signbit(x);
  const double magnitude = std::fabs(x);
  const auto with_sign = [&](double value) { return negative ? -value : value; };
  if (magnitude == 0.0) return {x, false};
  if (std::isinf(x)) return {x, true};
  if (magnitude >= std::ldexp(1.0, format.greatest_exponent + 1)) {
    return {with_sign(overflow_magnitude(format, rule, negative)), true};
  }
  const double least = format.least_normal();
  if (subnormals == Subnormals::kFlushedBeforeRounding && magnitude < least) return {with_sign(0.0), false};
  const double rounded = rounded_magnitude(magnitude, format, rule, negative);
  if (rounded > format.largest()) return {with_sign(overflow_magnitude(format, rule, negative)), true};
  if (subnormals == Subnormals::kFlushedAfterRounding && rounded < least) return {with_sign(0.0), false};
  return {with_sign(rounded), false};
}

RoundedInterval round_to_format(const Interval& set, const FloatingFormat& format, RoundingRule rule,
                                Subnormals subnormals) {
  // Where numbers are flushed, the end nearer to zero is flushed early and the other one late.
  const bool flushed = subnormals != Subnormals::kKept;
  const auto early = flushed ? Subnormals::kFlushedBeforeRounding : Subnormals::kKept;
  const auto late = flushed ? Subnormals::kFlushedAfterRounding : Subnormals::kKept;
  const RoundedNumber low = round_to_format(set.lower(), format, rule, set.lower() > 0.0 ? early : late);
  const RoundedNumber high = round_to_format(set.upper(), format, rule, set.upper() < 0.0 ? early : late);
  const bool one_side = (set.lower() > 0.0) || (set.upper() < 0.0);
  return {hull_of(low, high, format), low.overflowed || high.overflowed, low.overflowed && high.overflowed && one_side};
}

double underflow_term(const FloatingFormat& format, RoundingRule rule, Subnormals subnormals) {
  if (subnormals != Subnormals::kKept) return format.least_normal();
  return is_nearest(rule) ? format.least_subnormal() / 2.0 : format.least_subnormal();
}

}  // namespace lyap
