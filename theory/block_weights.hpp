#pragma once

#include <cstddef>
#include <limits>
#include <variant>
#include <vector>

/// The stored weights of one state-space block, as exact numbers. Every float32, bfloat16, float16 and float64
/// weight is a binary64 number, so nothing is rounded on the way from a file into these structures.
namespace lyap::theory {

using Vector = std::vector<double>;

/// A dense matrix, row-major: entry (i, j) is entries[i * columns + j].
struct Matrix {
  std::size_t rows = 0;
  std::size_t columns = 0;
  Vector entries;

  Matrix() = default;
  Matrix(std::size_t row_count, std::size_t column_count)
      : rows(row_count), columns(column_count), entries(row_count * column_count) {}

  double& operator()(std::size_t i, std::size_t j) { return entries[i * columns + j]; }
  double operator()(std::size_t i, std::size_t j) const { return entries[i * columns + j]; }
  [[nodiscard]] const double* row(std::size_t i) const { return entries.data() + i * columns; }
};

/// What a program clamps the step size to after softplus; (0, infinity) clamps nothing.
struct StepSizeLimits {
  double lower = 0.0;
  double upper = std::numeric_limits<double>::infinity();
};

/// One Mamba-1 block (S6): norm, in_proj, causal convolution, silu, x_proj, dt_proj, scan, gate, out_proj.
/// J = d_conv taps; the last column of conv_weight multiplies the current token. Empty bias vectors mean no bias.
struct Mamba1Weights {
  std::size_t d_model = 0, d_inner = 0, d_state = 0, d_conv = 0, dt_rank = 0;
  double norm_epsilon = 0.0;
  Vector norm_weight;    ///< (d_model), the gain g
  Matrix in_proj;        ///< (2 d_inner, d_model), rows x then z
  Vector in_proj_bias;   ///< (2 d_inner) or empty
  Matrix conv_weight;    ///< (d_inner, d_conv)
  Vector conv_bias;      ///< (d_inner) or empty
  Matrix x_proj;         ///< (dt_rank + 2 d_state, d_inner), rows dt, B, C
  Matrix dt_proj;        ///< (d_inner, dt_rank)
  Vector dt_bias;        ///< (d_inner)
  Matrix A_log;          ///< (d_inner, d_state)
  Vector D;              ///< (d_inner)
  Matrix out_proj;       ///< (d_model, d_inner)
  Vector out_proj_bias;  ///< (d_model) or empty
};

/// One Mamba-2 block (SSD): norm, in_proj, causal convolution over x, B, C together, silu, scan, gate, grouped norm,
/// out_proj. Channels of the convolution: d_inner of x, groups * d_state of B, groups * d_state of C. Head k uses group
/// k / (heads / groups).
struct Mamba2Weights {
  std::size_t d_model = 0, d_inner = 0, heads = 0, head_dim = 0, d_state = 0, groups = 0, d_conv = 0;
  double norm_epsilon = 0.0;
  Vector norm_weight;                 ///< (d_model), the gain g
  Matrix in_proj;                     ///< (2 d_inner + 2 groups d_state + heads, d_model), rows z, x, B, C, dt
  Vector in_proj_bias;                ///< one per row, or empty
  Matrix conv_weight;                 ///< (d_inner + 2 groups d_state, d_conv)
  Vector conv_bias;                   ///< one per row, or empty
  Vector dt_bias;                     ///< (heads)
  StepSizeLimits step_limits;         ///< applied after softplus
  Vector A_log;                       ///< (heads)
  Vector D;                           ///< (heads)
  Vector gated_norm_weight;           ///< (d_inner)
  std::size_t gated_norm_groups = 1;  ///< the gated RMSNorm runs within each of these
  double gated_norm_epsilon = 0.0;
  Matrix out_proj;       ///< (d_model, d_inner)
  Vector out_proj_bias;  ///< (d_model) or empty

  [[nodiscard]] std::size_t conv_channels() const { return d_inner + 2 * groups * d_state; }
};

using BlockWeights = std::variant<Mamba1Weights, Mamba2Weights>;

}  // namespace lyap::theory
