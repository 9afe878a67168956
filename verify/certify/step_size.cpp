#include "verify/certify/step_size.hpp"

#include <algorithm>
#include <limits>

#include "numerics/exponential.hpp"
#include "numerics/softplus.hpp"

namespace lyap {
namespace {

constexpr double kCutOff = 20.0;  // programs return p instead of softplus(p) above this

bool is_clamped(const theory::StepSizeLimits& limits) {
  return limits.lower > 0.0 || limits.upper < std::numeric_limits<double>::infinity();
}

// log softplus(p) for p <= -1: e^p - e^2p/2 <= softplus(p) <= e^p, so log softplus(p) lies in p + [log(1 - e^p/2), 0], and
// log(1 - x) >= -2x for 0 <= x <= 1/2.
Interval log_step_range(const Interval& preactivation) {
  const Interval lower_end = Interval::from_exact(preactivation.lower());
  const Interval correction = exp(lower_end);
  return Interval::from_bounds((lower_end - correction).lower(), preactivation.upper());
}

}  // namespace

Interval step_size_range(const Interval& preactivation, const theory::StepSizeLimits& limits) {
  const Interval smooth = softplus(preactivation);
  double lower = smooth.lower();
  if (preactivation.upper() > kCutOff) lower = std::min(lower, std::max(preactivation.lower(), kCutOff));
  return Interval::from_bounds(std::clamp(lower, limits.lower, limits.upper), std::clamp(smooth.upper(), limits.lower, limits.upper));
}

Interval decay_rate_range(double A_log, const Interval& preactivation, const theory::StepSizeLimits& limits) {
  const Interval log_alpha = Interval::from_exact(A_log);
  const Interval direct = exp(log_alpha) * step_size_range(preactivation, limits);
  double lower = std::max(0.0, direct.lower());
  double upper = direct.upper();
  if (!is_clamped(limits) && preactivation.lower() <= -1.0) {
    const Interval low = Interval::from_exact(preactivation.lower());
    lower = std::max(lower, exp(log_alpha + log_step_range(low)).lower());
  }
  if (!is_clamped(limits) && preactivation.upper() <= -1.0) {
    upper = std::min(upper, exp(log_alpha + Interval::from_exact(preactivation.upper())).upper());
  }
  return Interval::from_bounds(lower, std::max(lower, upper));
}

double target_scale_upper_bound(double A_log, double step_upper) {
  const Interval alpha = exp(Interval::from_exact(A_log));
  const Interval step = Interval::from_exact(step_upper);
  double bound = std::numeric_limits<double>::infinity();
  const Interval reciprocal = exp(Interval::from_exact(-A_log));
  bound = (reciprocal + step).upper();  // psi(s) <= 1 + s
  const Interval gap = -expm1(-(alpha * step));
  if (gap.lower() > 0.0 && step_upper < std::numeric_limits<double>::infinity()) bound = std::min(bound, (step / gap).upper());
  return bound;
}

}  // namespace lyap
