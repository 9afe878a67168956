#pragma once

#include <iosfwd>
#include <string_view>

namespace lyap {

/// A closed interval [lower, upper] of real numbers, lower <= upper, ends in binary64; an end may be infinite, never NaN.
/// Containment contract of every operation and function here: for all real points of the operands where the real
/// operation is defined, its exact result lies in the returned interval. There is no implicit road from double.
class Interval {
 public:
  Interval();                                        ///< [0, 0]
  static Interval from_exact(double x);              ///< {x}; throws ContractViolation for NaN
  static Interval from_bounds(double lower, double upper);  ///< throws ContractViolation for NaN or lower > upper
  static Interval from_decimal(std::string_view text);      ///< tightest interval around the decimal number, e.g. "0.1"
  static Interval entire();                          ///< (-infinity, infinity)

  [[nodiscard]] double lower() const;
  [[nodiscard]] double upper() const;
  // + - * / with their compound forms, unary minus, contains(double), contains(Interval), width_upper_bound(), hull, intersect ...
};

}  // namespace lyap
