#pragma once

#include <cstddef>
#include <span>

/// Rigorous elementary functions over arrays of intervals, vectorised with run-time dispatch (Highway).
/// Element i of (lower, upper) is an interval; results may overwrite the arguments. Each result interval contains the exact range,
/// and is at most the documented number of ulps wider at each end. Callable in any rounding mode; the mode on return is that on entry.
namespace lyap {

struct IntervalSpan {
  std::span<double> lower;
  std::span<double> upper;
};
struct ConstIntervalSpan {
  std::span<const double> lower;
  std::span<const double> upper;
};

void enclose_exp(ConstIntervalSpan x, IntervalSpan result);
void enclose_expm1(ConstIntervalSpan x, IntervalSpan result);
void enclose_log1p(ConstIntervalSpan x, IntervalSpan result);
void enclose_softplus(ConstIntervalSpan x, IntervalSpan result);
void enclose_sigmoid(ConstIntervalSpan x, IntervalSpan result);
void enclose_silu(ConstIntervalSpan x, IntervalSpan result);

}  // namespace lyap
