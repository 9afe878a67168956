#pragma once

#include "numerics/interval.hpp"

/// Rounding of numbers to the narrow binary formats that networks are deployed in, bit for bit.
namespace lyap {

/// A binary floating-point format with subnormals and infinities, as IEEE 754 builds them. Held in a binary64 all its
/// numbers are exact.
struct FloatingFormat {
  int precision;          ///< significant bits, the hidden one included; at most 52
  int least_exponent;     ///< the least normal number is 2 to this power
  int greatest_exponent;  ///< the largest finite number is (2 - 2^(1 - precision)) 2^greatest_exponent

  [[nodiscard]] double unit_roundoff() const;  ///< 2^-precision, half the distance from 1 to the next number
  [[nodiscard]] double largest() const;        ///< the largest finite number
  [[nodiscard]] double least_normal() const;
  [[nodiscard]] double least_subnormal() const;
  friend bool operator==(const FloatingFormat&, const FloatingFormat&) = default;
};

inline constexpr FloatingFormat kBfloat16{8, -126, 127};
inline constexpr FloatingFormat kFloat16{11, -14, 15};
inline constexpr FloatingFormat kTf32{11, -126, 127};  ///< what tensor cores read of a binary32 in tf32 mode
inline constexpr FloatingFormat kFloat32{24, -126, 127};

/// To nearest with ties to even or away from zero, or to the next number on the stated side. Hardware that reads tf32
/// by dropping the low bits rounds toward zero; conversion instructions to tf32 take ties away from zero.
enum class RoundingRule { kNearestEven, kNearestAway, kTowardZero, kUpward, kDownward };

/// Whether results below the least normal number are kept or become zero (of the same sign). A flush is decided either
/// by the number as it is or by the number after rounding: processors differ, and the two differ only within half a
/// subnormal below the least normal number.
enum class Subnormals { kKept, kFlushedBeforeRounding, kFlushedAfterRounding };

/// A number of the format (or an infinity), and whether the number given was beyond its range.
struct RoundedNumber {
  double value = 0.0;
  /// Rounding with unlimited exponents gave a magnitude above largest(): `value` is then an infinity, or largest() on
  /// the side where the rule rounds toward zero. An infinity stays itself and counts as beyond the range.
  bool overflowed = false;
};

/// The number of the format that x rounds to, the sign of zero included. Exact: the result is the format's own, in any
/// rounding mode of the caller. A binary32 is a binary64, so one function serves both; one rounding takes place.
/// Throws ContractViolation for NaN. Cost: some ten nanoseconds.
[[nodiscard]] RoundedNumber round_to_format(double x, const FloatingFormat& format,
                                            RoundingRule rule = RoundingRule::kNearestEven,
                                            Subnormals subnormals = Subnormals::kKept);

/// What a set of numbers rounds to.
struct RoundedInterval {
  Interval value;              ///< an end is infinite where overflow is possible
  bool may_overflow = false;   ///< some number of the set is beyond the format's range: a finding
  bool must_overflow = false;  ///< every number of the set is
};

/// Encloses {fl(x) : x in set}: rounding is monotone, so this is [fl(lower), fl(upper)], both ends attained.
/// Containment: for every real x in the set its rounding lies in the result; where subnormals are flushed, for either
/// way of deciding it. Where everything overflows upward the result is [largest, infinity], so that it holds reals.
/// Width: 0 where all numbers of the set round to one number.
[[nodiscard]] RoundedInterval round_to_format(const Interval& set, const FloatingFormat& format,
                                              RoundingRule rule = RoundingRule::kNearestEven,
                                              Subnormals subnormals = Subnormals::kKept);

/// Bound of |fl(x) - x| - (unit roundoff) |x| over finite x, overflow excluded: the underflow term of the standard
/// model |fl(x) - x| <= u |x| + u_min. For the nearest rules half the least subnormal, for the other rules (with 2u for
/// u) the least subnormal, and the least normal number where subnormals are flushed.
[[nodiscard]] double underflow_term(const FloatingFormat& format, RoundingRule rule, Subnormals subnormals);

}  // namespace lyap
