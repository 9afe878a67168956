#include "numerics/vector_functions.hpp"

#include "numerics/contract_violation.hpp"
#include "numerics/rounding.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "numerics/vector_functions.cpp"  // NOLINT
#include <hwy/foreach_target.h>                             // IWYU pragma: keep
//
#include <hwy/highway.h>

#include "numerics/vector_bounds_inl.hpp"
#include "numerics/vector_loop_inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lyap {
namespace HWY_NAMESPACE {

/// Range of an increasing function: its bounds at the ends.
template <class Function>
HWY_INLINE void enclose_increasing(const double* lower, const double* upper, double* result_lower, double* result_upper,
                                   std::size_t count) {
  const hn::ScalableTag<double> d;
  for_each_vector(count, [&](const auto& load, const auto& store) {
    const auto below = hn::Neg(Function::negated_lower(d, load(lower)));
    const auto above = Function::upper(d, load(upper));
    store(below, result_lower);
    store(above, result_upper);
  });
}

void exp_kernel(const double* lower, const double* upper, double* result_lower, double* result_upper,
                std::size_t count) {
  enclose_increasing<Exp>(lower, upper, result_lower, result_upper, count);
}
void expm1_kernel(const double* lower, const double* upper, double* result_lower, double* result_upper,
                  std::size_t count) {
  enclose_increasing<Expm1>(lower, upper, result_lower, result_upper, count);
}
void log1p_kernel(const double* lower, const double* upper, double* result_lower, double* result_upper,
                  std::size_t count) {
  enclose_increasing<Log1p>(lower, upper, result_lower, result_upper, count);
}
void softplus_kernel(const double* lower, const double* upper, double* result_lower, double* result_upper,
                     std::size_t count) {
  enclose_increasing<Softplus>(lower, upper, result_lower, result_upper, count);
}
void sigmoid_kernel(const double* lower, const double* upper, double* result_lower, double* result_upper,
                    std::size_t count) {
  enclose_increasing<Sigmoid>(lower, upper, result_lower, result_upper, count);
}

/// silu decreases up to its only minimiser, in (kSiluBeforeMinimiser, kSiluAfterMinimiser), and increases from there;
/// silu >= kSiluLowerBound everywhere, less than one ulp below the minimum (asserted against MPFR by the tests). So the
/// larger end value bounds it above, and below it is kSiluLowerBound or the nearer end's value.
void silu_kernel(const double* lower, const double* upper, double* result_lower, double* result_upper,
                 std::size_t count) {
  const hn::ScalableTag<double> d;
  for_each_vector(count, [&](const auto& load, const auto& store) {
    const auto left = load(lower);
    const auto right = load(upper);
    const auto at_left = silu_ends(d, left);
    const auto at_right = silu_ends(d, right);
    const auto holds_minimiser =
        hn::And(hn::Lt(left, hn::Set(d, kSiluAfterMinimiser)), hn::Gt(right, hn::Set(d, kSiluBeforeMinimiser)));
    const auto least = hn::Set(d, kSiluLowerBound);
    const auto below = hn::Max(least, hn::Neg(hn::Max(at_left.negated_lower, at_right.negated_lower)));
    store(hn::IfThenElse(holds_minimiser, least, below), result_lower);
    store(hn::Max(at_left.upper, at_right.upper), result_upper);
  });
}

/// Whether every (lower, upper) holds a real number: lower <= upper, lower < infinity, upper > -infinity, no NaN.
bool intervals_hold_numbers(const double* lower, const double* upper, std::size_t count) {
  const hn::ScalableTag<double> d;
  bool good = true;
  for_each_vector(count, [&](const auto& load, const auto&) {
    const auto left = load(lower);
    const auto right = load(upper);
    const auto finite = hn::And(hn::Lt(left, hn::Set(d, kInfinity)), hn::Gt(right, hn::Set(d, -kInfinity)));
    good = good && hn::AllTrue(d, hn::And(hn::Le(left, right), finite));
  });
  return good;
}

}  // namespace HWY_NAMESPACE
}  // namespace lyap
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lyap {
namespace {

HWY_EXPORT(exp_kernel);
HWY_EXPORT(expm1_kernel);
HWY_EXPORT(log1p_kernel);
HWY_EXPORT(softplus_kernel);
HWY_EXPORT(sigmoid_kernel);
HWY_EXPORT(silu_kernel);
HWY_EXPORT(intervals_hold_numbers);

using Kernel = void (*)(const double*, const double*, double*, double*, std::size_t);

void require_intervals(ConstIntervalSpan x) {
  if (x.lower.size() != x.upper.size())
    throw ContractViolation("vector functions: spans of lower and upper ends differ in length");
  if (!HWY_DYNAMIC_DISPATCH(intervals_hold_numbers)(x.lower.data(), x.upper.data(), x.lower.size())) {
    throw ContractViolation("vector functions: an interval has a NaN, lower > upper, or holds no real number");
  }
}

/// The kernel is called through a pointer, so no operation of it can move across the changes of rounding direction.
void apply(Kernel kernel, ConstIntervalSpan x, IntervalSpan result) {
  if (result.lower.size() != x.lower.size() || result.upper.size() != x.lower.size()) {
    throw ContractViolation("vector functions: result and argument differ in length");
  }
  require_intervals(x);
  const RoundingUpward upward;
  kernel(x.lower.data(), x.upper.data(), result.lower.data(), result.upper.data(), x.lower.size());
}

}  // namespace

void enclose_exp(ConstIntervalSpan x, IntervalSpan result) { apply(HWY_DYNAMIC_DISPATCH(exp_kernel), x, result); }
void enclose_expm1(ConstIntervalSpan x, IntervalSpan result) { apply(HWY_DYNAMIC_DISPATCH(expm1_kernel), x, result); }
void enclose_softplus(ConstIntervalSpan x, IntervalSpan result) {
  apply(HWY_DYNAMIC_DISPATCH(softplus_kernel), x, result);
}
void enclose_sigmoid(ConstIntervalSpan x, IntervalSpan result) {
  apply(HWY_DYNAMIC_DISPATCH(sigmoid_kernel), x, result);
}
void enclose_silu(ConstIntervalSpan x, IntervalSpan result) { apply(HWY_DYNAMIC_DISPATCH(silu_kernel), x, result); }

void enclose_log1p(ConstIntervalSpan x, IntervalSpan result) {
  for (const double upper : x.upper) {
    if (!(upper > -1.0)) throw ContractViolation("enclose_log1p: an interval lies outside the domain (-1, infinity)");
  }
  apply(HWY_DYNAMIC_DISPATCH(log1p_kernel), x, result);
}

}  // namespace lyap
#endif  // HWY_ONCE
