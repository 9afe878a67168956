#include "verify/checkpoint/families/block_tensors.hpp"

namespace lyap {
namespace {

theory::Vector read_if(bool present, const ModelTensors& tensors, const std::string& name) {
  return present ? tensors.read(name) : theory::Vector{};
}

}  // namespace

void require_mamba1_block(TensorChecklist& checklist, const BlockNames& names, const Mamba1Sizes& sizes) {
  const std::string& mixer = names.mixer;
  checklist.require(names.norm, {sizes.d_model});
  checklist.require(mixer + "in_proj.weight", {2 * sizes.d_inner, sizes.d_model});
  checklist.require(mixer + "conv1d.weight", {sizes.d_inner, 1, sizes.d_conv});
  checklist.require(mixer + "x_proj.weight", {sizes.dt_rank + 2 * sizes.d_state, sizes.d_inner});
  checklist.require(mixer + "dt_proj.weight", {sizes.d_inner, sizes.dt_rank});
  checklist.require(mixer + "dt_proj.bias", {sizes.d_inner});
  checklist.require(mixer + "A_log", {sizes.d_inner, sizes.d_state});
  checklist.require(mixer + "D", {sizes.d_inner});
  checklist.require(mixer + "out_proj.weight", {sizes.d_model, sizes.d_inner});
  if (sizes.conv_bias) checklist.require(mixer + "conv1d.bias", {sizes.d_inner});
  if (sizes.projection_bias) {
    checklist.require(mixer + "in_proj.bias", {2 * sizes.d_inner});
    checklist.require(mixer + "out_proj.bias", {sizes.d_model});
  }
}

void require_mamba2_block(TensorChecklist& checklist, const BlockNames& names, const Mamba2Sizes& sizes) {
  const std::string& mixer = names.mixer;
  const std::size_t conv_channels = sizes.d_inner() + 2 * sizes.groups * sizes.d_state;
  const std::size_t projected = sizes.d_inner() + conv_channels + sizes.heads;
  checklist.require(names.norm, {sizes.d_model});
  checklist.require(mixer + "in_proj.weight", {projected, sizes.d_model});
  checklist.require(mixer + "conv1d.weight", {conv_channels, 1, sizes.d_conv});
  checklist.require(mixer + "dt_bias", {sizes.heads});
  checklist.require(mixer + "A_log", {sizes.heads});
  checklist.require(mixer + "D", {sizes.heads});
  checklist.require(mixer + "norm.weight", {sizes.d_inner()});
  checklist.require(mixer + "out_proj.weight", {sizes.d_model, sizes.d_inner()});
  if (sizes.conv_bias) checklist.require(mixer + "conv1d.bias", {conv_channels});
  if (sizes.projection_bias) {
    checklist.require(mixer + "in_proj.bias", {projected});
    checklist.require(mixer + "out_proj.bias", {sizes.d_model});
  }
}

theory::Mamba1Weights read_mamba1_block(const ModelTensors& tensors, const BlockNames& names,
                                        const Mamba1Sizes& sizes) {
  const std::string& mixer = names.mixer;
  theory::Mamba1Weights block;
  block.d_model = sizes.d_model;
  block.d_inner = sizes.d_inner;
  block.d_state = sizes.d_state;
  block.d_conv = sizes.d_conv;
  block.dt_rank = sizes.dt_rank;
  block.norm_epsilon = sizes.norm_epsilon;
  block.norm_weight = tensors.read(names.norm);
  block.in_proj = tensors.read_matrix(mixer + "in_proj.weight");
  block.in_proj_bias = read_if(sizes.projection_bias, tensors, mixer + "in_proj.bias");
  block.conv_weight = tensors.read_matrix(mixer + "conv1d.weight");
  block.conv_bias = read_if(sizes.conv_bias, tensors, mixer + "conv1d.bias");
  block.x_proj = tensors.read_matrix(mixer + "x_proj.weight");
  block.dt_proj = tensors.read_matrix(mixer + "dt_proj.weight");
  block.dt_bias = tensors.read(mixer + "dt_proj.bias");
  block.A_log = tensors.read_matrix(mixer + "A_log");
  block.D = tensors.read(mixer + "D");
  block.out_proj = tensors.read_matrix(mixer + "out_proj.weight");
  block.out_proj_bias = read_if(sizes.projection_bias, tensors, mixer + "out_proj.bias");
  return block;
}

theory::Mamba2Weights read_mamba2_block(const ModelTensors& tensors, const BlockNames& names,
                                        const Mamba2Sizes& sizes) {
  const std::string& mixer = names.mixer;
  theory::Mamba2Weights block;
  block.d_model = sizes.d_model;
  block.d_inner = sizes.d_inner();
  block.heads = sizes.heads;
  block.head_dim = sizes.head_dim;
  block.d_state = sizes.d_state;
  block.groups = sizes.groups;
  block.d_conv = sizes.d_conv;
  block.norm_epsilon = sizes.norm_epsilon;
  block.norm_weight = tensors.read(names.norm);
  block.in_proj = tensors.read_matrix(mixer + "in_proj.weight");
  block.in_proj_bias = read_if(sizes.projection_bias, tensors, mixer + "in_proj.bias");
  block.conv_weight = tensors.read_matrix(mixer + "conv1d.weight");
  block.conv_bias = read_if(sizes.conv_bias, tensors, mixer + "conv1d.bias");
  block.dt_bias = tensors.read(mixer + "dt_bias");
  block.step_limits = sizes.step_limits;
  block.A_log = tensors.read(mixer + "A_log");
  block.D = tensors.read(mixer + "D");
  block.gated_norm_weight = tensors.read(mixer + "norm.weight");
  block.gated_norm_groups = sizes.gated_norm_groups;
  block.gated_norm_epsilon = sizes.gated_norm_epsilon;
  block.out_proj = tensors.read_matrix(mixer + "out_proj.weight");
  block.out_proj_bias = read_if(sizes.projection_bias, tensors, mixer + "out_proj.bias");
  return block;
}

}  // namespace lyap
