#pragma once

#include <string>

namespace lyap {

/// A bound as certificates print it: the exact number in hexadecimal, and a decimal that is still a bound.
struct BoundText {
  std::string hex;      ///< "-0x1.8p-30", "0x0p+0", "inf"
  std::string decimal;  ///< "-1.39e-09", rounded toward the safe side
};

/// The text of an upper bound: its decimal is at least `value`. Throws ContractViolation for NaN.
[[nodiscard]] BoundText upper_bound_text(double value);
/// The text of a lower bound, or of a witness: its decimal is at most `value`. Throws ContractViolation for NaN.
[[nodiscard]] BoundText lower_bound_text(double value);

/// The decimals alone, with few digits, for tables and sentences; still rounded toward the safe side.
[[nodiscard]] std::string short_upper_decimal(double value);
[[nodiscard]] std::string short_lower_decimal(double value);

}  // namespace lyap
