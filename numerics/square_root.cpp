#include "numerics/square_root.hpp"

#include <algorithm>

#include "numerics/contract_violation.hpp"

namespace lyap {

Interval sqrt(const Interval& x) {
  if (x.upper() < 0.0) throw ContractViolation("sqrt: every number in the interval is negative");
  return Interval::from_bounds(DirectedArithmetic::sqrt_down(std::max(x.lower(), 0.0)),
                               DirectedArithmetic::sqrt_up(x.upper()));
}

}  // namespace lyap
