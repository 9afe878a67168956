#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "theory/number_types.hpp"
#include "verify/deviation/deployed_float32_errors.hpp"

/// What single roundings can do to numbers of which only a bound is known: the bricks of the a-priori bound.
namespace lyap::deviation {

/// Factors on the terms of the a-priori bound. All are 1; tests set one to 0 and must then see a violation.
struct AprioriTerms {
  double weights = 1.0;       ///< distance of the rounded weights' run from the reference
  double rounding = 1.0;      ///< roundings to the policy's types, and of binary32 products and sums
  double accumulation = 1.0;  ///< of layers, convolution, C . h, the norm's mean
  double functions = 1.0;     ///< exp, softplus, silu, 1/sqrt
  double underflow = 1.0;     ///< what subnormals and flushes add
  double curvature = 1.0;     ///< second-order terms of silu
  double scan = 1.0;          ///< products and sums of the recurrence
  double carried = 1.0;       ///< what a step takes over of the deviation before it
};

/// 2^floor(log2 x); 0 below 2^-1022, infinity for infinity.
[[nodiscard]] inline double binade(double x) {
  return std::bit_cast<double>(std::bit_cast<std::uint64_t>(x) & 0x7ff0000000000000U);
}

/// x where it is a number, and infinity for NaN: nothing is known then.
[[nodiscard]] inline double known(double x) {
  return x <= std::numeric_limits<double>::max() ? x : std::numeric_limits<double>::infinity();
}

/// One rounding to a type: half a unit in the last place of the number's binade (a whole one where it truncates), and
/// half the least subnormal or a flush below the normal numbers.
class RoundingError {
 public:
  RoundingError(const theory::NumberType& type, const AprioriTerms& terms)
      : unit_(type.u * terms.rounding),
        least_((type.u_min > kFlushed ? type.u_min : kFlushed) * terms.underflow),
        largest_(type.largest) {}

  /// At least |fl(x) - x| for every |x| <= magnitude, overflow excluded; 0 for 0. In upward rounding. For a type that
  /// does not round: what a flush of the operand does.
  [[nodiscard]] double of_upward(double magnitude) const {
    const double step = unit_ * binade(magnitude);
    const double error = step < least_ ? least_ : step;
    return error < magnitude ? error : magnitude;
  }
  [[nodiscard]] double largest() const { return largest_; }

 private:
  double unit_, least_, largest_;
};

}  // namespace lyap::deviation
