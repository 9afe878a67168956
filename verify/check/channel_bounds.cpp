#include "verify/check/channel_bounds.hpp"

#include <algorithm>
#include <cmath>

namespace lyap::check {
namespace {

constexpr double kCutOff = 20.0;  // programs return p instead of softplus(p) above this

Number clamped(const Number& step, const theory::StepSizeLimits& limits) {
  const Number at_least = larger(step, Number(limits.lower));
  return std::isinf(limits.upper) ? at_least : smaller(at_least, Number(limits.upper));
}

/// At least psi(alpha Delta)/alpha = Delta/(1 - exp(-alpha Delta)) for every step size up to `step`, which it grows
/// with; 1/alpha where the step is 0.
Number target_scale(double A_log, const Number& step) {
  const Number alpha = exponential(Number(A_log), Toward::kDown);  // the scale falls with alpha
  const Number exponent = negated(multiply(alpha, step, Toward::kDown));
  const Number gap = negated(exponential_minus_one(exponent, Toward::kUp));
  if (gap.sign() <= 0) return divide(Number(1.0), alpha, Toward::kUp);  // the step is 0
  return divide(step, gap, Toward::kUp);
}

}  // namespace

Number softplus(const Number& p, Toward side) {
  if (p.sign() <= 0) return log_one_plus(exponential(p, side), side);
  return add(p, log_one_plus(exponential(negated(p), side), side), side);
}

Range step_size(const Range& preactivation, const theory::StepSizeLimits& limits) {
  const Number cut_off(kCutOff);
  Number lower = softplus(preactivation.lower, Toward::kDown);
  if (preactivation.upper > cut_off) lower = smaller(lower, larger(preactivation.lower, cut_off));
  return {clamped(lower, limits), clamped(softplus(preactivation.upper, Toward::kUp), limits)};
}

Number slowest_rate(std::span<const double> A_log, const Range& preactivation, const theory::StepSizeLimits& limits) {
  const Number slowest(*std::min_element(A_log.begin(), A_log.end()));
  return negated(multiply(exponential(slowest, Toward::kDown), step_size(preactivation, limits).lower, Toward::kDown));
}

ChannelBounds channel_bounds(const ChannelDomain& domain) {
  ChannelBounds bounds;
  bounds.preactivation = domain.preactivation;
  bounds.step_size = step_size(domain.preactivation, domain.limits);
  const Number fastest(*std::max_element(domain.A_log.begin(), domain.A_log.end()));
  bounds.zeta.lower = negated(multiply(exponential(fastest, Toward::kUp), bounds.step_size.upper, Toward::kUp));
  bounds.zeta.upper = slowest_rate(domain.A_log, domain.preactivation, domain.limits);
  bounds.gain_initial = exponential(bounds.zeta.upper, Toward::kUp);

  std::vector<Number> scales;
  for (const double A_log : domain.A_log) {
    scales.push_back(target_scale(A_log, bounds.step_size.upper));
    bounds.largest_scale = larger(bounds.largest_scale, scales.back());
  }
  for (std::size_t n = 0; n < domain.B_magnitude.size(); ++n) {
    const Number& scale = scales[n % scales.size()];
    const Number per_x = multiply(scale, domain.B_magnitude[n], Toward::kUp);
    const Number state = multiply(per_x, domain.x_magnitude, Toward::kUp);
    bounds.state_bound = larger(bounds.state_bound, state);
    bounds.gain_x = larger(bounds.gain_x, per_x);
    bounds.gain_B = larger(bounds.gain_B, multiply(scale, domain.x_magnitude, Toward::kUp));
    bounds.gain_C = add(bounds.gain_C, state, Toward::kUp);
  }
  bounds.gain_step = add(bounds.state_bound, bounds.state_bound, Toward::kUp);
  bounds.gain_A_log = bounds.state_bound;
  bounds.output_gain = domain.output_gain;
  return bounds;
}

}  // namespace lyap::check
