#pragma once

#include <cstddef>
#include <string>

#include "verify/deviation/deployed_sequence.hpp"

namespace lyap::deviation {

/// One program in its own arithmetic: binary32 numbers, bit for bit at every rounding site; sums in the order of the
/// loops and of Eigen's product; functions of the C library. Not finite where the program overflows.
class EmulatedArithmetic {
 public:
  using Array = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  class Weight;
  class Convolution;
  class Scan;

  [[nodiscard]] static Array read(const theory::Matrix& inputs, std::size_t begin, std::size_t end);
  static void round(Array& x, const theory::NumberType& type, const std::string& tensor);
  static void normalise(Array& r, double epsilon, std::size_t groups, const std::string& tensor);
  static void scale_columns(Array& x, const theory::Vector& gain, const std::string& tensor);
  [[nodiscard]] static Array product(const Array& x, const Weight& weight, const theory::LinearRounding& rounding,
                                     const theory::Vector& bias, const std::string& tensor);
  static void add_row(Array& x, const theory::Vector& row, const std::string& tensor);
  static void silu(Array& x);
  [[nodiscard]] static Array multiply(const Array& x, const Array& y, const std::string& tensor);
  [[nodiscard]] static Array step_sizes(Array p, const theory::StepSizeLimits& limits, const theory::NumberType& type);
  [[nodiscard]] static Array columns(const Array& x, std::size_t first, std::size_t count);
  [[nodiscard]] static bool is_empty(const Array& x) { return x.rows() == 0; }
};

class EmulatedArithmetic::Weight {
 public:
  Weight(const EmulatedArithmetic& arithmetic, const theory::Matrix& weight, const theory::NumberType& type);
  [[nodiscard]] const Array& values() const { return values_; }

 private:
  Array values_;
};

class EmulatedArithmetic::Convolution {
 public:
  Convolution(const EmulatedArithmetic& arithmetic, const theory::Matrix& weight, const theory::Vector& bias,
              const theory::LinearRounding& rounding);
  [[nodiscard]] Array apply(Array x);

 private:
  const theory::Vector& bias_;
  theory::LinearRounding rounding_;
  Array taps_, past_;  // (J, channels), (J - 1, channels)
};

/// Step by step.
class EmulatedArithmetic::Scan {
 public:
  Scan(const EmulatedArithmetic& arithmetic, const trajectory::StateShape& shape, const theory::Vector& A_log,
       const theory::Vector& D, const theory::ScanRounding& rounding);
  void advance(ProgramChunk<Array>& chunk);

 private:
  void advance_head(const ProgramChunk<Array>& chunk, Eigen::Index t, std::size_t head, Array& h, Array& y,
                    float* decay, float* read) const;

  trajectory::StateShape shape_;
  const theory::Vector& skip_;
  theory::ScanRounding rounding_;
  std::vector<float> A_;  // -exp(A_log)
  Array last_state_;
};

}  // namespace lyap::deviation
