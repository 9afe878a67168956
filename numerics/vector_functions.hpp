#pragma once

#include <cstddef>
#include <span>

/// Rigorous elementary functions over arrays of intervals, vectorised with run-time dispatch (Highway), a few
/// nanoseconds an element. Element i of (lower, upper) is an interval; a result may overwrite its own argument. Each
/// result interval contains the exact range. Width: each end of the result lies within k 2^-52 of the exact end
/// relatively, k the constant beside the function, plus one smallest subnormal where the result is subnormal; beyond
/// the largest finite number the upper end is infinite and the lower one is that number. Callable in any rounding mode;
/// the mode on return is that on entry. Throws ContractViolation where spans differ in length, for NaN, lower > upper,
/// and for an interval that holds no real number
/// ([infinity, infinity]). Error bounds are proved in vector_kernels_inl.hpp and vector_bounds_inl.hpp.
namespace lyap {

struct IntervalSpan {
  std::span<double> lower;
  std::span<double> upper;
};
struct ConstIntervalSpan {
  std::span<const double> lower;
  std::span<const double> upper;
};

inline constexpr double kVectorExpWidth = 7.0;
inline constexpr double kVectorExpm1Width = 11.0;
inline constexpr double kVectorLog1pWidth = 11.0;
inline constexpr double kVectorSoftplusWidth = 14.0;
inline constexpr double kVectorSigmoidWidth = 11.0;
inline constexpr double kVectorSiluWidth = 12.0;

/// Encloses {exp(p) : p in x}.
void enclose_exp(ConstIntervalSpan x, IntervalSpan result);
/// Encloses {exp(p) - 1 : p in x}, relatively accurate near 0 and never below -1.
void enclose_expm1(ConstIntervalSpan x, IntervalSpan result);
/// Encloses {log(1 + p) : p in x, p > -1}; the lower end is -infinity where x reaches -1. Throws ContractViolation
/// where all of x is at most -1.
void enclose_log1p(ConstIntervalSpan x, IntervalSpan result);
/// Encloses {log(1 + exp(p)) : p in x}, relatively accurate down to the smallest subnormal, never negative.
void enclose_softplus(ConstIntervalSpan x, IntervalSpan result);
/// Encloses {1/(1 + exp(-p)) : p in x}, in [0, 1], relatively accurate.
void enclose_sigmoid(ConstIntervalSpan x, IntervalSpan result);
/// Encloses {p/(1 + exp(-p)) : p in x}, the interior minimum included.
void enclose_silu(ConstIntervalSpan x, IntervalSpan result);

}  // namespace lyap
