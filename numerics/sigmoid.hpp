#pragma once

#include "numerics/interval.hpp"

namespace lyap {

/// Ends of sigmoid are at most this many ulps from the exact range's.
inline constexpr int kSigmoidUlps = 1;

/// Encloses {sigmoid(p) : p in x}, sigmoid(p) = 1/(1 + exp(-p)).
/// Containment: for every real p in x, sigmoid(p) lies in the result; within [0, 1], 0 only where the value is below
/// the smallest subnormal.
/// Width: at most kSigmoidUlps ulps wider than the exact range at each end (asserted in
/// tests/numerics/sigmoid_test.cpp).
/// Monotone, so the endpoints suffice; MPFR, rounded outward.
[[nodiscard]] Interval sigmoid(const Interval& x);

}  // namespace lyap
