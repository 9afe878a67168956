#include "verify/deviation/deployed_scan_rows.hpp"

#include <cmath>
#include <limits>

#include "numerics/vector_clones.hpp"
#include "numerics/vector_lanes.hpp"
#include "verify/deviation/deployed_float32_errors.hpp"

namespace lyap::deviation {
namespace {

using Eigen::Index;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double larger(double x, double y) { return x > y ? x : y; }
double smaller(double x, double y) { return y < x ? y : x; }

constexpr double kConstantExponentError = 2.02 * kExpError * kFloat32Roundoff + 0x1p-44;
constexpr double kLargestExponentError = 0.25;

/// At least a h + Δ v for every step size Δ of the step, a being the decay at the same Δ, without b's own errors. Both
/// terms together: a0(Δ) h + Δ v with the exact decay a0 is convex in Δ where h >= 0, so that its ends decide, and
/// above its ends by at most |h| a0 (s' - s)²/8 where h < 0. The computed decay is within `error` of a0, and so are the
/// ends.
[[gnu::always_inline]] inline double advanced_together(const RowStep& step, Index n, double h, double v,
                                                       double curvature, double error) {
  const double size = std::abs(h) * step.a_upper[n];
  const double at_lower = step.a_upper[n] * h + step.step_lower * v;
  const double at_upper = step.a_lower[n] * h + step.step_upper * v;
  return larger(at_lower, at_upper) + size * (2.0 * error + (h < 0.0 ? curvature : 0.0)) +
         (1.0 + std::abs(h)) * (2.0 * step.flush);
}

enum class Sign { kNonnegative, kNonpositive, kMixed };

/// At least x B for x in [step.x_lower, step.x_upper] of the sign stated, and at least -x B, B in [lower, upper].
template <Sign kSign>
[[gnu::always_inline]] inline void bound_products(const RowStep& step, double lower, double upper, double& most,
                                                  double& minus_least) {
  if constexpr (kSign == Sign::kMixed) {
    most =
        larger(larger(step.x_lower * lower, step.x_lower * upper), larger(step.x_upper * lower, step.x_upper * upper));
    minus_least = larger(larger(-step.x_lower * lower, -step.x_lower * upper),
                         larger(-step.x_upper * lower, -step.x_upper * upper));
  } else {
    constexpr bool kNegative = kSign == Sign::kNonpositive;
    const double least = kNegative ? -step.x_upper : step.x_lower, greatest = kNegative ? -step.x_lower : step.x_upper;
    const double first = kNegative ? -lower : upper, second = kNegative ? upper : -lower;
    most = first * (first >= 0.0 ? greatest : least);
    minus_least = second * (second >= 0.0 ? greatest : least);
  }
}

/// kSign: of x. kStepIsPoint: decays do not follow the step size within its interval. kOneRate: all states have the
/// first rate.
template <Sign kSign, bool kStepIsPoint, bool kOneRate>
[[gnu::always_inline]] inline void advance_states(const RowStep& given, const RowState& to, Index count) {
  const RowStep step = given;
  const RowState state = to;
#pragma GCC ivdep
  for (Index n = 0; n < count; ++n) {
    const Index k = kOneRate ? 0 : n;
    double v = 0.0, minus_v = 0.0;
    bound_products<kSign>(step, step.B_lower[n], step.B_upper[n], v, minus_v);
    const double b = v * (v >= 0.0 ? step.step_upper : step.step_lower);
    const double minus_b = minus_v * (minus_v >= 0.0 ? step.step_upper : step.step_lower);
    const double b_error = std::abs(b) * step.relative_b + step.flush_b;
    const double minus_b_error = std::abs(minus_b) * step.relative_b + step.flush_b;
    const double magnitude = larger(b + b_error, minus_b + minus_b_error);
    const double low = step.a_lower[k], high = step.a_upper[k];
    const double h = state.upper[n], minus_h = state.minus_lower[n];
    double upper = h * (h >= 0.0 ? high : low) + b;
    double minus_lower = minus_h * (minus_h >= 0.0 ? high : low) + minus_b;
    if constexpr (!kStepIsPoint) {
      const double s = -step.exponent_lower[k];
      const double width = s + step.exponent_upper[k];
      const double curvature = width * width * 0.125;
      const double error = kConstantExponentError + step.exponent_error[k] * s;
      const double together = advanced_together(step, k, h, v, curvature, error);
      const double minus_together = advanced_together(step, k, minus_h, minus_v, curvature, error);
      const double unusable = error <= kLargestExponentError ? 0.0 : kInfinity;
      upper = smaller(upper, together + unusable);
      minus_lower = smaller(minus_lower, minus_together + unusable);
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
  }
}

template <Sign kSign>
[[gnu::always_inline]] inline void advance_signed(const RowStep& step, const RowState& state, Index count, bool apart,
                                                  bool one_rate) {
  if (apart) {
    one_rate ? advance_states<kSign, true, true>(step, state, count)
             : advance_states<kSign, true, false>(step, state, count);
  } else {
    one_rate ? advance_states<kSign, false, true>(step, state, count)
             : advance_states<kSign, false, false>(step, state, count);
  }
}

}  // namespace

LYAP_VECTOR_CLONES void write_exponents(const double* rate_lower, const double* rate_upper, double step_lower,
                                        double step_upper, Index count, double* lower, double* upper) {
  for (Index n = 0; n < count; ++n) {
    lower[n] = -(step_upper * rate_upper[n]);
    upper[n] = -step_lower * rate_lower[n] + 0.0;
  }
}

LYAP_VECTOR_CLONES void widen_decays(const DecayError& given, const double* exponent_lower,
                                     const double* exponent_upper, Index count, double* lower, double* upper) {
  const DecayError error = given;
#pragma GCC ivdep
  for (Index n = 0; n < count; ++n) {
    const double widest = larger(-exponent_lower[n], 0.0) * error.per_unit + error.relative;
    const double least = larger(-exponent_upper[n], 0.0) * error.per_unit + error.relative;
    lower[n] = larger(-(lower[n] * widest - lower[n] + error.flushed), 0.0);
    upper[n] = upper[n] + upper[n] * least + error.flushed;
  }
}

LYAP_VECTOR_CLONES void advance_row(const RowStep& step, const RowState& state, Index count, bool apart,
                                    bool one_rate) {
  if (step.x_lower >= 0.0) {
    advance_signed<Sign::kNonnegative>(step, state, count, apart, one_rate);
  } else if (step.x_upper <= 0.0) {
    advance_signed<Sign::kNonpositive>(step, state, count, apart, one_rate);
  } else {
    advance_signed<Sign::kMixed>(step, state, count, apart, one_rate);
  }
}

LYAP_VECTOR_CLONES void widen_states(const RowState& given, double path, double underflow, Index count, double* lower,
                                     double* upper) {
  const RowState state = given;
#pragma GCC ivdep
  for (Index n = 0; n < count; ++n) {
    const double error = path * state.size[n] + state.size_growth[n] + underflow;
    lower[n] = -(state.minus_lower[n] + error);
    upper[n] = state.upper[n] + error;
  }
}

LYAP_VECTOR_CLONES ReadOut read_states(const double* C_lower, const double* C_upper, const double* h_lower,
                                       const double* h_upper, Index count) {
  DoubleLanes minus_lows = {}, highs = {}, sizes = {}, C_low, C_high, low, high;
  Index n = 0;
  for (; n + Index(kDoubleLanes) <= count; n += Index(kDoubleLanes)) {
    load_lanes(C_lower + n, C_low);
    load_lanes(C_upper + n, C_high);
    load_lanes(h_lower + n, low);
    load_lanes(h_upper + n, high);
    DoubleLanes up = C_high * (C_high >= 0.0 ? high : low);
    take_larger(up, C_low * (C_low >= 0.0 ? high : low));
    DoubleLanes down = C_low * (C_low >= 0.0 ? -low : -high);
    take_larger(down, C_high * (C_high >= 0.0 ? -low : -high));
    highs += up;
    minus_lows += down;
    take_larger(up, down);
    sizes += up;
  }
  ReadOut sum{sum_of_lanes<double>(minus_lows), sum_of_lanes<double>(highs), sum_of_lanes<double>(sizes)};
  for (; n < count; ++n) {
    const double up = larger(C_lower[n] * (C_lower[n] >= 0.0 ? h_upper[n] : h_lower[n]),
                             C_upper[n] * (C_upper[n] >= 0.0 ? h_upper[n] : h_lower[n]));
    const double down = larger(C_lower[n] * (C_lower[n] >= 0.0 ? -h_lower[n] : -h_upper[n]),
                               C_upper[n] * (C_upper[n] >= 0.0 ? -h_lower[n] : -h_upper[n]));
    sum.upper += up;
    sum.minus_lower += down;
    sum.magnitude += larger(up, down);
  }
  return sum;
}

}  // namespace lyap::deviation
