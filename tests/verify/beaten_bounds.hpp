#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <type_traits>

#include "numerics/exponential.hpp"
#include "numerics/mpfr_real.hpp"
#include "numerics/sigmoid.hpp"
#include "numerics/silu.hpp"
#include "numerics/softplus.hpp"
#include "numerics/square_root.hpp"
#include "theory/selective_recurrence.hpp"
#include "verify/lyapunov_certificate.hpp"

/// Judges universal bounds by running the real block: in binary64 with a slack for its rounding, in multiple precision
/// without one.
namespace lyap::testing {

struct Shape {
  std::size_t channels, inner, states, groups;
};
inline Shape shape_of(const theory::Mamba1Weights& block) { return {block.d_inner, 1, block.d_state, 1}; }
inline Shape shape_of(const theory::Mamba2Weights& block) {
  return {block.heads, block.head_dim, block.d_state, block.groups};
}
inline double slowest_log_rate(const theory::Mamba1Weights& block, std::size_t c) {
  return *std::min_element(block.A_log.row(c), block.A_log.row(c) + block.d_state);
}
inline double slowest_log_rate(const theory::Mamba2Weights& block, std::size_t c) { return block.A_log[c]; }

inline constexpr double kRelative =
    1e-10;  // far above the rounding of sums of some dozen terms, far below what a wrong bound is off by

/// How much p may be off in binary64: relative to the largest p that the block can reach.
inline double slack_of(const UniversalBounds& bounds, std::size_t c) {
  return kRelative * (1.0 + std::fabs(bounds.preactivation_lower[c]) + std::fabs(bounds.preactivation_upper[c]));
}

/// Relative room of a step size whose p is off by `slack`: log softplus is 1-Lipschitz.
inline double room(double slack) { return std::exp(slack) * (1.0 + 1e-12); }

template <class S>
S magnitude_of(const S& x) {
  return x < theory::exact<S>(0.0) ? -x : x;
}

/// The first of B and C that leaves its range; empty where there is none or no range is stated.
template <class S>
std::string beaten_selected_range(const theory::BlockStep<S>& step, const SelectedRanges& ranges, double slack) {
  for (std::size_t r = 0; r < ranges.lower.size(); ++r) {
    const bool is_B = r < step.B.size();
    const S& value = is_B ? step.B[r] : step.C[r - step.B.size()];
    if (std::isinf(ranges.lower[r]) || std::isinf(ranges.upper[r])) continue;
    const double room = slack * (1.0 + std::fabs(ranges.lower[r]) + std::fabs(ranges.upper[r]));
    if (value + theory::exact<S>(room) < theory::exact<S>(ranges.lower[r]) ||
        value - theory::exact<S>(room) > theory::exact<S>(ranges.upper[r]))
      return std::string(is_B ? "B, component " : "C, component ").append(std::to_string(r % step.B.size()));
  }
  return {};
}

/// Runs the block on inputs and reports in words the first bound that it beats; empty where it keeps all. In multiple
/// precision nothing is forgiven, in binary64 what rounding may do.
template <class S = double, class Weights>
inline std::string beaten_bound(const Weights& block, const theory::Matrix& inputs, const UniversalBounds& bounds) {
  constexpr bool kRounded = std::is_same_v<S, double>;
  const auto exact = [](double x) { return theory::exact<S>(x); };
  const S relative = exact(kRounded ? 1.0 + kRelative : 1.0);
  const S tiny = exact(kRounded ? 1e-300 : 0.0);
  const Shape shape = shape_of(block);
  auto state = theory::initial_state<S>(block);
  const std::size_t rates = state.scan.alpha().size() / shape.channels;
  for (std::size_t t = 0; t < inputs.rows; ++t) {
    theory::Array<S> r;
    for (std::size_t i = 0; i < inputs.columns; ++i) r.push_back(exact(inputs(t, i)));
    const theory::BlockStep<S> step = theory::step(block, r, state);
    if (const std::string beaten = beaten_selected_range(step, bounds.selected, kRounded ? kRelative : 0.0);
        !beaten.empty())
      return beaten;
    for (std::size_t c = 0; c < shape.channels; ++c) {
      const std::string where = " of channel " + std::to_string(c) + " at step " + std::to_string(t);
      const double slack = kRounded ? slack_of(bounds, c) : 0.0;
      const S roomy = exact(kRounded ? room(slack) : 1.0);
      if (step.p[c] + exact(slack) < exact(bounds.preactivation_lower[c])) return "lower p" + where;
      if (step.p[c] - exact(slack) > exact(bounds.preactivation_upper[c])) return "upper p" + where;
      const S& Delta = step.Delta[c];
      if (Delta * roomy + tiny < exact(bounds.step_size_lower[c])) return "lower Delta" + where;
      if (Delta > exact(bounds.step_size_upper[c]) * roomy + tiny) return "upper Delta" + where;
      for (std::size_t n = 0; n < rates; ++n) {
        const S rate = state.scan.alpha()[c * rates + n] * Delta;
        if (rate * roomy + tiny < exact(-bounds.zeta_upper[c])) return "upper zeta" + where;
        if (rate > exact(-bounds.zeta_lower[c]) * roomy + tiny) return "lower zeta" + where;
      }
      const std::size_t group = c / (shape.channels / shape.groups);
      S C_sum = exact(0.0);
      for (std::size_t n = 0; n < shape.states; ++n) C_sum += magnitude_of(step.C[group * shape.states + n]);
      if (C_sum > exact(bounds.output_gain_upper[c]) * relative + exact(kRounded ? kRelative : 0.0))
        return "sum |C|" + where;
      for (std::size_t i = 0; i < shape.inner * shape.states; ++i) {
        const S h = magnitude_of(state.scan.h()[c * shape.inner * shape.states + i]);
        if (h > exact(bounds.state_bound_upper[c]) * relative * roomy + tiny) return "h" + where;
      }
      // One step moves the state by Delta B per unit of x and Delta x per unit of B.
      for (std::size_t n = 0; n < shape.states; ++n) {
        const S by_x = Delta * magnitude_of(step.B[group * shape.states + n]);
        if (by_x > exact(bounds.gain_x_upper[c]) * relative * roomy + exact(kRounded ? kRelative : 0.0) * Delta)
          return "gain of x" + where;
      }
      for (std::size_t i = 0; i < shape.inner; ++i) {
        const S by_B = Delta * magnitude_of(step.x[c * shape.inner + i]);
        if (by_B > exact(bounds.gain_B_upper[c]) * relative * roomy + exact(kRounded ? kRelative : 0.0) * Delta)
          return "gain of B" + where;
      }
    }
  }
  return {};
}

/// One period repeated until the convolution has forgotten the start, and then once more; the sum is over the last
/// repetition.
template <class S, class Weights>
theory::Array<S> steps_of_period(const Weights& block, const theory::Matrix& period) {
  const std::size_t warm_up = (block.d_conv / period.rows + 1) * period.rows;
  theory::Matrix inputs(warm_up + period.rows, period.columns);
  for (std::size_t t = 0; t < inputs.rows; ++t) {
    std::copy_n(period.row(t % period.rows), period.columns,
                inputs.entries.begin() + std::ptrdiff_t(t * period.columns));
  }
  const auto run = theory::run<S>(block, inputs);
  theory::Array<S> sums(run.steps[0].Delta.size(), theory::exact<S>(0.0));
  for (std::size_t t = warm_up; t < inputs.rows; ++t) {
    for (std::size_t c = 0; c < sums.size(); ++c) sums[c] += run.steps[t].Delta[c];
  }
  return sums;
}

/// Whether some channel's exponent on this periodic input, -alpha mean Delta over one period, exceeds the bound.
template <class S = double, class Weights>
inline bool beats_exponent(const Weights& block, const theory::Matrix& period, const UniversalBounds& bounds) {
  constexpr bool kRounded = std::is_same_v<S, double>;
  const theory::Array<S> sums = steps_of_period<S>(block, period);
  const auto alpha = theory::initial_state<S>(block).scan.alpha();
  const std::size_t rates = alpha.size() / sums.size();
  for (std::size_t c = 0; c < sums.size(); ++c) {
    const S roomy = theory::exact<S>(kRounded ? room(slack_of(bounds, c)) : 1.0);
    const S bound = theory::exact<S>(-bounds.exponent_upper[c]) * theory::exact<S>(double(period.rows));
    for (std::size_t n = 0; n < rates; ++n) {
      if (alpha[c * rates + n] * sums[c] * roomy + theory::exact<S>(kRounded ? 1e-300 : 0.0) < bound) return true;
    }
  }
  return false;
}

template <class Weights>
inline double mean_step_of_period(const Weights& block, const theory::Matrix& period, std::size_t c) {
  return steps_of_period<double>(block, period)[c] / double(period.rows);
}

}  // namespace lyap::testing
