#include "verify/check/fixed_matrix.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "numerics/contract_violation.hpp"

namespace lyap::check {
namespace {

constexpr long kNothing = -(1L << 40);  // the scale of zeros: below every other
constexpr std::size_t kPanel = 4;
constexpr long kErrorBits = 50;

/// mantissa 2^exponent, exactly.
struct Exact {
  Int128 mantissa = 0;
  long exponent = 0;
};

Exact exact(double value) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  const auto field = static_cast<long>(bits >> 52 & 0x7ff);
  if (field == 0x7ff) throw ContractViolation("fixed_rows: a weight is not finite");
  const std::uint64_t fraction = bits & ((std::uint64_t{1} << 52) - 1);
  const Int128 mantissa = static_cast<Int128>(field == 0 ? fraction : fraction | std::uint64_t{1} << 52);
  return {(bits >> 63) != 0 ? -mantissa : mantissa, std::max(field, 1L) - 1075};
}

UInt128 magnitude(Int128 value) {
  return value < 0 ? UInt128{0} - static_cast<UInt128>(value) : static_cast<UInt128>(value);
}
std::uint64_t magnitude64(std::int64_t value) {
  return value < 0 ? std::uint64_t{0} - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
}

long bit_length(UInt128 value) {
  const auto high = static_cast<std::uint64_t>(value >> 64), low = static_cast<std::uint64_t>(value);
  if (high != 0) return 128 - __builtin_clzll(high);
  return low != 0 ? 64 - __builtin_clzll(low) : 0;
}

/// Times a weight. Below 73 bits nothing is left out; longer mantissas lose less than 2^-72 of themselves.
Exact times(Exact number, double weight) {
  const Exact other = exact(weight);
  const long excess = bit_length(magnitude(number.mantissa)) - 73;
  if (excess > 0) {
    number.mantissa >>= excess;
    number.exponent += excess;
  }
  return {number.mantissa * other.mantissa, number.exponent + other.exponent};
}

/// Times 2^exponent; zero where that is the scale of zeros.
Exact shifted(const Exact& number, long exponent) {
  return exponent == kNothing ? Exact{} : Exact{number.mantissa, number.exponent + exponent};
}

/// The least exponent at which the number fits.
long fitting_exponent(const Exact& number) {
  if (number.mantissa == 0) return kNothing;
  return number.exponent + bit_length(magnitude(number.mantissa)) - kIntegerBits;
}

/// The number in units of 2^exponent, rounded down; `rounded` becomes true where something was left out.
std::int64_t in_units(const Exact& number, long exponent, bool& rounded) {
  if (number.mantissa == 0) return 0;
  const long shift = exponent - number.exponent;
  if (shift <= 0) return static_cast<std::int64_t>(number.mantissa * (Int128{1} << -shift));
  if (shift >= 127) {
    rounded = true;
    return number.mantissa < 0 ? -1 : 0;
  }
  const Int128 result = number.mantissa >> shift;
  if (result * (Int128{1} << shift) != number.mantissa) rounded = true;
  return static_cast<std::int64_t>(result);
}

void require_width(std::size_t columns) {
  if (columns > kMostColumns) throw ContractViolation("a matrix is wider than 65536 columns");
}

std::int64_t to_units(const Number& value, long exponent, Toward side) {
  Number scaled_value = value;
  mpfr_mul_2si(scaled_value.set(), scaled_value.get(), -exponent, MPFR_RNDN);
  const mpfr_rnd_t mode = side == Toward::kDown ? MPFR_RNDD : MPFR_RNDU;
  return static_cast<std::int64_t>(mpfr_get_si(scaled_value.get(), mode));
}

}  // namespace

