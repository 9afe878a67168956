#include "verify/certify/trajectory_projections.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <span>

#include "numerics/contract_violation.hpp"
#include "numerics/parallel.hpp"
#include "numerics/rounding.hpp"
#include "numerics/vector_functions.hpp"
#include "theory/scalar.hpp"

namespace lyap::trajectory {
namespace {

using Eigen::Index;

constexpr std::size_t kRowGrain = 16;
constexpr std::size_t kElementGrain = 4096;
constexpr int kLargestUnscaledExponent = 500;    // squares of 2^500 times any d do not overflow
constexpr int kSmallestUnscaledExponent = -400;  // squares of 2^-400 do not underflow

Eigen::Map<const RowMajorMatrix> rows_of(const theory::Matrix& m, std::size_t first, std::size_t count) {
  return {m.row(first), Index(count), Index(m.columns)};
}

/// 0 inf = 0: an infinite end stands for real numbers without a bound, and 0 times each of them is 0.
double product_or_zero(double x, double y) { return x == 0.0 || y == 0.0 ? 0.0 : x * y; }

/// The power of two that brings a row whose largest magnitude is `largest` to where its squares neither overflow nor
/// underflow harmfully.
int scaling_exponent(double largest, double epsilon) {
  int exponent = 0;
  std::frexp(largest, &exponent);
  if (exponent > kLargestUnscaledExponent) return -exponent;
  if (exponent >= kSmallestUnscaledExponent) return 0;
  return epsilon > 0.0 ? -kSmallestUnscaledExponent : -exponent;
}

/// Multiplies by a power of two in two exact factors: the power itself may overflow.
class PowerOfTwo {
 public:
  explicit PowerOfTwo(int exponent)
      : first_(std::ldexp(1.0, exponent / 2)), second_(std::ldexp(1.0, exponent - exponent / 2)) {}
  [[nodiscard]] double times(double x) const { return x * first_ * second_; }

