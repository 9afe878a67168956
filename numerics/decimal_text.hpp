#pragma once

#include <string>
#include <string_view>

#include "numerics/direction.hpp"

namespace lyap {

/// A decimal of at most `digits` significant digits, the least such at least x; "inf" and "-inf" for the infinities.
/// Trailing zeros are dropped; written "123.4" where the exponent is between -5 and 16 and "1.234e+20" otherwise.
/// The number that the text denotes, not the binary64 number read back from it, is the bound.
/// Throws ContractViolation for NaN or digits outside 2..1100. Independent of the locale and of the rounding mode.
[[nodiscard]] std::string decimal_upper_bound(double x, int digits = 17);
/// The same from below: the greatest such decimal at most x.
[[nodiscard]] std::string decimal_lower_bound(double x, int digits = 17);

/// x exactly, in hexadecimal as printf's %a writes it ("0x1.8p-30"); "inf", "-inf", "nan".
[[nodiscard]] std::string hex_text(double x);

/// The binary64 number next to the decimal's exact value in the given direction; infinite where it overflows that way.
/// Takes digits with an optional sign, point and exponent; throws ContractViolation for any other text.
[[nodiscard]] double double_from_decimal(std::string_view text, Direction direction);

}  // namespace lyap
