#include "numerics/interval_scan.hpp"

#include <algorithm>
#include <string>

#include "numerics/contract_violation.hpp"
#include "numerics/rounding.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "numerics/interval_scan.cpp"  // NOLINT
#include <hwy/foreach_target.h>                          // IWYU pragma: keep
//
#include <hwy/highway.h>

#include "numerics/vector_bounds_inl.hpp"
#include "numerics/vector_loop_inl.hpp"

// Bounds under upward rounding alone, on pairs (n, u) = (-lower, upper). For a factor c in [c_l, c_u] with c_l >= 0 the
// upper bound of c [.., u] is u (u >= 0 ? c_u : c_l), and the same formula on n gives the negated lower bound. 0 times
// an infinite end is 0: the factor that is zero is a real number, or the supremum is reached there. The decay's upper
// end is positive, so a h never meets that case.
HWY_BEFORE_NAMESPACE();
namespace lyap {
namespace HWY_NAMESPACE {

constexpr double kLeastPositive = 0x1p-1074;
constexpr double kNarrow = 0x1p-26;  ///< below this width, exp(-w) >= 1 - w costs less than an ulp

template <class V>
HWY_INLINE V product(V a, V b) {
  const V p = hn::Mul(a, b);
  return hn::IfThenElseZero(hn::Eq(p, p), p);
}

/// Decay exp(-s) for -s in [low, high], both at most 0: bounds [lower, upper], 0 <= lower, 0 < upper <= 1.
template <class D, class V = hn::Vec<D>>
HWY_INLINE void decay_bounds(D d, V low, V high, V& lower, V& upper) {
  const ReducedExp<V> at_high = Exp::reduce(d, high);
  upper = hn::Min(Exp::scaled(d, at_high, hn::Set(d, Exp::kAbove)), hn::Set(d, 1.0));
  const V width = hn::Sub(high, low);
  if (HWY_LIKELY(hn::AllTrue(d, hn::Le(width, hn::Set(d, kNarrow))))) {
    const V factor =
        hn::Sub(width, hn::Set(d, Exp::kBelow));  // exp(low) >= exp(high) (1 - width), -(1 - 3u - width) rounded up
    lower = hn::Neg(Exp::scaled(d, at_high, factor));
  } else {
    lower = hn::Neg(Exp::negated_lower(d, low));
  }
}

/// A real number x in [lower, upper] as a factor of intervals (n, u).
enum class Sign { kNonnegative, kNonpositive, kMixed };
struct Factor {
  double lower;
  double upper;
  [[nodiscard]] Sign sign() const {
    return lower >= 0.0 ? Sign::kNonnegative : (upper <= 0.0 ? Sign::kNonpositive : Sign::kMixed);
  }
};

template <Sign kSign, class D, class V = hn::Vec<D>>
HWY_INLINE V upper_of_scaled(D d, const Factor& x, V n, V u) {
  const V zero = hn::Zero(d);
  if constexpr (kSign == Sign::kNonnegative) {
    return product(u, hn::IfThenElse(hn::Ge(u, zero), hn::Set(d, x.upper), hn::Set(d, x.lower)));
  }
  if constexpr (kSign == Sign::kNonpositive) {
    return product(n, hn::IfThenElse(hn::Ge(n, zero), hn::Set(d, -x.lower), hn::Set(d, -x.upper)));
  }
  return hn::Max(product(u, hn::Set(d, x.upper)), product(n, hn::Set(d, -x.lower)));
}

/// Upper bound of c h for c in [c_lower, c_upper] and h in (n, u): each end of c takes its own best end of h.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V upper_of_product(D d, V c_lower, V c_upper, V n, V u) {
  const V zero = hn::Zero(d);
  const V first = product(hn::Abs(c_lower), hn::IfThenElse(hn::Ge(c_lower, zero), u, n));
  const V second = product(hn::Abs(c_upper), hn::IfThenElse(hn::Ge(c_upper, zero), u, n));
  return hn::Max(first, second);
}

struct Maps {
  const double* input_lower;
  const double* input_upper;
  const double* output_lower;
  const double* output_upper;
};
struct Row {
  double* lower;
  double* upper;
};
struct ConstRow {
  const double* lower;
  const double* upper;
};

/// h = a previous + x B over one row of states, and bounds of sum C h. decay(load, lower, upper) gives the row's decay
/// vector by vector. h may be the previous row itself.
template <Sign kSign, class Decay>
HWY_INLINE void advance_signed_row(const Decay& decay, const Factor& x, const Maps& maps, ConstRow previous, Row h,
                                   std::size_t states, double* y_lower, double* y_upper) {
  const hn::ScalableTag<double> d;
  using V = hn::Vec<decltype(d)>;
  const V zero = hn::Zero(d);
  V sum_n = zero;
  V sum_u = zero;
  for_each_vector(states, [&](const auto& load, const auto& store) {
    V a_lower;
    V a_upper;
    decay(load, a_lower, a_upper);
    const V b_n = hn::Neg(load(maps.input_lower));
    const V b_u = load(maps.input_upper);
    const V h_n = hn::Neg(load(previous.lower));
    const V h_u = load(previous.upper);
    const V n =
        hn::MulAdd(hn::IfThenElse(hn::Ge(h_n, zero), a_upper, a_lower), h_n, upper_of_scaled<kSign>(d, x, b_u, b_n));
    const V u =
        hn::MulAdd(hn::IfThenElse(hn::Ge(h_u, zero), a_upper, a_lower), h_u, upper_of_scaled<kSign>(d, x, b_n, b_u));
    store(hn::Neg(n), h.lower);
    store(u, h.upper);
    const V c_lower = load(maps.output_lower);
    const V c_upper = load(maps.output_upper);
    sum_n = hn::Add(sum_n, upper_of_product(d, c_lower, c_upper, u, n));
    sum_u = hn::Add(sum_u, upper_of_product(d, c_lower, c_upper, n, u));
  });
  *y_lower = -hn::GetLane(hn::SumOfLanes(d, sum_n));
  *y_upper = hn::GetLane(hn::SumOfLanes(d, sum_u));
}

template <class Decay>
HWY_INLINE void advance_row(const Decay& decay, const Factor& x, const Maps& maps, ConstRow previous, Row h,
                            std::size_t states, double* y_lower, double* y_upper) {
  switch (x.sign()) {
    case Sign::kNonnegative:
      return advance_signed_row<Sign::kNonnegative>(decay, x, maps, previous, h, states, y_lower, y_upper);
    case Sign::kNonpositive:
      return advance_signed_row<Sign::kNonpositive>(decay, x, maps, previous, h, states, y_lower, y_upper);
    case Sign::kMixed:
      return advance_signed_row<Sign::kMixed>(decay, x, maps, previous, h, states, y_lower, y_upper);
  }
}

HWY_INLINE Maps maps_of(const ConstIntervalSpan& input_map, const ConstIntervalSpan& output_map) {
  return {input_map.lower.data(), input_map.upper.data(), output_map.lower.data(), output_map.upper.data()};
}

void selective_kernel(const SelectiveScanStep& step, const ConstIntervalSpan& previous, const IntervalSpan& state,
                      const IntervalSpan& output) {
  const hn::ScalableTag<double> d;
  using V = hn::Vec<decltype(d)>;
  const std::size_t states = step.input_map.lower.size();
  const Maps maps = maps_of(step.input_map, step.output_map);
  for (std::size_t c = 0; c < output.lower.size(); ++c) {
    const double* rate_lower = step.rate.lower.data() + c * states;
    const double* rate_upper = step.rate.upper.data() + c * states;
    const V step_lower = hn::Set(d, step.step_size.lower[c]);
    const V step_upper = hn::Set(d, step.step_size.upper[c]);
    const auto decay = [&](const auto& load, V& lower, V& upper) {
      const V high = hn::Mul(hn::Neg(load(rate_lower)), step_lower);
      const V low = hn::Neg(product(load(rate_upper), step_upper));  // at most minus the exact product
      decay_bounds(d, low, high, lower, upper);
    };
    const Factor x{step.scaled_input.lower[c], step.scaled_input.upper[c]};
    const ConstRow old{previous.lower.data() + c * states, previous.upper.data() + c * states};
    const Row h{state.lower.data() + c * states, state.upper.data() + c * states};
    advance_row(decay, x, maps, old, h, states, &output.lower[c], &output.upper[c]);
  }
}

void head_kernel(const HeadScanStep& step, const ConstIntervalSpan& previous, const IntervalSpan& state,
                 const IntervalSpan& output) {
  const hn::ScalableTag<double> d;
  using V = hn::Vec<decltype(d)>;
  const std::size_t states = step.input_map.lower.size();
  const std::size_t head_dim = output.lower.size() / step.decay.lower.size();
  const Maps maps = maps_of(step.input_map, step.output_map);
  for (std::size_t row = 0; row < output.lower.size(); ++row) {
    const V a_lower = hn::Set(d, step.decay.lower[row / head_dim]);
    const V a_upper = hn::Set(d, std::max(step.decay.upper[row / head_dim], kLeastPositive));
    const auto decay = [&](const auto&, V& lower, V& upper) {
      lower = a_lower;
      upper = a_upper;
    };
    const Factor x{step.scaled_input.lower[row], step.scaled_input.upper[row]};
    const ConstRow old{previous.lower.data() + row * states, previous.upper.data() + row * states};
    const Row h{state.lower.data() + row * states, state.upper.data() + row * states};
    advance_row(decay, x, maps, old, h, states, &output.lower[row], &output.upper[row]);
  }
}

void affine_kernel(const ConstIntervalSpan& decay, const ConstIntervalSpan& increment, const IntervalSpan& state) {
  const hn::ScalableTag<double> d;
  using V = hn::Vec<decltype(d)>;
  const V zero = hn::Zero(d);
  for_each_vector(state.lower.size(), [&](const auto& load, const auto& store) {
    const V a_lower = load(decay.lower.data());
    const V a_upper = hn::Max(load(decay.upper.data()), hn::Set(d, kLeastPositive));
    const V h_n = hn::Neg(load(state.lower.data()));
    const V h_u = load(state.upper.data());
    const V n =
        hn::MulAdd(hn::IfThenElse(hn::Ge(h_n, zero), a_upper, a_lower), h_n, hn::Neg(load(increment.lower.data())));
    const V u = hn::MulAdd(hn::IfThenElse(hn::Ge(h_u, zero), a_upper, a_lower), h_u, load(increment.upper.data()));
    store(hn::Neg(n), state.lower.data());
    store(u, state.upper.data());
  });
}

/// Whether all lanes have intervals of numbers at least 0.
template <class D, class V = hn::Vec<D>>
HWY_INLINE bool are_exponents(D d, V s_lower, V s_upper) {
  const auto ordered = hn::And(hn::Ge(s_lower, hn::Zero(d)), hn::Le(s_lower, s_upper));
  return hn::AllTrue(d, hn::And(ordered, hn::Lt(s_lower, hn::Set(d, kInfinity))));
}

/// False where an s is not an interval of numbers at least 0.
bool decay_alone_kernel(const ConstIntervalSpan& s, const IntervalSpan& decay) {
  const hn::ScalableTag<double> d;
  using V = hn::Vec<decltype(d)>;
  bool good = true;
  for_each_vector(s.lower.size(), [&](const auto& load, const auto& store) {
    const V s_lower = load(s.lower.data());
    const V s_upper = load(s.upper.data());
    good = good && are_exponents(d, s_lower, s_upper);
    V a_lower;
    V a_upper;
    decay_bounds(d, hn::Neg(s_upper), hn::Neg(s_lower), a_lower, a_upper);
    store(a_lower, decay.lower.data());
    store(a_upper, decay.upper.data());
  });
  return good;
}

bool decay_kernel(const ConstIntervalSpan& s, const IntervalSpan& decay, const IntervalSpan& one_minus_decay) {
  const hn::ScalableTag<double> d;
  using V = hn::Vec<decltype(d)>;
  bool good = true;
  for_each_vector(s.lower.size(), [&](const auto& load, const auto& store) {
    const V s_lower = load(s.lower.data());
    const V s_upper = load(s.upper.data());
    good = good && are_exponents(d, s_lower, s_upper);
    const V high = hn::Neg(s_lower);
    const V low = hn::Neg(s_upper);
    V a_lower;
    V a_upper;
    decay_bounds(d, low, high, a_lower, a_upper);
    const V rest_lower = hn::Max(hn::Neg(Expm1::upper(d, high)), hn::Zero(d));
    const V rest_upper = Expm1::negated_lower(d, low);
    store(a_lower, decay.lower.data());
    store(a_upper, decay.upper.data());
    store(rest_lower, one_minus_decay.lower.data());
    store(rest_upper, one_minus_decay.upper.data());
  });
  return good;
}

}  // namespace HWY_NAMESPACE
}  // namespace lyap
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lyap {
namespace {

HWY_EXPORT(selective_kernel);
HWY_EXPORT(head_kernel);
HWY_EXPORT(affine_kernel);
HWY_EXPORT(decay_kernel);
HWY_EXPORT(decay_alone_kernel);

template <class Span>
void require_length(const Span& span, std::size_t length, const char* name) {
  if (span.lower.size() != length || span.upper.size() != length) {
    throw ContractViolation(std::string("interval scan: ") + name + " has the wrong length");
  }
}

}  // namespace

void advance_selective_scan(const SelectiveScanStep& step, IntervalSpan state, IntervalSpan output) {
  advance_selective_scan(step, {state.lower, state.upper}, state, output);
}

void advance_selective_scan(const SelectiveScanStep& step, ConstIntervalSpan previous, IntervalSpan state,
                            IntervalSpan output) {
  const std::size_t channels = output.lower.size();
  const std::size_t states = step.input_map.lower.size();
  require_length(output, channels, "output");
  require_length(step.step_size, channels, "step_size");
  require_length(step.scaled_input, channels, "scaled_input");
  require_length(step.input_map, states, "input_map");
  require_length(step.output_map, states, "output_map");
  require_length(step.rate, channels * states, "rate");
  require_length(state, channels * states, "state");
  require_length(previous, channels * states, "previous state");
  const RoundingUpward upward;
  HWY_DYNAMIC_DISPATCH(selective_kernel)(step, previous, state, output);
}

void advance_head_scan(const HeadScanStep& step, IntervalSpan state, IntervalSpan output) {
  advance_head_scan(step, {state.lower, state.upper}, state, output);
}

void advance_head_scan(const HeadScanStep& step, ConstIntervalSpan previous, IntervalSpan state, IntervalSpan output) {
  const std::size_t heads = step.decay.lower.size();
  const std::size_t rows = output.lower.size();
  const std::size_t states = step.input_map.lower.size();
  require_length(step.decay, heads, "decay");
  if (rows == 0 ? heads != 0 : heads == 0 || rows % heads != 0)
    throw ContractViolation("interval scan: output has the wrong length");
  require_length(output, rows, "output");
  require_length(step.scaled_input, rows, "scaled_input");
  require_length(step.input_map, states, "input_map");
  require_length(step.output_map, states, "output_map");
  require_length(state, rows * states, "state");
  require_length(previous, rows * states, "previous state");
  const RoundingUpward upward;
  HWY_DYNAMIC_DISPATCH(head_kernel)(step, previous, state, output);
}

void advance_affine_scan(ConstIntervalSpan decay, ConstIntervalSpan increment, IntervalSpan state) {
  const std::size_t count = state.lower.size();
  require_length(state, count, "state");
  require_length(decay, count, "decay");
  require_length(increment, count, "increment");
  const RoundingUpward upward;
  HWY_DYNAMIC_DISPATCH(affine_kernel)(decay, increment, state);
}

namespace {

void require_exponents(bool good) {
  if (!good)
    throw ContractViolation("enclose_decay: an interval has a NaN, lower > upper, or a negative or infinite lower end");
}

}  // namespace

void enclose_decay(ConstIntervalSpan s, IntervalSpan decay) {
  require_length(s, s.lower.size(), "s");
  require_length(decay, s.lower.size(), "decay");
  bool good = false;
  {
    const RoundingUpward upward;
    good = HWY_DYNAMIC_DISPATCH(decay_alone_kernel)(s, decay);
  }
  require_exponents(good);
}

void enclose_decay(ConstIntervalSpan s, IntervalSpan decay, IntervalSpan one_minus_decay) {
  const std::size_t count = s.lower.size();
  require_length(s, count, "s");
  require_length(decay, count, "decay");
  require_length(one_minus_decay, count, "one_minus_decay");
  bool good = false;
  {
    const RoundingUpward upward;
    good = HWY_DYNAMIC_DISPATCH(decay_kernel)(s, decay, one_minus_decay);
  }
  require_exponents(good);
}

}  // namespace lyap
#endif  // HWY_ONCE
