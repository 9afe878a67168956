#include "numerics/rounded_arrays.hpp"

#include <cmath>
#include <cstdint>
#include <limits>

#include "numerics/contract_violation.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "numerics/rounded_arrays.cpp"  // NOLINT
#include <hwy/foreach_target.h>                           // IWYU pragma: keep
//
#include <hwy/highway.h>

#ifndef LYAP_NUMERICS_ROUNDED_ARRAYS_PLAN
#define LYAP_NUMERICS_ROUNDED_ARRAYS_PLAN
namespace lyap {
namespace {

/// A rounding as constants for lanes of type T whose bit patterns are U. Magnitudes are rounded in their bit pattern:
/// something is added, the bits below `kept` are cleared, a carry goes into the exponent. Below `least_normal` the
/// distance of the format's numbers is `quantum`.
template <class T, class U>
struct RoundingPlan {
  U addend_positive, addend_negative, kept, odd_bit;  // odd_bit 0: ties do not look at it
  int dropped;
  T least_normal, quantum, inverse_quantum, largest;  // least_normal 0: the lanes' own subnormals are the format's
  T threshold_positive, threshold_negative;           // raised where the part cut off is above, for subnormals
  bool tie_raises, tie_to_even;
  T overflow_positive, overflow_negative;
};

struct RaisedParts {
  bool any_positive = false, any_negative = false, nearest = false;
};
RaisedParts raised_parts(RoundingRule rule) {
  switch (rule) {
    case RoundingRule::kNearestEven:
    case RoundingRule::kNearestAway:
      return {false, false, true};
    case RoundingRule::kUpward:
      return {true, false, false};
    case RoundingRule::kDownward:
      return {false, true, false};
    case RoundingRule::kTowardZero:
      break;
  }
  return {};
}

template <class T, class U>
RoundingPlan<T, U> plan_of(const FloatingFormat& format, RoundingRule rule) {
  using Limits = std::numeric_limits<T>;
  RoundingPlan<T, U> plan{};
  plan.dropped = Limits::digits - format.precision;
  const U unit = U(1) << plan.dropped;
  const RaisedParts raised = raised_parts(rule);
  const bool even = rule == RoundingRule::kNearestEven;
  const U nearest = plan.dropped == 0 ? U(0) : unit / 2 - (even ? 1 : 0);
  plan.addend_positive = raised.nearest ? nearest : (raised.any_positive ? unit - 1 : 0);
  plan.addend_negative = raised.nearest ? nearest : (raised.any_negative ? unit - 1 : 0);
  plan.odd_bit = even && plan.dropped > 0 ? 1 : 0;
  plan.kept = ~(unit - 1);
  const int quantum = format.least_exponent - format.precision + 1;
  plan.least_normal = format.least_exponent >= Limits::min_exponent ? T(std::ldexp(T(1), format.least_exponent)) : T(0);
  plan.quantum = plan.least_normal > T(0) ? T(std::ldexp(T(1), quantum)) : T(1);
  plan.inverse_quantum = plan.least_normal > T(0) ? T(std::ldexp(T(1), -quantum)) : T(1);
  plan.largest = T(format.largest());
  plan.threshold_positive = raised.nearest ? T(0.5) : (raised.any_positive ? T(0) : T(1));
  plan.threshold_negative = raised.nearest ? T(0.5) : (raised.any_negative ? T(0) : T(1));
  plan.tie_raises = rule == RoundingRule::kNearestAway;
  plan.tie_to_even = even;
  const T infinity = Limits::infinity();
  plan.overflow_positive = raised.nearest || raised.any_positive ? infinity : plan.largest;
  plan.overflow_negative = raised.nearest || raised.any_negative ? infinity : plan.largest;
  return plan;
}

}  // namespace
}  // namespace lyap
#endif

