#pragma once

#include "numerics/interval.hpp"

namespace lyap {

/// Ends of silu are at most this many ulps from the exact range's.
inline constexpr int kSiluUlps = 1;

/// silu falls up to its only minimum and rises after it. The minimum is at c, the root of 1 + c + exp(c) = 0 (there
/// silu' = 0), and its value is 1 + c: c = -1.27846454276..., silu(c) = -0.27846454276... Each pair is two neighbouring
/// binary64 numbers with the exact one strictly between (proved by signs in tests/numerics/silu_test.cpp).
inline constexpr double kSiluArgminLower = -0x1.474973c84120cp+0;
inline constexpr double kSiluArgminUpper = -0x1.474973c84120bp+0;
inline constexpr double kSiluMinimumLower = -0x1.1d25cf210482ep-2;
inline constexpr double kSiluMinimumUpper = -0x1.1d25cf210482dp-2;

/// Encloses {silu(p) : p in x}, silu(p) = p/(1 + exp(-p)), with its interior minimum.
/// Containment: for every real p in x, silu(p) lies in the result; never below kSiluMinimumLower, and of silu's sign
/// where x lies on one side of 0.
/// Width: at most kSiluUlps ulps wider than the exact range at each end (asserted in tests/numerics/silu_test.cpp).
/// Monotone on each side of the minimum, so the endpoints and the minimum suffice; MPFR, rounded outward.
[[nodiscard]] Interval silu(const Interval& x);

}  // namespace lyap
