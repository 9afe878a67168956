#pragma once

#include <functional>
#include <string>

#include "numerics/float_product.hpp"
#include "theory/block_weights.hpp"
#include "verify/deviation/apriori_rounding.hpp"
#include "verify/deviation/deployed_interval_arithmetic.hpp"
#include "verify/deviation/deployed_overflow.hpp"
#include "verify/deviation/real_run.hpp"

/// How far a linear layer of any program of a policy can be from the real layer, token by token. Rows are tokens; every
/// matrix of bounds is nonnegative and rounded upward.
namespace lyap::deviation {

/// body(t) for every row, in parallel, the processor rounding upward.
void over_rows_upward(Eigen::Index rows, const std::function<void(Eigen::Index t)>& body);

/// At least |v| for every v of the set.
[[nodiscard]] RowMajorMatrix magnitude_of(const IntervalMatrix& x);
[[nodiscard]] IntervalMatrix columns_of(const IntervalMatrix& x, std::size_t first, std::size_t count);

/// Error of a sum of n products, as the terms say.
[[nodiscard]] AccumulationError summation_error(const theory::Accumulation& accumulation, std::size_t n,
                                                const AprioriTerms& terms);

/// Where bounds of magnitudes pass a type's range; binary32's where the type does not round.
void note_overflow(OverflowRecord& record, const std::string& tensor, const theory::NumberType& type,
                   const RowMajorMatrix& magnitude);

/// What one layer's sums differ by.
struct LayerRadii {
  RowMajorMatrix input;    ///< (tokens, k) |x' - x| as the program multiplies it: rounded to the layer's type
  RowMajorMatrix carried;  ///< (tokens, m) |W| times that
  RowMajorMatrix local;    ///< (tokens, m) of the sum itself: order of summation, weights read otherwise, flushes
};

/// Entry by entry how far a program's weight can be from `rounded`: where the type's numbers may be read by several
/// rules, and where subnormals are flushed. `also`: the same weights by another rule, between which and `rounded` every
/// program reads; null: unknown. Empty where nothing differs.
[[nodiscard]] RowMajorMatrix weight_radius(const theory::Matrix& rounded, const theory::Matrix* also,
                                           const theory::NumberType& type, const AprioriTerms& terms);

/// Bounds of a layer W x + bias, W and bias as the policy rounds them.
class AprioriLayer {
 public:
  /// `tensor` is the name that findings use.
  AprioriLayer(const char* tensor, const theory::Matrix& weight, const theory::Matrix* also, const theory::Vector& bias,
               const theory::LinearRounding& rounding, const AprioriTerms& terms);

  /// size: (tokens, k) at least |x|; radius: at least |x' - x|, x' before it is rounded for this layer; v_size: at
  /// least the real sum's magnitude.
  [[nodiscard]] LayerRadii radii(const RowMajorMatrix& size, const RowMajorMatrix& radius, const RowMajorMatrix& v_size,
                                 OverflowRecord& overflow) const;
  /// radius: at least |v' - v|, v' the program's sum. Becomes the bound for the number that is passed on.
  void round_output(const RowMajorMatrix& v_size, RowMajorMatrix& radius, OverflowRecord& overflow) const;

  [[nodiscard]] const RowMajorFloatMatrix& size() const { return size_; }  ///< (m, k) at least |W'|

 private:
  RowMajorFloatMatrix size_, radius_;  // of W'; the radius is empty where W' is W
  std::vector<double> bias_;           // magnitudes, or empty
  std::string tensor_;
  theory::NumberType input_type_, output_type_;
  RoundingError input_, output_;
  AccumulationError sum_;
};

}  // namespace lyap::deviation
