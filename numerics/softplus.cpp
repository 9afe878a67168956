#include "numerics/softplus.hpp"

#include "numerics/directed_functions.hpp"

namespace lyap {

Interval softplus(const Interval& x) {
  return Interval::from_bounds(softplus_bound(x.lower(), Direction::kDown), softplus_bound(x.upper(), Direction::kUp));
}

}  // namespace lyap
