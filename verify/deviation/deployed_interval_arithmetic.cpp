#include "verify/deviation/deployed_interval_arithmetic.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <span>

#include "numerics/contract_violation.hpp"
#include "numerics/parallel.hpp"
#include "numerics/rounding.hpp"
#include "numerics/vector_clones.hpp"
#include "theory/scalar.hpp"

namespace lyap::deviation {
namespace {

using Array = IntervalArithmetic::Array;
using Eigen::Index;

constexpr std::size_t kRowGrain = 8;
constexpr double kSoftplusCap = 20.0;

/// Bounds of a product of two intervals; the processor rounds upward.
struct Ends {
  double lower, upper;
};
Ends product_upward(double x_lower, double x_upper, double y_lower, double y_upper) {
  const double upper =
      std::max(std::max(x_lower * y_lower, x_lower * y_upper), std::max(x_upper * y_lower, x_upper * y_upper));
  const double minus_lower =
      std::max(std::max(-x_lower * y_lower, -x_lower * y_upper), std::max(-x_upper * y_lower, -x_upper * y_upper));
  return {-minus_lower, upper};
}

void over_rows(Index rows, const std::function<void(Index begin, Index end)>& body) {
  parallel_for(std::size_t(rows), kRowGrain,
               [&](std::size_t begin, std::size_t end) { body(Index(begin), Index(end)); });
}

void over_rows_upward(Index rows, const std::function<void(Index t)>& body) {
  over_rows(rows, [&](Index begin, Index end) {
    const RoundingUpward upward;
    for (Index t = begin; t < end; ++t) body(t);
  });
}

/// The rows [begin, end) of x as one array of intervals.
IntervalSpan rows_span(Array& x, Index begin, Index end) {
  const std::size_t count = std::size_t((end - begin) * x.columns());
  return {{x.lower.data() + begin * x.columns(), count}, {x.upper.data() + begin * x.columns(), count}};
}

/// lower - |lower| relative - absolute and the like above; relative in [0, 1).
void widen_upward(double& lower, double& upper, double relative, double absolute) {
  lower = -(-lower + std::abs(lower) * relative + absolute);
  upper = upper + std::abs(upper) * relative + absolute;
}

LYAP_VECTOR_CLONES void widen_all_upward(const double* relative, double absolute, std::size_t count, double* lower,
                                         double* upper) {
  for (std::size_t i = 0; i < count; ++i) widen_upward(lower[i], upper[i], relative[i], absolute);
}

/// Relative errors of silu, u being what all are multiplied by.
LYAP_VECTOR_CLONES void write_silu_errors(const double* lower, double u, std::size_t count, double* relative) {
  for (std::size_t i = 0; i < count; ++i) {
    const double below = lower[i] < 0.0 ? -lower[i] : 0.0;
    const double error = (kSiluError + kExpErrorPerUnit * below) * u;
    relative[i] = error < 1.0 ? error : 1.0;
  }
}

LYAP_VECTOR_CLONES void multiply_upward(const double* x_lower, const double* x_upper, const double* y_lower,
                                        const double* y_upper, Index count, double* lower, double* upper) {
#pragma GCC ivdep
  for (Index i = 0; i < count; ++i) {
    const Ends ends = product_upward(x_lower[i], x_upper[i], y_lower[i], y_upper[i]);
    lower[i] = ends.lower;
    upper[i] = ends.upper;
  }
}

double larger(double a, double b) { return a < b ? b : a; }
double smaller(double a, double b) { return b < a ? b : a; }

/// The number of [lower, upper] that is nearest to 0.
double inner_end(double lower, double upper) { return lower > 0.0 ? lower : (upper < 0.0 ? upper : 0.0); }

/// What all entries of a norm share; minus the least and the greatest sum of squares.
struct NormSums {
  double count, epsilon, relative, flushed, minus_least, greatest;
};

/// At least x/sqrt((x² + rest)/count + epsilon) with its floating-point error.
[[gnu::always_inline]] inline double end_upward(const NormSums& sums, double x, double minus_rest_least,
                                                double rest_greatest) {
  // Where x >= 0 the quotient is largest for the smallest rest, and never above sqrt(count).
  const double most = std::sqrt(sums.count);
  const double minus_mean = (-x * x + minus_rest_least) / sums.count - sums.epsilon + sums.flushed;
  const double root = std::sqrt(-minus_mean);
  const double root_below = -(root * 0x1p-52 - root);  // roots are rounded up by less than that
  const double bounded = minus_mean < 0.0 ? smaller(x / root_below, most) : most;
  const double positive = x == 0.0 ? sums.flushed : bounded * (1.0 + sums.relative) + sums.flushed;
  const double mean = (x * x + rest_greatest) / sums.count + sums.epsilon + sums.flushed;
  const double quotient = x / std::sqrt(mean);  // negative, rounded upward
  return x >= 0.0 ? positive : quotient - quotient * sums.relative + sums.flushed;
}

LYAP_VECTOR_CLONES void normalise_ends_upward(const NormSums& given, Index width, double* lower, double* upper) {
  const NormSums sums = given;
#pragma GCC ivdep
  for (Index i = 0; i < width; ++i) {
    const double low = lower[i], high = upper[i], inner = inner_end(low, high), outer = larger(-low, high);
    // What the others contribute, at least and at most; never negative.
    const double minus_rest_least = smaller(sums.minus_least + inner * inner, 0.0);
    const double rest_greatest = larger(sums.greatest + -outer * outer, 0.0);
    lower[i] = -end_upward(sums, -low, minus_rest_least, rest_greatest);
    upper[i] = end_upward(sums, high, minus_rest_least, rest_greatest);
  }
}

/// One row of r / sqrt(mean(r²) + epsilon) within columns [first, first + width). Each entry increases with its own
/// number and decreases with the others' squares, so that its range is exact, and never above sqrt(width).
class NormRow {
 public:
  NormRow(double* lower, double* upper, Index width, double epsilon, const ErrorModel& errors)
      : lower_(lower), upper_(upper), width_(width), epsilon_(epsilon) {
    const double roundings = std::min(double(width) - 1.0, kMeanDepth) + kMeanRoundings;
    relative_ = (errors.accumulation * roundings / 2.0 * (1.0 + 0x1p-10) + errors.functions * kInverseRootError) *
                kFloat32Roundoff;
    flushed_ = errors.underflow * 4.0 * kFlushed;
  }

