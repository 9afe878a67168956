#include "verify/certify/norm_domain.hpp"

#include <algorithm>
#include <cmath>

#include "numerics/contract_violation.hpp"
#include "numerics/rounding.hpp"
#include "numerics/vector_functions.hpp"

namespace lyap {

ConstMatrixRef rows_of(const theory::Matrix& matrix, std::size_t begin, std::size_t end) {
  if (begin > end || end > matrix.rows) throw ContractViolation("rows_of: range outside the matrix");
  using Map = Eigen::Map<const RowMajorMatrix>;
  return Map(matrix.entries.data() + begin * matrix.columns, static_cast<Eigen::Index>(end - begin),
             static_cast<Eigen::Index>(matrix.columns));
}

double sqrt_upper_bound(std::size_t d) {
  const RoundingUpward upward;
  return std::nextafter(pinned(std::sqrt(pinned(static_cast<double>(d)))), HUGE_VAL);
}

TokenFunctionals token_functionals(const ConstMatrixRef& projection, std::span<const double> gain) {
  TokenFunctionals result{enclose_column_scaling(projection, gain), {}};
  const Eigen::VectorXd norms = row_norms_upper_bound(result.weights);
  const double root = sqrt_upper_bound(gain.size());
  const RoundingUpward upward;
  result.radius.resize(static_cast<std::size_t>(norms.size()));
  for (std::size_t k = 0; k < result.radius.size(); ++k) result.radius[k] = root * norms(static_cast<Eigen::Index>(k));
  return result;
}

std::vector<Interval> symmetric_ranges(std::span<const double> radius) {
  std::vector<Interval> ranges;
  ranges.reserve(radius.size());
  for (const double r : radius) ranges.push_back(Interval::from_bounds(-r, r));
  return ranges;
}

std::vector<Interval> convolution_range(const theory::Matrix& conv_weight, const theory::Vector& conv_bias,
                                        std::span<const double> in_bias, std::size_t first,
                                        std::span<const Interval> token_range, std::size_t present) {
  if (present == 0 || present > conv_weight.columns)
    throw ContractViolation("convolution_range: present taps outside 1..J");
  std::vector<Interval> result;
  result.reserve(token_range.size());
  for (std::size_t k = 0; k < token_range.size(); ++k) {
    const std::size_t row = first + k;
    Interval q = conv_bias.empty() ? Interval() : Interval::from_exact(conv_bias[row]);
    const Interval token = in_bias.empty() ? token_range[k] : token_range[k] + Interval::from_exact(in_bias[k]);
    for (std::size_t j = conv_weight.columns - present; j < conv_weight.columns; ++j)
      q += Interval::from_exact(conv_weight(row, j)) * token;
    result.push_back(q);
  }
  return result;
}

std::vector<std::size_t> tap_counts(std::size_t taps, bool has_in_bias) {
  if (!has_in_bias) return {taps};
  std::vector<std::size_t> counts(taps);
  for (std::size_t m = 0; m < taps; ++m) counts[m] = m + 1;
  return counts;
}

void hull_into(std::vector<Interval>& into, const std::vector<Interval>& ranges) {
  if (into.empty()) {
    into = ranges;
    return;
  }
  if (into.size() != ranges.size()) throw ContractViolation("hull_into: sizes differ");
  for (std::size_t k = 0; k < ranges.size(); ++k) into[k] = hull(into[k], ranges[k]);
}

std::vector<Interval> silu_ranges(const std::vector<Interval>& ranges) {
  std::vector<double> lower(ranges.size());
  std::vector<double> upper(ranges.size());
  for (std::size_t k = 0; k < ranges.size(); ++k) {
    lower[k] = ranges[k].lower();
    upper[k] = ranges[k].upper();
  }
  enclose_silu({lower, upper}, {lower, upper});
  std::vector<Interval> result;
  result.reserve(ranges.size());
  for (std::size_t k = 0; k < ranges.size(); ++k) result.push_back(Interval::from_bounds(lower[k], upper[k]));
  return result;
}

double magnitude(const Interval& x) { return std::max(std::fabs(x.lower()), std::fabs(x.upper())); }

}  // namespace lyap
