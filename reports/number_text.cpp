#include "reports/number_text.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

namespace lyap {
namespace {

/// Decimal scientific form of a positive finite number: 0.d1 d2 d3 ... is digits, value = d1.d2d3... x 10^exponent.
struct ScientificDigits {
  std::string digits;
  int exponent = 0;
};

/// All digits of a positive finite double: a binary64 number has at most 767 significant decimal digits, so nothing is
/// cut off.
ScientificDigits exact_digits(double value) {
  char text[832];
  std::snprintf(text, sizeof text, "%.780e", value);
  const std::string all(text);
  const std::size_t mark = all.find('e');
  ScientificDigits result;
  result.digits = all.substr(0, 1) + all.substr(2, mark - 2);
  result.exponent = std::stoi(all.substr(mark + 1));
  return result;
}

/// Keeps `count` digits, rounding the magnitude away from zero or towards it.
ScientificDigits shortened(ScientificDigits number, int count, bool away_from_zero) {
  const auto kept = static_cast<std::size_t>(count);
  const bool inexact = number.digits.find_first_not_of('0', kept) != std::string::npos;
  number.digits.resize(kept, '0');
  if (!inexact || !away_from_zero) return number;
  std::size_t place = kept;
  while (place > 0 && number.digits[place - 1] == '9') number.digits[--place] = '0';
  if (place > 0) {
    ++number.digits[place - 1];
  } else {
    number.digits.insert(number.digits.begin(), '1');
    number.digits.pop_back();
    ++number.exponent;
  }
  return number;
}

std::string superscript(int number) {
  static const char* const kDigits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string text = number < 0 ? "⁻" : "";
  for (const char digit : std::to_string(std::abs(number))) text += kDigits[digit - '0'];
  return text;
}

/// Drops zeros after the decimal point that say nothing.
std::string without_trailing_zeros(std::string text) {
  if (text.find('.') == std::string::npos) return text;
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

std::string plain_text(const ScientificDigits& number) {
  const int count = static_cast<int>(number.digits.size());
  if (number.exponent < 0)
    return without_trailing_zeros("0." + std::string(static_cast<std::size_t>(-number.exponent - 1), '0') +
                                  number.digits);
  if (number.exponent + 1 >= count)
    return number.digits + std::string(static_cast<std::size_t>(number.exponent + 1 - count), '0');
  const auto split = static_cast<std::size_t>(number.exponent + 1);
  return without_trailing_zeros(number.digits.substr(0, split) + "." + number.digits.substr(split));
}

std::string power_text(const ScientificDigits& number) {
  const std::string mantissa = without_trailing_zeros(number.digits.substr(0, 1) + "." + number.digits.substr(1));
  return mantissa + "\u00a0×\u00a010" + superscript(number.exponent);
}

}  // namespace

std::string rounded_text(double value, TextRounding direction, int digits) {
  if (std::isnan(value)) return "none";
  if (std::isinf(value)) return value > 0 ? "∞" : "−∞";
  if (value == 0) return "0";
  const bool negative = value < 0;
  const bool away_from_zero = (direction == TextRounding::kUp) != negative;
  const ScientificDigits number = shortened(exact_digits(std::abs(value)), digits, away_from_zero);
  const bool plain = number.exponent >= -3 && number.exponent <= 3;
  return (negative ? "−" : "") + (plain ? plain_text(number) : power_text(number));
}

std::string relative_text(double relative) {
  if (!(relative > 0) || !(relative < 1)) {
    const std::string text = rounded_text(relative, TextRounding::kUp);
    return relative > 0 ? text + "\u00a0times" : text;
  }
  ScientificDigits percent = shortened(exact_digits(relative), kReportDigits, true);
  percent.exponent += 2;
  return (percent.exponent >= -3 ? plain_text(percent) : power_text(percent)) + "\u00a0%";
}

double halving_steps_upper_bound(double rate) {
  constexpr double kLn2Above = 0.69314718055994540;  // ln 2 = 0.693147180559945309...
  const double infinity = std::numeric_limits<double>::infinity();
  if (!(rate < 0)) return infinity;
  if (std::isinf(rate)) return std::numeric_limits<double>::denorm_min();
  return std::nextafter(std::nextafter(kLn2Above / -rate, infinity), infinity);
}

double surviving_share_upper_bound(double rate, double steps) {
  if (!(rate < 0) || !(steps > 0)) return 1.0;
  // The product and exp are each good to a few ulps; 1e-12 relative in the exponent and in the result covers both many
  // times over.
  const double exponent = steps * rate * (1 - 1e-12);
  const double above = std::exp(exponent) * (1 + 1e-12);
  return std::min(1.0, (std::floor(above * 1e4) + 1) / 1e4);
}

std::string share_text(double share) {
  // Exact in hundredths of a percent, of which there are at most 10,000: three digits are lost only from 10 % on, where
  // tenths are kept, rounded up.
  const long hundredths = std::lround(share * 1e4);
  const long shown = hundredths >= 1000 ? (hundredths + 9) / 10 * 10 : hundredths;
  const std::string fraction = std::to_string(100 + shown % 100).substr(1);
  return without_trailing_zeros(std::to_string(shown / 100) + "." + fraction) + "\u00a0%";
}

}  // namespace lyap
