#pragma once

#include "numerics/interval.hpp"

/// Linear relaxations of silu on an interval, in closed form: no grid, no search whose result has to be trusted.
namespace lyap {

/// silu(q) lies in slope * q + residual for every q of the interval it was made for.
struct LinearRelaxation {
  double slope = 0.0;
  Interval residual;
};

/// The inflection point of silu, where q tanh(q/2) = 2, lies between these (asserted with MPFR in
/// tests/verify/silu_relaxation_test.cpp): silu is convex on [-kSiluInflectionLower, kSiluInflectionLower] and concave
/// beyond +-kSiluInflectionUpper.
inline constexpr double kSiluInflectionLower = 2.3993572805154670;
inline constexpr double kSiluInflectionUpper = 2.3993572805154680;

/// The relaxation with the slope of the chord of silu over `range` (the derivative there where the range is a point).
/// Containment holds for every q in range; an unbounded range gives slope 1/2 and an unbounded residual.
[[nodiscard]] LinearRelaxation chord_relaxation(const Interval& range);

/// Encloses {silu(q) - slope q : q in range} for any slope. On each piece where silu is convex or concave, one side is
/// attained at the piece's ends and the other is bounded by the tangent at an approximate critical point; a poor point
/// loosens the bound and nothing else.
[[nodiscard]] Interval silu_residual(double slope, const Interval& range);

}  // namespace lyap
