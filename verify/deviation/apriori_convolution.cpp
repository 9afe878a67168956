#include "verify/deviation/apriori_convolution.hpp"

#include <utility>

#include "numerics/vector_clones.hpp"

namespace lyap::deviation {
namespace {

using Eigen::Index;

double larger(double a, double b) { return a < b ? b : a; }
double magnitude(double x) { return larger(x, -x); }

RowMajorMatrix stacked(const RowMajorMatrix& above, const RowMajorMatrix& below) {
  RowMajorMatrix result(above.rows() + below.rows(), below.cols());
  result << above, below;
  return result;
}

/// One token before silu: slopes, bounds of |silu|, lower ends, and what numbers differ by: all of it, beyond what is
/// linear in the norm, and that.
struct SiluRow {
  const double *slope, *slope_error, *x_size, *lower, *radius, *local, *linear;
};
/// And after it: sizes before rounding, and the three.
struct PassedRow {
  double *size, *x, *linear, *beyond;
};
LYAP_VECTOR_CLONES void pass_silu_upward(const SiluRow& given, const RoundingError& type, const AprioriTerms& factors,
                                         Index count, const PassedRow& passed) {
  const SiluRow row = given;
  const PassedRow to = passed;
  const RoundingError rounding = type;
  const AprioriTerms terms = factors;
#pragma GCC ivdep
  for (Index i = 0; i < count; ++i) {
    const double slope = row.slope[i], off = row.slope_error[i], radius = row.radius[i];
    const double change = silu_change_upward(slope, off, radius, terms);
    const double own = silu_error_upward(known(row.x_size[i] + change), -(radius - row.lower[i]), terms);
    to.size[i] = known(row.x_size[i] + (change + own));
    const double rounded = own + rounding.of_upward(to.size[i]);
    to.x[i] = known(change + rounded);
    to.linear[i] = known(magnitude(slope) * row.linear[i]);
    to.beyond[i] = known(magnitude(slope) * row.local[i] + silu_remainder_upward(slope, off, radius, terms) + rounded);
  }
}

/// One tap of the convolution: its weights, their sizes, how far they may be read otherwise (null: not), and one token.
struct TapRow {
  const double *weight, *size, *spread;
  const double *lower, *upper, *radius, *carried;
};
struct SumRow {
  double *upper, *minus_lower, *radius, *local, *linear, *reached;
};
template <bool kSpread>
[[gnu::always_inline]] inline void add_one_tap_upward(const TapRow& given, const SumRow& sums, Index channels) {
  const TapRow tap = given;
  const SumRow to = sums;
#pragma GCC ivdep
  for (Index i = 0; i < channels; ++i) {
    const double w = tap.weight[i], r = tap.radius[i], part = tap.carried[i];
    to.upper[i] += larger(w * tap.lower[i], w * tap.upper[i]);
    to.minus_lower[i] += larger(-w * tap.lower[i], -w * tap.upper[i]);
    const double v_prime = larger(tap.upper[i], -tap.lower[i]) + r;
    const double spread = kSpread ? tap.spread[i] : 0.0;
    to.radius[i] += tap.size[i] * r + (kSpread ? spread * v_prime : 0.0);
    to.linear[i] += magnitude(w) * part;
    to.local[i] += tap.size[i] * (r - part) + (kSpread ? spread * (v_prime + part) : 0.0);
    to.reached[i] += tap.size[i] * v_prime;
  }
}
LYAP_VECTOR_CLONES void add_tap_upward(const TapRow& tap, const SumRow& to, Index channels) {
  if (tap.spread != nullptr) {
    add_one_tap_upward<true>(tap, to, channels);
  } else {
    add_one_tap_upward<false>(tap, to, channels);
  }
}

LYAP_VECTOR_CLONES void finish_sums_upward(const AccumulationError& error, const RoundingError& type, Index channels,
                                           const SumRow& sums) {
  const SumRow to = sums;
  const AccumulationError sum_error = error;
  const RoundingError rounding = type;
#pragma GCC ivdep
  for (Index i = 0; i < channels; ++i) {
    const double c = larger(to.upper[i], to.minus_lower[i]);
    const double sum = to.reached[i] * sum_error.of_sizes + (c + to.radius[i]) * sum_error.of_sum + sum_error.absolute;
    const double before = known(to.radius[i] + sum);
    const double rounded = rounding.of_upward(known(c + before));
    to.radius[i] = known(before + rounded);
    to.local[i] = known(to.local[i] + sum + rounded);
    to.linear[i] = known(to.linear[i]);
    to.minus_lower[i] = -to.minus_lower[i];
  }
}

}  // namespace

AprioriConvolution::AprioriConvolution(const theory::Matrix& weight, const theory::Matrix* also,
                                       const theory::Vector& bias, const theory::LinearRounding& rounding,
                                       const theory::NumberType& silu, const AprioriTerms& terms)
    : bias_(bias),
      rounding_(rounding),
      silu_type_(silu),
      terms_(terms),
      input_(rounding.input, terms),
      output_(rounding.output, terms),
      silu_(silu, terms),
      sum_(summation_error(rounding.accumulation, weight.columns + (bias.empty() ? 0 : 1), terms)) {
  taps_ = Eigen::Map<const RowMajorMatrix>(weight.row(0), Index(weight.rows), Index(weight.columns)).transpose();
  size_ = taps_.cwiseAbs();
  const RowMajorMatrix spread = weight_radius(weight, also, rounding.weight, terms);
  if (spread.size() > 0) {
    spread_ = spread.transpose();
    over_rows_upward(size_.rows(), [&](Index j) { size_.row(j) += spread_.row(j); });
  }
  const RowMajorMatrix none = RowMajorMatrix::Zero(taps_.rows() - 1, taps_.cols());
  past_.v.lower = past_.v.upper = past_.carried = past_.radius = none;
}

void AprioriConvolution::round_inputs(ConvolutionInputs& inputs, OverflowRecord& overflow) const {
  RowMajorMatrix size(inputs.radius.rows(), inputs.radius.cols());
  over_rows_upward(size.rows(), [&](Index t) {
    for (Index i = 0; i < size.cols(); ++i) {
      double& radius = inputs.radius(t, i);
      size(t, i) = known(larger(inputs.v.upper(t, i), -inputs.v.lower(t, i)) + radius);
      radius = known(radius + input_.of_upward(size(t, i)));
    }
  });
  note_overflow(overflow, "convolution input", rounding_.input, size);
}

ConvolutionInputs AprioriConvolution::with_past(const ConvolutionInputs& inputs) {
  ConvolutionInputs padded;
  padded.v.lower = stacked(past_.v.lower, inputs.v.lower);
  padded.v.upper = stacked(past_.v.upper, inputs.v.upper);
  padded.carried = stacked(past_.carried, inputs.carried);
  padded.radius = stacked(past_.radius, inputs.radius);
  const Index kept = taps_.rows() - 1;
  past_.v.lower = padded.v.lower.bottomRows(kept);
  past_.v.upper = padded.v.upper.bottomRows(kept);
  past_.carried = padded.carried.bottomRows(kept);
  past_.radius = padded.radius.bottomRows(kept);
  return padded;
}

void AprioriConvolution::convolve_row_upward(const ConvolutionInputs& padded, Index t, Convolved& result) const {
  const Index channels = taps_.cols();
  double* upper = result.c.upper.row(t).data();
  double* minus_lower = result.c.lower.row(t).data();  // until the end
  double* radius = result.radius.row(t).data();
  double* local = result.local.row(t).data();
  double* linear = result.linear.row(t).data();
  double* reached = result.reached.row(t).data();
  for (Index i = 0; i < channels; ++i) {
    upper[i] = bias_.empty() ? 0.0 : bias_[std::size_t(i)];
    minus_lower[i] = -upper[i];
    reached[i] = magnitude(upper[i]);
    radius[i] = local[i] = linear[i] = 0.0;
  }
  const SumRow sums{upper, minus_lower, radius, local, linear, reached};
  for (Index j = 0; j < taps_.rows(); ++j) {
    add_tap_upward({taps_.row(j).data(), size_.row(j).data(), spread_.size() > 0 ? spread_.row(j).data() : nullptr,
                    padded.v.lower.row(t + j).data(), padded.v.upper.row(t + j).data(), padded.radius.row(t + j).data(),
                    padded.carried.row(t + j).data()},
                   sums, channels);
  }
  finish_sums_upward(sum_, output_, channels, sums);
}

ConvolvedRadii AprioriConvolution::advance(ConvolutionInputs inputs, const RowMajorMatrix& x_size,
                                           OverflowRecord& overflow) {
  const Index tokens = x_size.rows(), channels = x_size.cols();
  round_inputs(inputs, overflow);
  const ConvolutionInputs padded = with_past(inputs);
  const RowMajorMatrix empty(tokens, channels);
  Convolved convolved{IntervalMatrix(tokens, channels), empty, empty, empty, empty};
  over_rows_upward(tokens, [&](Index t) { convolve_row_upward(padded, t, convolved); });
  note_overflow(overflow, "convolution output", rounding_.output, convolved.reached);
  const SiluSlopes slopes = silu_slopes(convolved.c);
  ConvolvedRadii result{empty, slopes.slope, empty, empty};
  RowMajorMatrix size(tokens, channels);
  over_rows_upward(tokens, [&](Index t) {
    const SiluRow row{&slopes.slope(t, 0),     &slopes.error(t, 0),    &x_size(t, 0),          &convolved.c.lower(t, 0),
                      &convolved.radius(t, 0), &convolved.local(t, 0), &convolved.linear(t, 0)};
    pass_silu_upward(row, silu_, terms_, channels,
                     {&size(t, 0), &result.x(t, 0), &result.linear(t, 0), &result.beyond(t, 0)});
  });
  note_overflow(overflow, "silu of the convolution", silu_type_, size);
  return result;
}

}  // namespace lyap::deviation
