#pragma once

#include <cstddef>
#include <string>

#include "numerics/rounded_arrays.hpp"
#include "verify/deviation/deployed_float32_errors.hpp"
#include "verify/deviation/deployed_overflow.hpp"
#include "verify/deviation/deployed_sequence.hpp"

namespace lyap::deviation {

/// How a program reads tf32 operands: one way throughout.
enum class Tf32Reading { kTruncated, kToNearest };

/// The sets of numbers that programs compute: each site takes the exact operation on the set, widens it by the
/// operation's own error, then rounds both ends, which is monotone. Containment: whatever numbers of the arguments'
/// sets go in, every number that an operation within ErrorModel's and the policy's bounds computes of them lies in the
/// result. Where a number may leave a type's range the finding is recorded and the set goes on without what lies
/// beyond. Ends are finite.
class IntervalArithmetic {
 public:
  using Array = trajectory::IntervalMatrix;
  class Weight;
  class Convolution;
  class Scan;

  explicit IntervalArithmetic(Tf32Reading reading, const ErrorModel& errors = {})
      : reading_(reading), errors_(errors) {}

  /// Rows [begin, end) as binary32 numbers.
  [[nodiscard]] Array read(const theory::Matrix& inputs, std::size_t begin, std::size_t end);
  void round(Array& x, const theory::NumberType& type, const std::string& tensor);
  void normalise(Array& r, double epsilon, std::size_t groups, const std::string& tensor);
  void scale_columns(Array& x, const theory::Vector& gain, const std::string& tensor);
  [[nodiscard]] Array product(const Array& x, const Weight& weight, const theory::LinearRounding& rounding,
                              const theory::Vector& bias, const std::string& tensor);
  void add_row(Array& x, const theory::Vector& row, const std::string& tensor);
  void silu(Array& x);
  [[nodiscard]] Array multiply(const Array& x, const Array& y, const std::string& tensor);
  [[nodiscard]] Array step_sizes(Array p, const theory::StepSizeLimits& limits, const theory::NumberType& type);
  [[nodiscard]] static Array columns(const Array& x, std::size_t first, std::size_t count);
  [[nodiscard]] static bool is_empty(const Array& x) { return x.rows() == 0; }

  /// Rounds widened sums: the accumulator is [lower, upper] before its error, `error` bounds that. Rounds to `type`.
  void widen_and_round(Array& sums, const RowMajorMatrix& error, const theory::NumberType& type,
                       const std::string& tensor);
  /// How this program's sets round to `type`; its precision is 0 where they do not.
  [[nodiscard]] SetRounding rounding_to(const theory::NumberType& type) const;
  [[nodiscard]] const ErrorModel& errors() const { return errors_; }
  [[nodiscard]] OverflowRecord& overflow() { return overflow_; }

 private:
  Tf32Reading reading_;
  ErrorModel errors_;
  OverflowRecord overflow_;
};

/// Error of adding up n products p_j, r = Σ p_j, S = Σ |p_j|: at most of_sizes S + of_sum |r| + absolute.
///
/// In any order: every partial sum is the sum of a subset of terms, so it lies between minus the sum of the negative
/// terms and that of the positive ones, M = (S + |r|)/2 in magnitude at most. Each of m = Accumulation::roundings
/// roundings therefore errs by at most u M (1 + 4 m u), computed partial sums instead of exact ones included; so do the
/// alignments inside a tensor core, whose addends are partial sums and terms. That is half of gamma_m S where terms
/// cancel. Products that are rounded themselves add u S. With a stated chain of L additions, gamma_L S where it is
/// less.
struct AccumulationError {
  double of_sizes = 0.0, of_sum = 0.0, absolute = 0.0;
};
[[nodiscard]] AccumulationError accumulation_error(const theory::Accumulation& accumulation, std::size_t n,
                                                   const ErrorModel& errors);

/// A weight matrix as a program multiplies with it: a set where ties may be read either way.
class IntervalArithmetic::Weight {
 public:
  Weight(const IntervalArithmetic& arithmetic, const theory::Matrix& weight, const theory::NumberType& type);
  [[nodiscard]] const BallMatrix& ball() const { return ball_; }
  [[nodiscard]] bool is_point() const { return is_point_; }

 private:
  BallMatrix ball_;
  bool is_point_ = true;
};

/// The depthwise causal convolution; inputs before the first token are zero.
class IntervalArithmetic::Convolution {
 public:
  /// `bias` must outlive this object; empty: none.
  Convolution(IntervalArithmetic& arithmetic, const theory::Matrix& weight, const theory::Vector& bias,
              const theory::LinearRounding& rounding);
  /// x (tokens, channels): the tokens that follow those of the previous call.
  [[nodiscard]] Array apply(Array x);

 private:
  void convolve_row_upward(const Array& padded, Eigen::Index t, Array& sums, RowMajorMatrix& error) const;

  IntervalArithmetic& arithmetic_;
  const theory::Vector& bias_;
  theory::LinearRounding rounding_;
  Array taps_;  // (J, channels), oldest first
  Array past_;  // the last J - 1 tokens
  AccumulationError error_;
};

}  // namespace lyap::deviation
