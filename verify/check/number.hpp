#pragma once

#include <mpfr.h>

#include <cstdint>
#include <string>

/// The numbers that the second engine of `lyap check` computes with: MPFR, rounded to a stated side, independent of
/// numerics/.
namespace lyap::check {

/// Bits of every Number: far more than binary64, so that a claim is judged and not this engine's rounding.
inline constexpr mpfr_prec_t kPrecision = 128;

/// The side to which a result is rounded: kDown gives at most, kUp at least, the exact result.
enum class Toward { kDown, kUp };

static_assert(sizeof(long) == 8, "MPFR takes 64 bits at once as a long");

__extension__ typedef __int128 Int128;
__extension__ typedef unsigned __int128 UInt128;

/// A real number of kPrecision bits, never NaN. It may be infinite where it stands for a claim or a missing limit.
class Number {
 public:
  Number() {
    mpfr_init2(value_, kPrecision);
    mpfr_set_zero(value_, 1);
  }
  /// Exactly `value`. Precondition: not NaN.
  explicit Number(double value) {
    mpfr_init2(value_, kPrecision);
    mpfr_set_d(value_, value, MPFR_RNDN);
  }
  Number(const Number& other) {
    mpfr_init2(value_, kPrecision);
    mpfr_set(value_, other.value_, MPFR_RNDN);
  }
  Number(Number&& other) noexcept {
    mpfr_init2(value_, kPrecision);
    mpfr_swap(value_, other.value_);
  }
  Number& operator=(const Number& other) {
    mpfr_set(value_, other.value_, MPFR_RNDN);
    return *this;
  }
  Number& operator=(Number&& other) noexcept {
    mpfr_swap(value_, other.value_);
    return *this;
  }
  ~Number() { mpfr_clear(value_); }

  [[nodiscard]] mpfr_srcptr get() const { return value_; }
  [[nodiscard]] mpfr_ptr set() { return value_; }
  [[nodiscard]] int sign() const { return mpfr_sgn(value_); }
  [[nodiscard]] bool is_finite() const { return mpfr_number_p(value_) != 0; }
  /// The nearest binary64 on that side.
  [[nodiscard]] double to_double(Toward side) const;
  /// About 17 digits, for messages.
  [[nodiscard]] std::string text() const;

 private:
  mpfr_t value_;
};

/// value 2^exponent, exactly.
[[nodiscard]] Number scaled(Int128 value, long exponent);
[[nodiscard]] Number scaled(UInt128 value, long exponent);

[[nodiscard]] Number add(const Number& a, const Number& b, Toward side);
[[nodiscard]] Number subtract(const Number& a, const Number& b, Toward side);
[[nodiscard]] Number multiply(const Number& a, const Number& b, Toward side);
[[nodiscard]] Number divide(const Number& a, const Number& b, Toward side);  ///< precondition: b is not 0
[[nodiscard]] Number square_root(const Number& a, Toward side);              ///< precondition: a >= 0
[[nodiscard]] Number exponential(const Number& a, Toward side);
[[nodiscard]] Number exponential_minus_one(const Number& a, Toward side);
[[nodiscard]] Number log_one_plus(const Number& a, Toward side);  ///< precondition: a > -1
[[nodiscard]] Number negated(Number a);
[[nodiscard]] Number magnitude(Number a);

[[nodiscard]] inline bool operator<(const Number& a, const Number& b) { return mpfr_less_p(a.get(), b.get()) != 0; }
[[nodiscard]] inline bool operator>(const Number& a, const Number& b) { return b < a; }
[[nodiscard]] inline bool operator<=(const Number& a, const Number& b) {
  return mpfr_lessequal_p(a.get(), b.get()) != 0;
}
[[nodiscard]] inline bool operator>=(const Number& a, const Number& b) { return b <= a; }
[[nodiscard]] inline const Number& smaller(const Number& a, const Number& b) { return b < a ? b : a; }
[[nodiscard]] inline const Number& larger(const Number& a, const Number& b) { return a < b ? b : a; }

/// The real numbers from `lower` to `upper`, both finite.
struct Range {
  Number lower, upper;

  Range() = default;
  Range(Number low, Number high) : lower(std::move(low)), upper(std::move(high)) {}
  /// The one number `value`.
  explicit Range(double value) : lower(value), upper(value) {}
  explicit Range(const Number& value) : lower(value), upper(value) {}
};

[[nodiscard]] Range operator+(const Range& a, const Range& b);
[[nodiscard]] Range operator-(const Range& a, const Range& b);
[[nodiscard]] Range operator*(const Range& a, const Range& b);
[[nodiscard]] Range hull(const Range& a, const Range& b);
/// What two statements about one number leave of it. Throws ContractViolation where they contradict each other.
[[nodiscard]] Range intersection(const Range& a, const Range& b);
[[nodiscard]] Range symmetric(const Number& radius);  ///< [-radius, radius]
[[nodiscard]] Number magnitude(const Range& a);       ///< the largest |x|
[[nodiscard]] Range exponential(const Range& a);
[[nodiscard]] Range square_root(const Range& a);

}  // namespace lyap::check
