#include "verify/deviation/apriori_output.hpp"

#include <algorithm>
#include <cmath>
#include <variant>

#include "numerics/norm_bounds.hpp"
#include "numerics/rounding.hpp"
#include "numerics/vector_clones.hpp"

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

struct Ends {
  const double *lower, *upper;
};
/// One token: real numbers enclosed, slopes of silu, bounds of what y and z differ by.
struct GateRow {
  Ends z, silu, y, gated;
  const double *slope, *slope_error, *y_radius, *z_radius;
};
struct GateRounding {
  RoundingError silu, product, gated;
  AprioriTerms terms;
};

/// Bounds of |g'| before it is rounded and of |g' - g|, g = y silu(z).
LYAP_VECTOR_CLONES void gate_row_upward(const GateRow& given, const GateRounding& how, Index count, double* size,
                                        double* radius) {
  const GateRow row = given;
  const GateRounding rounding = how;
#pragma GCC ivdep
  for (Index i = 0; i < count; ++i) {
    const double y = larger(row.y.upper[i], -row.y.lower[i]);
    const double factor = larger(row.silu.upper[i], -row.silu.lower[i]);
    double off = silu_change_upward(row.slope[i], row.slope_error[i], row.z_radius[i], rounding.terms);
    off += silu_error_upward(known(factor + off), -(row.z_radius[i] - row.z.lower[i]), rounding.terms);
    off += rounding.silu.of_upward(known(factor + off));
    double error = known((factor + off) * row.y_radius[i] + off * y);
    const double g = larger(row.gated.upper[i], -row.gated.lower[i]);
    error += rounding.product.of_upward(known(g + error));
    size[i] = known(g + error);
    radius[i] = known(error + rounding.gated.of_upward(size[i]));
  }
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

AprioriOutput::Gate::Gate(const BlockChunk& chunk)
    : centre(chunk),
      slopes(silu_slopes(chunk.front.z)),
      silu(trajectory::enclose_silu_entries(chunk.front.z)),
      gated(silu),
      read_size(magnitude_of(chunk.gated)),
      output_size(magnitude_of(chunk.output)) {
  trajectory::multiply_entries(gated, chunk.y);
  gated_size = magnitude_of(gated);
}

AprioriOutput::Gated AprioriOutput::pass_gate(const Gate& gate, const RowMajorMatrix& y_radius,
                                              const RowMajorMatrix& z_radius, OverflowRecord& overflow) const {
  const IntervalMatrix& z = gate.centre.front.z;
  const RoundingError silu_type(scan_.gate_silu, terms_), product(theory::kFlushedFloat32Type, terms_),
      type(scan_.gated, terms_);
  Gated result;
  result.radius.resize(z.rows(), z.columns());
  RowMajorMatrix size(z.rows(), z.columns());
  const GateRounding rounding{silu_type, product, type, terms_};
  over_rows_upward(z.rows(), [&](Index t) {
    const auto ends = [&](const IntervalMatrix& x) { return Ends{x.lower.row(t).data(), x.upper.row(t).data()}; };
    const GateRow row{ends(z),          ends(gate.silu),          ends(gate.centre.y),
                      ends(gate.gated), &gate.slopes.slope(t, 0), &gate.slopes.error(t, 0),
                      &y_radius(t, 0),  &z_radius(t, 0)};
    gate_row_upward(row, rounding, z.columns(), &size(t, 0), &result.radius(t, 0));
  });
  note_overflow(overflow, "gated output", scan_.gated, size);
  return result;
}

/// The grouped norm after the gate. Its outputs never exceed sqrt(width) in magnitude, whatever goes in.
void AprioriOutput::normalise(const Gate& gate, Gated& radii, OverflowRecord& overflow) const {
  const Mamba2Weights& block = *mamba2_;
  const IntervalMatrix& gated = gate.gated;
  const RowMajorMatrix &size = gate.gated_size, &out_size = gate.read_size;
  const Index columns = gated.columns(), width = columns / Index(block.gated_norm_groups);
  const RoundingError product(theory::kFlushedFloat32Type, terms_), type(scan_.normalised, terms_);
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

std::vector<double> AprioriOutput::advance(const Gate& gate, const RowMajorMatrix& y_radius,
                                           const RowMajorMatrix& z_radius, OverflowRecord& overflow) const {
  Gated radii = pass_gate(gate, y_radius, z_radius, overflow);
  if (mamba2_ != nullptr) normalise(gate, radii, overflow);
  const RowMajorMatrix &size = gate.read_size, &o_size = gate.output_size;
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
