#include <algorithm>
#include <cmath>

#include "numerics/parallel.hpp"
#include "numerics/rounding.hpp"
#include "verify/deviation/deployed_interval_arithmetic.hpp"

namespace lyap::deviation {
namespace {

using Array = IntervalArithmetic::Array;
using Eigen::Index;

constexpr std::size_t kRowGrain = 8;

/// The type that an accumulator is passed on in: where it is not rounded, it is a binary32 number.
theory::NumberType output_type(const theory::LinearRounding& rounding) {
  return rounding.output.u == 0.0 ? theory::kFlushedFloat32Type : rounding.output;
}

/// radius + relative (|midpoint| + radius), entry by entry.
void add_relative_radius(BallMatrix& x, double relative) {
  parallel_for(std::size_t(x.midpoint.rows()), kRowGrain, [&](std::size_t begin, std::size_t end) {
    const RoundingUpward upward;
    const double* midpoint = x.midpoint.row(Index(begin)).data();
    double* radius = x.radius.row(Index(begin)).data();
    const std::size_t count = (end - begin) * std::size_t(x.midpoint.cols());
    for (std::size_t i = 0; i < count; ++i) radius[i] += relative * (std::abs(midpoint[i]) + radius[i]);
  });
}

/// Adds the bias to row t and what the sum's error is because of it and of the sum itself.
void add_bias_upward(const theory::Vector& bias, const AccumulationError& error, Index t, Array& sums,
                     RowMajorMatrix& widening) {
  for (Index i = 0; i < sums.columns(); ++i) {
    const double b = bias.empty() ? 0.0 : bias[std::size_t(i)];
    const double minus_lower = -sums.lower(t, i) - b, upper = sums.upper(t, i) + b;
    sums.lower(t, i) = -minus_lower;
    sums.upper(t, i) = upper;
    widening(t, i) += error.of_sizes * std::abs(b) + error.of_sum * std::max(minus_lower, upper);
  }
}

}  // namespace

IntervalArithmetic::Weight::Weight(const IntervalArithmetic& arithmetic, const theory::Matrix& weight,
                                   const theory::NumberType& type) {
  const Eigen::Map<const RowMajorMatrix> stored(weight.row(0), Index(weight.rows), Index(weight.columns));
  ball_.midpoint = stored;
  ball_.radius = RowMajorMatrix::Zero(stored.rows(), stored.cols());
  const SetRounding rounding = arithmetic.rounding_to(type);
  if (rounding.format.precision == 0) return;
  Array set;
  set.lower = stored;
  set.upper = stored;
  const std::size_t count = std::size_t(stored.size());
  round_intervals({{set.lower.data(), count}, {set.upper.data(), count}}, rounding);
  set.lower = set.lower.cwiseMax(-type.largest).cwiseMin(type.largest);
  set.upper = set.upper.cwiseMax(-type.largest).cwiseMin(type.largest);
  is_point_ = set.lower == set.upper;
  if (is_point_) {
    ball_.midpoint = set.lower;
  } else {
    ball_ = ball_of(set.lower, set.upper);
  }
}

Array IntervalArithmetic::product(const Array& x, const Weight& weight, const theory::LinearRounding& rounding,
                                  const theory::Vector& bias, const std::string& tensor) {
  const std::size_t terms = std::size_t(x.columns()) + (bias.empty() ? 0 : 1);
  const AccumulationError error = accumulation_error(rounding.accumulation, terms, errors_);
  BallMatrix factor = ball_of(x.lower, x.upper);
  const bool before = errors_.widens_before_rounding;
  if (before) add_relative_radius(factor, error.of_sizes);
  const BallMatrix sums = weight.is_point() ? enclose_product_transposed(factor, weight.ball().midpoint)
                                            : enclose_product_transposed(factor, weight.ball());
  Array result;
  bounds_of(sums, result.lower, result.upper);
  RowMajorMatrix widening = RowMajorMatrix::Constant(result.rows(), result.columns(), error.absolute);
  if (!before) {
    const BallMatrix magnitudes = enclose_product_transposed(
        RowMajorMatrix(x.lower.cwiseAbs().cwiseMax(x.upper.cwiseAbs())), weight.ball().midpoint.cwiseAbs().eval());
    widening += error.of_sizes * magnitudes.midpoint;
  }
  parallel_for(std::size_t(result.rows()), kRowGrain, [&](std::size_t begin, std::size_t end) {
    const RoundingUpward upward;
    for (Index t = Index(begin); t < Index(end); ++t) add_bias_upward(bias, error, t, result, widening);
  });
  if (error.of_sizes > 0.0) {  // of_sizes times the sum of magnitudes is part of the radius
    const RoundingUpward upward;
    const double largest = sums.radius.size() == 0 ? 0.0 : sums.radius.maxCoeff();
    if (!(largest / error.of_sizes <= theory::kLargestFloat32)) {
      overflow_.add(tensor + ", a partial sum", theory::kFloat32Type.name, 0, 1, largest / error.of_sizes);
    }
  }
  widen_and_round(result, widening, output_type(rounding), tensor);
  return result;
}

IntervalArithmetic::Convolution::Convolution(IntervalArithmetic& arithmetic, const theory::Matrix& weight,
                                             const theory::Vector& bias, const theory::LinearRounding& rounding)
    : arithmetic_(arithmetic), bias_(bias), rounding_(rounding) {
  const Weight taps(arithmetic, weight, rounding.weight);
  BallMatrix transposed{taps.ball().midpoint.transpose(), taps.ball().radius.transpose()};
  bounds_of(transposed, taps_.lower, taps_.upper);
  past_.lower = RowMajorMatrix::Zero(Index(weight.columns) - 1, Index(weight.rows));
  past_.upper = past_.lower;
  error_ = accumulation_error(rounding.accumulation, weight.columns + (bias.empty() ? 0 : 1), arithmetic.errors());
}

void IntervalArithmetic::Convolution::convolve_row_upward(const Array& padded, Index t, Array& sums,
                                                          RowMajorMatrix& error) const {
  double* lower = sums.lower.row(t).data();  // minus the lower bound until the end
  double* upper = sums.upper.row(t).data();
  double* magnitude = error.row(t).data();
  const Index channels = sums.columns();
  for (Index c = 0; c < channels; ++c) {
    upper[c] = bias_.empty() ? 0.0 : bias_[std::size_t(c)];
    lower[c] = -upper[c];
    magnitude[c] = std::abs(upper[c]);
  }
  for (Index j = 0; j < taps_.rows(); ++j) {
    const double* x_lower = padded.lower.row(t + j).data();
    const double* x_upper = padded.upper.row(t + j).data();
    const double* w_lower = taps_.lower.row(j).data();
    const double* w_upper = taps_.upper.row(j).data();
    for (Index c = 0; c < channels; ++c) {
      const double high = std::max(std::max(w_lower[c] * x_lower[c], w_lower[c] * x_upper[c]),
                                   std::max(w_upper[c] * x_lower[c], w_upper[c] * x_upper[c]));
      const double minus_low = std::max(std::max(-w_lower[c] * x_lower[c], -w_lower[c] * x_upper[c]),
                                        std::max(-w_upper[c] * x_lower[c], -w_upper[c] * x_upper[c]));
      upper[c] += high;
      lower[c] += minus_low;
      magnitude[c] += std::max(high, minus_low);
    }
  }
  for (Index c = 0; c < channels; ++c) {
    lower[c] = -lower[c];
    magnitude[c] = magnitude[c] * error_.of_sizes + std::max(-lower[c], upper[c]) * error_.of_sum + error_.absolute;
  }
}

Array IntervalArithmetic::Convolution::apply(Array x) {
  arithmetic_.round(x, rounding_.input, "convolution input");
  Array padded(past_.rows() + x.rows(), x.columns());
  padded.lower << past_.lower, x.lower;
  padded.upper << past_.upper, x.upper;
  Array sums(x.rows(), x.columns());
  RowMajorMatrix error(x.rows(), x.columns());
  parallel_for(std::size_t(x.rows()), kRowGrain, [&](std::size_t begin, std::size_t end) {
    const RoundingUpward upward;
    for (std::size_t t = begin; t < end; ++t) convolve_row_upward(padded, Index(t), sums, error);
  });
  past_.lower = padded.lower.bottomRows(past_.rows()).eval();
  past_.upper = padded.upper.bottomRows(past_.rows()).eval();
  arithmetic_.widen_and_round(sums, error, output_type(rounding_), "convolution output");
  return sums;
}

}  // namespace lyap::deviation
