#pragma once

#include "numerics/interval.hpp"

namespace lyap {

/// The ends of exp and expm1 are correctly rounded outward: at most this many ulps from the exact range's.
inline constexpr int kExponentialUlps = 1;

/// Encloses {exp(p) : p in x}.
/// Containment: for every real p in x, exp(p) lies in the result; never negative, 0 only where the value is below the
/// smallest subnormal.
/// Width: at most kExponentialUlps ulps wider than the exact range at each end (asserted in
/// tests/numerics/exponential_test.cpp).
/// Monotone, so the endpoints suffice; MPFR, rounded outward.
[[nodiscard]] Interval exp(const Interval& x);

/// Encloses {exp(p) - 1 : p in x}, without cancellation near 0.
/// Containment and width as exp; never below -1.
[[nodiscard]] Interval expm1(const Interval& x);

}  // namespace lyap
