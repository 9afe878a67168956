#pragma once

#include <span>
#include <vector>

#include "verify/certify/ball_quadratic.hpp"
#include "verify/certify/norm_domain.hpp"

/// Relaxations (d) quadratic, its tapwise split, and (e) sustained: sharp lower bounds of functionals f = sum_k omega_k
/// silu(q_k) of a Mamba-1 block over its norm ball (theory/theorems/quadratic_relaxation.md, sustained_bound.md). Upper
/// bounds are lower bounds of -f.
namespace lyap {

/// A functional: |omega_true_k - omega_k| <= error_k.
struct SiluFunctional {
  std::vector<double> omega;
  std::vector<double> error;
};

/// The functionals that a block reads off its convolution: p of each channel without its bias (omega a row of W_dt W_x,
/// rounded), d_inner of them, then the components of B and of C (omega a row of W_x, exact).
[[nodiscard]] std::vector<SiluFunctional> scan_input_silu_functionals(const theory::Mamba1Weights& block);
[[nodiscard]] SiluFunctional negated(SiluFunctional f);

class QuadraticRelaxation {
 public:
  /// `tokens` are the x rows of in_proj; kept by reference, as is the block.
  QuadraticRelaxation(const theory::Mamba1Weights& block, const TokenFunctionals& tokens);

  /// A lower bound of f at one step with `present` taps, touching points and multipliers from `window` (J, d_model),
  /// whose last rows count. Every window gives a sound bound; a good minimiser a sharp one. Cost: one factorisation of
  /// size present * d_model.
  [[nodiscard]] double lower_bound(const SiluFunctional& f, const RowMajorMatrix& window, std::size_t present,
                                   double chord_share = 1.0, Multipliers choice = Multipliers::kStationary) const;
  /// The same with the taps apart: `present` factorisations of size d_model.
  [[nodiscard]] double tapwise_lower_bound(const SiluFunctional& f, const RowMajorMatrix& window,
                                           std::size_t present) const;
  /// A lower bound of liminf of f's running mean over every input sequence, from a constant input (d_model).
  [[nodiscard]] double sustained_lower_bound(const SiluFunctional& f, const Eigen::RowVectorXd& constant_input,
                                             double chord_share = 1.0) const;

 private:
  // f >= offset + sum_k (linear_k e_k + curvature_k e_k^2), e = q - its constant part.
  struct Relaxed {
    Interval offset;
    std::vector<Interval> linear;
    std::vector<double> curvature;
  };
  // What a number of present taps fixes.
  struct Situation {
    std::vector<Interval> constant;  // of q
    std::vector<double> reach;       // sup |q|
    std::vector<double> silu;        // sup |silu(q)|
  };
  [[nodiscard]] Relaxed relax(const SiluFunctional& f, const Situation& situation, std::span<const double> touch,
                              double chord_share) const;
  [[nodiscard]] std::vector<double> approx_touch(const RowMajorMatrix& window, std::size_t present) const;

  const theory::Mamba1Weights& block_;
  const TokenFunctionals& tokens_;
  std::vector<Situation> situations_;  // by present taps - 1
};

}  // namespace lyap
