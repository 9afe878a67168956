#pragma once

#include <vector>

#include "numerics/rigorous_product.hpp"

/// Elementwise bounds over matrices, vectorised, every operation rounded upward; the building blocks of rigorous
/// products and norms. Callable in any rounding mode; the mode on return is that on entry.
namespace lyap {

/// The least nonzero magnitude among some numbers (infinity where all are zero) and the greatest; NaN counts as
/// infinity.
struct MagnitudeRange {
  double least_nonzero;
  double greatest;
};
/// A matrix of them, whose entries lie in the storage that it was made with.
struct Magnitudes {
  Eigen::Map<const RowMajorMatrix> values;
  MagnitudeRange range;
};

/// The range of |a|.
[[nodiscard]] MagnitudeRange magnitude_range(const ConstMatrixRef& a);
/// |a|, exactly.
[[nodiscard]] Magnitudes magnitudes_of(const ConstMatrixRef& a, std::vector<double>& storage);
/// Entry by entry at least factor |a| + b, for factor >= 0 and b >= 0 of the same shape.
[[nodiscard]] Magnitudes magnitudes_upper_bound(double factor, const ConstMatrixRef& a, const ConstMatrixRef& b,
                                                std::vector<double>& storage);

/// Turns ball.radius, a computed product of magnitudes, into a radius: at least radius * factor + addend, entry by
/// entry. Where the computed product is not below `limit` or the midpoint is not finite, nothing is known: midpoint 0,
/// radius infinity.
void finish_radius(BallMatrix& ball, double factor, double addend, double limit);
/// ball.radius += other, rounded upward.
void add_to_radius(BallMatrix& ball, const ConstMatrixRef& other);

/// Entry i is at least the Euclidean norm of row i of |a| (+ b where given, b >= 0). Infinite where a row has a NaN.
void row_norms_upper_bound(const ConstMatrixRef& a, const RowMajorMatrix* b, double* norms);

}  // namespace lyap