HWY_BEFORE_NAMESPACE();
namespace lyap {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Rounds magnitudes below the format's least normal number: multiples of the quantum. Exact in any rounding mode.
template <class D, class V, class M, class Plan>
HWY_INLINE V round_subnormal(D d, V magnitude, M negative, const Plan& plan) {
  const V scaled = hn::Mul(magnitude, hn::Set(d, plan.inverse_quantum));
  const V whole = hn::Trunc(scaled);
  const V rest = hn::Sub(scaled, whole);
  const V threshold =
      hn::IfThenElse(negative, hn::Set(d, plan.threshold_negative), hn::Set(d, plan.threshold_positive));
  auto raised = hn::Gt(rest, threshold);
  if (plan.tie_raises) raised = hn::Ge(rest, threshold);
  if (plan.tie_to_even) {
    const V half = hn::Mul(whole, hn::Set(d, 0.5));
    raised = hn::Or(raised, hn::And(hn::Eq(rest, threshold), hn::Ne(half, hn::Trunc(half))));
  }
  const V result = hn::Add(whole, hn::IfThenElseZero(raised, hn::Set(d, 1.0)));
  return hn::Mul(result, hn::Set(d, plan.quantum));
}

/// Rounds one vector; `overflowed` collects lanes beyond the range.
template <class D, class V, class M, class Plan>
HWY_INLINE V round_vector(D d, V x, const Plan& plan, M& overflowed) {
  const hn::RebindToUnsigned<D> du;
  const V magnitude = hn::Abs(x);
  const auto negative = hn::MaskFromVec(hn::BroadcastSignBit(hn::BitCast(hn::RebindToSigned<D>(), x)));
  const auto sign = hn::RebindMask(d, negative);
  const auto bits = hn::BitCast(du, magnitude);
  auto addend = hn::BitCast(du, hn::IfThenElse(sign, hn::BitCast(d, hn::Set(du, plan.addend_negative)),
                                               hn::BitCast(d, hn::Set(du, plan.addend_positive))));
  addend = hn::Add(addend, hn::And(hn::ShiftRightSame(bits, plan.dropped), hn::Set(du, plan.odd_bit)));
  V result = hn::BitCast(d, hn::And(hn::Add(bits, addend), hn::Set(du, plan.kept)));
  const auto small = hn::Lt(magnitude, hn::Set(d, plan.least_normal));
  if (!hn::AllFalse(d, small)) result = hn::IfThenElse(small, round_subnormal(d, magnitude, sign, plan), result);
  const auto infinite = hn::Eq(magnitude, hn::Set(d, std::numeric_limits<hn::TFromD<D>>::infinity()));
  const auto finite_beyond = hn::AndNot(infinite, hn::Gt(result, hn::Set(d, plan.largest)));
  const V limit = hn::IfThenElse(sign, hn::Set(d, plan.overflow_negative), hn::Set(d, plan.overflow_positive));
  result = hn::IfThenElse(finite_beyond, limit, result);
  result = hn::IfThenElse(hn::Or(infinite, hn::Ne(x, x)), magnitude, result);
  overflowed = hn::Or(overflowed, hn::Or(infinite, finite_beyond));
  return hn::CopySign(result, x);
}

template <class T, class Plan>
bool round_lanes(T* x, std::size_t count, const Plan& plan) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  auto overflowed = hn::Ne(hn::Zero(d), hn::Zero(d));
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(round_vector(d, hn::LoadU(d, x + i), plan, overflowed), d, x + i);
  if (i < count) {
    HWY_ALIGN T part[HWY_MAX_BYTES / sizeof(T)] = {};
    for (std::size_t j = i; j < count; ++j) part[j - i] = x[j];
    hn::Store(round_vector(d, hn::Load(d, part), plan, overflowed), d, part);
    for (std::size_t j = i; j < count; ++j) x[j] = part[j - i];
  }
  return !hn::AllFalse(d, overflowed);
}

bool round_doubles(double* x, std::size_t count, const RoundingPlan<double, std::uint64_t>& plan) {
  return round_lanes(x, count, plan);
}
bool round_floats(float* x, std::size_t count, const RoundingPlan<float, std::uint32_t>& plan) {
  return round_lanes(x, count, plan);
}

