#pragma once

#include "numerics/interval.hpp"

namespace lyap {

/// The ends of tanh are correctly rounded outward: at most this many ulps from the exact range's.
inline constexpr int kHyperbolicTangentUlps = 1;

/// Encloses {tanh(p) : p in x}.
/// Containment: for every real p in x, tanh(p) lies in the result; within [-1, 1].
/// Width: at most kHyperbolicTangentUlps ulps wider than the exact range at each end (asserted in
/// tests/numerics/hyperbolic_tangent_test.cpp).
/// Monotone, so the endpoints suffice; MPFR, rounded outward.
[[nodiscard]] Interval tanh(const Interval& x);

}  // namespace lyap
