#include "verify/certify/ball_quadratic.hpp"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <limits>

#include "numerics/contract_violation.hpp"
#include "numerics/norm_bounds.hpp"
#include "numerics/rounding.hpp"
#include "numerics/verified_cholesky.hpp"
#include "verify/certify/refinement_times.hpp"

namespace lyap {
namespace {

constexpr double kUnitRoundoff = 0x1p-52;
constexpr double kSmallest = 0x1p-1074;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kRelativeShift =
    1e-9;  // what is left for the smallest eigenvalue, relative to the mean multiplier and diagonal
constexpr double kRaise = 1.02;  // multipliers grow by this until R is positive definite
constexpr double kShare =
    0.002;  // and by this of the largest, for taps at which a rough window asks for next to nothing
constexpr int kAttempts = 200;
constexpr int kRefinements = 2;
constexpr int kNewtonSteps = 12;
constexpr int kHalvings = 10;
constexpr double kWorthAStep = 1e-5;  // relative gain of a Newton step that is worth another

Eigen::Index index(std::size_t k) { return static_cast<Eigen::Index>(k); }

double row_norm_upper_bound(const RowMajorMatrix& a, std::size_t i) {
  const RoundingUpward upward;
  double squares = 0.0;
  for (Eigen::Index k = 0; k < a.cols(); ++k) squares += a(index(i), k) * a(index(i), k);
  return pinned(std::sqrt(pinned(squares)));
}

Eigen::Map<const Eigen::VectorXd> flattened(const RowMajorMatrix& window) { return {window.data(), window.size()}; }

}  // namespace

WindowMap::WindowMap(const RowBallMatrix& token_weights, std::vector<Interval> taps, std::size_t tap_count)
    : token_weights_(token_weights), taps_(std::move(taps)), tap_count_(tap_count) {
  if (taps_.size() != rows() * tap_count_) throw ContractViolation("WindowMap: rows * taps intervals expected");
  const Eigen::VectorXd norms = row_norms_upper_bound(token_weights);
  token_norm_.assign(norms.data(), norms.data() + norms.size());
  const Eigen::Index d = index(token_size());
  dense_.resize(index(rows()), d * index(tap_count_));
  for (std::size_t k = 0; k < rows(); ++k) {
    for (std::size_t j = 0; j < tap_count_; ++j) {
      dense_.block(index(k), index(j) * d, 1, d) = tap(k, j).midpoint() * token_weights.midpoint.row(index(k));
    }
  }
}

std::vector<Interval> WindowMap::apply(const RowMajorMatrix& window) const {
  const RowMajorMatrix products = approx_dense_product(token_weights_.midpoint, window, Transposed::kYes);  // (rows, J)
  const double gamma = dot_product_error_factor(token_size());
  const double underflow = dot_product_underflow(token_size());
  std::vector<double> window_norm(tap_count_);
  for (std::size_t j = 0; j < tap_count_; ++j) window_norm[j] = row_norm_upper_bound(window, j);
  std::vector<Interval> result(rows());
  for (std::size_t k = 0; k < rows(); ++k) {
    for (std::size_t j = 0; j < tap_count_; ++j) {
      double error = 0.0;
      {
        const RoundingUpward upward;
        error =
            pinned((pinned(gamma) * token_norm_[k] + token_weights_.row_radius(index(k))) * window_norm[j] + underflow);
      }
      const double value = products(index(k), index(j));
      result[k] += tap(k, j) * (Interval::from_exact(value) + Interval::from_bounds(-error, error));
    }
  }
  return result;
}

RowMajorMatrix WindowMap::approx_transposed(std::span<const double> r) const {
  RowMajorMatrix scaled(index(tap_count_), index(rows()));
  for (std::size_t j = 0; j < tap_count_; ++j) {
    for (std::size_t k = 0; k < rows(); ++k) scaled(index(j), index(k)) = tap(k, j).midpoint() * r[k];
  }
  return approx_dense_product(scaled, token_weights_.midpoint);
}

double WindowMap::residual_norm_upper_bound(const std::vector<Interval>& r, std::span<const double> mu,
                                            const RowMajorMatrix& y) const {
  std::vector<Interval> scaled(tap_count_ * rows());
  RowMajorMatrix middle(index(tap_count_), index(rows()));
  for (std::size_t j = 0; j < tap_count_; ++j) {
    for (std::size_t k = 0; k < rows(); ++k) {
      scaled[j * rows() + k] = tap(k, j) * r[k];
      middle(index(j), index(k)) = scaled[j * rows() + k].midpoint();
    }
  }
  const RowMajorMatrix product = approx_dense_product(middle, token_weights_.midpoint);
  const double gamma = dot_product_error_factor(rows());
  double total = 0.0;
  for (std::size_t j = 0; j < tap_count_; ++j) {
    const double y_norm = row_norm_upper_bound(y, j);
    const double product_norm = row_norm_upper_bound(product, j);
    double error = static_cast<double>(token_size()) * dot_product_underflow(rows() + 1);  // of the product and of mu y
    std::vector<double> radius(rows());
    for (std::size_t k = 0; k < rows(); ++k)
      radius[k] = (scaled[j * rows() + k] - Interval::from_exact(middle(index(j), index(k)))).magnitude();
    const RoundingUpward upward;
    for (std::size_t k = 0; k < rows(); ++k) {
      const double row_radius = token_weights_.row_radius(index(k));
      error +=
          std::fabs(middle(index(j), index(k))) * (gamma * token_norm_[k] + row_radius) + radius[k] * token_norm_[k];
    }
    double squares = 0.0;
    for (Eigen::Index i = 0; i < y.cols(); ++i) {
      const double entry = std::fabs(product(index(j), i) - mu[j] * y(index(j), i));
      squares += entry * entry;
    }
    const double norm =
        std::sqrt(squares) * (1.0 + kUnitRoundoff) + 2.0 * kUnitRoundoff * (product_norm + mu[j] * y_norm) + error;
    total = pinned(total + norm * norm);
  }
  const RoundingUpward upward;
  return pinned(std::sqrt(pinned(total)) * (1.0 + 8.0 * kUnitRoundoff));
}

RowMajorMatrix WindowMap::approx_hessian(std::span<const double> w) const {
  RowMajorMatrix scaled = dense_;
  for (std::size_t k = 0; k < rows(); ++k) scaled.row(index(k)) *= w[k];
  return approx_dense_product(RowMajorMatrix(dense_.transpose()), scaled);
}

// |fl(M^T diag(w) M) - M^T diag(w) M|_2 <= sum_k |w_k| ( (gamma + 3u) |m_k|^2 + 2 |m_k| delta_k + delta_k^2 ), m_k the
// rounded row and delta_k its distance to M's.
double WindowMap::hessian_error_upper_bound(std::span<const double> w) const {
  const double gamma = dot_product_error_factor(rows());
  const auto size =
      static_cast<double>(dense_.cols());  // what underflows in a row of M or of diag(w) M is below 2^-1074 an entry
  double total = size * dot_product_underflow(rows());
  for (std::size_t k = 0; k < rows(); ++k) {
    double tap_norm = 0.0, tap_radius = 0.0;
    const RoundingUpward upward;
    for (std::size_t j = 0; j < tap_count_; ++j) {
      tap_norm += tap(k, j).magnitude();
      tap_radius += tap(k, j).radius_upper_bound();
    }
    const double row = tap_norm * token_norm_[k];
    const double distance = tap_norm * token_weights_.row_radius(index(k)) + tap_radius * token_norm_[k] +
                            2.0 * kUnitRoundoff * row + size * kSmallest;
    const double per_unit = (pinned(gamma) + 4.0 * kUnitRoundoff) * row * row + (2.0 * row + distance) * distance;
    total = pinned(total + std::fabs(w[k]) * per_unit + size * kSmallest * (row + distance));
  }
  return total;
}

double dual_lower_bound(const BallQuadratic& quadratic, std::span<const double> mu, const RowMajorMatrix& y,
                        double smallest_eigenvalue) {
  if (!(smallest_eigenvalue > 0.0)) return -kInfinity;
  const std::vector<Interval> v = quadratic.map.apply(y);
  std::vector<Interval> residual(v.size());  // linear - curvature v: e = M^T residual - diag(mu) y
  Interval energy;                           // y.R y + 2 y.e = 2 v.linear - sum curvature v^2 - sum mu_j |y_j|^2
  for (std::size_t k = 0; k < v.size(); ++k) {
    const Interval curvature = Interval::from_exact(quadratic.curvature[k]);
    residual[k] = quadratic.linear[k] - curvature * v[k];
    energy += Interval::from_exact(2.0) * v[k] * quadratic.linear[k] - curvature * square(v[k]);
  }
  Interval multiplier_sum;
  for (std::size_t j = 0; j < mu.size(); ++j) {
    Interval squares;
    for (Eigen::Index i = 0; i < y.cols(); ++i) squares += square(Interval::from_exact(y(index(j), i)));
    energy -= Interval::from_exact(mu[j]) * squares;
    multiplier_sum += Interval::from_exact(mu[j]);
  }
  const Interval error = Interval::from_exact(quadratic.map.residual_norm_upper_bound(residual, mu, y));
  energy += square(error) / Interval::from_exact(smallest_eigenvalue);
  const Interval d = Interval::from_exact(static_cast<double>(quadratic.map.token_size()));
  return (-(d * multiplier_sum) - Interval::from_exact(0.25) * energy).lower();
}

std::vector<double> approx_stationary_multipliers(const BallQuadratic& quadratic, const RowMajorMatrix& window) {
  const std::vector<Interval> e = quadratic.map.apply(window);
  std::vector<double> slope(e.size());
  for (std::size_t k = 0; k < e.size(); ++k)
    slope[k] = quadratic.linear[k].midpoint() + 2.0 * quadratic.curvature[k] * e[k].midpoint();
  const RowMajorMatrix gradient = quadratic.map.approx_transposed(slope);
  std::vector<double> mu(quadratic.map.taps(), 0.0);
  for (std::size_t j = 0; j < mu.size(); ++j) {
    const double squares = window.row(index(j)).squaredNorm();
    if (squares > 0.0) mu[j] = std::max(0.0, -gradient.row(index(j)).dot(window.row(index(j))) / (2.0 * squares));
  }
  return mu;
}

namespace {

// R's parts that do not depend on the multipliers.
struct Hessian {
  RowMajorMatrix entries;
  double error;
  RowMajorMatrix linear;  // M^T linear, (J, d)
};

Hessian hessian_of(const BallQuadratic& quadratic) {
  const RefinementTimer timer(RefinementTimer::Part::kProducts);
  std::vector<double> middle(quadratic.linear.size());
  for (std::size_t k = 0; k < middle.size(); ++k) middle[k] = quadratic.linear[k].midpoint();
  return {quadratic.map.approx_hessian(quadratic.curvature),
          quadratic.map.hessian_error_upper_bound(quadratic.curvature), quadratic.map.approx_transposed(middle)};
}

// Solves R y = l by the factor of R minus a shift, refined against R.
RowMajorMatrix approx_solve(const RowMajorMatrix& R, const RowMajorMatrix& factor, const RowMajorMatrix& l) {
  RowMajorMatrix y = RowMajorMatrix::Zero(l.rows(), l.cols());
  Eigen::Map<Eigen::VectorXd> solution(y.data(), y.size());
  for (int refinement = 0; refinement <= kRefinements; ++refinement) {
    Eigen::VectorXd rest = flattened(l);
    if (refinement > 0) rest -= R.selfadjointView<Eigen::Lower>() * solution;
    factor.triangularView<Eigen::Lower>().solveInPlace(rest);
    factor.transpose().triangularView<Eigen::Upper>().solveInPlace(rest);
    solution += rest;
  }
  return y;
}

// The dual -d sum_j mu_j - l.R^-1 l/4 in ordinary arithmetic, its gradient |y_j|^2/4 - d and its Hessian
// -y_i.(R^-1)_ij y_j/2, y = R^-1 l.
struct Dual {
  double value = -kInfinity;  // where R is not positive definite
  Eigen::VectorXd gradient;
  Eigen::MatrixXd hessian;
};

Dual approx_dual(const Hessian& hessian, const std::vector<double>& mu) {
  const Eigen::Index d = hessian.linear.cols();
  const Eigen::Index J = hessian.linear.rows();
  RowMajorMatrix R = hessian.entries;
  for (Eigen::Index j = 0; j < J; ++j) R.diagonal().segment(j * d, d).array() += mu[static_cast<std::size_t>(j)];
  Dual dual;
  if (!approx_cholesky_in_place(R)) return dual;
  const auto solve = [&](Eigen::MatrixXd right) {
    R.triangularView<Eigen::Lower>().solveInPlace(right);
    R.transpose().triangularView<Eigen::Upper>().solveInPlace(right);
    return right;
  };
  const Eigen::VectorXd l = flattened(hessian.linear);
  const Eigen::VectorXd y = solve(l);
  Eigen::MatrixXd blocks = Eigen::MatrixXd::Zero(J * d, J);
  for (Eigen::Index j = 0; j < J; ++j) blocks.block(j * d, j, d, 1) = y.segment(j * d, d);
  dual.hessian = -0.5 * (blocks.transpose() * solve(blocks));
  dual.gradient = 0.25 * blocks.colwise().squaredNorm().transpose() - Eigen::VectorXd::Constant(J, double(d));
  dual.value = -double(d) * Eigen::Map<const Eigen::VectorXd>(mu.data(), J).sum() - 0.25 * l.dot(y);
  return dual;
}

// Newton's method with halved steps from multipliers at which R is positive definite.
std::vector<double> approx_best_multipliers(const Hessian& hessian, std::vector<double> mu, double floor) {
  Dual dual = approx_dual(hessian, mu);
  for (int iteration = 0; iteration < kNewtonSteps && dual.value > -kInfinity; ++iteration) {
    const double damping = 1e-12 * dual.hessian.diagonal().cwiseAbs().maxCoeff() + 1e-300;
    const Eigen::MatrixXd metric =
        -dual.hessian + damping * Eigen::MatrixXd::Identity(dual.hessian.rows(), dual.hessian.cols());
    const Eigen::VectorXd step = metric.ldlt().solve(dual.gradient);
    const double before = dual.value;
    double length = 1.0;
    for (int halving = 0; halving < kHalvings; ++halving, length *= 0.4) {
      std::vector<double> trial = mu;
      for (std::size_t j = 0; j < mu.size(); ++j) trial[j] = std::max(floor, mu[j] + length * step(index(j)));
      const Dual at_trial = approx_dual(hessian, trial);
      if (!(at_trial.value > dual.value)) continue;
      dual = at_trial;
      mu = std::move(trial);
      break;
    }
    if (dual.value - before <= kWorthAStep * std::fabs(before)) break;
  }
  return mu;
}

double lower_bound_at(const BallQuadratic& quadratic, const Hessian& hessian, const std::vector<double>& mu) {
  const Eigen::Index d = index(quadratic.map.token_size());
  RowMajorMatrix R = hessian.entries;
  for (std::size_t j = 0; j < mu.size(); ++j) R.diagonal().segment(index(j) * d, d).array() += mu[j];
  const double largest = *std::max_element(mu.begin(), mu.end());
  const double diagonal_error =
      2.0 * kUnitRoundoff * (largest + R.diagonal().cwiseAbs().maxCoeff());  // of the sums above
  const VerifiedCholesky cholesky = [&] {
    const RefinementTimer timer(RefinementTimer::Part::kFactorisation);
    return verified_cholesky(R, kRelativeShift * largest, hessian.error + diagonal_error);
  }();
  if (!cholesky.proves_positive_definite()) return -kInfinity;
  return dual_lower_bound(quadratic, mu, approx_solve(R, cholesky.factor, hessian.linear),
                          cholesky.smallest_eigenvalue_lower_bound);
}

}  // namespace

double quadratic_lower_bound(const BallQuadratic& quadratic, const RowMajorMatrix& window, Multipliers choice) {
  std::vector<double> mu = approx_stationary_multipliers(quadratic, window);
  const Hessian hessian = hessian_of(quadratic);
  const double floor = kRelativeShift * (hessian.entries.diagonal().cwiseAbs().mean() + 1e-300);
  for (double& multiplier : mu) multiplier = std::max(multiplier, floor);
  const auto raise = [](std::vector<double>& multipliers) {
    const double largest = *std::max_element(multipliers.begin(), multipliers.end());
    for (double& multiplier : multipliers) multiplier = kRaise * multiplier + kShare * largest;
  };
  if (choice == Multipliers::kOptimised) {
    const std::vector<double> best = [&] {
      const RefinementTimer timer(RefinementTimer::Part::kFactorisation);
      std::vector<double> start = mu;
      for (int attempt = 0; attempt < kAttempts && approx_dual(hessian, start).value == -kInfinity; ++attempt)
        raise(start);
      return approx_best_multipliers(hessian, std::move(start), floor);
    }();
    const double bound = lower_bound_at(quadratic, hessian, best);
    if (bound > -kInfinity) return bound;  // else R is too near to singular there
  }
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const double bound = lower_bound_at(quadratic, hessian, mu);
    if (bound > -kInfinity) return bound;
    raise(mu);
  }
  return -kInfinity;
}

double quadratic_lower_bound_at(const BallQuadratic& quadratic, std::vector<double> mu) {
  return lower_bound_at(quadratic, hessian_of(quadratic), mu);
}

}  // namespace lyap
