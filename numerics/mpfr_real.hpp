#pragma once

#include <mpfr.h>

#include <compare>
#include <iosfwd>
#include <string_view>

#include "numerics/direction.hpp"
#include "numerics/interval.hpp"

namespace lyap {

/// A real number to 256 bits (or another precision), every operation rounded to nearest: the judge that enclosures are
/// tested with.
/// It is an approximation, not an enclosure: relative error 2^-256 an operation, without overflow or underflow in
/// practice (exponents to 2^62). One operation judges exactly: binary64 ends lie on the 256-bit grid and rounding is
/// monotone, so a result that lies between two binary64 numbers still does after rounding. Outside its domain a
/// function returns NaN.
/// A result has the larger of its operands' precisions. A moved-from value may only be assigned to or destroyed.
/// Objects may be used on any thread, one thread at a time. Cost: tens of nanoseconds for + - *, microseconds for exp.
class MpfrReal {
 public:
  static constexpr mpfr_prec_t kDefaultBits = 256;

  MpfrReal();  ///< 0
  /// x, exactly. Throws ContractViolation for NaN, or fewer than 53 bits.
  static MpfrReal from_exact(double x, mpfr_prec_t bits = kDefaultBits);
  /// The decimal number, rounded to nearest. Throws ContractViolation for text that is not a decimal number.
  static MpfrReal from_decimal(std::string_view text, mpfr_prec_t bits = kDefaultBits);

  MpfrReal(const MpfrReal& other);
  MpfrReal(MpfrReal&& other) noexcept;
  MpfrReal& operator=(const MpfrReal& other);
  MpfrReal& operator=(MpfrReal&& other) noexcept;
  ~MpfrReal();

  MpfrReal& operator+=(const MpfrReal& y);
  MpfrReal& operator-=(const MpfrReal& y);
  MpfrReal& operator*=(const MpfrReal& y);
  MpfrReal& operator/=(const MpfrReal& y);
  [[nodiscard]] MpfrReal operator-() const;

  /// The binary64 number next to the value on the given side; infinite where it overflows that way.
  [[nodiscard]] double to_double(Direction direction) const;
  /// The nearest binary64 number.
  [[nodiscard]] double approx_to_double() const;
  [[nodiscard]] mpfr_prec_t bits() const { return mpfr_get_prec(value_); }

  /// For calls into MPFR itself.
  [[nodiscard]] mpfr_srcptr get() const { return value_; }
  [[nodiscard]] mpfr_ptr get() { return value_; }

 private:
  void raise_precision_to(const MpfrReal& y);

  mpfr_t value_;
};

[[nodiscard]] inline MpfrReal operator+(MpfrReal x, const MpfrReal& y) { return x += y; }
[[nodiscard]] inline MpfrReal operator-(MpfrReal x, const MpfrReal& y) { return x -= y; }
[[nodiscard]] inline MpfrReal operator*(MpfrReal x, const MpfrReal& y) { return x *= y; }
[[nodiscard]] inline MpfrReal operator/(MpfrReal x, const MpfrReal& y) { return x /= y; }

/// Exact comparisons; unordered with NaN.
[[nodiscard]] bool operator==(const MpfrReal& x, const MpfrReal& y);
[[nodiscard]] std::partial_ordering operator<=>(const MpfrReal& x, const MpfrReal& y);
[[nodiscard]] std::partial_ordering operator<=>(const MpfrReal& x, double y);
[[nodiscard]] bool operator==(const MpfrReal& x, double y);

[[nodiscard]] MpfrReal exp(const MpfrReal& x);
[[nodiscard]] MpfrReal expm1(const MpfrReal& x);
[[nodiscard]] MpfrReal log(const MpfrReal& x);
[[nodiscard]] MpfrReal log1p(const MpfrReal& x);
[[nodiscard]] MpfrReal tanh(const MpfrReal& x);
[[nodiscard]] MpfrReal sqrt(const MpfrReal& x);
[[nodiscard]] MpfrReal abs(const MpfrReal& x);
[[nodiscard]] MpfrReal max(const MpfrReal& x, const MpfrReal& y);
[[nodiscard]] MpfrReal min(const MpfrReal& x, const MpfrReal& y);
/// log(1 + exp(x)), 1/(1 + exp(-x)) and x/(1 + exp(-x)), with relative error of a few 2^-256 (the precision)
/// everywhere.
[[nodiscard]] MpfrReal softplus(const MpfrReal& x);
[[nodiscard]] MpfrReal sigmoid(const MpfrReal& x);
[[nodiscard]] MpfrReal silu(const MpfrReal& x);

/// Whether the value lies in the interval, compared exactly. False for NaN.
[[nodiscard]] bool contains(const Interval& enclosure, const MpfrReal& x);

/// Decimal, to 20 significant digits.
std::ostream& operator<<(std::ostream& out, const MpfrReal& x);

}  // namespace lyap
