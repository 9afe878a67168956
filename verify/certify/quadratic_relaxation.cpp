#include "verify/certify/quadratic_relaxation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "numerics/contract_violation.hpp"
#include "numerics/norm_bounds.hpp"
#include "numerics/rounding.hpp"
#include "verify/certify/ball_quadratic.hpp"
#include "verify/certify/even_part_relaxation.hpp"
#include "verify/certify/sustained_relaxation.hpp"

namespace lyap {
namespace {

Eigen::Index index(std::size_t k) { return static_cast<Eigen::Index>(k); }

std::vector<Interval> exact_taps(const theory::Matrix& conv_weight, std::size_t first) {
  std::vector<Interval> taps;
  for (std::size_t k = 0; k < conv_weight.rows; ++k) {
    for (std::size_t j = first; j < conv_weight.columns; ++j) taps.push_back(Interval::from_exact(conv_weight(k, j)));
  }
  return taps;
}

}  // namespace

std::vector<SiluFunctional> scan_input_silu_functionals(const theory::Mamba1Weights& block) {
  const RowMajorMatrix omega =
      approx_dense_product(rows_of(block.dt_proj, 0, block.d_inner), rows_of(block.x_proj, 0, block.dt_rank));
  const Eigen::VectorXd row_norms = row_norms_upper_bound(rows_of(block.dt_proj, 0, block.d_inner));
  const RowMajorMatrix columns = rows_of(block.x_proj, 0, block.dt_rank).transpose();
  const Eigen::VectorXd column_norms = row_norms_upper_bound(ConstMatrixRef(columns));
  const double gamma = dot_product_error_factor(block.dt_rank);
  const double underflow = dot_product_underflow(block.dt_rank);
  std::vector<SiluFunctional> functionals(block.d_inner + 2 * block.d_state);
  for (std::size_t i = 0; i < functionals.size(); ++i) {
    const bool is_step = i < block.d_inner;
    const double* row =
        is_step ? omega.data() + i * block.d_inner : block.x_proj.row(block.dt_rank + i - block.d_inner);
    functionals[i].omega.assign(row, row + block.d_inner);
    functionals[i].error.assign(block.d_inner, 0.0);
    if (!is_step) continue;
    const RoundingUpward upward;  // |fl(omega) - omega| <= gamma |row of W_dt|_2 |column of W_x|_2 + underflow
    for (std::size_t k = 0; k < block.d_inner; ++k)
      functionals[i].error[k] = pinned(gamma) * row_norms(index(i)) * column_norms(index(k)) + underflow;
  }
  return functionals;
}

SiluFunctional negated(SiluFunctional f) {
  for (double& omega : f.omega) omega = -omega;
  return f;
}

QuadraticRelaxation::QuadraticRelaxation(const theory::Mamba1Weights& block, const TokenFunctionals& tokens)
    : block_(block), tokens_(tokens) {
  std::span<const double> in_bias;
  if (!block.in_proj_bias.empty()) in_bias = std::span(block.in_proj_bias).first(block.d_inner);
  const std::vector<Interval> ball = symmetric_ranges(tokens.radius);
  for (std::size_t present = 1; present <= block.d_conv; ++present) {
    Situation situation;
    situation.constant = convolution_range(block.conv_weight, block.conv_bias, in_bias, 0,
                                           std::vector<Interval>(block.d_inner), present);
    const std::vector<Interval> q = convolution_range(block.conv_weight, block.conv_bias, in_bias, 0, ball, present);
    const std::vector<Interval> silu = silu_ranges(q);
    for (std::size_t k = 0; k < block.d_inner; ++k) {
      situation.reach.push_back(magnitude(q[k]));
      situation.silu.push_back(magnitude(silu[k]));
    }
    situations_.push_back(std::move(situation));
  }
}

QuadraticRelaxation::Relaxed QuadraticRelaxation::relax(const SiluFunctional& f, const Situation& situation,
                                                        std::span<const double> touch, double chord_share) const {
  const std::vector<EvenPartRelaxation> parts = relax_even_parts(f.omega, situation.reach, touch, chord_share);
  Relaxed relaxed;
  for (std::size_t k = 0; k < parts.size(); ++k) {
    const Interval half =
        Interval::from_exact(0.5) * Interval::from_exact(f.omega[k]) + Interval::from_exact(parts[k].slope);
    const Interval curvature = Interval::from_exact(parts[k].curvature);
    const Interval& beta = situation.constant[k];
    // l (beta + e) + w (beta + e)^2 = [l beta + w beta^2] + [l + 2 w beta] e + w e^2, l = omega/2 + slope
    relaxed.offset += half * beta + curvature * square(beta) + Interval::from_exact(parts[k].constant);
    relaxed.offset -= Interval::from_exact(f.error[k]) * Interval::from_exact(situation.silu[k]);
    relaxed.linear.push_back(half + Interval::from_exact(2.0) * curvature * beta);
    relaxed.curvature.push_back(parts[k].curvature);
  }
  return relaxed;
}

std::vector<double> QuadraticRelaxation::approx_touch(const RowMajorMatrix& window, std::size_t present) const {
  const RowMajorMatrix projected = approx_dense_product(window, tokens_.weights.midpoint, Transposed::kYes);
  std::vector<double> touch(block_.d_inner);
  for (std::size_t k = 0; k < touch.size(); ++k) {
    touch[k] = situations_[present - 1].constant[k].midpoint();
    for (std::size_t j = block_.d_conv - present; j < block_.d_conv; ++j)
      touch[k] += block_.conv_weight(k, j) * projected(index(j), index(k));
  }
  return touch;
}

double QuadraticRelaxation::lower_bound(const SiluFunctional& f, const RowMajorMatrix& window, std::size_t present,
                                        double chord_share, Multipliers choice) const {
  if (present == 0 || present > block_.d_conv) throw ContractViolation("lower_bound: present taps outside 1..J");
  const Relaxed relaxed = relax(f, situations_[present - 1], approx_touch(window, present), chord_share);
  const std::size_t first = block_.d_conv - present;
  const WindowMap map(tokens_.weights, exact_taps(block_.conv_weight, first), present);
  const double quadratic =
      quadratic_lower_bound({map, relaxed.linear, relaxed.curvature}, window.bottomRows(index(present)), choice);
  return (relaxed.offset + Interval::from_bounds(quadratic, std::max(quadratic, 0.0))).lower();
}

double QuadraticRelaxation::tapwise_lower_bound(const SiluFunctional& f, const RowMajorMatrix& window,
                                                std::size_t present) const {
  if (present == 0 || present > block_.d_conv)
    throw ContractViolation("tapwise_lower_bound: present taps outside 1..J");
  const Relaxed relaxed = relax(f, situations_[present - 1], approx_touch(window, present), 0.0);
  double total = relaxed.offset.lower();
  const WindowMap map(tokens_.weights, std::vector<Interval>(block_.d_inner, Interval::from_exact(1.0)), 1);
  for (std::size_t j = block_.d_conv - present; j < block_.d_conv; ++j) {
    BallQuadratic tap{map, relaxed.linear, std::vector<double>(block_.d_inner, 0.0)};
    for (std::size_t k = 0; k < block_.d_inner; ++k) {
      const Interval c = Interval::from_exact(block_.conv_weight(k, j));
      tap.linear[k] *= c;
      if (!(relaxed.curvature[k] < 0.0)) continue;  // the convex side is at least 0
      Interval sum;                                 // (sum_j c_j e_j)^2 <= (sum |c_j|)(sum |c_j| e_j^2)
      for (std::size_t i = block_.d_conv - present; i < block_.d_conv; ++i)
        sum += abs(Interval::from_exact(block_.conv_weight(k, i)));
      tap.curvature[k] = (Interval::from_exact(relaxed.curvature[k]) * sum * abs(c)).lower();
    }
    const double bound = quadratic_lower_bound(tap, window.row(index(j)));
    total = (Interval::from_bounds(total, std::max(total, 0.0)) + Interval::from_bounds(bound, std::max(bound, 0.0)))
                .lower();
  }
  return total;
}

double QuadraticRelaxation::sustained_lower_bound(const SiluFunctional& f, const Eigen::RowVectorXd& constant_input,
                                                  double chord_share) const {
  RowMajorMatrix window(index(block_.d_conv), index(block_.d_model));
  window.rowwise() = constant_input;
  const Relaxed relaxed = relax(f, situations_.back(), approx_touch(window, block_.d_conv), chord_share);
  const double mean = lyap::sustained_lower_bound(
      {tokens_.weights, block_.conv_weight.entries, block_.d_conv, relaxed.linear, relaxed.curvature}, constant_input);
  return (relaxed.offset + Interval::from_bounds(mean, std::max(mean, 0.0))).lower();
}

}  // namespace lyap
