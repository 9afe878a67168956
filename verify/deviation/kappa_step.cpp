#include "verify/deviation/kappa_step.hpp"

#include <limits>

#include "numerics/vector_clones.hpp"

namespace lyap::deviation {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kGreatest = std::numeric_limits<double>::max();
/// What few operations on v and h lose, in units of |h| + |v|: target_change and expm1 within 64 ulps of 2^-52.
constexpr double kLost = 0x1p-46;

double larger(double a, double b) { return a < b ? b : a; }
double smaller(double a, double b) { return b < a ? b : a; }
double magnitude(double x) { return larger(x, -x); }
/// Infinite where nothing is known.
double known(double x) { return x <= kGreatest ? x : kInfinity; }

template <bool kOneRate>
[[gnu::always_inline]] inline void advance_row_upward(const HeadStep& head, const RateStep& rates, const RowInput& in,
                                                      const RowScan& scan, const RowState& state, std::size_t N) {
  const HeadStep step = head;
  const RowInput input = in;
  const RowScan row = scan;
  const double* __restrict target = rates.target.data();
  const double* __restrict target_change = rates.target_change.data();
  const double* __restrict target_excess = rates.target_excess.data();
  const double* __restrict target_spread = rates.target_spread.data();
  const double* __restrict least_decay = rates.least_decay.data();
  const double* __restrict greatest_decay = rates.greatest_decay.data();
  const double* __restrict greatest_rest = rates.greatest_rest.data();
  double* __restrict K = state.K;
  double* __restrict minus_P = state.minus_P;
  double* __restrict E = state.E;
  double* __restrict V = state.V;
  double* __restrict error = state.scan_error;
  double* __restrict bound = row.bound;
#pragma GCC ivdep
  for (std::size_t n = 0; n < N; ++n) {
    const std::size_t k = kOneRate ? 0 : n;
    const double Bx = input.B_size[n] * input.x_size;
    const double Bx_change = (input.B_size[n] + input.B_change[n]) * input.x_change + input.B_change[n] * input.x_size;
    const double v = target[k] * Bx, v_by_Bx = target[k] * Bx_change, v_by_step = target_change[k] * Bx;
    const double v_change = v_by_step + v_by_Bx, v_prime = known(v + v_by_Bx);

    const double lower = row.before_lower[n], upper = row.before_upper[n];
    const double h = larger(upper, -lower);
    const double middle = 0.5 * (lower + upper) - (target[k] - target_excess[k]) * (input.x_middle * input.B_middle[n]);
    const double spread = target[k] * (input.x_radius * input.B_size[n] + input.x_size * input.B_radius[n]);
    const double h_minus_v = magnitude(middle) + (upper - lower) + spread + target_spread[k] * Bx + kLost * (h + v);

    const double both = v_change + step.distance * (h_minus_v + larger(E[n] - v_change, 0.0));
    const double one = v_change + step.one_sided * h_minus_v;
    const double apart = step.distance * (h + E[n]) + step.distance * v + v_by_Bx;
    const double K_t = known(smaller(smaller(both, one), apart));
    K[n] = larger(K[n], K_t);
    minus_P[n] *= least_decay[k];
    V[n] = larger(V[n], v_prime);
    const double moved = 1.0 + minus_P[n];
    const double range = moved * V[n];
    const double h_after = larger(row.after_upper[n], -row.after_lower[n]);
    E[n] = known(smaller(moved * K[n], h_after + range));

    error[n] = known((greatest_decay[k] + step.decay_error) * error[n] + step.decay_error * range +
                     step.input_error * (greatest_rest[k] * v_prime) + row.flushed);
    bound[n] = known(E[n] + (error[n] + row.additions * (error[n] + range)));
  }
}

}  // namespace

LYAP_VECTOR_CLONES void write_rate_steps_upward(const HeadStep& head, const RateSource& source, const RateStep& rates) {
  const double Delta = head.greatest_step, change = head.step_change, to_greatest = head.least_to_greatest;
  const double greatest_excess = head.greatest_excess, half_least_excess = 0.5 * head.least_excess;
  const double* inverse_rate = source.inverse_rate;
  const double* s_upper = source.s_upper;
  const double* rest_lower = source.rest_lower;
  double* __restrict target = rates.target.data();
  double* __restrict target_change = rates.target_change.data();
  double* __restrict target_excess = rates.target_excess.data();
  double* __restrict target_spread = rates.target_spread.data();
  double* __restrict greatest_decay = rates.greatest_decay.data();
  const std::size_t count = rates.target.size();
  for (std::size_t n = 0; n < count; ++n) {
    target[n] = smaller(inverse_rate[n] + Delta, Delta / rest_lower[n]);
    const double slope = smaller(0.5 + s_upper[n] * 0x1.5555555555556p-3, 1.0);  // 1/2 <= psi' <= 1/2 + s/6, and <= 1
    const double most = slope * greatest_excess, excess = 0.5 * (most + half_least_excess);
    target_change[n] = slope * change;
    target_excess[n] = excess;
    target_spread[n] = larger(most - excess, excess - half_least_excess);
    greatest_decay[n] = 1.0 + -rest_lower[n] * to_greatest;
  }
}

LYAP_VECTOR_CLONES void advance_kappa_row_upward(const HeadStep& head, const RateStep& rates, const RowInput& input,
                                                 const RowScan& scan, const RowState& state, std::size_t N) {
  if (rates.target.size() < N) {
    advance_row_upward<true>(head, rates, input, scan, state, N);
  } else {
    advance_row_upward<false>(head, rates, input, scan, state, N);
  }
}

}  // namespace lyap::deviation
