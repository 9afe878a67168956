#pragma once

#include <string>

namespace lyap {

/// Which way a number may be rounded when it is written with few digits.
enum class TextRounding {
  kUp,    ///< the text is at least the number: upper bounds
  kDown,  ///< the text is at most the number: lower bounds
};

/// Significant digits of every bound that the report states.
inline constexpr int kReportDigits = 3;

/// Writes `value` with `digits` significant decimal digits, never nicer than it is: the text is >= value (kUp) or <=
/// value (kDown), and within one unit of the last digit of it. Exact, independent of the rounding mode. Plain decimals
/// between 0.001 and 10,000, otherwise m × 10ⁿ; a true minus sign; zero is "0", infinities "∞" and "−∞", NaN "none".
[[nodiscard]] std::string rounded_text(double value, TextRounding direction, int digits = kReportDigits);

/// A deviation relative to what deviates, rounded up: below 1 in percent ("0.971 %"), else as a multiple ("15.3
/// times").
[[nodiscard]] std::string relative_text(double relative);

/// ln 2 / |rate| rounded up: the number of steps after which a deviation that changes by exp(rate) a step has halved.
/// Infinity where rate is 0 or the quotient exceeds binary64. `rate` is a natural-log rate, at most 0.
[[nodiscard]] double halving_steps_upper_bound(double rate);

/// exp(steps * rate) rounded up to a multiple of 1e-4 and at most 1: the share of a deviation left after `steps` steps
/// at `rate` <= 0 a step.
[[nodiscard]] double surviving_share_upper_bound(double rate, double steps);

/// A share from surviving_share_upper_bound as percent, rounded up to kReportDigits digits: 0.0001 is "0.01 %".
[[nodiscard]] std::string share_text(double share);

}  // namespace lyap
