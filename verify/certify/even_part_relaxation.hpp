#pragma once

#include <span>
#include <vector>

#include "numerics/interval.hpp"

/// silu(q) = q/2 + G(q^2) with G increasing and concave: a term omega silu(q) from below by a quadratic in q
/// (theory/theorems/quadratic_relaxation.md).
namespace lyap {

/// omega silu(q) >= (omega/2 + slope) q + curvature q^2 + constant for every q with |q| <= reach.
struct EvenPartRelaxation {
  double curvature = 0.0;  ///< of the sign of omega; exact
  double slope = 0.0;      ///< exact; 0 for tangents and whole chords
  double constant = 0.0;   ///< a lower bound
};

/// One term each: omega_k < 0 by the tangent of G at touch_k^2 (any touching point is sound), omega_k > 0 by a parabola
/// with chord_share times the curvature of G's chord from 0 to reach_k^2: the chord itself for 1; below 1 one that
/// touches at touch_k or as near to it as one can. `reach` holds at least sup |q_k|, `touch` any finite numbers;
/// chord_share in [0, 1].
[[nodiscard]] std::vector<EvenPartRelaxation> relax_even_parts(std::span<const double> omega,
                                                               std::span<const double> reach,
                                                               std::span<const double> touch, double chord_share = 1.0);

/// G(q^2) and G'(q^2) in ordinary arithmetic.
[[nodiscard]] double approx_even_part(double q);
[[nodiscard]] double approx_even_part_slope(double q);

}  // namespace lyap
