#pragma once

#include <cstddef>
#include <limits>

#include "tests/theory/scalar_trajectory.hpp"
#include "theory/block_weights.hpp"

/// Small random blocks with every option: odd sizes, biases or none, groups, clamps, rates and step sizes over many
/// orders of magnitude.
namespace lyap::theory::testing {

inline Vector random_vector(Draw& draw, std::size_t count, double scale) {
  Vector result(count);
  for (double& entry : result) entry = static_cast<double>(static_cast<float>(draw.uniform(-scale, scale)));
  return result;
}

inline Vector random_vector_or_none(Draw& draw, std::size_t count, double scale) {
  return draw.below(2) == 0 ? Vector{} : random_vector(draw, count, scale);
}

inline Matrix random_matrix(Draw& draw, std::size_t rows, std::size_t columns, double scale) {
  Matrix result(rows, columns);
  result.entries = random_vector(draw, rows * columns, scale);
  return result;
}

inline Matrix random_inputs(Draw& draw, std::size_t d_model) {
  return random_matrix(draw, 1 + draw.below(9), d_model, draw.log_uniform(0.01, 30.0));
}

inline Mamba1Weights random_mamba1(Draw& draw) {
  Mamba1Weights w;
  w.d_model = 1 + draw.below(7);
  w.d_inner = 1 + draw.below(9);
  w.d_state = 1 + draw.below(5);
  w.d_conv = 1 + draw.below(5);
  w.dt_rank = 1 + draw.below(3);
  w.norm_epsilon = draw.log_uniform(1e-6, 1e-2);
  w.norm_weight = random_vector(draw, w.d_model, 2.0);
  w.in_proj = random_matrix(draw, 2 * w.d_inner, w.d_model, 1.0);
  w.in_proj_bias = random_vector_or_none(draw, 2 * w.d_inner, 3.0);
  w.conv_weight = random_matrix(draw, w.d_inner, w.d_conv, 1.0);
  w.conv_bias = random_vector_or_none(draw, w.d_inner, 1.0);
  w.x_proj = random_matrix(draw, w.dt_rank + 2 * w.d_state, w.d_inner, 1.0);
  w.dt_proj = random_matrix(draw, w.d_inner, w.dt_rank, 1.0);
  w.dt_bias = random_vector(draw, w.d_inner, 8.0);
  w.A_log = random_matrix(draw, w.d_inner, w.d_state, 4.0);
  w.D = random_vector(draw, w.d_inner, 1.0);
  w.out_proj = random_matrix(draw, w.d_model, w.d_inner, 1.0);
  w.out_proj_bias = random_vector_or_none(draw, w.d_model, 1.0);
  return w;
}

inline Mamba2Weights random_mamba2(Draw& draw) {
  Mamba2Weights w;
  w.d_model = 1 + draw.below(7);
  w.groups = 1 + draw.below(3);
  w.heads = w.groups * (1 + draw.below(3));
  w.head_dim = 1 + draw.below(4);
  w.d_inner = w.heads * w.head_dim;
  w.d_state = 1 + draw.below(5);
  w.d_conv = 1 + draw.below(5);
  w.norm_epsilon = draw.log_uniform(1e-6, 1e-2);
  w.norm_weight = random_vector(draw, w.d_model, 2.0);
  const std::size_t rows = w.d_inner + w.conv_channels() + w.heads;
  w.in_proj = random_matrix(draw, rows, w.d_model, 1.0);
  w.in_proj_bias = random_vector_or_none(draw, rows, 3.0);
  w.conv_weight = random_matrix(draw, w.conv_channels(), w.d_conv, 1.0);
  w.conv_bias = random_vector_or_none(draw, w.conv_channels(), 1.0);
  w.dt_bias = random_vector(draw, w.heads, 8.0);
  if (draw.below(2) == 0)
    w.step_limits = {draw.log_uniform(1e-4, 1e-1), draw.below(2) == 0 ? 0.5 : std::numeric_limits<double>::infinity()};
  w.A_log = random_vector(draw, w.heads, 4.0);
  w.D = random_vector(draw, w.heads, 1.0);
  w.gated_norm_weight = random_vector(draw, w.d_inner, 2.0);
  w.gated_norm_groups = draw.below(2) == 0 ? 1 : w.groups;
  w.gated_norm_epsilon = draw.log_uniform(1e-6, 1e-2);
  w.out_proj = random_matrix(draw, w.d_model, w.d_inner, 1.0);
  w.out_proj_bias = random_vector_or_none(draw, w.d_model, 1.0);
  return w;
}

}  // namespace lyap::theory::testing
