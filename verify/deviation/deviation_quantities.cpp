#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "numerics/contract_violation.hpp"
#include "verify/deviation/deviation_maxima.hpp"

namespace lyap::deviation {
namespace {

using Values = std::vector<double>;

/// The least of the values that at least this share of them does not exceed.
double quantile(Values values, double share) {
  const double count = std::ceil(share * static_cast<double>(values.size()));
  const auto place = values.begin() + static_cast<std::ptrdiff_t>(std::max(count, 1.0)) - 1;
  std::nth_element(values.begin(), place, values.end());
  return *place;
}

double median(Values values) { return quantile(std::move(values), 0.5); }

/// bound / size entry by entry; 0 for 0/0.
Values relative(const Values& bound, const Values& size) {
  Values result(bound.size());
  for (std::size_t i = 0; i < bound.size(); ++i) result[i] = bound[i] == 0.0 ? 0.0 : bound[i] / size[i];
  return result;
}

void write_ratios(const Values& bound, const Values& measured, QuantityDeviation& result) {
  Values ratios;
  for (std::size_t i = 0; i < bound.size(); ++i) {
    if (bound[i] > 0.0 && measured[i] > 0.0) ratios.push_back(bound[i] / measured[i]);
  }
  if (ratios.empty()) return;
  result.ratio_median = median(ratios);
  result.ratio_p90 = quantile(std::move(ratios), 0.9);
}

/// `upper` holds the largest bound of each run of entries of equal length.
QuantityDeviation quantity(const Values& bound, const Values& size, const Values* measured, std::size_t channels) {
  QuantityDeviation result;
  result.upper.resize(channels);
  const std::size_t entries = bound.size() / channels;
  for (std::size_t i = 0; i < bound.size(); ++i)
    result.upper[i / entries] = std::max(result.upper[i / entries], bound[i]);
  result.staying = *std::max_element(bound.begin(), bound.end());
  result.relative_median = median(relative(bound, size));
  result.informative = result.relative_median < 1.0;
  if (measured == nullptr || measured->empty()) return result;
  result.measured = *std::max_element(measured->begin(), measured->end());
  result.measured_relative_median = median(relative(*measured, size));
  write_ratios(bound, *measured, result);
  return result;
}

void require_same(const DeviationMaxima& x, const DeviationMaxima& y) {
  if (x.steps() != y.steps() || x.state().size() != y.state().size() || x.output().size() != y.output().size())
    throw ContractViolation("write_quantities: bound, size and measurement of different shape");
}

}  // namespace

void write_quantities(const DeviationMaxima& bound, const DeviationMaxima& size, const DeviationMaxima* measured,
                      DeviationBounds& result) {
  require_same(bound, size);
  if (measured != nullptr) require_same(bound, *measured);
  const auto part = [&](const Values& values) { return measured == nullptr ? nullptr : &values; };
  const std::size_t heads = bound.shape().heads;
  const auto& m = measured == nullptr ? bound : *measured;
  result.steps = bound.steps();
  result.state = quantity(bound.state(), size.state(), part(m.state()), heads);
  result.output = quantity(bound.output(), size.output(), part(m.output()), heads);
  if (!bound.block_output().empty() && !size.block_output().empty())
    result.block_output = quantity(bound.block_output(), size.block_output(), part(m.block_output()), 1);

  const Values bounds = bound.envelope(), sizes = size.envelope();
  const Values measurements =
      measured == nullptr ? Values(bounds.size(), std::numeric_limits<double>::quiet_NaN()) : measured->envelope();
  result.envelope.clear();
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    const std::size_t begin = i * bound.bucket_steps();
    const std::size_t end = std::min(begin + bound.bucket_steps(), bound.steps());
    result.envelope.push_back({begin, end, bounds[i], measurements[i], sizes[i]});
  }
}

}  // namespace lyap::deviation
