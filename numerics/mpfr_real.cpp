#include "numerics/mpfr_real.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <ostream>

#include "numerics/contract_violation.hpp"
#include "numerics/decimal_text.hpp"
#include "numerics/mpfr_thread_cache.hpp"

namespace lyap {

namespace {

/// A number of the given precision, not yet set to anything but zero.
MpfrReal zero_of(mpfr_prec_t bits) { return MpfrReal::from_exact(0.0, bits); }

using UnaryFunction = int(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t);

MpfrReal apply(UnaryFunction function, const MpfrReal& x) {
  free_mpfr_cache_at_thread_exit();
  MpfrReal result = zero_of(x.bits());
  function(result.get(), x.get(), MPFR_RNDN);
  return result;
}

MpfrReal one(const MpfrReal& x) { return MpfrReal::from_exact(1.0, x.bits()); }

}  // namespace

MpfrReal::MpfrReal() {
  mpfr_init2(value_, kDefaultBits);
  mpfr_set_zero(value_, 1);
}

MpfrReal MpfrReal::from_exact(double x, mpfr_prec_t bits) {
  if (std::isnan(x)) throw ContractViolation("MpfrReal: not a number");
  if (bits < std::numeric_limits<double>::digits || bits > MPFR_PREC_MAX)
    throw ContractViolation("MpfrReal: fewer than 53 bits");
  MpfrReal result;
  mpfr_set_prec(result.value_, bits);
  mpfr_set_d(result.value_, x, MPFR_RNDN);
  return result;
}

MpfrReal MpfrReal::from_decimal(std::string_view text, mpfr_prec_t bits) {
  (void)double_from_decimal(text, Direction::kDown);  // refuses what is not a decimal number
  MpfrReal result = zero_of(bits);
  mpfr_strtofr(result.value_, std::string(text).c_str(), nullptr, 10, MPFR_RNDN);
  return result;
}

MpfrReal::MpfrReal(const MpfrReal& other) {
  mpfr_init2(value_, other.bits());
  mpfr_set(value_, other.value_, MPFR_RNDN);
}

// MPFR keeps no pointer to the structure itself, so its bits may move; a moved-from value owns no limbs.
MpfrReal::MpfrReal(MpfrReal&& other) noexcept {
  *value_ = *other.value_;
  other.value_->_mpfr_d = nullptr;
}

MpfrReal& MpfrReal::operator=(const MpfrReal& other) {
  if (this != &other) *this = MpfrReal(other);
  return *this;
}

MpfrReal& MpfrReal::operator=(MpfrReal&& other) noexcept {
  std::swap(*value_, *other.value_);
  return *this;
}

MpfrReal::~MpfrReal() {
  if (value_->_mpfr_d != nullptr) mpfr_clear(value_);
}

void MpfrReal::raise_precision_to(const MpfrReal& y) {
  if (y.bits() > bits()) mpfr_prec_round(value_, y.bits(), MPFR_RNDN);
}

MpfrReal& MpfrReal::operator+=(const MpfrReal& y) {
  raise_precision_to(y);
  mpfr_add(value_, value_, y.value_, MPFR_RNDN);
  return *this;
}

MpfrReal& MpfrReal::operator-=(const MpfrReal& y) {
  raise_precision_to(y);
  mpfr_sub(value_, value_, y.value_, MPFR_RNDN);
  return *this;
}

MpfrReal& MpfrReal::operator*=(const MpfrReal& y) {
  raise_precision_to(y);
  mpfr_mul(value_, value_, y.value_, MPFR_RNDN);
  return *this;
}

MpfrReal& MpfrReal::operator/=(const MpfrReal& y) {
  raise_precision_to(y);
  mpfr_div(value_, value_, y.value_, MPFR_RNDN);
  return *this;
}

MpfrReal MpfrReal::operator-() const {
  MpfrReal result(*this);
  mpfr_neg(result.value_, result.value_, MPFR_RNDN);
  return result;
}

double MpfrReal::to_double(Direction direction) const {
  return mpfr_get_d(value_, direction == Direction::kDown ? MPFR_RNDD : MPFR_RNDU);
}

double MpfrReal::approx_to_double() const { return mpfr_get_d(value_, MPFR_RNDN); }

bool operator==(const MpfrReal& x, const MpfrReal& y) { return mpfr_equal_p(x.get(), y.get()) != 0; }

std::partial_ordering operator<=>(const MpfrReal& x, const MpfrReal& y) {
  if (mpfr_unordered_p(x.get(), y.get()) != 0) return std::partial_ordering::unordered;
  return mpfr_cmp(x.get(), y.get()) <=> 0;
}

std::partial_ordering operator<=>(const MpfrReal& x, double y) {
  if (mpfr_nan_p(x.get()) != 0 || std::isnan(y)) return std::partial_ordering::unordered;
  return mpfr_cmp_d(x.get(), y) <=> 0;
}

bool operator==(const MpfrReal& x, double y) { return (x <=> y) == std::partial_ordering::equivalent; }

MpfrReal exp(const MpfrReal& x) { return apply(mpfr_exp, x); }
MpfrReal expm1(const MpfrReal& x) { return apply(mpfr_expm1, x); }
MpfrReal log(const MpfrReal& x) { return apply(mpfr_log, x); }
MpfrReal log1p(const MpfrReal& x) { return apply(mpfr_log1p, x); }
MpfrReal tanh(const MpfrReal& x) { return apply(mpfr_tanh, x); }
MpfrReal sqrt(const MpfrReal& x) { return apply(mpfr_sqrt, x); }
MpfrReal abs(const MpfrReal& x) { return mpfr_signbit(x.get()) != 0 ? -x : x; }
MpfrReal max(const MpfrReal& x, const MpfrReal& y) { return x < y ? y : x; }
MpfrReal min(const MpfrReal& x, const MpfrReal& y) { return y < x ? y : x; }

MpfrReal softplus(const MpfrReal& x) { return x > 0.0 ? x + log1p(exp(-x)) : log1p(exp(x)); }

MpfrReal sigmoid(const MpfrReal& x) {
  if (x > 0.0) return one(x) / (one(x) + exp(-x));
  const MpfrReal e = exp(x);
  return e / (one(x) + e);
}

MpfrReal silu(const MpfrReal& x) {
  if (mpfr_inf_p(x.get()) != 0 && x < 0.0) return zero_of(x.bits());  // the limit
  return x * sigmoid(x);
}

bool contains(const Interval& enclosure, const MpfrReal& x) { return x >= enclosure.lower() && x <= enclosure.upper(); }

std::ostream& operator<<(std::ostream& out, const MpfrReal& x) {
  char text[64];
  mpfr_snprintf(text, sizeof text, "%.19Re", x.get());
  return out << text;
}

}  // namespace lyap
