#pragma once

#include "numerics/interval.hpp"

namespace lyap {

/// Ends of softplus are at most this many ulps from the exact range's.
inline constexpr int kSoftplusUlps = 1;

/// Encloses {softplus(p) : p in x}, softplus(p) = log(1 + exp(p)).
/// Containment: for every real p in x, softplus(p) lies in the result; never negative, 0 only where the value is below
/// the smallest subnormal.
/// Width: at most kSoftplusUlps ulps wider than the exact range at each end (asserted in
/// tests/numerics/softplus_test.cpp).
/// This is the textbook function, without the cut-off at p > 20 of deployed programs.
/// Monotone, so the endpoints suffice; MPFR, rounded outward.
[[nodiscard]] Interval softplus(const Interval& x);

}  // namespace lyap
