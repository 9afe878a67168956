#pragma once

#include "numerics/interval.hpp"

namespace lyap {

/// The ends of log and log1p are correctly rounded outward: at most this many ulps from the exact range's.
inline constexpr int kLogarithmUlps = 1;

/// Encloses {log(p) : p in x, p > 0}; unbounded below where x reaches down to 0 or further.
/// Containment: for every real p > 0 in x, log(p) lies in the result.
/// Width: at most kLogarithmUlps ulps wider than the exact range at each end (asserted in
/// tests/numerics/logarithm_test.cpp).
/// Throws ContractViolation where x holds no positive number. Monotone, so the endpoints suffice; MPFR, rounded
/// outward.
[[nodiscard]] Interval log(const Interval& x);

/// Encloses {log(1 + p) : p in x, p > -1}, accurate for small p.
/// Containment and width as log. Throws ContractViolation where x holds no number above -1.
[[nodiscard]] Interval log1p(const Interval& x);

}  // namespace lyap
