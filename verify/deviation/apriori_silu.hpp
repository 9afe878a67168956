#pragma once

#include "theory/output_deviation.hpp"
#include "verify/deviation/apriori_layer.hpp"

namespace lyap::deviation {

/// silu' at the middles of enclosures: |slope - silu'(c)| <= error for every c of the set, slope in [-0.1, 1.1].
struct SiluSlopes {
  RowMajorMatrix slope, error;
};
[[nodiscard]] SiluSlopes silu_slopes(const IntervalMatrix& c);

/// At least |silu(c + δ) - silu(c) - slope δ| for |δ| <= radius: |silu''| <= 1/2, and silu is kSiluSlope-Lipschitz. In
/// upward rounding.
[[nodiscard]] inline double silu_remainder_upward(double slope, double slope_error, double radius,
                                                  const AprioriTerms& terms) {
  const double second_order = known(slope_error * radius + 0.25 * terms.curvature * radius * radius);
  const double crude = (theory::kSiluSlope + (slope < 0.0 ? -slope : slope)) * radius;
  return crude < second_order ? crude : second_order;
}
/// At least |silu(c + δ) - silu(c)|. In upward rounding.
[[nodiscard]] inline double silu_change_upward(double slope, double slope_error, double radius,
                                               const AprioriTerms& terms) {
  const double size = slope < 0.0 ? -slope : slope, crude = theory::kSiluSlope * radius;
  const double linear = known(size * radius + silu_remainder_upward(slope, slope_error, radius, terms));
  return crude < linear ? crude : linear;
}
/// Binary32's own error in silu(c') where |silu(c')| <= size and c' >= lowest. In upward rounding.
[[nodiscard]] inline double silu_error_upward(double size, double lowest, const AprioriTerms& terms) {
  const double below = lowest < 0.0 ? -lowest : 0.0;
  const double relative = terms.functions * (kSiluError + kExpErrorPerUnit * below) * kFloat32Roundoff;
  return (relative < 1.0 ? relative : 1.0) * size + terms.underflow * kSiluFlushed;
}

}  // namespace lyap::deviation
