#include "verify/check/block_domain.hpp"

#include "verify/check/fixed_matrix.hpp"

namespace lyap::check {

Number root_of_width(std::size_t d_model) { return square_root(Number(static_cast<double>(d_model)), Toward::kUp); }

std::vector<Range> token_ranges(const theory::Matrix& in_proj, const theory::Vector& gain, std::size_t begin,
                                std::size_t end) {
  const FixedMatrix rows = fixed_rows(in_proj, begin, end, {{gain}, {}});
  const Number root = root_of_width(gain.size());
  std::vector<Range> ranges;
  for (std::size_t k = 0; k < rows.rows; ++k)
    ranges.push_back(symmetric(multiply(root, row_norm(rows, k), Toward::kUp)));
  return ranges;
}

std::vector<Range> convolution_ranges(const Convolution& convolution, const std::vector<Range>& tokens,
                                      std::size_t present) {
  std::vector<Range> result;
  for (std::size_t k = 0; k < tokens.size(); ++k) {
    Range q = convolution.bias.empty() ? Range() : Range(convolution.bias[k]);
    const Range token = convolution.in_bias == nullptr ? tokens[k] : tokens[k] + Range(convolution.in_bias[k]);
    for (std::size_t j = convolution.weight.columns - present; j < convolution.weight.columns; ++j)
      q = q + Range(convolution.weight(k, j)) * token;
    result.push_back(q);
  }
  return result;
}

std::vector<std::size_t> tap_counts(std::size_t taps, bool has_in_bias) {
  if (!has_in_bias) return {taps};
  std::vector<std::size_t> counts;
  for (std::size_t m = 1; m <= taps; ++m) counts.push_back(m);
  return counts;
}

}  // namespace lyap::check
