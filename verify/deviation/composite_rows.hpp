#pragma once

#include "numerics/rigorous_product.hpp"
#include "theory/block_weights.hpp"

namespace lyap::deviation {

/// The linear map from norm outputs to x_proj's outputs of one token, W_x diag(slope) Σ_j diag(w_j) W_in S^j, applied
/// to bounds: signs cancel in the map before magnitudes are taken. theory/theorems/apriori_propagation.md, section 4.
class CompositeRows {
 public:
  /// `block` must outlive this object.
  explicit CompositeRows(const theory::Mamba1Weights& block);

  /// Whether the map is worth its cost, (rank + 2N) d_inner J d_model products a token.
  [[nodiscard]] static bool is_affordable(const theory::Mamba1Weights& block);

  struct Bounds {
    /// (tokens, rank + 2N) at least Σ_jk |Σ_i W_x[r,i] slope_i w_ij W_in[i,k]| radius_k of token t - j, but for what
    /// binary64 loses.
    RowMajorMatrix rows;
    /// (tokens, d_inner) the same of the rows of W_dt times the first `rank` of those.
    RowMajorMatrix steps;
  };
  /// slope: (tokens, d_inner), in [-2, 2]; radius: (J - 1 + tokens, d_model), nonnegative, older tokens first. What
  /// binary64 loses is at most lost() times Σ_i |W_x[r,i]| linear_i for rows, and that times |W_dt| for steps,
  /// with linear_i = |slope_i| Σ_jk |w_ij W_in[i,k]| radius_k. Cost: as is_affordable says.
  [[nodiscard]] Bounds advance(const RowMajorMatrix& slope, const RowMajorMatrix& radius) const;
  [[nodiscard]] double lost() const;

 private:
  struct Scratch;
  void advance_token(const RowMajorMatrix& map, Eigen::Index first_row, Eigen::Index token, const double* radius,
                     Scratch& scratch, Bounds& bounds) const;

  Eigen::Index rank_, rows_, inner_, model_, taps_;
  RowMajorMatrix x_proj_, dt_proj_;
  RowMajorMatrix taps_in_proj_;  // (d_inner, J d_model), w_ij W_in[i, .], oldest tap first
  RowMajorMatrix dt_proj_size_;
};

}  // namespace lyap::deviation
