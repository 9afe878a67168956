#include "verify/deviation/real_run.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <variant>

#include "numerics/contract_violation.hpp"
#include "numerics/parallel.hpp"
#include "numerics/rounding.hpp"
#include "verify/certify/trajectory_projections.hpp"

namespace lyap::deviation {
namespace {

using Eigen::Index;
using theory::BlockWeights;
using theory::Mamba1Weights;
using theory::Mamba2Weights;
using theory::Matrix;
using theory::Vector;
using trajectory::CausalConvolution;
using trajectory::enclose_affine;
using trajectory::EnclosedScan;

constexpr std::size_t kChunkBytes = std::size_t(8) << 20;
constexpr std::size_t kElementGrain = 4096;

IntervalMatrix columns_of(const IntervalMatrix& x, std::size_t first, std::size_t count) {
  IntervalMatrix part;
  part.lower = x.lower.middleCols(Index(first), Index(count));
  part.upper = x.upper.middleCols(Index(first), Index(count));
  return part;
}

StateShape shape_of(const Mamba1Weights& block) { return {block.d_inner, 1, block.d_state, 1, true}; }
StateShape shape_of(const Mamba2Weights& block) {
  return {block.heads, block.head_dim, block.d_state, block.groups, false};
}

const Vector& log_rates(const Mamba1Weights& block) { return block.A_log.entries; }
const Vector& log_rates(const Mamba2Weights& block) { return block.A_log; }

const Matrix* matrix_of(const Mamba1Weights& block, AdapterTarget target) {
  if (target == AdapterTarget::kInProj) return &block.in_proj;
  if (target == AdapterTarget::kXProj) return &block.x_proj;
  if (target == AdapterTarget::kDtProj) return &block.dt_proj;
  return target == AdapterTarget::kOutProj ? &block.out_proj : nullptr;
}
const Matrix* matrix_of(const Mamba2Weights& block, AdapterTarget target) {
  if (target == AdapterTarget::kInProj) return &block.in_proj;
  return target == AdapterTarget::kOutProj ? &block.out_proj : nullptr;
}

void require_fit(const LowRankUpdate& update, const Matrix* matrix) {
  if (matrix != nullptr && update.A.columns == matrix->columns && update.B.rows == matrix->rows &&
      update.B.columns == update.A.rows && update.scale.lower_bound <= update.scale.upper_bound) {
    return;
  }
  throw ContractViolation("RealRun: the update of " + std::string(target_name(update.target)) +
                          " does not fit the block");
}

/// x += scale y, entry by entry.
void add_scaled(IntervalMatrix& x, const AdapterScale& scale, IntervalMatrix y) {
  IntervalMatrix factor(y.rows(), y.columns());
  factor.lower.setConstant(scale.lower_bound);
  factor.upper.setConstant(scale.upper_bound);
  trajectory::multiply_entries(y, factor);
  parallel_for(std::size_t(x.lower.size()), kElementGrain, [&](std::size_t begin, std::size_t end) {
    const RoundingUpward upward;
    for (std::size_t i = begin; i < end; ++i) {
      x.lower.data()[i] = -(-x.lower.data()[i] - y.lower.data()[i]);
      x.upper.data()[i] += y.upper.data()[i];
    }
  });
}

/// The linear layers of a block: stored weights and what an adapter adds to them.
class Layers {
 public:
  explicit Layers(std::span<const LowRankUpdate> updates) : updates_(updates) {}

  /// Encloses W x + bias + sum scale B (A x), W being the target's matrix.
  [[nodiscard]] IntervalMatrix apply(const IntervalMatrix& x, AdapterTarget target, const Matrix& W,
                                     const Vector& bias) const {
    IntervalMatrix result = enclose_affine(x, W, 0, W.rows, bias);
    for (const LowRankUpdate& update : updates_) {
      if (update.target != target) continue;
      const IntervalMatrix low_rank = enclose_affine(x, update.A, 0, update.A.rows, {});
      add_scaled(result, update.scale, enclose_affine(low_rank, update.B, 0, update.B.rows, {}));
    }
    return result;
  }