FixedMatrix fixed_rows(const theory::Matrix& matrix, std::size_t begin, std::size_t end, const ColumnScale& scale) {
  require_width(matrix.columns);
  FixedMatrix result{end - begin, matrix.columns, {}, {}, {}};
  result.integers.resize(result.rows * result.columns);
  std::vector<Exact> row(result.columns);
  for (std::size_t i = 0; i < result.rows; ++i) {
    long exponent = kNothing;
    for (std::size_t j = 0; j < result.columns; ++j) {
      row[j] = exact(matrix(begin + i, j));
      for (const std::span<const double>& factor : scale.factors) row[j] = times(row[j], factor[j]);
      if (!scale.exponent.empty()) row[j] = shifted(row[j], scale.exponent[j]);
      exponent = std::max(exponent, fitting_exponent(row[j]));
    }
    bool rounded = scale.factors.size() > 1;  // times() may have left something out, far below a unit
    for (std::size_t j = 0; j < result.columns; ++j)
      result.integers[i * result.columns + j] = in_units(row[j], exponent, rounded);
    result.exponent.push_back(exponent);
    result.error.push_back(!rounded ? 0 : scale.factors.size() > 1 ? 2 : 1);
  }
  return result;
}

RightFactor::RightFactor(const FixedMatrix& matrix)
    : rows_(matrix.rows),
      columns_(matrix.columns),
      exponents_(matrix.exponent),
      errors_(matrix.error),
      column_sum_(0),
      panels_((columns_ + kPanel - 1) / kPanel * kPanel * rows_, 0) {
  require_width(rows_);
  std::vector<UInt128> sums(columns_, 0);
  for (std::size_t k = 0; k < rows_; ++k) {
    for (std::size_t j = 0; j < columns_; ++j) {
      panels_[(j / kPanel * rows_ + k) * kPanel + j % kPanel] = matrix.row(k)[j];
      sums[j] += UInt128{magnitude64(matrix.row(k)[j])} + errors_[k];
    }
  }
  for (const UInt128 sum : sums) column_sum_ = std::max(column_sum_, sum);
}

void RightFactor::multiply(const FixedMatrix& left, std::size_t row, FixedSums& result) const {
  if (left.columns != rows_) throw ContractViolation("RightFactor: sizes differ");
  const std::int64_t* const a = left.row(row);
  result.values.resize(columns_);
  for (std::size_t begin = 0; begin < columns_; begin += kPanel) {
    const std::int64_t* panel = panels_.data() + begin * rows_;
    Int128 sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
    for (std::size_t k = 0; k < rows_; ++k, panel += kPanel) {
      const auto weight = static_cast<Int128>(a[k]);
      sum0 += weight * panel[0];
      sum1 += weight * panel[1];
      sum2 += weight * panel[2];
      sum3 += weight * panel[3];
    }
    const Int128 sums[kPanel] = {sum0, sum1, sum2, sum3};
    std::copy(sums, sums + std::min(kPanel, columns_ - begin),
              result.values.begin() + static_cast<std::ptrdiff_t>(begin));
  }
  result.exponent = left.exponent[row];
  // |a b - (a + x)(b + y)| <= |a| |y| + |x| (|b| + |y|), summed
  result.error = UInt128{left.error[row]} * column_sum_;
  for (std::size_t k = 0; k < rows_; ++k) result.error += UInt128{magnitude64(a[k])} * errors_[k];
}

FixedMatrix fixed_row(const FixedSums& sums) {
  FixedMatrix result{1, sums.values.size(), {}, {}, {}};
  require_width(result.columns);
  UInt128 largest = 0;
  for (const Int128 value : sums.values) largest = std::max(largest, magnitude(value));
  long exponent = kNothing;
  if (largest != 0) exponent = sums.exponent + bit_length(largest) - kIntegerBits;
  // The error has to fit as well, also where everything else cancels.
  if (sums.error != 0) exponent = std::max(exponent, sums.exponent + bit_length(sums.error) - kErrorBits);
  bool rounded = false;
  for (const Int128 value : sums.values) result.integers.push_back(in_units({value, sums.exponent}, exponent, rounded));
  const long shift = exponent - sums.exponent;
  const UInt128 error = shift >= 0 ? (sums.error >> shift) + (sums.error != 0 ? 1 : 0) : sums.error << -shift;
  result.exponent.push_back(exponent);
  result.error.push_back(static_cast<std::uint64_t>(error) + (rounded ? 1 : 0));
  return result;
}

FixedSums sums_of(const FixedMatrix& matrix, std::size_t row) {
  const std::int64_t* const first = matrix.row(row);
  return {std::vector<Int128>(first, first + matrix.columns), matrix.exponent[row], matrix.error[row]};
}

