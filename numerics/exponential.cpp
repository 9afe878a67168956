#include "numerics/exponential.hpp"

#include "numerics/directed_functions.hpp"

namespace lyap {

Interval exp(const Interval& x) {
  return Interval::from_bounds(exp_bound(x.lower(), Direction::kDown), exp_bound(x.upper(), Direction::kUp));
}

Interval expm1(const Interval& x) {
  return Interval::from_bounds(expm1_bound(x.lower(), Direction::kDown), expm1_bound(x.upper(), Direction::kUp));
}

}  // namespace lyap