 private:
  double first_, second_;
};

/// One row of the norm. The processor rounds upward: every lower bound is the negative of an upper one.
void norm_row_upward(const double* r, Index width, const double* gain, double epsilon, double* lower, double* upper) {
  double largest = 0.0;
  for (Index i = 0; i < width; ++i) largest = std::max(largest, std::abs(r[i]));
  if (largest == 0.0) {
    if (epsilon == 0.0) throw ContractViolation("RMS norm of a zero row with epsilon 0 is undefined");
    std::fill_n(lower, width, 0.0);
    std::fill_n(upper, width, 0.0);
    return;
  }
  const int exponent = scaling_exponent(largest, epsilon);
  const PowerOfTwo scale(exponent), squared_scale(2 * exponent);
  double sum_upper = 0.0;
  double minus_sum_lower = 0.0;
  for (Index i = 0; i < width; ++i) {
    const double magnitude = std::abs(r[i]);
    const double high = scale.times(magnitude);
    const double minus_low = scale.times(-magnitude);
    sum_upper += high * high;
    minus_sum_lower += minus_low * -minus_low;
  }
  const double count = double(width);
  const double mean_upper = sum_upper / count + squared_scale.times(epsilon);
  const double minus_mean_lower = minus_sum_lower / count + squared_scale.times(-epsilon);
  const double rms_upper = std::sqrt(mean_upper);
  const double rms_lower = std::nextafter(std::sqrt(-minus_mean_lower), 0.0);
  const double inverse_upper = 1.0 / rms_lower;
  const double minus_inverse_lower = -1.0 / rms_upper;
  for (Index i = 0; i < width; ++i) {
    const double magnitude = std::abs(r[i]);
    const double unit_upper = scale.times(magnitude) * inverse_upper;
    const double minus_unit_lower = -scale.times(-magnitude) * minus_inverse_lower;
    const double weight = std::abs(gain[i]);
    const double high = product_or_zero(weight, unit_upper);
    const double low = -(weight * minus_unit_lower) + 0.0;
    const bool negative = std::signbit(r[i]) != std::signbit(gain[i]);
    lower[i] = negative ? -high : low;
    upper[i] = negative ? -low : high;
  }
}

/// A nonempty part of a row of intervals: what its norm multiplies entries with.
struct InverseRange {
  double lower = 0.0;
  double upper = 0.0;
};
InverseRange inverse_rms_upward(const double* lower, const double* upper, Index width, double epsilon) {
  double sum_upper = 0.0;
  double minus_sum_lower = 0.0;
  for (Index i = 0; i < width; ++i) {
    const double greatest = std::max(-lower[i], upper[i]);
    const double least = std::max(std::max(lower[i], -upper[i]), 0.0);
    sum_upper += greatest * greatest;
    minus_sum_lower += -least * least;
  }
  const double count = double(width);
  const double rms_upper = std::sqrt(sum_upper / count + epsilon);
  const double rms_lower = std::nextafter(std::sqrt(-(minus_sum_lower / count - epsilon)), 0.0);
  return {-(-1.0 / rms_upper) + 0.0, 1.0 / rms_lower};
}

/// At least x inverse, never above `cap`.
double upper_of_unit(double x, const InverseRange& inverse, double cap) {
  return std::min(x >= 0.0 ? product_or_zero(x, inverse.upper) : x * inverse.lower, cap);
}

/// One part of a row of the norm of intervals, in place. The processor rounds upward.
void norm_part_upward(double* lower, double* upper, Index width, const double* gain, double epsilon) {
  const InverseRange inverse = inverse_rms_upward(lower, upper, width, epsilon);
  const double cap = std::sqrt(double(width));
  for (Index i = 0; i < width; ++i) {
    const double high = upper_of_unit(upper[i], inverse, cap);
    const double minus_low = upper_of_unit(-lower[i], inverse, cap);
    const double weight = std::abs(gain[i]);
    const bool negative = std::signbit(gain[i]);
    upper[i] = weight * (negative ? minus_low : high);
    lower[i] = -(weight * (negative ? high : minus_low));
  }
}

double larger(double x, double y) { return x > y ? x : y; }

/// Larger of x y and x z, x times an infinite end being 0 where x is. Without branches, for arrays.
double larger_product(double x, double y, double z) {
  const double first = x * y, second = x * z;
  return larger(first == first ? first : 0.0, second == second ? second : 0.0);
}

/// x y for intervals, infinite ends allowed. The processor rounds upward.
void multiply_upward(double* lower, double* upper, const double* y_lower, const double* y_upper, Index count) {
  for (Index i = 0; i < count; ++i) {
    const double low = lower[i], high = upper[i];
    upper[i] = larger(larger_product(low, y_lower[i], y_upper[i]), larger_product(high, y_lower[i], y_upper[i]));
    lower[i] = -larger(larger_product(-low, y_lower[i], y_upper[i]), larger_product(-high, y_lower[i], y_upper[i]));
  }
}

void add_to_row_upward(const double* bias, Index columns, double* lower, double* upper) {
  for (Index c = 0; c < columns; ++c) {
    lower[c] = -(-lower[c] - bias[c]);
    upper[c] += bias[c];
  }
}

/// Row t of the convolution before silu, `padded` holding J - 1 older rows first.
void convolve_row_upward(const IntervalMatrix& padded, const RowMajorMatrix& taps, const theory::Vector& bias, Index t,
                         double* lower, double* upper) {
  const Index channels = taps.cols();
  for (Index c = 0; c < channels; ++c) {
    upper[c] = bias.empty() ? 0.0 : bias[std::size_t(c)];
    lower[c] = -upper[c];  // minus the lower bound until the end
  }
  for (Index j = 0; j < taps.rows(); ++j) {
    const double* low = padded.lower.row(t + j).data();
    const double* high = padded.upper.row(t + j).data();
    const double* tap = taps.row(j).data();
    for (Index c = 0; c < channels; ++c) {
      const double w = tap[c];
      if (w == 0.0) continue;
      upper[c] += std::max(w * low[c], w * high[c]);
      lower[c] += std::max(-w * low[c], -w * high[c]);
    }
  }
  for (Index c = 0; c < channels; ++c) lower[c] = -lower[c];
}

void parallel_upward(Index count, std::size_t grain, const std::function<void(Index begin, Index end)>& body) {
  parallel_for(std::size_t(count), grain, [&](std::size_t begin, std::size_t end) {
    const RoundingUpward upward;
    body(Index(begin), Index(end));
  });
}

void add_to_rows(IntervalMatrix& x, const double* row) {
  parallel_upward(x.rows(), kRowGrain, [&](Index begin, Index end) {
    for (Index t = begin; t < end; ++t)
      add_to_row_upward(row, x.columns(), x.lower.row(t).data(), x.upper.row(t).data());
  });
}

/// Applies one of numerics' array functions in place.
void apply_in_place(IntervalMatrix& x, void (*function)(ConstIntervalSpan, IntervalSpan)) {
  parallel_for(std::size_t(x.lower.size()), kElementGrain, [&](std::size_t begin, std::size_t end) {
    const std::span<double> lower(x.lower.data() + begin, end - begin);
    const std::span<double> upper(x.upper.data() + begin, end - begin);
    function({lower, upper}, {lower, upper});
  });
}

}  // namespace

IntervalMatrix enclose_rms_norm(const theory::Matrix& inputs, std::size_t begin, std::size_t end,
                                const theory::Vector& gain, double epsilon) {
  if (!(epsilon >= 0.0)) throw ContractViolation("RMS norm: epsilon must not be negative");
  IntervalMatrix result(Index(end - begin), Index(inputs.columns));
  parallel_upward(result.rows(), kRowGrain, [&](Index first, Index last) {
    for (Index t = first; t < last; ++t) {
      norm_row_upward(inputs.row(begin + std::size_t(t)), result.columns(), gain.data(), epsilon,
                      result.lower.row(t).data(), result.upper.row(t).data());
    }
  });
  return result;
}

IntervalMatrix enclose_rms_norm(const IntervalMatrix& r, const theory::Vector& gain, double epsilon,
                                std::size_t groups) {
  if (!(epsilon >= 0.0)) throw ContractViolation("RMS norm: epsilon must not be negative");
  if (groups == 0 || Index(gain.size()) != r.columns() || gain.size() % groups != 0) {
    throw ContractViolation("RMS norm: the shapes of gain, groups and rows do not agree");
  }
  IntervalMatrix result = r;
  const Index width = r.columns() / Index(groups);
  parallel_upward(r.rows(), kRowGrain, [&](Index first, Index last) {
    for (Index t = first; t < last; ++t) {
      for (Index at = 0; at < r.columns(); at += width) {
        norm_part_upward(result.lower.row(t).data() + at, result.upper.row(t).data() + at, width, gain.data() + at,
                         epsilon);
      }
    }
  });
  return result;
}

IntervalMatrix enclose_affine(const IntervalMatrix& x, const theory::Matrix& weight, std::size_t first,
                              std::size_t count, const theory::Vector& bias) {
  const BallMatrix product = enclose_product_transposed(ball_of(x.lower, x.upper), rows_of(weight, first, count));
  IntervalMatrix result;
  bounds_of(product, result.lower, result.upper);
  if (!bias.empty()) add_to_rows(result, bias.data() + first);
  return result;
}

void add_to_rows(IntervalMatrix& x, const theory::Vector& row) {
  if (Index(row.size()) != x.columns()) throw ContractViolation("add_to_rows: one number per column is needed");
  add_to_rows(x, row.data());
}

void multiply_entries(IntervalMatrix& x, const IntervalMatrix& factor) {
  if (factor.rows() != x.rows() || factor.columns() != x.columns()) {
    throw ContractViolation("multiply_entries: the shapes differ");
  }
  parallel_for(std::size_t(x.lower.size()), kElementGrain, [&](std::size_t begin, std::size_t end) {
    const RoundingUpward upward;
    multiply_upward(x.lower.data() + begin, x.upper.data() + begin, factor.lower.data() + begin,
                    factor.upper.data() + begin, Index(end - begin));
  });
}

IntervalMatrix enclose_silu_entries(IntervalMatrix x) {
  apply_in_place(x, &enclose_silu);
  return x;
}

CausalConvolution::CausalConvolution(const theory::Matrix& weight, const theory::Vector& bias)
    : bias_(bias),
      taps_(rows_of(weight, 0, weight.rows).transpose()),
      past_(Index(weight.columns) - 1, Index(weight.rows)) {
  past_.lower.setZero();
  past_.upper.setZero();
}

IntervalMatrix CausalConvolution::apply(const IntervalMatrix& x) {
  IntervalMatrix padded(past_.rows() + x.rows(), x.columns());
  padded.lower.topRows(past_.rows()) = past_.lower;
  padded.upper.topRows(past_.rows()) = past_.upper;
  padded.lower.bottomRows(x.rows()) = x.lower;
  padded.upper.bottomRows(x.rows()) = x.upper;
  IntervalMatrix result(x.rows(), x.columns());
  parallel_upward(x.rows(), kRowGrain, [&](Index begin, Index end) {
    for (Index t = begin; t < end; ++t)
      convolve_row_upward(padded, taps_, bias_, t, result.lower.row(t).data(), result.upper.row(t).data());
  });
  past_.lower = padded.lower.bottomRows(past_.rows());
  past_.upper = padded.upper.bottomRows(past_.rows());
  apply_in_place(result, &enclose_silu);
  return result;
}

IntervalMatrix enclose_step_sizes(IntervalMatrix p, const theory::StepSizeLimits& limits) {
  IntervalMatrix delta(p.rows(), p.columns());
  parallel_for(std::size_t(p.lower.size()), kElementGrain, [&](std::size_t begin, std::size_t end) {
    const std::size_t count = end - begin;
    const std::span<double> low(delta.lower.data() + begin, count), high(delta.upper.data() + begin, count);
    const double* p_low = p.lower.data() + begin;
    const double* p_high = p.upper.data() + begin;
    enclose_softplus({{p_low, count}, {p_high, count}}, {low, high});
    for (std::size_t i = 0; i < count; ++i) {
      if (p_high[i] > theory::kSoftplusCutOff) low[i] = std::min(low[i], std::max(p_low[i], theory::kSoftplusCutOff));
      low[i] = std::clamp(low[i], limits.lower, limits.upper);
      high[i] = std::clamp(high[i], limits.lower, limits.upper);
    }
  });
  return delta;
}

}  // namespace lyap::trajectory
