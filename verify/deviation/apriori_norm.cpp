#include "verify/deviation/apriori_norm.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "numerics/contract_violation.hpp"
#include "numerics/rounded_arrays.hpp"
#include "verify/deviation/deployed_interval_arithmetic.hpp"

namespace lyap::deviation {
namespace {

using Eigen::Index;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr Index kWidestNorm = 1 << 14;  // second-order terms stay below 2^-10 of the first

double larger(double a, double b) { return a < b ? b : a; }
double smaller(double a, double b) { return b < a ? b : a; }
double magnitude(double x) { return larger(x, -x); }

/// The inputs as the norm reads them: binary32 numbers, then the policy's type.
RowMajorMatrix read_inputs(const theory::Matrix& inputs, std::size_t begin, std::size_t end,
                           const theory::NumberType& type, OverflowRecord& overflow) {
  RowMajorMatrix read = Eigen::Map<const RowMajorMatrix>(inputs.row(begin), Index(end - begin), Index(inputs.columns));
  note_overflow(overflow, "block input", type, read.cwiseAbs());
  const std::span<double> entries(read.data(), std::size_t(read.size()));
  round_array(entries, kFloat32);
  if (type.u > 0.0) round_array(entries, IntervalArithmetic(Tf32Reading::kTruncated).rounding_to(type).format);
  return read.cwiseMax(-type.largest).cwiseMin(type.largest);
}

}  // namespace

double root_mean_square_below_upward(double minus_sum, double count, double epsilon) {
  const double minus_mean = minus_sum / count - epsilon;
  return minus_mean < 0.0 ? std::nextafter(std::sqrt(-minus_mean), 0.0) : 0.0;
}

double NormalisedGroup::normalised_size_upward(Index i) const {
  const double cap = std::sqrt(static_cast<double>(width));
  return least_rms > 0.0 ? smaller(known(size[i] / least_rms), cap) : cap;
}

double normalised_radii_upward(const NormalisedGroup& group, const AprioriTerms& terms, double* radii,
                               double* float_error) {
  const double count = static_cast<double>(group.width);
  const double cap = std::sqrt(count);
  double squares = 0.0;
  for (Index i = 0; i < group.width; ++i) squares += group.radius[i] * group.radius[i];
  const double distance = known(std::sqrt(squares));                     // |r' - r|_2
  const double shift = known(std::sqrt(squares / count));                // |rms' - rms|
  const double least = larger(-(shift - group.least_rms), group.floor);  // at most rms'
  const double inverse = least > 0.0 ? 1.0 / least : kInfinity;

  // Half of the mean's roundings, flushes in it; 1/sqrt and its product.
  const double mean = smaller(count - 1.0, kMeanDepth) + kMeanRoundings;
  const double roundings = terms.accumulation * 0.5 * mean * (1.0 + 0x1p-10);
  const double flushed = terms.underflow * 4.0 * kFlushed;
  const double vanishing = flushed * (inverse * inverse);
  const double relative =
      vanishing < 0.25 ? (roundings + terms.functions * kInverseRootError) * kFloat32Roundoff + vanishing : kInfinity;
  double entries = 0.0;
  for (Index i = 0; i < group.width; ++i) {
    const double n = group.normalised_size_upward(i);
    const double change = known((group.radius[i] + n * shift) * inverse);
    radii[i] = shift == 0.0 ? 0.0 : smaller(change, n + cap);
    entries += radii[i] * radii[i];
    float_error[i] = known(relative * smaller(n + radii[i], cap) + flushed);
  }
  // |x/|x| - y/|y|| <= 2 |x - y|/(|x| + |y|) for x = (r, sqrt(width epsilon)).
  const double minus_both = -group.least_rms - least;
  const double by_norm = minus_both < 0.0 ? known(2.0 * distance / -minus_both) : kInfinity;
  return smaller(smaller(by_norm, 2.0 * cap), known(std::sqrt(entries)));
}

AprioriNorm::AprioriNorm(const theory::Vector& gain, double epsilon, const theory::PrecisionPolicy& policy,
                         const AprioriTerms& terms)
    : gain_(gain),
      epsilon_(epsilon),
      policy_(policy),
      terms_(terms),
      normalised_(policy.norm_normalised, terms),
      product_(theory::kFlushedFloat32Type, terms),
      output_(policy.norm_output, terms) {
  if (Index(gain.size()) > kWidestNorm) throw ContractViolation("a norm over so many numbers has no bound");
}

double AprioriNorm::write_row_upward(const double* real, const double* read, const double* normed_size,
                                     double* radius) const {
  const std::size_t width = gain_.size();
  std::vector<double> size(width), off(width), float_error(width);
  double minus_sum = 0.0, squares = 0.0;
  for (std::size_t i = 0; i < width; ++i) {
    squares += read[i] * read[i];
    size[i] = magnitude(real[i]);
    off[i] = magnitude(real[i] - read[i]);
    off[i] = larger(off[i], magnitude(read[i] - real[i]));
    if (size[i] < kFlushed) off[i] = larger(off[i], size[i] * terms_.underflow);
    minus_sum += -size[i] * size[i];
  }
  const double least = root_mean_square_below_upward(minus_sum, static_cast<double>(width), epsilon_);
  const double floor = root_mean_square_below_upward(0.0, 1.0, epsilon_);
  const NormalisedGroup group{size.data(), off.data(), Index(width), least, floor};
  normalised_radii_upward(group, terms_, radius, float_error.data());
  for (std::size_t i = 0; i < width; ++i) {
    const double n = group.normalised_size_upward(Index(i));
    const double gain = magnitude(gain_[i]);
    double error = radius[i] + float_error[i];
    error += normalised_.of_upward(n + error);
    error *= gain;
    error += product_.of_upward(known(normed_size[i] + error));
    radius[i] = known(error + output_.of_upward(known(normed_size[i] + error)));
  }
  return squares;
}

RowMajorMatrix AprioriNorm::radii(const theory::Matrix& inputs, std::size_t begin, std::size_t end,
                                  const IntervalMatrix& normed, OverflowRecord& overflow) const {
  const RowMajorMatrix read = read_inputs(inputs, begin, end, policy_.block_input, overflow);
  const RowMajorMatrix size = magnitude_of(normed);
  RowMajorMatrix result(size.rows(), size.cols()), squares(size.rows(), 1);
  over_rows_upward(size.rows(), [&](Index t) {
    squares(t, 0) = write_row_upward(inputs.row(begin + std::size_t(t)), read.row(t).data(), size.row(t).data(),
                                     result.row(t).data());
  });
  note_overflow(overflow, "norm, 1/rms", theory::kUnrounded, 2.0 * squares);
  note_overflow(overflow, "norm output", policy_.norm_output, size + result);
  return result;
}

}  // namespace lyap::deviation