  /// Returns an upper bound of the sum of squares; infinite where the mean may come out as 0.
  double normalise_upward() {
    double minus_least = 0.0;
    double greatest = 0.0;
    for (Index i = 0; i < width_; ++i) {
      minus_least += minus_least_square(i);
      greatest += greatest_square(i);
    }
    normalise_ends_upward({double(width_), epsilon_, relative_, flushed_, minus_least, greatest}, width_, lower_,
                          upper_);
    const bool may_vanish = !(minus_least / double(width_) - epsilon_ + flushed_ < 0.0);
    return may_vanish ? std::numeric_limits<double>::infinity() : greatest;
  }

 private:
  [[nodiscard]] double minus_least_square(Index i) const {
    const double inner = inner_end(lower_[i], upper_[i]);
    return -inner * inner;
  }
  [[nodiscard]] double greatest_square(Index i) const {
    const double outer = larger(-lower_[i], upper_[i]);
    return outer * outer;
  }

  double* lower_;
  double* upper_;
  Index width_;
  double epsilon_, relative_, flushed_;
};

}  // namespace

SetRounding IntervalArithmetic::rounding_to(const theory::NumberType& type) const {
  SetRounding rounding{{0, 0, 0}};
  if (type.u == 0.0) return rounding;
  const auto is = [&](const theory::NumberType& other) { return type.u == other.u && type.largest == other.largest; };
  if (is(theory::kBfloat16Type)) rounding.format = kBfloat16;
  if (is(theory::kFloat16Type)) rounding.format = kFloat16;
  if (is(theory::kFloat32Type)) rounding.format = kFloat32;
  if (is(theory::kTf32Type) || is(theory::kTruncatedTf32Type)) {
    rounding.format = kTf32;
    const bool truncated = reading_ == Tf32Reading::kTruncated;
    rounding.smallest = truncated ? RoundingRule::kTowardZero : RoundingRule::kNearestEven;
    rounding.greatest = truncated ? RoundingRule::kTowardZero : RoundingRule::kNearestAway;
  }
  rounding.may_flush = errors_.underflow > 0.0 && rounding.format.least_exponent == kFloat32.least_exponent;
  if (rounding.format.precision == 0) throw ContractViolation(std::string("no rounding is known to ") + type.name);
  return rounding;
}

Array IntervalArithmetic::read(const theory::Matrix& inputs, std::size_t begin, std::size_t end) {
  const Eigen::Map<const RowMajorMatrix> rows(inputs.row(begin), Index(end - begin), Index(inputs.columns));
  Array x;
  x.lower = rows;
  x.upper = rows;
  round(x, theory::kFloat32Type, "block input");
  return x;
}

void IntervalArithmetic::round(Array& x, const theory::NumberType& type, const std::string& tensor) {
  if (type.u == 0.0) return;
  const SetRounding rounding = rounding_to(type);
  std::vector<unsigned char> beyond(std::size_t(x.rows()), 0);
  over_rows(x.rows(), [&](Index begin, Index end) {
    for (Index t = begin; t < end; ++t) {
      const double peak = std::max(-x.lower.row(t).minCoeff(), x.upper.row(t).maxCoeff());
      if (peak > type.largest) {
        beyond[std::size_t(t)] = 1;
      } else {
        round_intervals(rows_span(x, t, t + 1), rounding);
      }
    }
  });
  for (Index t = 0; t < x.rows(); ++t) {
    if (beyond[std::size_t(t)] == 0) continue;
    const Eigen::RowVectorXd magnitudes = x.lower.row(t).cwiseAbs().cwiseMax(x.upper.row(t).cwiseAbs());
    round_intervals(rows_span(x, t, t + 1), rounding);
    for (Index i = 0; i < x.columns(); ++i) {
      if (std::isinf(x.lower(t, i)) || std::isinf(x.upper(t, i)))
        overflow_.add(tensor, type.name, std::size_t(i), std::size_t(x.columns()), magnitudes[i]);
      x.lower(t, i) = std::clamp(x.lower(t, i), -type.largest, type.largest);
      x.upper(t, i) = std::clamp(x.upper(t, i), -type.largest, type.largest);
    }
  }
}

void IntervalArithmetic::normalise(Array& r, double epsilon, std::size_t groups, const std::string& tensor) {
  const Index width = r.columns() / Index(groups);
  Eigen::VectorXd squares(r.rows());
  over_rows_upward(r.rows(), [&](Index t) {
    double greatest = 0.0;
    for (Index first = 0; first < r.columns(); first += width) {
      NormRow row(r.lower.row(t).data() + first, r.upper.row(t).data() + first, width, epsilon, errors_);
      greatest = std::max(greatest, row.normalise_upward());
    }
    squares[t] = greatest;
  });
  for (Index t = 0; t < r.rows(); ++t) {
    if (!(squares[t] <= theory::kLargestFloat32 / 2.0))
      overflow_.add(tensor + ", 1/rms", theory::kFloat32Type.name, 0, 1, theory::kLargestFloat32);
  }
}

void IntervalArithmetic::scale_columns(Array& x, const theory::Vector& gain, const std::string& tensor) {
  over_rows_upward(x.rows(), [&](Index t) {
    multiply_upward(gain.data(), gain.data(), x.lower.row(t).data(), x.upper.row(t).data(), x.columns(),
                    x.lower.row(t).data(), x.upper.row(t).data());
  });
  round(x, theory::kFlushedFloat32Type, tensor);
}

void IntervalArithmetic::add_row(Array& x, const theory::Vector& row, const std::string& tensor) {
  over_rows_upward(x.rows(), [&](Index t) {
    for (Index i = 0; i < x.columns(); ++i) {
      x.lower(t, i) = -(-x.lower(t, i) - row[std::size_t(i)]);
      x.upper(t, i) += row[std::size_t(i)];
    }
  });
  round(x, theory::kFlushedFloat32Type, tensor);
}

void IntervalArithmetic::silu(Array& x) {
  over_rows(x.rows(), [&](Index begin, Index end) {
    const IntervalSpan span = rows_span(x, begin, end);
    std::vector<double> relative(span.lower.size());
    write_silu_errors(span.lower.data(), errors_.functions * kFloat32Roundoff, relative.size(), relative.data());
    enclose_silu({span.lower, span.upper}, span);
    const RoundingUpward upward;
    widen_all_upward(relative.data(), errors_.underflow * kSiluFlushed, relative.size(), span.lower.data(),
                     span.upper.data());
  });
}

Array IntervalArithmetic::multiply(const Array& x, const Array& y, const std::string& tensor) {
  Array result(x.rows(), x.columns());
  over_rows_upward(x.rows(), [&](Index t) {
    multiply_upward(x.lower.row(t).data(), x.upper.row(t).data(), y.lower.row(t).data(), y.upper.row(t).data(),
                    x.columns(), result.lower.row(t).data(), result.upper.row(t).data());
  });
  round(result, theory::kFlushedFloat32Type, tensor);
  return result;
}

Array IntervalArithmetic::step_sizes(Array p, const theory::StepSizeLimits& limits, const theory::NumberType& type) {
  Array result(p.rows(), p.columns());
  const double least = double(float(limits.lower)),
               most = double(float(std::min(limits.upper, theory::kLargestFloat32)));
  over_rows(p.rows(), [&](Index begin, Index end) {
    const IntervalSpan from = rows_span(p, begin, end);
    const IntervalSpan to = rows_span(result, begin, end);
    enclose_softplus({from.lower, from.upper}, to);
    const RoundingUpward upward;
    for (std::size_t i = 0; i < to.lower.size(); ++i) {
      const double magnitude = std::min(std::max(-from.lower[i], from.upper[i]), kSoftplusCap);
      const double relative = errors_.functions *
                              (kSoftplusError + kExpErrorPerUnit * std::max(magnitude, -from.lower[i])) *
                              kFloat32Roundoff;
      if (from.upper[i] > theory::kSoftplusCutOff)
        to.lower[i] = std::min(to.lower[i], std::max(from.lower[i], theory::kSoftplusCutOff));
      widen_upward(to.lower[i], to.upper[i], std::min(relative, 1.0), errors_.underflow * kFlushed);
      to.lower[i] = std::clamp(std::max(to.lower[i], 0.0), std::min(limits.lower, least), std::min(limits.upper, most));
      to.upper[i] = std::clamp(to.upper[i], std::max(limits.lower, least), std::max(limits.upper, most));
    }
  });
  round(result, type, "step size");
  return result;
}

Array IntervalArithmetic::columns(const Array& x, std::size_t first, std::size_t count) {
  Array part;
  part.lower = x.lower.middleCols(Index(first), Index(count));
  part.upper = x.upper.middleCols(Index(first), Index(count));
  return part;
}

void IntervalArithmetic::widen_and_round(Array& sums, const RowMajorMatrix& error, const theory::NumberType& type,
                                         const std::string& tensor) {
  if (!errors_.widens_before_rounding) round(sums, type, tensor);
  over_rows_upward(sums.rows(), [&](Index t) {
    for (Index i = 0; i < sums.columns(); ++i) {
      sums.lower(t, i) = -(error(t, i) - sums.lower(t, i));
      sums.upper(t, i) += error(t, i);
    }
  });
  if (errors_.widens_before_rounding) round(sums, type, tensor);
}

AccumulationError accumulation_error(const theory::Accumulation& accumulation, std::size_t n,
                                     const ErrorModel& errors) {
  const double m = double(accumulation.roundings(n));
  const double mu = m * accumulation.u;  // exact: few bits
  if (!(mu < 1.0 / 16.0)) throw ContractViolation("a sum of that many products has no bound in this accumulation");
  const double additions = accumulation.longest_chain == 0 ? double(n) : double(accumulation.longest_chain);
  const bool any_order = 2.0 * additions >= double(n);
  const double whole = mu * (1.0 + 8.0 * mu) * (1.0 + 0x1p-40);  // also at least gamma_m
  const double flushes = 2.0 * (double(n) + m) * kFlushed;
  const double product = accumulation.hardware_block == 0 ? accumulation.u * (1.0 + 0x1p-10) : 0.0;
  AccumulationError error;
  error.of_sizes = errors.accumulation * (any_order ? whole / 2.0 + product : whole);
  error.of_sum = errors.accumulation * (any_order ? whole / 2.0 : 0.0);
  error.absolute = errors.underflow * flushes;
  return error;
}

}  // namespace lyap::deviation
