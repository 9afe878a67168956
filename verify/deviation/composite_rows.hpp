#pragma once

#include "numerics/float_product.hpp"
#include "theory/block_weights.hpp"

namespace lyap::deviation {

/// The linear map from norm outputs to x_proj's outputs of one token, W_x diag(slope) Σ_j diag(w_j) W_in S^j, applied
/// to bounds: signs cancel in the map before magnitudes are taken. theory/theorems/apriori_propagation.md, section 4.
/// The map is computed in binary32.
class CompositeRows {
 public:
  explicit CompositeRows(const theory::Mamba1Weights& block);

  /// Whether the map is worth its cost, (rank + 2N) d_inner J d_model products a token, and its bound of roundings
  /// holds.
  [[nodiscard]] static bool is_affordable(const theory::Mamba1Weights& block);

  struct Bounds {
    /// (tokens, rank + 2N) at least Σ_jk |Σ_i W_x[r,i] slope_i w_ij W_in[i,k]| radius_k of token t - j, but for what
    /// the map itself loses in binary32.
    RowMajorMatrix rows;
    /// (tokens, d_inner) the same of the rows of W_dt times the first `rank` of those.
    RowMajorMatrix steps;
  };
  /// slope: (tokens, d_inner), in [-2, 2]; radius: (J - 1 + tokens, d_model), nonnegative, older tokens first. What
  /// binary32 loses is at most lost() times Σ_i |W_x[r,i]| linear_i for rows, and that times |W_dt| for steps,
  /// with linear_i = |slope_i| Σ_jk |w_ij W_in[i,k]| radius_k. Cost: as is_affordable says.
  [[nodiscard]] Bounds advance(const RowMajorMatrix& slope, const RowMajorMatrix& radius) const;
  [[nodiscard]] double lost() const;

 private:
  struct Batch;
  void add_token(Eigen::Index token, const RowMajorMatrix& radius, Batch& batch, Bounds& bounds) const;
  void add_steps(Batch& batch, Bounds& bounds) const;

  Eigen::Index rank_, rows_, inner_, model_, taps_;
  // Scaled by powers of two to magnitudes of at most 1; a product of all scales is taken out of the bounds at the end.
  RowMajorMatrix x_proj_;
  RowMajorFloatMatrix taps_in_proj_;   // (d_inner, J d_model), w_ij W_in[i, .], oldest tap first
  RowMajorFloatMatrix dt_proj_size_;   // (rank, d_inner) |W_dt'|, rounded up
  RowMajorFloatMatrix dt_proj_pairs_;  // (rank (rank + 1)/2, d_inner) w_s w_s', twice where s differs from s'
  double map_scale_ = 1.0, dt_scale_ = 1.0;
};

}  // namespace lyap::deviation
