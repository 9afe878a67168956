#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <vector>

/// What the model's templates need of a scalar S: + - * / and the functions exp, expm1, log1p, sqrt, max, min,
/// softplus, sigmoid, silu. Here they are for float and double, in ordinary rounding; an interval or a
/// multiple-precision type brings its own, found by argument lookup.
namespace lyap::theory {

/// A one-dimensional array of scalars; its docstrings give its shape, row-major where there are two or more dimensions.
template <class S>
using Array = std::vector<S>;

/// A scalar that stands for a set of real numbers: it has ends and is built from ends.
template <class S>
concept SetScalar = requires(const S& x) {
  { x.lower() } -> std::convertible_to<double>;
  { x.upper() } -> std::convertible_to<double>;
  S::from_bounds(0.0, 1.0);
};

/// The scalar that stands for the number x, without rounding wherever S holds binary64 (float rounds to nearest).
template <class S>
[[nodiscard]] S exact(double x) {
  if constexpr (requires { S::from_exact(x); }) {
    return S::from_exact(x);
  } else {
    return static_cast<S>(x);
  }
}

template <std::floating_point F>
[[nodiscard]] F exp(F x) {
  return std::exp(x);
}

template <std::floating_point F>
[[nodiscard]] F expm1(F x) {
  return std::expm1(x);
}

template <std::floating_point F>
[[nodiscard]] F log1p(F x) {
  return std::log1p(x);
}

template <std::floating_point F>
[[nodiscard]] F sqrt(F x) {
  return std::sqrt(x);
}

template <std::floating_point F>
[[nodiscard]] F max(F x, F y) {
  return x < y ? y : x;
}

template <std::floating_point F>
[[nodiscard]] F min(F x, F y) {
  return y < x ? y : x;
}

/// log(1 + exp(p)), without overflow for large p and without losing exp(p) for very negative p.
template <std::floating_point F>
[[nodiscard]] F softplus(F p) {
  return max(p, F(0)) + std::log1p(std::exp(-std::fabs(p)));
}

/// 1 / (1 + exp(-x)), without overflow.
template <std::floating_point F>
[[nodiscard]] F sigmoid(F x) {
  const F e = std::exp(-std::fabs(x));
  return x < F(0) ? e / (F(1) + e) : F(1) / (F(1) + e);
}

/// x sigmoid(x).
template <std::floating_point F>
[[nodiscard]] F silu(F x) {
  return x * sigmoid(x);
}

/// The square of x: never negative, for a set scalar too, whose x * x forgets that both factors are the same number.
template <class S>
[[nodiscard]] S square(const S& x) {
  return max(x * x, exact<S>(0.0));
}

/// A set scalar that contains f(x) for every real x in `set`, for an increasing f given on single points; f(set) itself
/// for any other scalar.
template <class S, class Function>
[[nodiscard]] S increasing_image(const S& set, Function f) {
  if constexpr (SetScalar<S>) {
    return S::from_bounds(f(S::from_exact(set.lower())).lower(), f(S::from_exact(set.upper())).upper());
  } else {
    return f(set);
  }
}

/// Above this, deployed programs return p instead of softplus(p).
inline constexpr double kSoftplusCutOff = 20.0;

/// What deployed programs compute instead of softplus(p): p itself for p > 20, softplus(p) otherwise (the two differ by
/// less than 2.07e-9). For a set scalar: contains softplus(p) and the deployed value for every p in the set, so that a
/// claim made with it holds for either program.
template <class S>
[[nodiscard]] S deployed_softplus(const S& p) {
  if constexpr (SetScalar<S>) {
    const S textbook = softplus(p);
    return S::from_bounds(min(textbook.lower(), max(static_cast<double>(p.lower()), kSoftplusCutOff)),
                          textbook.upper());
  } else {
    return p > exact<S>(kSoftplusCutOff) ? p : softplus(p);
  }
}

}  // namespace lyap::theory