/// One end of intervals, `outward` -1 for lower ends and 1 for upper ones: away from zero it is rounded by `greatest`,
/// towards zero by `smallest`; a subnormal that may be flushed goes to zero where that lies outward.
template <class D, class V, class M, class Plan>
HWY_INLINE V round_end(D d, V x, double outward, const Plan& smallest, const Plan& greatest, bool may_flush,
                       double least_normal, M& overflowed) {
  const V zero = hn::Zero(d);
  const auto away = hn::Gt(hn::Mul(x, hn::Set(d, outward)), zero);
  V result = round_vector(d, x, greatest, overflowed);
  if (&smallest != &greatest) {
    result = hn::IfThenElse(away, result, round_vector(d, x, smallest, overflowed));
  }
  if (!may_flush) return result;
  const auto subnormal = hn::Lt(hn::Abs(x), hn::Set(d, least_normal));
  return hn::IfThenElse(hn::AndNot(away, subnormal), zero, result);
}

bool round_ends(double* lower, double* upper, std::size_t count, const RoundingPlan<double, std::uint64_t>& smallest,
                const RoundingPlan<double, std::uint64_t>& greatest, bool may_flush, double least_normal) {
  const hn::ScalableTag<double> d;
  const std::size_t lanes = hn::Lanes(d);
  auto overflowed = hn::Ne(hn::Zero(d), hn::Zero(d));
  const auto round = [&](double* x, double outward, std::size_t part) {
    if (part == lanes) {
      hn::StoreU(round_end(d, hn::LoadU(d, x), outward, smallest, greatest, may_flush, least_normal, overflowed), d, x);
      return;
    }
    HWY_ALIGN double buffer[HWY_MAX_BYTES / sizeof(double)] = {};
    for (std::size_t j = 0; j < part; ++j) buffer[j] = x[j];
    hn::Store(round_end(d, hn::Load(d, buffer), outward, smallest, greatest, may_flush, least_normal, overflowed), d,
              buffer);
    for (std::size_t j = 0; j < part; ++j) x[j] = buffer[j];
  };
  for (std::size_t i = 0; i < count; i += lanes) {
    const std::size_t part = count - i < lanes ? count - i : lanes;
    round(lower + i, -1.0, part);
    round(upper + i, 1.0, part);
  }
  return !hn::AllFalse(d, overflowed);
}

}  // namespace HWY_NAMESPACE
}  // namespace lyap
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lyap {
namespace {

HWY_EXPORT(round_doubles);
HWY_EXPORT(round_floats);
HWY_EXPORT(round_ends);

}  // namespace

bool round_array(std::span<double> x, const FloatingFormat& format, RoundingRule rule) {
  return HWY_DYNAMIC_DISPATCH(round_doubles)(x.data(), x.size(), plan_of<double, std::uint64_t>(format, rule));
}

bool round_array(std::span<float> x, const FloatingFormat& format, RoundingRule rule) {
  if (format.precision > 24 || format.least_exponent < -126 || format.greatest_exponent > 127) {
    throw ContractViolation("round_array: the format has numbers that are no floats");
  }
  return HWY_DYNAMIC_DISPATCH(round_floats)(x.data(), x.size(), plan_of<float, std::uint32_t>(format, rule));
}

bool round_intervals(IntervalSpan x, const SetRounding& rounding) {
  if (x.lower.size() != x.upper.size()) throw ContractViolation("round_intervals: spans differ in length");
  const auto greatest = plan_of<double, std::uint64_t>(rounding.format, rounding.greatest);
  const auto smallest = plan_of<double, std::uint64_t>(rounding.format, rounding.smallest);
  const bool one_rule = rounding.smallest == rounding.greatest;
  return HWY_DYNAMIC_DISPATCH(round_ends)(x.lower.data(), x.upper.data(), x.lower.size(),
                                          one_rule ? greatest : smallest, greatest, rounding.may_flush,
                                          rounding.format.least_normal());
}

}  // namespace lyap
#endif  // HWY_ONCE
