#include "verify/certify/trajectory.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "numerics/contract_violation.hpp"
#include "verify/certify/trajectory_projections.hpp"
#include "verify/certify/trajectory_scan.hpp"

namespace lyap {
namespace {

using trajectory::CausalConvolution;
using trajectory::enclose_affine;
using trajectory::enclose_rms_norm;
using trajectory::EnclosedScan;
using trajectory::IntervalMatrix;
using trajectory::ScanInputs;
using trajectory::StateShape;

constexpr std::size_t kChunkTokens = 256;

void require_inputs(const theory::Matrix& inputs, std::size_t d_model) {
  if (inputs.rows == 0) throw ContractViolation("certify_trajectory: a trajectory has at least one step");
  if (inputs.columns != d_model) throw ContractViolation("certify_trajectory: the inputs' width is not d_model");
  if (!std::all_of(inputs.entries.begin(), inputs.entries.end(), [](double x) { return std::isfinite(x); })) {
    throw ContractViolation("certify_trajectory: an input is not finite");
  }
}

IntervalMatrix columns_of(const IntervalMatrix& x, std::size_t first, std::size_t count) {
  IntervalMatrix part;
  part.lower = x.lower.middleCols(Eigen::Index(first), Eigen::Index(count));
  part.upper = x.upper.middleCols(Eigen::Index(first), Eigen::Index(count));
  return part;
}

/// A Mamba-1 block before its scan.
class Mamba1Front {
 public:
  explicit Mamba1Front(const theory::Mamba1Weights& block)
      : block_(block), convolution_(block.conv_weight, block.conv_bias) {}

  ScanInputs operator()(const IntervalMatrix& normed) {
    ScanInputs result;
    const std::size_t rank = block_.dt_rank;
    const std::size_t states = block_.d_state;
    result.x = convolution_.apply(enclose_affine(normed, block_.in_proj, 0, block_.d_inner, block_.in_proj_bias));
    const IntervalMatrix dbc = enclose_affine(result.x, block_.x_proj, 0, block_.x_proj.rows, {});
    result.step_size = enclose_step_sizes(
        enclose_affine(columns_of(dbc, 0, rank), block_.dt_proj, 0, block_.d_inner, block_.dt_bias), {});
    result.B = columns_of(dbc, rank, states);
    result.C = columns_of(dbc, rank + states, states);
    return result;
  }

  [[nodiscard]] StateShape shape() const { return {block_.d_inner, 1, block_.d_state, 1, true}; }

 private:
  const theory::Mamba1Weights& block_;
  CausalConvolution convolution_;
};

/// A Mamba-2 block before its scan; the gate's rows of in_proj are not needed.
class Mamba2Front {
 public:
  explicit Mamba2Front(const theory::Mamba2Weights& block)
      : block_(block), convolution_(block.conv_weight, block.conv_bias) {}

  ScanInputs operator()(const IntervalMatrix& normed) {
    ScanInputs result;
    const std::size_t inner = block_.d_inner;
    const std::size_t width = block_.groups * block_.d_state;
    const std::size_t channels = block_.conv_channels();
    const IntervalMatrix xbc =
        convolution_.apply(enclose_affine(normed, block_.in_proj, inner, channels, block_.in_proj_bias));
    IntervalMatrix p = enclose_affine(normed, block_.in_proj, inner + channels, block_.heads, block_.in_proj_bias);
    trajectory::add_to_rows(p, block_.dt_bias);
    result.step_size = enclose_step_sizes(std::move(p), block_.step_limits);
    result.x = columns_of(xbc, 0, inner);
    result.B = columns_of(xbc, inner, width);
    result.C = columns_of(xbc, inner + width, width);
    return result;
  }

  [[nodiscard]] StateShape shape() const {
    return {block_.heads, block_.head_dim, block_.d_state, block_.groups, false};
  }

 private:
  const theory::Mamba2Weights& block_;
  CausalConvolution convolution_;
};

void append(std::vector<double>& values, const RowMajorMatrix& rows) {
  values.insert(values.end(), rows.data(), rows.data() + rows.size());
}

template <typename Front, typename Weights>
TrajectoryBounds enclose_trajectory(const Weights& block, const theory::Vector& A_log, const theory::Matrix& inputs,
                                    const TrajectoryOptions& options) {
  require_inputs(inputs, block.d_model);
  Front front(block);
  EnclosedScan scan(front.shape(), A_log, block.D);
  TrajectoryBounds bounds;
  bounds.steps = inputs.rows;
  for (std::size_t begin = 0; begin < inputs.rows; begin += kChunkTokens) {
    const std::size_t end = std::min(begin + kChunkTokens, inputs.rows);
    const ScanInputs chunk = front(enclose_rms_norm(inputs, begin, end, block.norm_weight, block.norm_epsilon));
    const IntervalMatrix y = scan.advance(chunk);
    if (options.save_outputs) {
      append(bounds.output_lower, y.lower);
      append(bounds.output_upper, y.upper);
    }
    if (options.progress) options.progress(double(end) / double(inputs.rows));
  }
  scan.write_exponents(bounds.exponent_lower, bounds.exponent_upper);
  scan.write_state(bounds.final_state_lower, bounds.final_state_upper);
  return bounds;
}

}  // namespace

TrajectoryBounds certify_trajectory(const theory::Mamba1Weights& block, const theory::Matrix& inputs,
                                    const TrajectoryOptions& options) {
  TrajectoryBounds bounds = enclose_trajectory<Mamba1Front>(block, block.A_log.entries, inputs, options);
  bounds.exponent_shape = {block.d_inner, block.d_state};
  bounds.state_shape = {block.d_inner, block.d_state};
  return bounds;
}

TrajectoryBounds certify_trajectory(const theory::Mamba2Weights& block, const theory::Matrix& inputs,
                                    const TrajectoryOptions& options) {
  TrajectoryBounds bounds = enclose_trajectory<Mamba2Front>(block, block.A_log, inputs, options);
  bounds.exponent_shape = {block.heads};
  bounds.state_shape = {block.heads, block.head_dim, block.d_state};
  return bounds;
}

}  // namespace lyap
