#include "verify/deviation/deviation_step.hpp"

#include <limits>

#include "numerics/vector_clones.hpp"

namespace lyap::deviation {
namespace {

/// What two products and a sum lose, in units of their magnitudes.
constexpr double kLost = 0x1p-49;

double larger(double a, double b) { return a < b ? b : a; }
double smaller(double a, double b) { return b < a ? b : a; }
double magnitude(double x) { return larger(x, -x); }
double positive(double x) { return x > 0.0 ? x : 0.0; }
double known(double x) { return x <= std::numeric_limits<double>::max() ? x : std::numeric_limits<double>::infinity(); }

/// kOneRate: all states have the rate that the arrays begin with.
template <bool kOneRate>
[[gnu::always_inline]] inline void advance_row_upward(const StepRange& step_range, const RateRange& rate_range,
                                                      const RowForcing& row_forcing, const double* h_lower,
                                                      const double* h_upper, const RowDeviation& state, double* bound,
                                                      std::size_t N) {
  const StepRange step = step_range;
  const RateRange rate = rate_range;
  const RowForcing in = row_forcing;
  double* __restrict E = state.E;
  double* __restrict size = state.size;
  double* __restrict growth = state.growth;
  double* __restrict result = bound;
#pragma GCC ivdep
  for (std::size_t n = 0; n < N; ++n) {
    const std::size_t k = kOneRate ? 0 : n;
    const double Bx = in.B_size[n] * in.x_size;
    const double Bx_change = (in.B_size[n] + in.B_change[n]) * in.x_change + in.B_change[n] * in.x_size;
    const double xB = in.x_middle * in.B_middle[n];
    const double xB_spread = in.x_radius * in.B_size[n] + in.x_size * in.B_radius[n] + kLost * Bx;
    const double middle = 0.5 * h_lower[n] + 0.5 * h_upper[n], spread = h_upper[n] - h_lower[n];
    const double h = larger(h_upper[n], -h_lower[n]);
    const double before = step.carried * E[n];

    // F = (a' - a) h + (Δ' - Δ) x B at both ends of Δ', and what enclosures and roundings leave open there.
    const double near_h = rate.drop_near[k] * middle, near_x = -step.down * xB;
    const double far_h = rate.drop_far[k] * middle, far_x = step.up * xB;
    const double drops = magnitude(rate.drop_near[k]) + magnitude(rate.drop_far[k]);
    const double open = (rate.drop_near_width[k] + rate.drop_far_width[k]) * h + drops * spread + step.width * Bx +
                        (step.down + step.up) * xB_spread +
                        kLost * (magnitude(near_h) + magnitude(near_x) + magnitude(far_h) + magnitude(far_x));
    const double at_near = rate.decay_near[k] * before + magnitude(near_h + near_x) + step.near * Bx_change + open;
    const double at_far = rate.decay_far[k] * before + magnitude(far_h + far_x) + step.far * Bx_change + open;

    // Where |h| > E one branch is concave in Δ': tangents at Δ and at the ends bound it.
    const double excess = positive(h - before);
    const double sign_xB = middle > 0.0 ? -xB : xB;
    const double slope_open = xB_spread + rate.slope_near[k] * (spread + kLost * h) + kLost * Bx;
    const double rising = sign_xB + Bx_change + slope_open, falling = -sign_xB - Bx_change + slope_open;
    const double up_here = positive(rate.slope[k] * excess + rising);
    const double down_here = positive(rate.minus_slope[k] * excess + falling);
    const double down_far = positive(rate.minus_slope_far[k] * excess + falling);
    const double up_near = positive(rate.slope_near[k] * excess + rising);
    const double here = rate.decay[k] * before + (step.near + step.down) * Bx_change + open;
    const double right = smaller(here + up_here * step.up, at_far + down_far * step.up);
    const double left = smaller(here + down_here * step.down, at_near + up_near * step.down);
    const double inside = excess > 0.0 ? larger(left, right) : 0.0;

    const double b = step.far * (Bx + Bx_change);
    const double b_error = step.product_error * b + step.flushed * (1.0 + Bx + Bx_change);
    const double own = step.decay_error * (h + before) + b_error;
    E[n] = known(larger(larger(at_near, at_far), inside) + own);

    const double decay = rate.decay_near[k] + step.decay_error;
    const double decayed = decay * size[n], rounded = decayed * step.phi;
    growth[n] = known(decay * growth[n] + rounded + step.flushed);
    size[n] = known(decayed + rounded + (b + b_error) + step.flushed);
    result[n] = known(E[n] + (step.additions * size[n] + growth[n] + step.underflow));
  }
}

}  // namespace

LYAP_VECTOR_CLONES void advance_deviation_row_upward(const StepRange& step, const RateRange& rates,
                                                     const RowForcing& forcing, const double* h_lower,
                                                     const double* h_upper, const RowDeviation& state, double* bound,
                                                     std::size_t N) {
  if (rates.one) {
    advance_row_upward<true>(step, rates, forcing, h_lower, h_upper, state, bound, N);
  } else {
    advance_row_upward<false>(step, rates, forcing, h_lower, h_upper, state, bound, N);
  }
}

}  // namespace lyap::deviation
