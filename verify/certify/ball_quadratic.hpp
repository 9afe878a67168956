#pragma once

#include <optional>
#include <span>
#include <vector>

#include "numerics/interval.hpp"
#include "numerics/row_ball_matrix.hpp"

/// Quadratic functions of a window of tokens, minimised over balls with proof
/// (theory/theorems/quadratic_relaxation.md).
namespace lyap {

/// The linear map from a window n = (n_1 .. n_J), each in R^d, to e_k = sum_j taps(k, j) W_k . n_j, k < rows.
class WindowMap {
 public:
  /// `token_weights` (rows, d) is kept by reference; `taps` holds rows * J intervals, row-major.
  WindowMap(const RowBallMatrix& token_weights, std::vector<Interval> taps, std::size_t tap_count);

  [[nodiscard]] std::size_t rows() const { return static_cast<std::size_t>(token_weights_.midpoint.rows()); }
  [[nodiscard]] std::size_t taps() const { return tap_count_; }
  [[nodiscard]] std::size_t token_size() const { return static_cast<std::size_t>(token_weights_.midpoint.cols()); }
  [[nodiscard]] const Interval& tap(std::size_t k, std::size_t j) const { return taps_[k * tap_count_ + j]; }

  /// Encloses e for an exact window n (J, d).
  [[nodiscard]] std::vector<Interval> apply(const RowMajorMatrix& window) const;
  /// M^T r in ordinary arithmetic, (J, d).
  [[nodiscard]] RowMajorMatrix approx_transposed(std::span<const double> r) const;
  /// At least |M^T r - diag(mu) y|_2 for every r in the intervals; mu_j scales y's row j.
  [[nodiscard]] double residual_norm_upper_bound(const std::vector<Interval>& r, std::span<const double> mu,
                                                 const RowMajorMatrix& y) const;
  /// M^T diag(w) M in ordinary arithmetic, (J d, J d), lower triangle; and a bound of its error in the spectral norm.
  [[nodiscard]] RowMajorMatrix approx_hessian(std::span<const double> w) const;
  [[nodiscard]] double hessian_error_upper_bound(std::span<const double> w) const;

 private:
  const RowBallMatrix& token_weights_;
  std::vector<Interval> taps_;
  std::size_t tap_count_;
  std::vector<double> token_norm_;  // |W_k|_2, upper bounds
  RowMajorMatrix dense_;            // M, rounded
};

/// phi(n) = sum_k ( linear_k e_k + curvature_k e_k^2 ).
struct BallQuadratic {
  const WindowMap& map;
  std::vector<Interval> linear;
  std::vector<double> curvature;
};

/// A lower bound of phi over |n_j|_2^2 <= d for multipliers mu >= 0: with R = M^T diag(curvature) M + diag(mu) whose
/// every eigenvalue is at least `smallest_eigenvalue` > 0, and any y,  phi >= -d sum_j mu_j - l.R^-1 l/4 >= -d sum mu_j
/// - (y.R y + 2 y.e + |e|^2/smallest_eigenvalue)/4, l = M^T linear, e = l - R y. Sound for every y; sharp for y near
/// R^-1 l.
[[nodiscard]] double dual_lower_bound(const BallQuadratic& quadratic, std::span<const double> mu,
                                      const RowMajorMatrix& y, double smallest_eigenvalue);

/// The multipliers that make `window` stationary: mu_j = max(0, -<(l + 2 Q n)_j, n_j>/(2 |n_j|^2)), 0 where n_j = 0.
[[nodiscard]] std::vector<double> approx_stationary_multipliers(const BallQuadratic& quadratic,
                                                                const RowMajorMatrix& window);

/// How multipliers are chosen: as `window` suggests, raised until R is positive definite; or from there by Newton's
/// method on the dual bound, which is concave in them, at the cost of some ten factorisations.
enum class Multipliers { kStationary, kOptimised };

/// dual_lower_bound at the multipliers that `window` (J, d), a good minimiser, suggests, raised until R is proved
/// positive definite; -infinity where that fails. Cost: one or a few factorisations of size J d.
[[nodiscard]] double quadratic_lower_bound(const BallQuadratic& quadratic, const RowMajorMatrix& window,
                                           Multipliers choice = Multipliers::kStationary);

/// dual_lower_bound at the multipliers given, -infinity where R is not proved positive definite there.
[[nodiscard]] double quadratic_lower_bound_at(const BallQuadratic& quadratic, std::vector<double> mu);

}  // namespace lyap
