#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "theory/block_weights.hpp"
#include "verify/check/number.hpp"

/// Matrices of integers at a power of two, and products of them in 128-bit integers: every sum is exact, and what the
/// integers leave out of the real entries is counted.
namespace lyap::check {

/// Integers have at most this many bits and sums at most kMostColumns terms, so that no sum leaves 127 bits.
inline constexpr int kIntegerBits = 55;
inline constexpr std::size_t kMostColumns = std::size_t{1} << 16;

/// Entry (i, j) is integers[i * columns + j] 2^exponent[i], off by at most error[i] of that unit.
struct FixedMatrix {
  std::size_t rows = 0, columns = 0;
  std::vector<std::int64_t> integers;
  std::vector<long> exponent;
  std::vector<std::uint64_t> error;

  [[nodiscard]] const std::int64_t* row(std::size_t i) const { return integers.data() + i * columns; }
};

/// What column j of a matrix is multiplied by: every factor[j], and 2^exponent[j] where `exponent` is not empty.
struct ColumnScale {
  std::vector<std::span<const double>> factors;
  std::span<const long> exponent;
};

/// Rows [begin, end) of `matrix`, their columns scaled exactly, each row then rounded once at a scale of its own. Most
/// rows of float32 and narrower numbers fit without error. Throws ContractViolation for more than kMostColumns columns.
[[nodiscard]] FixedMatrix fixed_rows(const theory::Matrix& matrix, std::size_t begin, std::size_t end,
                                     const ColumnScale& scale = {});

/// Exact sums at a scale, each off by at most `error` from the real number it stands for.
struct FixedSums {
  std::vector<Int128> values;
  long exponent = 0;
  UInt128 error = 0;
};

/// The right-hand side of products, laid out in panels of four columns. Its rows keep their scales; a left-hand side is
/// made with exponents() as its columns' scale, so that what is small in one and large in the other loses nothing.
class RightFactor {
 public:
  explicit RightFactor(const FixedMatrix& matrix);
  [[nodiscard]] std::size_t columns() const { return columns_; }
  [[nodiscard]] const std::vector<long>& exponents() const { return exponents_; }

  /// Row `row` of `left` times the matrix.
  void multiply(const FixedMatrix& left, std::size_t row, FixedSums& result) const;

 private:
  std::size_t rows_, columns_;
  std::vector<long> exponents_;
  std::vector<std::uint64_t> errors_;
  UInt128 column_sum_;  // the largest sum of magnitudes of a column, errors included
  std::vector<std::int64_t> panels_;
};

/// Sums rounded to integers of kIntegerBits again: one row.
[[nodiscard]] FixedMatrix fixed_row(const FixedSums& sums);
/// Row `row` as sums.
[[nodiscard]] FixedSums sums_of(const FixedMatrix& matrix, std::size_t row);
/// The rows of `parts` below each other.
[[nodiscard]] FixedMatrix stacked(const std::vector<FixedMatrix>& parts);

/// Real numbers x_k given by ranges, in several sets; x_k has one scale for all sets. In a set sums[k] is floor(lower)
/// + ceil(upper) and widths[k] their difference, in units of 2^exponent[k].
struct FixedRanges {
  struct Set {
    std::vector<std::int64_t> sums, widths;
    UInt128 unit_sum = 0;  ///< sum of the largest |x_k|, each in its own units
    Number magnitude_sum;  ///< at least the sum of the largest |x_k|
  };
  std::vector<long> exponent;
  std::vector<Set> sets;
};
[[nodiscard]] FixedRanges fixed_ranges(const std::vector<std::vector<Range>>& sets);

/// Per set: sum_k a_k x_k over every choice of the x_k in their ranges.
[[nodiscard]] std::vector<Range> weighted_ranges(const FixedSums& weights, const FixedRanges& ranges);

/// At least the Euclidean norm of row `row`.
[[nodiscard]] Number row_norm(const FixedMatrix& matrix, std::size_t row);

}  // namespace lyap::check
