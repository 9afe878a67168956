#include "verify/certify/bound_text.hpp"

#include "numerics/decimal_text.hpp"

namespace lyap {
namespace {

constexpr int kCertificateDigits = 9;
constexpr int kTableDigits = 3;

std::string hexadecimal(double value) { return value == 0.0 ? "0x0p+0" : hex_text(value); }

}  // namespace

BoundText upper_bound_text(double value) {
  return {hexadecimal(value), decimal_upper_bound(value, kCertificateDigits)};
}
BoundText lower_bound_text(double value) {
  return {hexadecimal(value), decimal_lower_bound(value, kCertificateDigits)};
}
std::string short_upper_decimal(double value) { return decimal_upper_bound(value, kTableDigits); }
std::string short_lower_decimal(double value) { return decimal_lower_bound(value, kTableDigits); }

}  // namespace lyap
