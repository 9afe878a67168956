#include "numerics/sigmoid.hpp"

#include "numerics/directed_functions.hpp"

namespace lyap {

Interval sigmoid(const Interval& x) {
  return Interval::from_bounds(sigmoid_bound(x.lower(), Direction::kDown), sigmoid_bound(x.upper(), Direction::kUp));
}

}  // namespace lyap
