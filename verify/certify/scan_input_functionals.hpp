#pragma once

#include <vector>

#include "numerics/interval.hpp"
#include "numerics/row_ball_matrix.hpp"
#include "theory/block_weights.hpp"

/// The linear functionals f = sum_k omega_k silu(q_k) that a Mamba-1 block reads off its convolution's output: the step
/// sizes (omega a row of W_dt W_x) and the components of B_t and C_t (omega a row of W_x). W_dt W_x is kept as two
/// factors.
namespace lyap {

/// One range per functional.
struct FunctionalRanges {
  std::vector<Interval> step;  ///< (d_inner): p without the dt bias
  std::vector<Interval> BC;    ///< (2 d_state): components of B, then of C

  void hull_with(const FunctionalRanges& other);
};

/// A relaxation in the form that all functionals share: f lies in omega.center + [-|omega|.radius, |omega|.radius] +
/// taps.
struct RelaxedSilu {
  std::vector<Interval> center;  ///< (d_inner)
  std::vector<double> radius;    ///< (d_inner), >= 0
};

class ScanInputFunctionals {
 public:
  explicit ScanInputFunctionals(const theory::Mamba1Weights& block);

  /// Encloses {omega . (center + radius e) : |e_k| <= 1} for every functional.
  [[nodiscard]] FunctionalRanges ranges(const RelaxedSilu& relaxed) const;

  /// Encloses f where |silu(q) - center|_2 <= distance: omega.center + [-1, 1] |omega|_2 distance.
  [[nodiscard]] FunctionalRanges ranges_in_norm(const std::vector<Interval>& center, double distance) const;

  /// The functionals of tap j's token: W_x diag(scale) W diag(g) as rows acting on n_j, (dt_rank + 2 d_state, d_model).
  /// Only the low-rank rows are formed; `scale` (d_inner) is slope times tap, each a floating-point product.
  [[nodiscard]] RowBallMatrix low_rank_rows(const std::vector<double>& scale, const RowBallMatrix& token_weights) const;

  /// At least sqrt(d_model) |omega's row|_2 for every functional of tap j, from its low_rank_rows.
  [[nodiscard]] FunctionalRanges norm_ball_ranges(const RowBallMatrix& low_rank, double root_d) const;

 private:
  [[nodiscard]] std::vector<double> step_spread(const std::vector<double>& radius) const;

  const theory::Mamba1Weights& block_;
  std::vector<double> step_row_norm_;  ///< |row i of dt_proj|_2, upper bounds
  std::vector<double> x_column_norm_;  ///< |column k of x_proj's dt rows|_2, upper bounds
  std::vector<double> omega_norm_;     ///< |row i of W_dt W_x|_2, upper bounds
  std::vector<double> BC_norm_;        ///< |row of x_proj's B and C rows|_2, upper bounds
};

/// Encloses {A x : x in ranges}, exact A.
[[nodiscard]] std::vector<Interval> matrix_vector_ranges(const ConstMatrixRef& a, const std::vector<Interval>& x);

}  // namespace lyap
