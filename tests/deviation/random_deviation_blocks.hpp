#pragma once

#include "tests/verify/trajectory_random_blocks.hpp"

/// Random whole blocks: those of the trajectory tier with an out_proj, a gated norm and groups of it.
namespace lyap::testing {

inline theory::Mamba1Weights draw_whole_mamba1() {
  theory::Mamba1Weights block = draw_mamba1();
  block.out_proj = draw_matrix(block.d_model, block.d_inner);
  block.out_proj_bias = draw_bias(block.d_model);
  return block;
}

inline theory::Mamba2Weights draw_whole_mamba2() {
  theory::Mamba2Weights block = draw_mamba2();
  block.out_proj = draw_matrix(block.d_model, block.d_inner);
  block.out_proj_bias = draw_bias(block.d_model);
  block.gated_norm_weight = draw_vector(block.d_inner, weight());
  return block;
}

/// Multiples of 2^-10 of magnitude below 2: sums and products of a few of them are exact in binary64.
inline rc::Gen<double> dyadic() {
  return rc::gen::map(integer_near_zero(2047), [](int k) { return std::ldexp(double(k), -10); });
}

}  // namespace lyap::testing
