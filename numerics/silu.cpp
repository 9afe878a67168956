#include "numerics/silu.hpp"

#include <algorithm>

#include "numerics/directed_functions.hpp"

namespace lyap {

// No binary64 number lies strictly between the two bounds of the argmin, so an interval is on its left, on its right,
// or holds it.
Interval silu(const Interval& x) {
  if (x.upper() <= kSiluArgminLower) {
    return Interval::from_bounds(silu_bound(x.upper(), Direction::kDown), silu_bound(x.lower(), Direction::kUp));
  }
  if (x.lower() >= kSiluArgminUpper) {
    return Interval::from_bounds(silu_bound(x.lower(), Direction::kDown), silu_bound(x.upper(), Direction::kUp));
  }
  return Interval::from_bounds(kSiluMinimumLower,
                               std::max(silu_bound(x.lower(), Direction::kUp), silu_bound(x.upper(), Direction::kUp)));
}

}  // namespace lyap
