// Bounds of the elementary functions at one point per lane, over the kernels of vector_kernels_inl.hpp; same rounding
// rules. Each function has upper(x) and negated_lower(x) = -(lower bound). Its proven error E u and the wider factor
// used stand beside it.
#if defined(LYAP_NUMERICS_VECTOR_BOUNDS_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LYAP_NUMERICS_VECTOR_BOUNDS_INL_HPP
#undef LYAP_NUMERICS_VECTOR_BOUNDS_INL_HPP
#else
#define LYAP_NUMERICS_VECTOR_BOUNDS_INL_HPP
#endif

#include <hwy/highway.h>

#include <cstdint>

#include "numerics/vector_kernels_inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lyap {
namespace HWY_NAMESPACE {  // NOLINT: required by Highway

/// The two bounds of exp, each one product with a factor: 1 + 3u above, -(1 - 3u) for the negated lower bound (proven
/// error: 2.2 u). exp(x) outside [kExpLeast, kExpGreatest] is bounded as at the nearer end: 0 below and infinity above
/// come out of the scaling.
struct Exp {
  static constexpr double kAbove = 1.0 + 3 * kUnit;
  static constexpr double kBelow = 1.0 - 3 * kUnit;

  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE ReducedExp<V> reduce(D d, V x) {
    return reduce_exp(d, hn::Max(hn::Min(x, hn::Set(d, kExpGreatest)), hn::Set(d, kExpLeast)));
  }
  /// An upper bound of factor (1 + power_minus_one) 2^exponent.
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V scaled(D d, const ReducedExp<V>& e, V factor) {
    return scaled_upward(d, hn::Mul(hn::Add(hn::Set(d, 1.0), e.power_minus_one), factor), e.exponent);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V upper(D d, V x) {
    return scaled(d, reduce(d, x), hn::Set(d, kAbove));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V negated_lower(D d, V x) {
    return scaled(d, reduce(d, x), hn::Set(d, -kBelow));
  }
};

/// expm1(x)/2 = 2^(k-1) s + (2^(k-1) - 1/2), halved so that k = 1024 does not overflow early. Relative errors, from s
/// as in reduce_exp: k = 0: 1 + 0.245/(1 - R/2 - ..) <= 1.9 u; k = -1: 0.5 * 1.16/0.2926 + 1 <= 3 u (r = R); k = 1: 2 *
/// 0.79/0.4135 + 1 <= 4.83 u (r = -R); k = 2: 4 * 0.79/1.826 + 1 <= 2.8 u; beyond, e_s/(e^r - 2^-|k|) + 2 <= 3.6 u:
/// **expm1: 4.9 u**. |x| < 2^-53: x <= expm1(x) <= x + u |x|.
struct Expm1 {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V half(D d, V x) {
    const V clamped = hn::Max(hn::Min(x, hn::Set(d, kExpGreatest)), hn::Set(d, kExpm1Least));
    const ReducedExp<V> e = reduce_exp(d, clamped);
    const V power = power_of_two(d, hn::Sub(e.exponent, hn::Set(d, 1.0)));
    return hn::MulAdd(power, e.power_minus_one, hn::Sub(power, hn::Set(d, 0.5)));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V upper(D d, V x) {
    const V h = half(d, x);
    const V wide = hn::Mul(hn::MulAdd(hn::Abs(h), hn::Set(d, 5 * kUnit), h), hn::Set(d, 2.0));
    const V tiny = hn::MulAdd(hn::Abs(x), hn::Set(d, kUnit), x);
    return hn::IfThenElse(hn::Lt(hn::Abs(x), hn::Set(d, kTiny)), tiny, wide);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V negated_lower(D d, V x) {
    const V h = half(d, x);
    const V wide = hn::Mul(hn::MulAdd(hn::Abs(h), hn::Set(d, 5 * kUnit), hn::Neg(h)), hn::Set(d, 2.0));
    return hn::IfThenElse(hn::Lt(hn::Abs(x), hn::Set(d, kTiny)), hn::Neg(x), hn::Min(wide, hn::Set(d, 1.0)));
  }
};

/// x in (-0.29, 0.41): log_one_plus_reduced(x). Elsewhere w = fl(1 + x) = 2^k m (or the largest number), m in
/// [sqrt(1/2), sqrt 2], and log(1 + x) = k ln 2 + log m + (1 + x - w)/w up to u^2: k kLn2High is exact, log m has
/// absolute error 2.2 u * 0.347, the inner sum 0.35 u, the outer 1 u relatively; |log(1 + x)| >= 0.342: (0.764 +
/// 0.35)/0.342 + 1 = 4.3 u: **log1p: 4.4 u**. |x| < 2^-53: x - u |x| <= log1p(x) <= x.
struct Log1p {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V value(D d, V x) {
    const hn::RebindToUnsigned<D> du;
    const V one = hn::Set(d, 1.0);
    const V finite = hn::Min(x, hn::Set(d, kLargest));
    const V w = hn::Min(hn::Add(one, finite), hn::Set(d, kLargest));
    const auto root_half = hn::Set(du, std::uint64_t{0x3fe6a09e667f3bcd});
    const auto bits = hn::Add(hn::BitCast(du, w), hn::Sub(hn::Set(du, std::uint64_t{0x3ff0000000000000}), root_half));
    const auto biased =
        hn::Or(hn::ShiftRight<52>(bits), hn::Set(du, std::uint64_t{0x4330000000000000}));  // 2^52 + exponent
    const V k = hn::Sub(hn::BitCast(d, biased), hn::Set(d, 0x1p52 + 1023));
    const V m = hn::BitCast(d, hn::Add(hn::And(bits, hn::Set(du, std::uint64_t{0x000fffffffffffff})), root_half));
    const V rest =
        hn::IfThenElse(hn::Lt(finite, one), hn::Sub(finite, hn::Sub(w, one)), hn::Sub(one, hn::Sub(w, finite)));
    const auto direct = hn::And(hn::Gt(x, hn::Set(d, -0.29)), hn::Lt(x, hn::Set(d, 0.41)));
    const V f = hn::IfThenElse(direct, x, hn::Sub(m, one));
    const V log = log_one_plus_reduced(d, f);
    const V low = hn::Add(log, hn::MulAdd(k, hn::Set(d, kLn2Low), hn::Div(rest, w)));
    return hn::IfThenElse(direct, log, hn::MulAdd(k, hn::Set(d, kLn2High), low));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V upper(D d, V x) {
    const V v = value(d, x);
    const V wide = hn::MulAdd(hn::Abs(v), hn::Set(d, 5 * kUnit), v);
    const V special = hn::IfThenElse(hn::Eq(x, hn::Set(d, kInfinity)), x, wide);
    return hn::IfThenElse(hn::Lt(hn::Abs(x), hn::Set(d, kTiny)), x, special);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V negated_lower(D d, V x) {
    const V v = value(d, x);
    const V wide = hn::MulAdd(hn::Abs(v), hn::Set(d, 5 * kUnit), hn::Neg(v));
    const V special = hn::IfThenElse(hn::Le(x, hn::Set(d, -1.0)), hn::Set(d, kInfinity), wide);
    const V tiny = hn::MulAdd(hn::Abs(x), hn::Set(d, kUnit), hn::Neg(x));
    return hn::IfThenElse(hn::Lt(hn::Abs(x), hn::Set(d, kTiny)), tiny, special);
  }
};

/// softplus(p) = max(p, 0) + log1p(y), y = exp(-|p|) with relative error 2.2 u, so 2.2 u in log1p(y) (y/((1 + y)
/// log1p(y)) <= 1). y < 1/2: log_one_plus_reduced(y), 2.2 u more: 4.4 u. Else y = 1 + 2f exactly, log1p(y) = ln 2 +
/// log(1 + f) in [0.405, 0.694], |log(1 + f)| <= 0.288: (0.288 * 2.2 + 0.29)/0.405 + 1 = 3.3 u more, and the factor of
/// y is at most 0.83: 5.2 u. **log1p(y): 5.3 u**, widened by 6 u. p < -40: (1 - 2^-58) e^p <= softplus(p) <= e^p, with
/// e^p from exp_scaled's factors (one u more below).
struct Softplus {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V bound(D d, V p, V log_factor, V exp_factor, V sign) {
    const V x = hn::Max(hn::Neg(hn::Abs(p)), hn::Set(d, kExpLeast));
    const ReducedExp<V> e = reduce_exp(d, x);
    const V one = hn::Set(d, 1.0);
    const V power = hn::Add(one, e.power_minus_one);
    const V y = hn::Mul(power, power_of_two(d, hn::Max(e.exponent, hn::Set(d, -1020.0))));
    const auto small = hn::Lt(y, hn::Set(d, 0.5));
    const V f = hn::IfThenElse(small, y, hn::Mul(hn::Sub(y, one), hn::Set(d, 0.5)));
    const V log = log_one_plus_reduced(d, f);
    const V sum = hn::Add(hn::Set(d, kLn2High), hn::Add(log, hn::Set(d, kLn2Low)));
    const V log1p = hn::IfThenElse(small, log, sum);
    const V near = hn::Add(hn::Mul(hn::Max(p, hn::Zero(d)), sign), hn::Mul(log1p, log_factor));
    const auto far = hn::Lt(p, hn::Set(d, -40.0));
    if (HWY_LIKELY(hn::AllFalse(d, far))) return near;
    const V exponent = hn::IfThenElseZero(far, e.exponent);
    return hn::IfThenElse(far, scaled_upward(d, hn::Mul(power, exp_factor), exponent), near);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V upper(D d, V p) {
    return bound(d, p, hn::Set(d, 1.0 + 6 * kUnit), hn::Set(d, 1.0 + 3 * kUnit), hn::Set(d, 1.0));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V negated_lower(D d, V p) {
    return bound(d, p, hn::Set(d, -(1.0 - 6 * kUnit)), hn::Set(d, -(1.0 - 4 * kUnit)), hn::Set(d, -1.0));
  }
};

/// sigmoid(p) = quotient 2^exponent: 1/(1 + y) for p >= 0, else e^p/(1 + y), y = exp(-|p|). exp 2.2 u, sum 1 u,
/// quotient 1 u: **4.2 u**.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V sigmoid_quotient(D d, V p, V& exponent) {
  const V x = hn::Max(hn::Neg(hn::Abs(p)), hn::Set(d, kExpLeast));
  const ReducedExp<V> e = reduce_exp(d, x);
  const V one = hn::Set(d, 1.0);
  const V power = hn::Add(one, e.power_minus_one);
  const V y = hn::Mul(power, power_of_two(d, hn::Max(e.exponent, hn::Set(d, -1020.0))));
  const auto negative = hn::Lt(p, hn::Zero(d));
  exponent = hn::IfThenElseZero(negative, e.exponent);
  return hn::Div(hn::IfThenElse(negative, power, one), hn::Add(one, y));
}

struct Sigmoid {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V upper(D d, V p) {
    V exponent;
    const V quotient = sigmoid_quotient(d, p, exponent);
    return hn::Min(scaled_upward(d, hn::Mul(quotient, hn::Set(d, 1.0 + 5 * kUnit)), exponent), hn::Set(d, 1.0));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V negated_lower(D d, V p) {
    V exponent;
    const V quotient = sigmoid_quotient(d, p, exponent);
    return scaled_upward(d, hn::Mul(quotient, hn::Set(d, -(1.0 - 5 * kUnit))), exponent);
  }
};

/// Both bounds of silu(x) = x sigmoid(x) at one point; sigmoid's bounds (5 u) times |x|, each product rounded outward.
/// For x < kExpLeast the value lies between that at kExpLeast and 0, and the bounds there are the least subnormal
/// (negative) and 0.
template <class V>
struct Ends {
  V negated_lower;
  V upper;
};
constexpr double kSiluBeforeMinimiser = -0x1.474973c84120cp+0;
constexpr double kSiluAfterMinimiser = -0x1.474973c84120bp+0;
constexpr double kSiluLowerBound = -0x1.1d25cf210482ep-2;
template <class D, class V = hn::Vec<D>>
HWY_INLINE Ends<V> silu_ends(D d, V x) {
  const V finite = hn::Max(x, hn::Set(d, kExpLeast));
  V exponent;
  const V quotient = sigmoid_quotient(d, finite, exponent);
  const V above = hn::Mul(hn::Abs(finite), hn::Mul(quotient, hn::Set(d, 1.0 + 5 * kUnit)));
  const V minus_below = hn::Mul(hn::Abs(finite), hn::Mul(quotient, hn::Set(d, -(1.0 - 5 * kUnit))));
  const auto negative = hn::Lt(finite, hn::Zero(d));
  return {scaled_upward(d, hn::IfThenElse(negative, above, minus_below), exponent),
          scaled_upward(d, hn::IfThenElse(negative, minus_below, above), exponent)};
}

}  // namespace HWY_NAMESPACE
}  // namespace lyap
HWY_AFTER_NAMESPACE();

#endif
