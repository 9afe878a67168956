#include "verify/check/number.hpp"

#include <array>
#include <cstdio>
#include <utility>

#include "numerics/contract_violation.hpp"

namespace lyap::check {
namespace {

mpfr_rnd_t mode(Toward side) { return side == Toward::kDown ? MPFR_RNDD : MPFR_RNDU; }

}  // namespace

double Number::to_double(Toward side) const { return mpfr_get_d(value_, mode(side)); }

std::string Number::text() const {
  std::array<char, 64> buffer{};
  mpfr_snprintf(buffer.data(), buffer.size(), "%.17Rg", value_);
  return buffer.data();
}

Number scaled(UInt128 value, long exponent) {
  Number high, low;  // 64 bits each: exact, and so is their sum
  mpfr_set_ui_2exp(high.set(), static_cast<unsigned long>(value >> 64), exponent + 64, MPFR_RNDN);
  mpfr_set_ui_2exp(low.set(), static_cast<unsigned long>(value), exponent, MPFR_RNDN);
  mpfr_add(high.set(), high.get(), low.get(), MPFR_RNDN);
  return high;
}

Number scaled(Int128 value, long exponent) {
  const bool negative = value < 0;
  Number result = scaled(negative ? UInt128{0} - static_cast<UInt128>(value) : static_cast<UInt128>(value), exponent);
  return negative ? negated(std::move(result)) : result;
}

Number add(const Number& a, const Number& b, Toward side) {
  Number result;
  mpfr_add(result.set(), a.get(), b.get(), mode(side));
  return result;
}

Number subtract(const Number& a, const Number& b, Toward side) {
  Number result;
  mpfr_sub(result.set(), a.get(), b.get(), mode(side));
  return result;
}

Number multiply(const Number& a, const Number& b, Toward side) {
  Number result;
  mpfr_mul(result.set(), a.get(), b.get(), mode(side));
  return result;
}

Number divide(const Number& a, const Number& b, Toward side) {
  Number result;
  mpfr_div(result.set(), a.get(), b.get(), mode(side));
  return result;
}

Number square_root(const Number& a, Toward side) {
  Number result;
  mpfr_sqrt(result.set(), a.get(), mode(side));
  return result;
}

Number exponential(const Number& a, Toward side) {
  Number result;
  mpfr_exp(result.set(), a.get(), mode(side));
  return result;
}

Number exponential_minus_one(const Number& a, Toward side) {
  Number result;
  mpfr_expm1(result.set(), a.get(), mode(side));
  return result;
}

Number log_one_plus(const Number& a, Toward side) {
  Number result;
  mpfr_log1p(result.set(), a.get(), mode(side));
  return result;
}

Number negated(Number a) {
  mpfr_neg(a.set(), a.get(), MPFR_RNDN);
  return a;
}

Number magnitude(Number a) {
  mpfr_abs(a.set(), a.get(), MPFR_RNDN);
  return a;
}

Range operator+(const Range& a, const Range& b) {
  return {add(a.lower, b.lower, Toward::kDown), add(a.upper, b.upper, Toward::kUp)};
}

Range operator-(const Range& a, const Range& b) {
  return {subtract(a.lower, b.upper, Toward::kDown), subtract(a.upper, b.lower, Toward::kUp)};
}

Range operator*(const Range& a, const Range& b) {
  if (a.lower.sign() >= 0 && b.lower.sign() >= 0)
    return {multiply(a.lower, b.lower, Toward::kDown), multiply(a.upper, b.upper, Toward::kUp)};
  Range result{multiply(a.lower, b.lower, Toward::kDown), multiply(a.lower, b.lower, Toward::kUp)};
  const std::array<std::pair<const Number*, const Number*>, 3> corners{
      {{&a.lower, &b.upper}, {&a.upper, &b.lower}, {&a.upper, &b.upper}}};
  for (const auto& [x, y] : corners) {
    result.lower = smaller(result.lower, multiply(*x, *y, Toward::kDown));
    result.upper = larger(result.upper, multiply(*x, *y, Toward::kUp));
  }
  return result;
}

Range hull(const Range& a, const Range& b) { return {smaller(a.lower, b.lower), larger(a.upper, b.upper)}; }

Range intersection(const Range& a, const Range& b) {
  Range result{larger(a.lower, b.lower), smaller(a.upper, b.upper)};
  if (result.upper < result.lower) throw ContractViolation("intersection: two proved ranges exclude each other");
  return result;
}

Range symmetric(const Number& radius) { return {negated(radius), radius}; }

Number magnitude(const Range& a) { return larger(magnitude(Number(a.lower)), magnitude(Number(a.upper))); }

Range exponential(const Range& a) { return {exponential(a.lower, Toward::kDown), exponential(a.upper, Toward::kUp)}; }

Range square_root(const Range& a) { return {square_root(a.lower, Toward::kDown), square_root(a.upper, Toward::kUp)}; }

}  // namespace lyap::check
