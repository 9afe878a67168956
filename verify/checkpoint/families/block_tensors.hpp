#pragma once

#include <string>

#include "theory/block_weights.hpp"
#include "verify/checkpoint/families/tensor_checklist.hpp"

namespace lyap {

/// Where the tensors of one block are: the norm's weight, and what the mixer's names begin with (a final dot included).
struct BlockNames {
  std::string norm;
  std::string mixer;
};

/// What a config says about every Mamba-1 block of a model.
struct Mamba1Sizes {
  std::size_t d_model = 0, d_inner = 0, d_state = 0, d_conv = 0, dt_rank = 0;
  double norm_epsilon = 0.0;
  bool projection_bias = false;
  bool conv_bias = true;
};

/// What a config says about every Mamba-2 block of a model; d_inner = heads * head_dim.
struct Mamba2Sizes {
  std::size_t d_model = 0, heads = 0, head_dim = 0, d_state = 0, groups = 0, d_conv = 0;
  double norm_epsilon = 0.0;
  double gated_norm_epsilon = 0.0;
  std::size_t gated_norm_groups = 1;
  theory::StepSizeLimits step_limits;
  bool projection_bias = false;
  bool conv_bias = true;

  [[nodiscard]] std::size_t d_inner() const { return heads * head_dim; }
};

/// Throws BadInput unless every tensor of the block is there with the shape that the sizes imply.
void require_mamba1_block(TensorChecklist& checklist, const BlockNames& names, const Mamba1Sizes& sizes);
void require_mamba2_block(TensorChecklist& checklist, const BlockNames& names, const Mamba2Sizes& sizes);

/// The exact weights of a block that was required before.
[[nodiscard]] theory::Mamba1Weights read_mamba1_block(const ModelTensors& tensors, const BlockNames& names,
                                                      const Mamba1Sizes& sizes);
[[nodiscard]] theory::Mamba2Weights read_mamba2_block(const ModelTensors& tensors, const BlockNames& names,
                                                      const Mamba2Sizes& sizes);

}  // namespace lyap
