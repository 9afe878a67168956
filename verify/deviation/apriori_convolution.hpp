#pragma once

#include "verify/deviation/apriori_layer.hpp"
#include "verify/deviation/apriori_silu.hpp"

namespace lyap::deviation {

/// What lies before a convolution: |v' - v| <= radius, and v' - v is a linear part of size at most `carried` plus at
/// most radius - carried.
struct ConvolutionInputs {
  IntervalMatrix v;
  RowMajorMatrix carried, radius;
};

/// What convolution and silu make of it, for one chunk. c is the real convolution's output, x = silu(c).
struct ConvolvedRadii {
  RowMajorMatrix x;      ///< |x' - x|, x' as it is passed on
  RowMajorMatrix slope;  ///< silu' at a point of c's enclosure
  RowMajorMatrix linear;  ///< Σ_j |slope w_j| carried_j: size of the linear part of x' - x, slope Σ_j w_j (linear part)
  RowMajorMatrix beyond;  ///< of x' - x without its linear part
};

/// Bounds through the depthwise causal convolution and silu, chunk after chunk:
/// theory/theorems/apriori_propagation.md, section 3.
class AprioriConvolution {
 public:
  /// `bias` must outlive this object; empty: none.
  AprioriConvolution(const theory::Matrix& weight, const theory::Matrix* also, const theory::Vector& bias,
                     const theory::LinearRounding& rounding, const theory::NumberType& silu, const AprioriTerms& terms);

  /// The tokens that follow those of the previous call; x_size is at least |x|.
  [[nodiscard]] ConvolvedRadii advance(ConvolutionInputs inputs, const RowMajorMatrix& x_size,
                                       OverflowRecord& overflow);

  [[nodiscard]] const RowMajorMatrix& taps() const { return taps_; }  ///< (J, channels), oldest first

 private:
  struct Convolved {
    IntervalMatrix c;
    RowMajorMatrix radius, local, linear;  // |c' - c|, its part beyond the linear one, Σ |w_j| carried_j
    RowMajorMatrix reached;                // sums of magnitudes, which partial sums never exceed
  };
  void round_inputs(ConvolutionInputs& inputs, OverflowRecord& overflow) const;
  [[nodiscard]] ConvolutionInputs with_past(const ConvolutionInputs& inputs);
  void convolve_row_upward(const ConvolutionInputs& padded, Eigen::Index t, Convolved& result) const;

  RowMajorMatrix taps_;    // (J, channels), oldest first
  RowMajorMatrix size_;    // of the taps that a program reads
  RowMajorMatrix spread_;  // how far those can be from taps_; empty: nowhere
  const theory::Vector& bias_;
  theory::LinearRounding rounding_;
  theory::NumberType silu_type_;
  AprioriTerms terms_;
  RoundingError input_, output_, silu_;
  AccumulationError sum_;
  ConvolutionInputs past_;
};

}  // namespace lyap::deviation
