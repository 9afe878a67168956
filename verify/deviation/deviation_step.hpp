#pragma once

#include <cstddef>

/// One step of the deviation recurrence for one row of states: the inner loop of DeviationScan.
namespace lyap::deviation {

/// How far apart a program's state can be from the real one when its step size may be anywhere in [near, far] around
/// the real one: theory/theorems/apriori_propagation.md, section 6. All in upward rounding; every
/// number is an upper bound of a magnitude unless it says otherwise.
struct StepRange {
  double near = 0.0, far = 0.0;             ///< Δ' at its least and greatest
  double down = 0.0, up = 0.0;              ///< at least Δ - near and far - Δ
  double width = 0.0;                       ///< of Δ's enclosure, and of rounding in `down` and `up`
  double decay_error = 0.0, flushed = 0.0;  ///< of a computed decay, absolute; of a product
  double product_error = 0.0, phi = 0.0;    ///< relative: of Δ' x' B', of the recurrence's product and sum
  double additions = 0.0, underflow = 0.0;  ///< of a bracketed scan: relative, absolute
  double carried = 1.0;                     ///< factor of E_{t-1}; 1
};

/// Of each of the N rates, or of one that all states have: decays at Δ, at near and at far. Bounds of a and α a from
/// above, minus α a from above.
struct RateRange {
  bool one;
  const double *decay, *decay_near, *decay_far;    ///< at least a
  const double *drop_near, *drop_far;              ///< upper ends of a(near) - a, a(far) - a (signed)
  const double *drop_near_width, *drop_far_width;  ///< of those enclosures
  const double *slope, *slope_near;                ///< at least α a
  const double *minus_slope, *minus_slope_far;     ///< at least -α a
};

/// x of one row and the N components of B, middles and radii of their enclosures, and how far the program's may be.
struct RowForcing {
  double x_middle, x_radius, x_size, x_change;
  const double *B_middle, *B_radius, *B_size, *B_change;
};

/// Carried from step to step, (N) each.
struct RowDeviation {
  double* E;       ///< bound of |h' - h|, h' the exact recurrence of the program's decays and increments
  double* size;    ///< Ahat: the recurrence of magnitudes with roundings
  double* growth;  ///< Ahat less what it is without roundings
};

/// Advances N states by one step; h before it in [h_lower, h_upper]. Writes bounds of |computed - h| after the step to
/// `bound`.
void advance_deviation_row_upward(const StepRange& step, const RateRange& rates, const RowForcing& forcing,
                                  const double* h_lower, const double* h_upper, const RowDeviation& state,
                                  double* bound, std::size_t N);

}  // namespace lyap::deviation
