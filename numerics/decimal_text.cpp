#include "numerics/decimal_text.hpp"

#include <charconv>
#include <cmath>
#include <limits>
#include <memory>

#include "numerics/contract_violation.hpp"
#include "numerics/mpfr_real.hpp"

namespace lyap {

namespace {

constexpr int kMostDigits = 1100;  // every binary64 number is exact in 767 significant digits

/// "d.ddd" times ten to the exponent, or positional where that is short. digits has no trailing zeros and is not empty.
std::string layout(const std::string& digits, long exponent) {
  const long count = static_cast<long>(digits.size());
  if (exponent < -5 || exponent > 16) {
    std::string text = digits;
    if (count > 1) text.insert(1, 1, '.');
    const std::string magnitude = std::to_string(exponent < 0 ? -exponent : exponent);
    text += exponent < 0 ? "e-" : "e+";
    if (magnitude.size() < 2) text += '0';
    return text + magnitude;
  }
  std::string text = digits;
  if (exponent < 0) {
    text.insert(0, static_cast<std::size_t>(-exponent), '0');
    text.insert(1, 1, '.');
  } else if (count <= exponent + 1) {
    text.append(static_cast<std::size_t>(exponent + 1 - count), '0');
  } else {
    text.insert(static_cast<std::size_t>(exponent + 1), 1, '.');
  }
  return text;
}

std::string decimal_bound(double x, int digits, mpfr_rnd_t rounding) {
  if (std::isnan(x)) throw ContractViolation("decimal bound of a number that is not one");
  if (digits < 2 || digits > kMostDigits)
    throw ContractViolation("decimal bound: the number of digits must be 2 to 1100");
  if (std::isinf(x)) return x > 0.0 ? "inf" : "-inf";
  if (x == 0.0) return "0";
  const MpfrReal exact = MpfrReal::from_exact(x);
  mpfr_exp_t point = 0;
  const std::unique_ptr<char, void (*)(char*)> raw(
      mpfr_get_str(nullptr, &point, 10, static_cast<std::size_t>(digits), exact.get(), rounding), mpfr_free_str);
  std::string text(raw.get());
  const bool negative = text.front() == '-';
  if (negative) text.erase(0, 1);
  text.erase(text.find_last_not_of('0') + 1);
  std::string written = layout(text, static_cast<long>(point) - 1);
  if (negative) written.insert(0, 1, '-');
  return written;
}

/// [+-] digits [. digits] [(e|E) [+-] digits], with at least one digit before or after the point.
bool is_plain_decimal(std::string_view text) {
  std::size_t at = 0;
  const auto sign = [&] { at += at < text.size() && (text[at] == '+' || text[at] == '-') ? 1 : 0; };
  const auto digits = [&] {
    const std::size_t begin = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return at - begin;
  };
  sign();
  std::size_t mantissa = digits();
  if (at < text.size() && text[at] == '.') {
    ++at;
    mantissa += digits();
  }
  if (mantissa == 0) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    sign();
    if (digits() == 0) return false;
  }
  return at == text.size();
}

}  // namespace

std::string decimal_upper_bound(double x, int digits) { return decimal_bound(x, digits, MPFR_RNDU); }
std::string decimal_lower_bound(double x, int digits) { return decimal_bound(x, digits, MPFR_RNDD); }

std::string hex_text(double x) {
  if (std::isnan(x)) return "nan";
  if (std::isinf(x)) return x > 0.0 ? "inf" : "-inf";
  char digits[64];
  const auto end = std::to_chars(digits, digits + sizeof digits, std::fabs(x), std::chars_format::hex).ptr;
  std::string text = std::signbit(x) ? "-0x" : "0x";
  text.append(digits, end);
  return text;
}

double double_from_decimal(std::string_view text, Direction direction) {
  if (!is_plain_decimal(text)) throw ContractViolation("not a decimal number: '" + std::string(text) + "'");
  // Rounding in one direction twice, to 53 bits and then to binary64, is rounding once: the second grid is part of the
  // first.
  const mpfr_rnd_t rounding = direction == Direction::kDown ? MPFR_RNDD : MPFR_RNDU;
  MpfrReal value = MpfrReal::from_exact(0.0, std::numeric_limits<double>::digits);
  mpfr_strtofr(value.get(), std::string(text).c_str(), nullptr, 10, rounding);
  return value.to_double(direction);
}

}  // namespace lyap
