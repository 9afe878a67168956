#include "verify/certify/universal_bounds.hpp"

#include <algorithm>
#include <limits>

#include "numerics/exponential.hpp"
#include "numerics/rounding.hpp"
#include "verify/certify/step_size.hpp"

namespace lyap {
namespace {

// a * b for bounds of magnitudes: 0 times an infinite bound is the magnitude 0, since the zero is exact.
double magnitude_product(double a, double b) { return a == 0.0 || b == 0.0 ? 0.0 : a * b; }

}  // namespace

UniversalBounds empty_universal_bounds(std::size_t channels) {
  UniversalBounds bounds;
  for (auto* array :
       {&bounds.preactivation_lower, &bounds.preactivation_upper, &bounds.step_size_lower, &bounds.step_size_upper,
        &bounds.zeta_lower, &bounds.zeta_upper, &bounds.exponent_upper, &bounds.state_bound_upper,
        &bounds.gain_initial_upper, &bounds.gain_x_upper, &bounds.gain_B_upper, &bounds.gain_C_upper,
        &bounds.gain_step_upper, &bounds.gain_A_log_upper, &bounds.output_gain_upper}) {
    array->assign(channels, 0.0);
  }
  bounds.zeta_witness.assign(channels, std::numeric_limits<double>::quiet_NaN());
  bounds.exponent_witness.assign(channels, std::numeric_limits<double>::quiet_NaN());
  bounds.relaxation.assign(channels, static_cast<std::uint8_t>(Relaxation::kInterval));
  return bounds;
}

void fill_channel(UniversalBounds& bounds, std::size_t c, const ChannelDomain& domain) {
  const auto [slowest, fastest] = std::minmax_element(domain.A_log.begin(), domain.A_log.end());
  const Interval step = step_size_range(domain.preactivation, domain.limits);
  bounds.preactivation_lower[c] = domain.preactivation.lower();
  bounds.preactivation_upper[c] = domain.preactivation.upper();
  bounds.step_size_lower[c] = step.lower();
  bounds.step_size_upper[c] = step.upper();
  bounds.zeta_lower[c] = 0.0 - decay_rate_range(*fastest, domain.preactivation, domain.limits).upper();
  bounds.zeta_upper[c] = 0.0 - decay_rate_range(*slowest, domain.preactivation, domain.limits).lower();
  bounds.exponent_upper[c] = bounds.zeta_upper[c];
  bounds.gain_initial_upper[c] = exp(Interval::from_exact(bounds.zeta_upper[c])).upper();

  const std::vector<double> scales = target_scales_upper_bound(domain.A_log, step.upper());  // psi(alpha Delta)/alpha
  const RoundingUpward upward;
  double state_bound = 0.0, sum = 0.0, gain_x = 0.0, gain_B = 0.0;
  for (std::size_t n = 0; n < domain.B_magnitude.size(); ++n) {
    const double scale = scales[n % scales.size()];
    const double per_x = magnitude_product(scale, domain.B_magnitude[n]);
    const double state = magnitude_product(per_x, domain.x_magnitude);
    state_bound = std::max(state_bound, state);
    sum += state;
    gain_x = std::max(gain_x, per_x);
    gain_B = std::max(gain_B, magnitude_product(scale, domain.x_magnitude));
  }
  bounds.state_bound_upper[c] = state_bound;
  bounds.gain_x_upper[c] = gain_x;
  bounds.gain_B_upper[c] = gain_B;
  bounds.gain_C_upper[c] = sum;
  bounds.gain_step_upper[c] = 2.0 * state_bound;
  bounds.gain_A_log_upper[c] = state_bound;
  bounds.output_gain_upper[c] = domain.output_gain;
}

double rate_reached_lower_bound(std::span<const double> A_log, const Interval& reached,
                                const theory::StepSizeLimits& limits) {
  const double slowest = *std::min_element(A_log.begin(), A_log.end());
  return 0.0 - decay_rate_range(slowest, reached, limits).upper();
}

}  // namespace lyap
