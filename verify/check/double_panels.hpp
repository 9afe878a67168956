#pragma once

#include <array>
#include <cstddef>
#include <vector>

namespace lyap::check {

/// Rows of binary64 numbers in panels of four, for many dot products with the same rows.
class DoublePanels {
 public:
  static constexpr std::size_t kWidth = 4;
  /// `rows` holds `count` rows of `columns` numbers.
  DoublePanels(const double* rows, std::size_t count, std::size_t columns);

  [[nodiscard]] std::size_t rows() const { return count_; }
  [[nodiscard]] std::size_t panels() const { return (count_ + kWidth - 1) / kWidth; }

  /// out[v * kWidth + c] = the dot product of row panel * kWidth + c with vector v, the `vectors` vectors lying
  /// `stride` numbers apart from `first` on. Each is one sum in the order of the entries, rounded to nearest.
  void multiply(std::size_t panel, const double* first, std::size_t vectors, std::size_t stride, double* out) const;

 private:
  std::size_t count_, columns_;
  std::vector<double> entries_;
};

}  // namespace lyap::check