FixedMatrix stacked(const std::vector<FixedMatrix>& parts) {
  FixedMatrix result;
  for (const FixedMatrix& part : parts) {
    result.rows += part.rows;
    result.columns = part.columns;
    result.integers.insert(result.integers.end(), part.integers.begin(), part.integers.end());
    result.exponent.insert(result.exponent.end(), part.exponent.begin(), part.exponent.end());
    result.error.insert(result.error.end(), part.error.begin(), part.error.end());
  }
  return result;
}

FixedRanges fixed_ranges(const std::vector<std::vector<Range>>& sets) {
  FixedRanges result;
  for (const std::vector<Range>& ranges : sets) {
    require_width(ranges.size());
    result.exponent.resize(ranges.size(), kNothing);
    for (std::size_t k = 0; k < ranges.size(); ++k) {
      const Number largest = check::magnitude(ranges[k]);
      // Sums and widths of two ends have one bit more than an end.
      if (largest.sign() != 0)
        result.exponent[k] =
            std::max(result.exponent[k], static_cast<long>(mpfr_get_exp(largest.get())) - kIntegerBits + 2);
    }
  }
  for (const std::vector<Range>& ranges : sets) {
    FixedRanges::Set set;
    for (std::size_t k = 0; k < ranges.size(); ++k) {
      const long exponent = result.exponent[k] == kNothing ? 0 : result.exponent[k];
      const std::int64_t lower = to_units(ranges[k].lower, exponent, Toward::kDown);
      const std::int64_t upper = to_units(ranges[k].upper, exponent, Toward::kUp);
      set.sums.push_back(lower + upper);
      set.widths.push_back(upper - lower);
      set.unit_sum += std::max(magnitude64(lower), magnitude64(upper));
      const Number largest = scaled(UInt128{std::max(magnitude64(lower), magnitude64(upper))}, exponent);
      set.magnitude_sum = add(set.magnitude_sum, largest, Toward::kUp);
    }
    result.sets.push_back(std::move(set));
  }
  return result;
}

std::vector<Range> weighted_ranges(const FixedSums& weights, const FixedRanges& ranges) {
  const std::size_t count = ranges.exponent.size();
  if (weights.values.size() != count) throw ContractViolation("weighted_ranges: sizes differ");
  // The weights in the units of what they weigh, rounded at one scale for all.
  const auto entry = [&](std::size_t k) { return shifted({weights.values[k], weights.exponent}, ranges.exponent[k]); };
  long exponent = kNothing;
  for (std::size_t k = 0; k < count; ++k) exponent = std::max(exponent, fitting_exponent(entry(k)));
  if (exponent == kNothing) exponent = 0;
  bool rounded = false;
  std::vector<std::int64_t> a(count);
  for (std::size_t k = 0; k < count; ++k) a[k] = in_units(entry(k), exponent, rounded);
  std::vector<Range> result;
  for (const FixedRanges::Set& set : ranges.sets) {
    Int128 center = 0, spread = 0;
    for (std::size_t k = 0; k < count; ++k) {
      center += static_cast<Int128>(a[k]) * set.sums[k];
      spread += static_cast<Int128>(magnitude64(a[k])) * set.widths[k];
    }
    Number off = multiply(scaled(weights.error, weights.exponent), set.magnitude_sum, Toward::kUp);
    if (rounded) off = add(off, scaled(set.unit_sum, exponent), Toward::kUp);
    const Range middle(scaled(center, exponent - 1));
    result.push_back(middle + symmetric(scaled(spread, exponent - 1)) + symmetric(off));
  }
  return result;
}

Number row_norm(const FixedMatrix& matrix, std::size_t row) {
  const std::int64_t* const a = matrix.row(row);
  UInt128 squares = 0;
  for (std::size_t k = 0; k < matrix.columns; ++k) squares += UInt128{magnitude64(a[k])} * magnitude64(a[k]);
  const Number norm = square_root(scaled(squares, 2 * matrix.exponent[row]), Toward::kUp);
  if (matrix.error[row] == 0) return norm;
  // |a + x|_2 <= |a|_2 + sqrt(n) max |x|
  const Number off = multiply(square_root(scaled(UInt128{matrix.columns}, 0), Toward::kUp),
                              scaled(UInt128{matrix.error[row]}, matrix.exponent[row]), Toward::kUp);
  return add(norm, off, Toward::kUp);
}

}  // namespace lyap::check
