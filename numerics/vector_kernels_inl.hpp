// Per-target kernels behind vector_functions.cpp and interval_scan.cpp. Highway compiles this file once per instruction
// set.
#if defined(LYAP_NUMERICS_VECTOR_KERNELS_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LYAP_NUMERICS_VECTOR_KERNELS_INL_HPP
#undef LYAP_NUMERICS_VECTOR_KERNELS_INL_HPP
#else
#define LYAP_NUMERICS_VECTOR_KERNELS_INL_HPP
#endif

#include <hwy/highway.h>

#include <cstdint>

// Rounding. Every function here runs with upward rounding in force (the entry points see to it). Then fl(t) >= t for
// every operation, so a bound from above is obtained by computing it, and one from below by computing its negative:
// `negated_lower` = -(lower bound). With or without fused multiply-add, MulAdd(a, b, c) >= a b + c. u = 2^-52 bounds
// the relative error of one operation in this (and any) mode. Below, "E u" after a quantity means: the computed one
// differs from the exact one by at most E u relatively (absolutely where it says so); terms in u^2 are covered by the
// slack between the proven E and the factor used.
HWY_BEFORE_NAMESPACE();
namespace lyap {
namespace HWY_NAMESPACE {  // NOLINT: required by Highway

namespace hn = hwy::HWY_NAMESPACE;

constexpr double kUnit = 0x1p-52;  ///< u
constexpr double kInfinity = __builtin_inf();
constexpr double kLargest = 0x1.fffffffffffffp+1023;
constexpr double kIntegerShift =
    0x1.8p+52;  ///< x + kIntegerShift, rounded up, is ceil(x) + kIntegerShift for |x| < 2^51
constexpr double kLog2E = 0x1.71547652b82fep+0;
constexpr double kLn2High =
    0x1.62e42fefa38p-1;  ///< ln 2 cut to a multiple of 2^-42: k kLn2High is exact for |k| <= 2^11
constexpr double kLn2Low = 0x1.ef35793c7673p-45;  ///< ln 2 - kLn2High to within 2^-97
constexpr double kExpLeast = -760.0;              ///< 760 exp(-760) < 2^-1075
constexpr double kExpGreatest = 710.0;            ///< exp(710) > 2^1024
constexpr double kExpm1Least = -100.0;            ///< expm1(-100) + 1 < u
constexpr double kTiny = 0x1p-53;

/// exp(x) = (1 + power_minus_one) 2^exponent.
template <class V>
struct ReducedExp {
  V power_minus_one;
  V exponent;
};

/// Reduces x in [kExpLeast, kExpGreatest].
/// With t = x log2(e) - 1/2 and k = ceil(t), |x - k ln 2| <= R = 0.347 (ln 2 / 2 = 0.34658; the error of t is below
/// 1e-12). k kLn2High is exact; so is d = x - k kLn2High: k = 0 is plain, else |x| >= 0.34, both are multiples of 2^-54
/// and |d| < 1/2. r = d - k kLn2Low: absolute error (|r| + 2^-30) u where k != 0, none where k = 0. q = sum_{n=2}^{13}
/// r^n/n! by Horner, times r^2: the term of degree n passes 2n - 1 operations and, from n = 3 on, has a coefficient
/// with relative error u/2: sum (2n - 1/2) |r|^n/n! <= 0.225 at R; cut-off sum_{n>=14} R^n/n! <= 4.4e-18 = 0.02 u: q
/// has absolute error 0.245 u. s = r + q, |s| <= 0.415: absolute error (|r| e^r + 0.245 + |s|) u, at most 1.16 u (r =
/// R) and 0.79 u (r = -R). 1 + s, one more rounding: relative error at most (|r| + (0.245 + |s|) e^-r + 1) u <= 2.12 u
/// (r = -R): **exp: 2.2 u**.
template <class D, class V = hn::Vec<D>>
HWY_INLINE ReducedExp<V> reduce_exp(D d, V x) {
  const V shift = hn::Set(d, kIntegerShift);
  const V k = hn::Sub(hn::Add(hn::MulAdd(x, hn::Set(d, kLog2E), hn::Set(d, -0.5)), shift), shift);
  const V r = hn::NegMulAdd(k, hn::Set(d, kLn2Low), hn::NegMulAdd(k, hn::Set(d, kLn2High), x));
  V q = hn::Set(d, 0x1.6124613a86d09p-33);                  // 1/13!
  q = hn::MulAdd(q, r, hn::Set(d, 0x1.1eed8eff8d898p-29));  // 1/12!
  q = hn::MulAdd(q, r, hn::Set(d, 0x1.ae64567f544e4p-26));  // 1/11!
  q = hn::MulAdd(q, r, hn::Set(d, 0x1.27e4fb7789f5cp-22));  // 1/10!
  q = hn::MulAdd(q, r, hn::Set(d, 0x1.71de3a556c734p-19));  // 1/9!
  q = hn::MulAdd(q, r, hn::Set(d, 0x1.a01a01a01a01ap-16));  // 1/8!
  q = hn::MulAdd(q, r, hn::Set(d, 0x1.a01a01a01a01ap-13));  // 1/7!
  q = hn::MulAdd(q, r, hn::Set(d, 0x1.6c16c16c16c17p-10));  // 1/6!
  q = hn::MulAdd(q, r, hn::Set(d, 0x1.1111111111111p-7));   // 1/5!
  q = hn::MulAdd(q, r, hn::Set(d, 0x1.5555555555555p-5));   // 1/4!
  q = hn::MulAdd(q, r, hn::Set(d, 0x1.5555555555555p-3));   // 1/3!
  q = hn::MulAdd(q, r, hn::Set(d, 0.5));                    // 1/2!
  return {hn::Add(r, hn::Mul(hn::Mul(r, r), q)), k};
}

/// 2^k for integers k in [-1022, 1023], exact.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V power_of_two(D d, V k) {
  const hn::RebindToSigned<D> di;
  const auto bits = hn::BitCast(di, hn::Add(k, hn::Set(d, kIntegerShift)));  // its low 12 bits are those of k
  return hn::BitCast(d, hn::ShiftLeft<52>(hn::Add(bits, hn::Set(di, std::int64_t{1023}))));
}

/// An upper bound of v 2^k for integers k in [-1100, 1030]; |v| >= 1/4 or k = 0 in a lane where |k| > 1020.
/// The first of two products is exact then, so only the last one rounds: upward, into the subnormals and to infinity as
/// it should.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V scaled_upward(D d, V v, V k) {
  const V near = hn::Max(hn::Min(k, hn::Set(d, 1020.0)), hn::Set(d, -1020.0));
  const V scaled = hn::Mul(v, power_of_two(d, near));
  const V rest = hn::Sub(k, near);
  if (HWY_LIKELY(hn::AllTrue(d, hn::Eq(rest, hn::Zero(d))))) return scaled;
  return hn::Mul(scaled, power_of_two(d, rest));
}