 private:
  std::span<const LowRankUpdate> updates_;
};

FrontChunk enclose_front(const Mamba1Weights& block, const Layers& layers, CausalConvolution& convolution,
                         IntervalMatrix normed) {
  FrontChunk front;
  const std::size_t rank = block.dt_rank, states = block.d_state;
  front.normed = std::move(normed);
  front.projected = layers.apply(front.normed, AdapterTarget::kInProj, block.in_proj, block.in_proj_bias);
  front.z = columns_of(front.projected, block.d_inner, block.d_inner);
  front.scan.x = convolution.apply(columns_of(front.projected, 0, block.d_inner));
  front.selected = layers.apply(front.scan.x, AdapterTarget::kXProj, block.x_proj, {});
  front.p = layers.apply(columns_of(front.selected, 0, rank), AdapterTarget::kDtProj, block.dt_proj, block.dt_bias);
  front.scan.step_size = trajectory::enclose_step_sizes(front.p, {});
  front.scan.B = columns_of(front.selected, rank, states);
  front.scan.C = columns_of(front.selected, rank + states, states);
  return front;
}

FrontChunk enclose_front(const Mamba2Weights& block, const Layers& layers, CausalConvolution& convolution,
                         IntervalMatrix normed) {
  FrontChunk front;
  front.normed = std::move(normed);
  const std::size_t inner = block.d_inner, shared = block.groups * block.d_state, channels = block.conv_channels();
  front.projected = layers.apply(front.normed, AdapterTarget::kInProj, block.in_proj, block.in_proj_bias);
  const IntervalMatrix& rows = front.projected;
  front.z = columns_of(rows, 0, inner);
  const IntervalMatrix xbc = convolution.apply(columns_of(rows, inner, channels));
  front.p = columns_of(rows, inner + channels, block.heads);
  trajectory::add_to_rows(front.p, block.dt_bias);
  front.scan.step_size = trajectory::enclose_step_sizes(front.p, block.step_limits);
  front.scan.x = columns_of(xbc, 0, inner);
  front.scan.B = columns_of(xbc, inner, shared);
  front.scan.C = columns_of(xbc, inner + shared, shared);
  return front;
}

IntervalMatrix normed_after_gate(const Mamba1Weights&, IntervalMatrix gated) { return gated; }
IntervalMatrix normed_after_gate(const Mamba2Weights& block, const IntervalMatrix& gated) {
  return trajectory::enclose_rms_norm(gated, block.gated_norm_weight, block.gated_norm_epsilon,
                                      block.gated_norm_groups);
}

void require_inputs(const Matrix& inputs, std::size_t d_model, std::size_t begin, std::size_t end) {
  if (inputs.columns != d_model) throw ContractViolation("RealRun: the inputs' width is not d_model");
  if (begin >= end || end > inputs.rows) throw ContractViolation("RealRun: a chunk is empty or beyond the sequence");
  if (!std::all_of(inputs.row(begin), inputs.row(begin) + (end - begin) * d_model,
                   [](double x) { return std::isfinite(x); })) {
    throw ContractViolation("RealRun: an input is not finite");
  }
}

}  // namespace

StateShape state_shape(const BlockWeights& block) {
  return std::visit([](const auto& weights) { return shape_of(weights); }, block);
}

std::size_t chunk_tokens(const StateShape& shape) {
  const std::size_t bytes_per_token = 2 * sizeof(double) * shape.rows() * shape.states;
  return std::clamp(kChunkBytes / std::max<std::size_t>(bytes_per_token, 1), std::size_t(16), std::size_t(256));
}

struct RealRun::Impl {
  const BlockWeights& block;
  Layers layers;
  CausalConvolution convolution;
  EnclosedScan scan;
  std::size_t tokens = 0;

  template <class Weights>
  Impl(const BlockWeights& variant, const Weights& weights, std::span<const LowRankUpdate> updates)
      : block(variant),
        layers(updates),
        convolution(weights.conv_weight, weights.conv_bias),
        scan(shape_of(weights), log_rates(weights), weights.D) {
    for (const LowRankUpdate& update : updates) require_fit(update, matrix_of(weights, update.target));
  }

  template <class Weights>
  BlockChunk advance(const Weights& weights, const Matrix& inputs, std::size_t begin, std::size_t end) {
    require_inputs(inputs, weights.d_model, begin, end);
    if (begin != tokens) throw ContractViolation("RealRun: chunks must follow one another");
    tokens = end;
    BlockChunk chunk;
    chunk.begin = begin;
    chunk.end = end;
    chunk.front =
        enclose_front(weights, layers, convolution,
                      trajectory::enclose_rms_norm(inputs, begin, end, weights.norm_weight, weights.norm_epsilon));
    chunk.y = scan.advance(chunk.front.scan, chunk.h);
    IntervalMatrix gated = trajectory::enclose_silu_entries(chunk.front.z);
    trajectory::multiply_entries(gated, chunk.y);
    chunk.gated = normed_after_gate(weights, std::move(gated));
    chunk.output = layers.apply(chunk.gated, AdapterTarget::kOutProj, weights.out_proj, weights.out_proj_bias);
    return chunk;
  }
};

RealRun::RealRun(const BlockWeights& block, std::span<const LowRankUpdate> updates)
    : impl_(std::visit([&](const auto& weights) { return std::make_unique<Impl>(block, weights, updates); }, block)) {}
RealRun::RealRun(RealRun&&) noexcept = default;
RealRun::~RealRun() = default;

BlockChunk RealRun::advance(const Matrix& inputs, std::size_t begin, std::size_t end) {
  return std::visit([&](const auto& weights) { return impl_->advance(weights, inputs, begin, end); }, impl_->block);
}

std::span<const double> RealRun::alpha_lower() const { return impl_->scan.alpha_lower(); }
std::span<const double> RealRun::alpha_upper() const { return impl_->scan.alpha_upper(); }

}  // namespace lyap::deviation
