#include "verify/deviation/dense_block.hpp"

#include <algorithm>
#include <cmath>

namespace lyap::deviation {

namespace {

using theory::Mamba1Weights;
using theory::Mamba2Weights;
using theory::NumberType;
using theory::PrecisionPolicy;

RowMajorMatrix dense(const theory::Matrix& matrix) {
  return Eigen::Map<const RowMajorMatrix>(matrix.entries.data(), static_cast<Index>(matrix.rows),
                                          static_cast<Index>(matrix.columns));
}

/// A row; zeros of `width` where the vector is empty, as a missing bias is.
RowMajorMatrix row(const theory::Vector& vector, Index width) {
  if (vector.empty()) return RowMajorMatrix::Zero(1, width);
  return Eigen::Map<const RowMajorMatrix>(vector.data(), 1, static_cast<Index>(vector.size()));
}

/// What both families name alike.
template <class Weights>
void take_common(const Weights& weights, DenseBlock& block) {
  block.norm_epsilon = weights.norm_epsilon;
  block[Tensor::kNormWeight] = row(weights.norm_weight, 0);
  block[Tensor::kInProj] = dense(weights.in_proj);
  block[Tensor::kInProjBias] = row(weights.in_proj_bias, block[Tensor::kInProj].rows());
  block[Tensor::kConvWeight] = dense(weights.conv_weight);
  block[Tensor::kConvBias] = row(weights.conv_bias, block[Tensor::kConvWeight].rows());
  block[Tensor::kDtBias] = row(weights.dt_bias, 0);
  block[Tensor::kD] = row(weights.D, 0);
  block[Tensor::kOutProj] = dense(weights.out_proj);
  block[Tensor::kOutProjBias] = row(weights.out_proj_bias, block[Tensor::kOutProj].rows());
}

/// With A_log in the place of alpha.
DenseBlock with_logarithms(const Mamba1Weights& weights) {
  DenseBlock block;
  block.shape = {weights.d_inner, 1, weights.d_state, 1, true};
  take_common(weights, block);
  block[Tensor::kXProj] = dense(weights.x_proj);
  block[Tensor::kDtProj] = dense(weights.dt_proj);
  block[Tensor::kAlpha] = dense(weights.A_log);
  const auto width = static_cast<Index>(weights.d_inner);
  block.convolved = {0, width};
  block.gate = {width, width};
  block.rank = static_cast<Index>(weights.dt_rank);
  return block;
}

DenseBlock with_logarithms(const Mamba2Weights& weights) {
  DenseBlock block;
  block.is_mamba1 = false;
  block.shape = {weights.heads, weights.head_dim, weights.d_state, weights.groups, false};
  take_common(weights, block);
  block[Tensor::kAlpha] = row(weights.A_log, 0).transpose();
  block[Tensor::kGatedNormWeight] = row(weights.gated_norm_weight, 0);
  block.gated_norm_epsilon = weights.gated_norm_epsilon;
  block.gated_norm_groups = static_cast<Index>(weights.gated_norm_groups);
  block.step_limits = weights.step_limits;
  const auto width = static_cast<Index>(weights.d_inner);
  block.gate = {0, width};
  block.convolved = {width, static_cast<Index>(weights.conv_channels())};
  block.step = {width + block.convolved.width, static_cast<Index>(weights.heads)};
  return block;
}

void exponentiate(RowMajorMatrix& logarithms) {
  for (double& entry : logarithms.reshaped()) entry = std::exp(entry);
}

void round_all(RowMajorMatrix& matrix, const NumberType& type) {
  if (!rounds_coarsely(type)) return;
  for (double& entry : matrix.reshaped()) entry = approx_rounded(entry, type);
}

}  // namespace

DenseBlock dense_block(const theory::BlockWeights& weights) {
  DenseBlock block = std::visit([](const auto& w) { return with_logarithms(w); }, weights);
  exponentiate(block[Tensor::kAlpha]);
  return block;
}

DenseBlock approx_rounded_block(const theory::BlockWeights& weights, const PrecisionPolicy& policy) {
  DenseBlock block = std::visit([](const auto& w) { return with_logarithms(w); }, weights);
  for (RowMajorMatrix& tensor : block.tensors) round_all(tensor, policy.stored_weights);
  round_all(block[Tensor::kInProj], policy.in_proj.weight);
  round_all(block[Tensor::kInProjBias], policy.in_proj.bias);
  round_all(block[Tensor::kConvWeight], policy.convolution.weight);
  round_all(block[Tensor::kConvBias], policy.convolution.bias);
  round_all(block[Tensor::kXProj], policy.x_proj.weight);
  round_all(block[Tensor::kDtProj], policy.dt_proj.weight);
  round_all(block[Tensor::kDtBias], block.is_mamba1 ? policy.dt_proj.bias : policy.mamba2.step_bias);
  round_all(block[Tensor::kOutProj], policy.out_proj.weight);
  round_all(block[Tensor::kOutProjBias], policy.out_proj.bias);
  exponentiate(block[Tensor::kAlpha]);
  return block;
}

std::vector<RoundingSite> rounding_sites(const DenseBlock& block, const PrecisionPolicy& policy) {
  std::vector<RoundingSite> sites;
  const auto add = [&](Quantity quantity, const NumberType& type, const Columns& columns) {
    const bool has_it = !sites.empty() && sites.back().quantity == quantity && sites.back().type == type;
    if (rounds_coarsely(type) && !has_it) sites.push_back({quantity, type, columns});
  };
  const Index projected = block[Tensor::kInProj].rows();
  const Columns model{0, block[Tensor::kNormWeight].cols()};
  const Columns inner{0, block.d_inner()};
  const Columns heads{0, static_cast<Index>(block.shape.heads)};
  const Columns channels{0, block.convolved.width};
  const theory::ScanRounding& scan = block.is_mamba1 ? policy.mamba1 : policy.mamba2;
  add(Quantity::kInput, policy.block_input, model);
  add(Quantity::kNormalised, policy.norm_normalised, model);
  add(Quantity::kNormed, policy.norm_output, model);
  add(Quantity::kNormed, policy.in_proj.input, model);
  add(Quantity::kProjected, policy.in_proj.output, {0, projected});
  add(Quantity::kProjected, policy.convolution.input, block.convolved);
  add(Quantity::kConvolved, policy.convolution.output, channels);
  add(Quantity::kActivated, policy.conv_silu, channels);
  if (block.is_mamba1) {
    add(Quantity::kActivatedRead, policy.x_proj.input, inner);
    add(Quantity::kMixed, policy.x_proj.output, {0, block[Tensor::kXProj].rows()});
    add(Quantity::kMixed, policy.dt_proj.input, {0, block.rank});
    const bool bias_inside = policy.dt_proj.placement == theory::BiasPlacement::kInAccumulation;
    add(bias_inside ? Quantity::kPreactivation : Quantity::kStepProjection, policy.dt_proj.output, heads);
    if (!bias_inside) add(Quantity::kPreactivation, policy.dt_proj.sum, heads);
  } else {
    add(Quantity::kPreactivation, scan.step_bias_sum, heads);
  }
  add(Quantity::kStepSize, scan.step_size, heads);
  add(Quantity::kReadOut, scan.read_out, inner);
  add(Quantity::kSkip, scan.skip_product, inner);
  add(Quantity::kY, scan.y, inner);
  add(Quantity::kGate, scan.gate_silu, inner);
  add(block.is_mamba1 ? Quantity::kScanned : Quantity::kGated, scan.gated, inner);
  if (!block.is_mamba1) add(Quantity::kScanned, scan.normalised, inner);
  add(Quantity::kScanned, policy.out_proj.input, inner);
  add(Quantity::kOutput, policy.out_proj.output, model);
  return sites;
}

bool rounds_coarsely(const NumberType& type) { return type.u > theory::kFloat32Type.u; }

double spacing(double x, const NumberType& type) {
  if (type.u == 0.0 || x == 0.0) return 0.0;
  const double factor = type.rounds_toward_zero ? 1.0 : 2.0;
  return factor * std::max(std::ldexp(type.u, std::ilogb(x)), type.u_min);
}

double approx_rounded(double x, const NumberType& type) {
  const double unit = spacing(x, type);
  if (unit == 0.0) return x;
  return (type.rounds_toward_zero ? std::trunc(x / unit) : std::nearbyint(x / unit)) * unit;
}

}  // namespace lyap::deviation
