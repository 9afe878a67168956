#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>

#include "theory/block_weights.hpp"

namespace lyap::testing {

/// Ordinary weights, from a seed: what tightness is measured on.
class OrdinaryBlocks {
 public:
  explicit OrdinaryBlocks(std::uint64_t seed) : random_(seed) {}

  theory::Mamba1Weights mamba1(std::size_t d_model, std::size_t d_inner, std::size_t states, std::size_t rank) {
    theory::Mamba1Weights block;
    block.d_model = d_model, block.d_inner = d_inner, block.d_state = states, block.d_conv = 4, block.dt_rank = rank,
    block.norm_epsilon = 1e-5;
    block.norm_weight = vector(d_model, 0.1, 1.0);
    block.in_proj = matrix(2 * d_inner, d_model, 1.0);
    block.in_proj_bias = vector(2 * d_inner, 0.5);
    block.conv_weight = matrix(d_inner, 4, 1.0);
    block.conv_bias = vector(d_inner, 0.3);
    block.x_proj = matrix(rank + 2 * states, d_inner, 1.0);
    block.dt_proj = matrix(d_inner, rank, 1.0);
    block.dt_bias = vector(d_inner, 1.0, -3.0);
    block.A_log = matrix(d_inner, states, 1.0);
    block.D = vector(d_inner, 1.0);
    block.out_proj = matrix(d_model, d_inner, 1.0);
    return block;
  }

  theory::Mamba2Weights mamba2(std::size_t d_model, std::size_t heads, std::size_t head_dim, std::size_t states,
                               std::size_t groups) {
    theory::Mamba2Weights block;
    block.d_model = d_model, block.heads = heads, block.head_dim = head_dim, block.d_inner = heads * head_dim,
    block.d_state = states;
    block.groups = groups, block.d_conv = 4, block.norm_epsilon = 1e-5;
    block.norm_weight = vector(d_model, 0.1, 1.0);
    block.in_proj = matrix(block.d_inner + block.conv_channels() + heads, d_model, 1.0);
    block.in_proj_bias = vector(block.in_proj.rows, 0.5);
    block.conv_weight = matrix(block.conv_channels(), 4, 1.0);
    block.conv_bias = vector(block.conv_channels(), 0.3);
    block.dt_bias = vector(heads, 1.0, -3.0);
    block.A_log = vector(heads, 1.0);
    block.D = vector(heads, 1.0);
    block.gated_norm_weight.assign(block.d_inner, 1.0);
    block.gated_norm_epsilon = 1e-5;
    block.out_proj = matrix(d_model, block.d_inner, 1.0);
    return block;
  }

  theory::Matrix matrix(std::size_t rows, std::size_t columns, double spread) {
    theory::Matrix result(rows, columns);
    result.entries = vector(rows * columns, spread / std::sqrt(double(columns)));
    return result;
  }

  theory::Vector vector(std::size_t size, double spread, double mean = 0.0) {
    std::normal_distribution<float> normal{static_cast<float>(mean), static_cast<float>(spread)};
    theory::Vector result(size);
    for (double& entry : result) entry = normal(random_);
    return result;
  }

 private:
  std::mt19937_64 random_;
};

}  // namespace lyap::testing
