#include "verify/certify/step_size.hpp"

#include <algorithm>
#include <limits>

#include "numerics/exponential.hpp"
#include "numerics/softplus.hpp"
#include "numerics/vector_functions.hpp"

namespace lyap {
namespace {

constexpr double kCutOff = 20.0;  // programs return p instead of softplus(p) above this

bool is_clamped(const theory::StepSizeLimits& limits) {
  return limits.lower > 0.0 || limits.upper < std::numeric_limits<double>::infinity();
}

// log softplus(p) for p <= -1: e^p - e^2p/2 <= softplus(p) <= e^p, so log softplus(p) lies in p + [log(1 - e^p/2), 0],
// and log(1 - x) >= -2x for 0 <= x <= 1/2.
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
  return Interval::from_bounds(std::clamp(lower, limits.lower, limits.upper),
                               std::clamp(smooth.upper(), limits.lower, limits.upper));
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

std::vector<double> target_scales_upper_bound(std::span<const double> A_log, double step_upper) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const std::size_t count = A_log.size();
  std::vector<double> log_rates(A_log.begin(), A_log.end());
  for (const double entry : A_log) log_rates.push_back(-entry);
  std::vector<double> lower(2 * count);  // alpha, then 1/alpha
  std::vector<double> upper(2 * count);
  enclose_exp({log_rates, log_rates}, {lower, upper});
  const Interval step = Interval::from_exact(step_upper);
  std::vector<double> decay_lower(count);  // -alpha Delta, then exp(.) - 1 = -(1 - a)
  std::vector<double> decay_upper(count);
  for (std::size_t n = 0; n < count; ++n) {
    const Interval decay = -(Interval::from_bounds(lower[n], upper[n]) * step);
    decay_lower[n] = decay.lower();
    decay_upper[n] = decay.upper();
  }
  enclose_expm1({decay_lower, decay_upper}, {decay_lower, decay_upper});
  std::vector<double> bounds(count);
  for (std::size_t n = 0; n < count; ++n) {
    bounds[n] = (Interval::from_bounds(lower[count + n], upper[count + n]) + step).upper();  // psi(s) <= 1 + s
    const Interval gap = -Interval::from_bounds(decay_lower[n], decay_upper[n]);
    if (gap.lower() > 0.0 && step_upper < kInfinity) bounds[n] = std::min(bounds[n], (step / gap).upper());
  }
  return bounds;
}

}  // namespace lyap
