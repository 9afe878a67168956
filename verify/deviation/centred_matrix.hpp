#pragma once

#include "verify/deviation/real_run.hpp"

namespace lyap::deviation {

/// Middles, radii and magnitudes of enclosures, entry by entry. Every number of a set is within `radius` of `middle`
/// (the set's whole width: middles are rounded) and at most `size` in magnitude.
struct CentredMatrix {
  RowMajorMatrix middle, radius, size;

  explicit CentredMatrix(const IntervalMatrix& x);
};

}  // namespace lyap::deviation
