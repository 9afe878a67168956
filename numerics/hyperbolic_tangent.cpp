#include "numerics/hyperbolic_tangent.hpp"

#include "numerics/directed_functions.hpp"

namespace lyap {

Interval tanh(const Interval& x) {
  return Interval::from_bounds(tanh_bound(x.lower(), Direction::kDown), tanh_bound(x.upper(), Direction::kUp));
}

}  // namespace lyap
