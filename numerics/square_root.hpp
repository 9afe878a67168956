#pragma once

#include "numerics/interval.hpp"

namespace lyap {

/// The ends of sqrt are correctly rounded outward: at most this many ulps from the exact range's.
inline constexpr int kSquareRootUlps = 1;

/// Encloses {sqrt(p) : p in x, p >= 0}; negative numbers that x holds beside them are left out.
/// Containment: for every real p >= 0 in x, sqrt(p) lies in the result; never negative.
/// Width: at most kSquareRootUlps ulps wider than the exact range at each end, none where that is a binary64 number
/// (asserted in tests/numerics/square_root_test.cpp).
/// Throws ContractViolation where every number in x is negative. Monotone; the processor's square root, rounded
/// outward.
[[nodiscard]] Interval sqrt(const Interval& x);

}  // namespace lyap
