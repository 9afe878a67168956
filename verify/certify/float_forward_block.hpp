#pragma once

#include <Eigen/Core>

#include "theory/block_weights.hpp"

namespace lyap {

/// Row-major matrix of binary32 numbers; rows are tokens.
using FloatMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Row i is gain (*) x_i / sqrt(mean(x_i^2) + epsilon), in binary32. Shapes (T, d), (d).
[[nodiscard]] FloatMatrix approx_rms_norm(const FloatMatrix& x, const Eigen::RowVectorXf& gain, float epsilon);

/// x w^T in binary32, (T, k) x (m, k); parallel over tokens, any order of accumulation.
[[nodiscard]] FloatMatrix approx_product_transposed(const FloatMatrix& x, const FloatMatrix& w);

/// Adds the block's output to the residual stream (T, d_model) in place, in ordinary binary32: the deployed block,
/// softplus cut-off at 20 included, h_0 = 0. Not rigorous. Memory beyond the weights is bounded: tokens pass in chunks.
void approx_add_block(const theory::Mamba1Weights& block, FloatMatrix& residual);
void approx_add_block(const theory::Mamba2Weights& block, FloatMatrix& residual);

}  // namespace lyap