/// log(1 + f) for f in [-0.293, 0.5], relative error 2.2 u.
/// s = f/(2 + f), |s| <= 0.2, z = s^2 <= 0.04; log(1 + f) = 2 atanh s = f - s (f - R), R = sum_{i>=1} 2 z^i/(2i + 1).
/// Cut after z^10: 2 s z^11/23 <= 0.08 u relatively. s: 2 u; R: 9 u relatively (z: 5 u) and R <= 0.0277 (f = 0.5),
/// 0.0205 (f = -0.293); f - R: 9 R/|f - R| + 1 <= 1.61 u; s (f - R): 4.61 u, at most 0.234 (f = 0.5), 0.156 (f =
/// -0.293) of log(1 + f): 1.08 u; the last subtraction: 1 u. f = 0 or |f| >= 2^-60 keeps products from underflowing.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V log_one_plus_reduced(D d, V f) {
  const V s = hn::Div(f, hn::Add(f, hn::Set(d, 2.0)));
  const V z = hn::Mul(s, s);
  V r = hn::Set(d, 0x1.8618618618618p-4);                  // 2/21
  r = hn::MulAdd(r, z, hn::Set(d, 0x1.af286bca1af28p-4));  // 2/19
  r = hn::MulAdd(r, z, hn::Set(d, 0x1.e1e1e1e1e1e1ep-4));  // 2/17
  r = hn::MulAdd(r, z, hn::Set(d, 0x1.1111111111111p-3));  // 2/15
  r = hn::MulAdd(r, z, hn::Set(d, 0x1.3b13b13b13b14p-3));  // 2/13
  r = hn::MulAdd(r, z, hn::Set(d, 0x1.745d1745d1746p-3));  // 2/11
  r = hn::MulAdd(r, z, hn::Set(d, 0x1.c71c71c71c71cp-3));  // 2/9
  r = hn::MulAdd(r, z, hn::Set(d, 0x1.2492492492492p-2));  // 2/7
  r = hn::MulAdd(r, z, hn::Set(d, 0x1.999999999999ap-2));  // 2/5
  r = hn::MulAdd(r, z, hn::Set(d, 0x1.5555555555555p-1));  // 2/3
  return hn::NegMulAdd(s, hn::Sub(f, hn::Mul(r, z)), f);
}

}  // namespace HWY_NAMESPACE
}  // namespace lyap
HWY_AFTER_NAMESPACE();

#endif
