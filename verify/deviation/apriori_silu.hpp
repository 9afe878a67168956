#pragma once

#include "verify/deviation/apriori_layer.hpp"

namespace lyap::deviation {

/// silu' at the middles of enclosures: |slope - silu'(c)| <= error for every c of the set, slope in [-0.1, 1.1].
struct SiluSlopes {
  RowMajorMatrix slope, error;
};
[[nodiscard]] SiluSlopes silu_slopes(const IntervalMatrix& c);

/// At least |silu(c + δ) - silu(c) - slope δ| for |δ| <= radius: |silu''| <= 1/2, and silu is kSiluSlope-Lipschitz. In
/// upward rounding.
[[nodiscard]] double silu_remainder_upward(double slope, double slope_error, double radius, const AprioriTerms& terms);
/// At least |silu(c + δ) - silu(c)|. In upward rounding.
[[nodiscard]] double silu_change_upward(double slope, double slope_error, double radius, const AprioriTerms& terms);
/// Binary32's own error in silu(c') where |silu(c')| <= size and c' >= lowest. In upward rounding.
[[nodiscard]] double silu_error_upward(double size, double lowest, const AprioriTerms& terms);

}  // namespace lyap::deviation
