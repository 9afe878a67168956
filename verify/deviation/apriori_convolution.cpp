#include "verify/deviation/apriori_convolution.hpp"

#include <utility>

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
  for (Index j = 0; j < taps_.rows(); ++j) {
    const double* low = padded.v.lower.row(t + j).data();
    const double* high = padded.v.upper.row(t + j).data();
    const double* r = padded.radius.row(t + j).data();
    const double* part = padded.carried.row(t + j).data();
    const double* w = taps_.row(j).data();
    const double* size = size_.row(j).data();
    const double* spread = spread_.size() > 0 ? spread_.row(j).data() : nullptr;
    for (Index i = 0; i < channels; ++i) {
      upper[i] += larger(w[i] * low[i], w[i] * high[i]);
      minus_lower[i] += larger(-w[i] * low[i], -w[i] * high[i]);
      const double v_prime = larger(high[i], -low[i]) + r[i];
      radius[i] += size[i] * r[i];
      linear[i] += magnitude(w[i]) * part[i];
      local[i] += size[i] * (r[i] - part[i]);
      reached[i] += size[i] * v_prime;
      if (spread != nullptr) {
        radius[i] += spread[i] * v_prime;
        local[i] += spread[i] * (v_prime + part[i]);
      }
    }
  }
  for (Index i = 0; i < channels; ++i) {
    const double c = larger(upper[i], minus_lower[i]);
    const double sum = reached[i] * sum_.of_sizes + (c + radius[i]) * sum_.of_sum + sum_.absolute;
    radius[i] = known(radius[i] + sum);
    const double rounded = output_.of_upward(known(c + radius[i]));
    radius[i] = known(radius[i] + rounded);
    local[i] = known(local[i] + sum + rounded);
    linear[i] = known(linear[i]);
    minus_lower[i] = -minus_lower[i];
  }
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
    for (Index i = 0; i < channels; ++i) {
      const double slope = slopes.slope(t, i), off = slopes.error(t, i), radius = convolved.radius(t, i);
      const double change = silu_change_upward(slope, off, radius, terms_);
      const double lowest = -(radius - convolved.c.lower(t, i));
      const double own = silu_error_upward(known(x_size(t, i) + change), lowest, terms_);
      size(t, i) = known(x_size(t, i) + (change + own));
      const double rounded = own + silu_.of_upward(size(t, i));
      result.x(t, i) = known(change + rounded);
      result.linear(t, i) = known(magnitude(slope) * convolved.linear(t, i));
      result.beyond(t, i) =
          known(magnitude(slope) * convolved.local(t, i) + silu_remainder_upward(slope, off, radius, terms_) + rounded);
    }
  });
  note_overflow(overflow, "silu of the convolution", silu_type_, size);
  return result;
}

}  // namespace lyap::deviation
