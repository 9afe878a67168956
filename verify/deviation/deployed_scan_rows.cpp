#include "verify/deviation/deployed_scan_rows.hpp"

#include <cmath>

#include "verify/deviation/deployed_float32_errors.hpp"

namespace lyap::deviation {
namespace {

using Eigen::Index;

constexpr Index kLanes = 8;

double larger(double x, double y) { return x > y ? x : y; }

constexpr double kConstantExponentError = 2.02 * kExpError * kFloat32Roundoff + 0x1p-44;
constexpr double kLargestExponentError = 0.25;

/// At least a h + Δ v for every step size Δ of the step, a being the decay at the same Δ, without b's own errors. Both
/// terms together: a0(Δ) h + Δ v with the exact decay a0 is convex in Δ where h >= 0, so that its ends decide, and
/// above its ends by at most |h| a0 (s' - s)²/8 where h < 0. The computed decay is within `error` of a0, and so are the
/// ends.
double advanced_together(const RowStep& step, Index n, double h, double v, double curvature, double error) {
  const double size = std::abs(h) * step.a_upper[n];
  const double at_lower = step.a_upper[n] * h + step.step_lower * v;
  const double at_upper = step.a_lower[n] * h + step.step_upper * v;
  return larger(at_lower, at_upper) + size * (2.0 * error + (h < 0.0 ? curvature : 0.0)) +
         (1.0 + std::abs(h)) * (2.0 * step.flush);
}

template <bool kStepIsPoint>
double advance_states(const RowStep& step, const RowState& state, Index count) {
  double forcing = 0.0;
  for (Index n = 0; n < count; ++n) {
    const double first = step.B_lower[n], second = step.B_upper[n];
    const double v = larger(larger(step.x_lower * first, step.x_lower * second),
                            larger(step.x_upper * first, step.x_upper * second));
    const double minus_v = larger(larger(-step.x_lower * first, -step.x_lower * second),
                                  larger(-step.x_upper * first, -step.x_upper * second));
    const double b = larger(step.step_lower * v, step.step_upper * v);
    const double minus_b = larger(step.step_lower * minus_v, step.step_upper * minus_v);
    const double b_error = std::abs(b) * step.relative_b + step.flush_b;
    const double minus_b_error = std::abs(minus_b) * step.relative_b + step.flush_b;
    const double magnitude = larger(b + b_error, minus_b + minus_b_error);
    const double low = step.a_lower[n], high = step.a_upper[n];
    const double h = state.upper[n], minus_h = state.minus_lower[n];
    double upper = larger(low * h, high * h) + b;
    double minus_lower = larger(low * minus_h, high * minus_h) + minus_b;
    if constexpr (!kStepIsPoint) {
      const double s = -step.exponent_lower[n];
      const double width = s + step.exponent_upper[n];
      const double curvature = width * width * 0.125;
      const double error = kConstantExponentError + step.exponent_error[n] * s;
      const double together = advanced_together(step, n, h, v, curvature, error);
      const double minus_together = advanced_together(step, n, minus_h, minus_v, curvature, error);
      const bool usable = error <= kLargestExponentError;
      upper = usable && together < upper ? together : upper;
      minus_lower = usable && minus_together < minus_lower ? minus_together : minus_lower;
    }
    // b and -b err by one and the same relative amount at most; the larger of both magnitudes covers each end.
    const double either = larger(b_error, minus_b_error);
    state.upper[n] = upper + either;
    state.minus_lower[n] = minus_lower + either;
    const double decayed = high * state.size[n];
    const double rounded = decayed * step.phi;
    state.size_growth[n] = high * state.size_growth[n] + rounded + step.flush;
    state.size[n] = decayed + rounded + magnitude + step.flush;
    state.largest[n] = larger(state.largest[n], state.size[n]);
    forcing = larger(forcing, magnitude);
  }
  return forcing;
}

}  // namespace

double advance_row(const RowStep& step, const RowState& state, Index count, bool apart) {
  return apart ? advance_states<true>(step, state, count) : advance_states<false>(step, state, count);
}

void widen_states(const RowState& state, double path, double underflow, Index count, double* lower, double* upper) {
  for (Index n = 0; n < count; ++n) {
    const double error = path * state.size[n] + state.size_growth[n] + underflow;
    lower[n] = -(state.minus_lower[n] + error);
    upper[n] = state.upper[n] + error;
  }
}

ReadOut read_states(const double* C_lower, const double* C_upper, const double* h_lower, const double* h_upper,
                    Index count) {
  double minus_low[kLanes] = {}, high[kLanes] = {}, size[kLanes] = {};
  const auto add = [&](Index n, Index lane) {
    const double up = larger(larger(C_lower[n] * h_lower[n], C_lower[n] * h_upper[n]),
                             larger(C_upper[n] * h_lower[n], C_upper[n] * h_upper[n]));
    const double down = larger(larger(-C_lower[n] * h_lower[n], -C_lower[n] * h_upper[n]),
                               larger(-C_upper[n] * h_lower[n], -C_upper[n] * h_upper[n]));
    high[lane] += up;
    minus_low[lane] += down;
    size[lane] += larger(up, down);
  };
  Index n = 0;
  for (; n + kLanes <= count; n += kLanes) {
    for (Index lane = 0; lane < kLanes; ++lane) add(n + lane, lane);
  }
  for (; n < count; ++n) add(n, n % kLanes);
  ReadOut sum{0.0, 0.0, 0.0};
  for (Index lane = 0; lane < kLanes; ++lane) {
    sum.minus_lower += minus_low[lane];
    sum.upper += high[lane];
    sum.magnitude += size[lane];
  }
  return sum;
}

}  // namespace lyap::deviation
