#include "verify/deviation/apriori_output.hpp"

#include <algorithm>
#include <cmath>
#include <variant>

#include "numerics/norm_bounds.hpp"
#include "numerics/rounding.hpp"

namespace lyap::deviation {
namespace {

using Eigen::Index;
using theory::BlockWeights;
using theory::Mamba1Weights;
using theory::Mamba2Weights;
using theory::Matrix;

constexpr int kSquarings = 3;

double larger(double a, double b) { return a < b ? b : a; }
double smaller(double a, double b) { return b < a ? b : a; }
double magnitude(double x) { return larger(x, -x); }

const Matrix& out_proj_of(const BlockWeights& block) {
  return std::visit([](const auto& weights) -> const Matrix& { return weights.out_proj; }, block);
}
const theory::Vector& out_bias_of(const BlockWeights& block) {
  return std::visit([](const auto& weights) -> const theory::Vector& { return weights.out_proj_bias; }, block);
}

double norm_upward(const double* x, Index count) {
  double sum = 0.0;
  for (Index i = 0; i < count; ++i) sum += x[i] * x[i];
  return known(std::sqrt(sum));
}

}  // namespace

AprioriOutput::AprioriOutput(const BlockWeights& rounded, const BlockWeights* also,
                             const theory::PrecisionPolicy& policy, const AprioriTerms& terms)
    : mamba2_(std::get_if<Mamba2Weights>(&rounded)),
      policy_(policy),
      scan_(mamba2_ != nullptr ? policy.mamba2 : policy.mamba1),
      terms_(terms),
      out_proj_("out_proj", out_proj_of(rounded), also == nullptr ? nullptr : &out_proj_of(*also), out_bias_of(rounded),
                policy.out_proj, terms) {
  const Matrix& weight = out_proj_of(rounded);
  RowMajorMatrix W = Eigen::Map<const RowMajorMatrix>(weight.row(0), Index(weight.rows), Index(weight.columns));
  spectral_norm_ = spectral_norm_upper_bound(W, kSquarings);
  const Eigen::VectorXd rows = row_norms_upper_bound(W);
  row_norms_.assign(rows.data(), rows.data() + rows.size());
  if (mamba2_ == nullptr) return;
  const Eigen::Map<const Eigen::RowVectorXd> gain(mamba2_->gated_norm_weight.data(), W.cols());
  const RowMajorMatrix with_gain = W.array().rowwise() * gain.array();
  const double rounding = W.norm() * gain.cwiseAbs().maxCoeff() * 0x1p-50;  // of those products, in any norm
  const double norm = spectral_norm_upper_bound(with_gain, kSquarings);
  const RoundingUpward upward;
  spectral_norm_with_gain_ = pinned(pinned(norm) + (pinned(rounding) + 0x1p-900));
}

AprioriOutput::Gated AprioriOutput::gate(const BlockChunk& centre, const RowMajorMatrix& y_radius,
                                         const RowMajorMatrix& z_radius, IntervalMatrix& gated,
                                         OverflowRecord& overflow) const {
  const IntervalMatrix& z = centre.front.z;
  const SiluSlopes slopes = silu_slopes(z);
  const IntervalMatrix silu = trajectory::enclose_silu_entries(z);
  gated = silu;
  trajectory::multiply_entries(gated, centre.y);
  const RoundingError silu_type(scan_.gate_silu, terms_), product(theory::kFlushedFloat32Type, terms_),
      type(scan_.gated, terms_);
  Gated result;
  result.radius.resize(z.rows(), z.columns());
  RowMajorMatrix size(z.rows(), z.columns());
  over_rows_upward(z.rows(), [&](Index t) {
    for (Index i = 0; i < z.columns(); ++i) {
      const double y = larger(centre.y.upper(t, i), -centre.y.lower(t, i));
      const double factor = larger(silu.upper(t, i), -silu.lower(t, i));
      double off = silu_change_upward(slopes.slope(t, i), slopes.error(t, i), z_radius(t, i), terms_);
      off += silu_error_upward(known(factor + off), -(z_radius(t, i) - z.lower(t, i)), terms_);
      off += silu_type.of_upward(known(factor + off));
      double error = known((factor + off) * y_radius(t, i) + off * y);
      const double g = larger(gated.upper(t, i), -gated.lower(t, i));
      error += product.of_upward(known(g + error));
      size(t, i) = known(g + error);
      result.radius(t, i) = known(error + type.of_upward(size(t, i)));
    }
  });
  note_overflow(overflow, "gated output", scan_.gated, size);
  return result;
}

/// The grouped norm after the gate. Its outputs never exceed sqrt(width) in magnitude, whatever goes in.
void AprioriOutput::normalise(const IntervalMatrix& gated, const RowMajorMatrix& out_size, Gated& radii,
                              OverflowRecord& overflow) const {
  const Mamba2Weights& block = *mamba2_;
  const Index columns = gated.columns(), width = columns / Index(block.gated_norm_groups);
  const RoundingError product(theory::kFlushedFloat32Type, terms_), type(scan_.normalised, terms_);
  const RowMajorMatrix size = magnitude_of(gated);
  radii.rest.resize(gated.rows(), columns);
  radii.norms.resize(std::size_t(gated.rows()));
  RowMajorMatrix rounded_size(gated.rows(), columns), sums(gated.rows(), 1);
  over_rows_upward(gated.rows(), [&](Index t) {
    std::vector<double> change(static_cast<std::size_t>(columns)), float_error(static_cast<std::size_t>(columns));
    double squares = 0.0, sum_of_squares = 0.0;
    for (Index first = 0; first < columns; first += width) {
      double minus_sum = 0.0;
      for (Index i = first; i < first + width; ++i) {
        const double least = larger(larger(gated.lower(t, i), -gated.upper(t, i)), 0.0);
        minus_sum += -least * least;
        const double reached = size(t, i) + radii.radius(t, i);
        sum_of_squares += reached * reached;
      }
      const double floor = root_mean_square_below_upward(0.0, 1.0, block.gated_norm_epsilon);
      const double rms = root_mean_square_below_upward(minus_sum, static_cast<double>(width), block.gated_norm_epsilon);
      const NormalisedGroup group{size.row(t).data() + first, radii.radius.row(t).data() + first, width, rms, floor};
      const double norm = normalised_radii_upward(group, terms_, change.data() + first, float_error.data() + first);
      squares += norm * norm;
    }
    radii.norms[std::size_t(t)] = known(std::sqrt(squares));
    sums(t, 0) = sum_of_squares;
    for (Index i = 0; i < columns; ++i) {
      const double gain = magnitude(block.gated_norm_weight[std::size_t(i)]);
      const double passed = gain * change[std::size_t(i)];
      double rest = gain * float_error[std::size_t(i)];
      rest += product.of_upward(known(out_size(t, i) + (passed + rest)));
      rounded_size(t, i) = known(out_size(t, i) + (passed + rest));
      rest += type.of_upward(rounded_size(t, i));
      radii.rest(t, i) = known(rest);
      radii.radius(t, i) = known(passed + rest);
    }
  });
  note_overflow(overflow, "gated norm, 1/rms", theory::kUnrounded, 2.0 * sums);
  note_overflow(overflow, "gated norm output", scan_.normalised, rounded_size);
}

std::vector<double> AprioriOutput::advance(const BlockChunk& centre, const RowMajorMatrix& y_radius,
                                           const RowMajorMatrix& z_radius, OverflowRecord& overflow) const {
  IntervalMatrix gated;
  Gated radii = gate(centre, y_radius, z_radius, gated, overflow);
  const RowMajorMatrix size = magnitude_of(centre.gated);
  if (mamba2_ != nullptr) normalise(gated, size, radii, overflow);
  const RowMajorMatrix o_size = magnitude_of(centre.output);
  const LayerRadii sums = out_proj_.radii(size, radii.radius, o_size, overflow);
  RowMajorMatrix rounded = sums.local, reached = sums.local;
  std::vector<double> result(std::size_t(size.rows()));
  over_rows_upward(size.rows(), [&](Index t) {
    // What layers round their inputs by belongs to the part that the norm does not pass on.
    std::vector<double> rest(std::size_t(size.cols()));
    for (Index i = 0; i < size.cols(); ++i) {
      const double own =
          mamba2_ == nullptr ? sums.input(t, i) : (sums.input(t, i) - radii.radius(t, i)) + radii.rest(t, i);
      rest[std::size_t(i)] = known(own);
    }
    double read = norm_upward(rest.data(), size.cols());
    double through = spectral_norm_ * read;
    if (mamba2_ != nullptr) {
      through += spectral_norm_with_gain_ * radii.norms[std::size_t(t)];
      double gain = 0.0;
      for (const double g : mamba2_->gated_norm_weight) gain = larger(gain, magnitude(g));
      read += gain * radii.norms[std::size_t(t)];
    }
    const RoundingError type(policy_.out_proj.output, terms_);
    for (Index i = 0; i < rounded.cols(); ++i) {
      const double carried = smaller(sums.carried(t, i), known(row_norms_[std::size_t(i)] * read));
      reached(t, i) = known(o_size(t, i) + (carried + sums.local(t, i)));
      rounded(t, i) = known(sums.local(t, i) + type.of_upward(reached(t, i)));
    }
    const double by_sums = norm_upward(sums.carried.row(t).data(), rounded.cols());
    result[std::size_t(t)] =
        known(smaller(known(through), by_sums) + norm_upward(rounded.row(t).data(), rounded.cols()));
  });
  note_overflow(overflow, "out_proj output", policy_.out_proj.output, reached);
  return result;
}

}  // namespace lyap::deviation
