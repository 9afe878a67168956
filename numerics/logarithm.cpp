#include "numerics/logarithm.hpp"

#include <algorithm>

#include "numerics/contract_violation.hpp"
#include "numerics/directed_functions.hpp"

namespace lyap {

Interval log(const Interval& x) {
  if (x.upper() <= 0.0) throw ContractViolation("log: the interval holds no positive number");
  return Interval::from_bounds(log_bound(std::max(x.lower(), 0.0), Direction::kDown),
                               log_bound(x.upper(), Direction::kUp));
}

Interval log1p(const Interval& x) {
  if (x.upper() <= -1.0) throw ContractViolation("log1p: the interval holds no number above -1");
  return Interval::from_bounds(log1p_bound(std::max(x.lower(), -1.0), Direction::kDown),
                               log1p_bound(x.upper(), Direction::kUp));
}

}  // namespace lyap
