#include "verify/certify/witness_search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "numerics/parallel.hpp"

namespace lyap {
namespace {

constexpr int kDirectSteps = 8;     // conditional-gradient steps before the small ones
constexpr double kFirstStep = 0.4;  // of the ball's radius, in the direction of steepest descent
constexpr double kLastStep = 0.01;

Eigen::Index index(std::size_t k) { return static_cast<Eigen::Index>(k); }

double sigmoid(double q) { return 1.0 / (1.0 + std::exp(-q)); }

// log softplus(p), finite for p far below the exponent range.
double log_softplus(double p) { return p < -30.0 ? p : std::log(p > 30.0 ? p : std::log1p(std::exp(p))); }

// d log softplus / dp, in (0, 1].
double log_softplus_slope(double p) { return p < -30.0 ? 1.0 : sigmoid(p) / (p > 30.0 ? p : std::log1p(std::exp(p))); }

// Which token tap j of the convolution reads at time t.
struct Schedule {
  std::size_t tokens;  // per functional
  std::size_t times;   // outputs per functional
  std::size_t taps;
  bool periodic;

  [[nodiscard]] std::size_t token(std::size_t t, std::size_t j) const {
    return periodic ? (t + j + taps * tokens - (taps - 1)) % tokens : j;
  }
};

class Descent {
 public:
  Descent(const SearchSpace& space, const RowMajorMatrix& omega, const std::vector<double>& bias,
          const Schedule& schedule)
      : space_(space), omega_(omega), bias_(bias), schedule_(schedule) {}

  // Projected gradient descent from `tokens`; keeps the best of each functional in `best`.
  void run(std::vector<RowMajorMatrix> tokens, int iterations, Windows& best) const {
    for (int i = 0; i < iterations; ++i) {
      std::vector<RowMajorMatrix> gradient;
      const std::vector<double> values = evaluate(tokens, &gradient);
      best.keep_better({tokens, values});
      if (space_.should_stop && space_.should_stop()) return;
      const bool direct = i < kDirectSteps;
      const double progress = double(i - kDirectSteps) / std::max(1, iterations - kDirectSteps - 1);
      const double step = kFirstStep * std::pow(kLastStep / kFirstStep, std::max(0.0, progress));
      for (std::size_t s = 0; s < tokens.size(); ++s) move(tokens[s], gradient[s], direct, step);
    }
    best.keep_better({tokens, evaluate(tokens, nullptr)});
  }

  // f (or the log of the mean step) of every functional at its own tokens; gradients by token.
  std::vector<double> evaluate(const std::vector<RowMajorMatrix>& tokens, std::vector<RowMajorMatrix>* gradient) const;

  // The direction in which the half-slope linear relaxation decreases.
  [[nodiscard]] std::vector<RowMajorMatrix> linear_start() const {
    const std::vector<RowMajorMatrix> slopes(schedule_.times, RowMajorMatrix(0.5 * omega_));
    std::vector<RowMajorMatrix> tokens = by_tokens(slopes);
    for (RowMajorMatrix& token : tokens) {
      RowMajorMatrix direction = token;
      token.setZero();
      move(token, direction, true, 0.0);
    }
    return tokens;
  }

  [[nodiscard]] std::vector<RowMajorMatrix> random_start(std::mt19937_64& random) const {
    std::normal_distribution<double> normal;
    std::vector<RowMajorMatrix> tokens(schedule_.tokens, RowMajorMatrix(omega_.rows(), index(space_.block.d_model)));
    for (RowMajorMatrix& token : tokens) {
      for (Eigen::Index k = 0; k < token.size(); ++k) token.data()[k] = normal(random);
      project(token);
    }
    return tokens;
  }

 private:
  // W^T of per-time slopes (functionals, d_inner), summed over the times and taps that read each token.
  [[nodiscard]] std::vector<RowMajorMatrix> by_tokens(const std::vector<RowMajorMatrix>& slopes) const {
    std::vector<RowMajorMatrix> inner(schedule_.tokens, RowMajorMatrix::Zero(omega_.rows(), omega_.cols()));
    for (std::size_t t = 0; t < schedule_.times; ++t) {
      for (std::size_t j = 0; j < schedule_.taps; ++j) {
        RowMajorMatrix& sum = inner[schedule_.token(t, j)];
        for (Eigen::Index i = 0; i < sum.rows(); ++i) {
          for (Eigen::Index k = 0; k < sum.cols(); ++k)
            sum(i, k) += slopes[t](i, k) * space_.block.conv_weight(std::size_t(k), j);
        }
      }
    }
    std::vector<RowMajorMatrix> result;
    for (const RowMajorMatrix& sum : inner) result.push_back(approx_dense_product(sum, space_.token_weights));
    return result;
  }

  void project(RowMajorMatrix& token) const {
    const double radius = std::sqrt(double(space_.block.d_model));
    for (Eigen::Index i = 0; i < token.rows(); ++i) {
      const double norm = token.row(i).norm();
      if (norm > radius) token.row(i) *= radius / norm;
    }
  }

  void move(RowMajorMatrix& token, const RowMajorMatrix& gradient, bool direct, double step) const {
    const double radius = std::sqrt(double(space_.block.d_model));
    for (Eigen::Index i = 0; i < token.rows(); ++i) {
      const double norm = gradient.row(i).norm();
      if (!(norm > 0.0)) continue;
      if (direct)
        token.row(i) = -radius / norm * gradient.row(i);
      else
        token.row(i) -= step * radius / norm * gradient.row(i);
    }
    project(token);
  }

  const SearchSpace& space_;
  const RowMajorMatrix& omega_;
  const std::vector<double>& bias_;
  Schedule schedule_;
};

std::vector<double> Descent::evaluate(const std::vector<RowMajorMatrix>& tokens,
                                      std::vector<RowMajorMatrix>* gradient) const {
  const theory::Mamba1Weights& block = space_.block;
  std::vector<RowMajorMatrix> projected;
  for (const RowMajorMatrix& token : tokens)
    projected.push_back(approx_dense_product(token, space_.token_weights, Transposed::kYes));
  const auto functionals = static_cast<std::size_t>(omega_.rows());
  std::vector<std::vector<double>> f(schedule_.times, std::vector<double>(functionals, 0.0));
  std::vector<RowMajorMatrix> slopes(gradient == nullptr ? 0 : schedule_.times,
                                     RowMajorMatrix(omega_.rows(), omega_.cols()));
  for (std::size_t t = 0; t < schedule_.times; ++t) {
    parallel_for(functionals, 8, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) {
        for (std::size_t k = 0; k < block.d_inner; ++k) {
          double q = block.conv_bias.empty() ? 0.0 : block.conv_bias[k];
          const double in_bias = block.in_proj_bias.empty() ? 0.0 : block.in_proj_bias[k];
          for (std::size_t j = 0; j < schedule_.taps; ++j) {
            q += block.conv_weight(k, j) * (projected[schedule_.token(t, j)](index(i), index(k)) + in_bias);
          }
          const double s = sigmoid(q);
          const double weight = omega_(index(i), index(k));
          f[t][i] += weight * q * s;
          if (gradient != nullptr) slopes[t](index(i), index(k)) = weight * s * (1.0 + q * (1.0 - s));
        }
      }
    });
  }
  std::vector<double> values = f[0];
  if (schedule_.periodic) {
    for (std::size_t i = 0; i < functionals; ++i) {
      double largest = -std::numeric_limits<double>::infinity();
      for (std::size_t t = 0; t < schedule_.times; ++t) largest = std::max(largest, log_softplus(bias_[i] + f[t][i]));
      double sum = 0.0;
      for (std::size_t t = 0; t < schedule_.times; ++t) sum += std::exp(log_softplus(bias_[i] + f[t][i]) - largest);
      values[i] = largest + std::log(sum / double(schedule_.times));
      for (std::size_t t = 0; t < slopes.size(); ++t) {  // the largest step leads
        const double p = bias_[i] + f[t][i];
        slopes[t].row(index(i)) *= std::exp(log_softplus(p) - largest) / sum * log_softplus_slope(p);
      }
    }
  }
  if (gradient != nullptr) *gradient = by_tokens(slopes);
  return values;
}

Windows search(const SearchSpace& space, const RowMajorMatrix& omega, const std::vector<double>& bias,
               const Schedule& schedule, const SearchEffort& effort) {
  const Descent descent(space, omega, bias, schedule);
  std::mt19937_64 random(effort.seed);
  Windows best;
  descent.run(descent.linear_start(), effort.iterations, best);
  for (int start = 1; start < effort.starts; ++start)
    descent.run(descent.random_start(random), effort.iterations, best);
  return best;
}

}  // namespace

RowMajorMatrix Windows::window(std::size_t functional) const {
  RowMajorMatrix result(index(tokens.size()), tokens.at(0).cols());
  for (std::size_t j = 0; j < tokens.size(); ++j) result.row(index(j)) = tokens[j].row(index(functional));
  return result;
}

void Windows::keep_better(const Windows& other) {
  if (tokens.empty()) {
    *this = other;
    return;
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!(other.values[i] < values[i])) continue;
    values[i] = other.values[i];
    for (std::size_t s = 0; s < tokens.size(); ++s) tokens[s].row(index(i)) = other.tokens[s].row(index(i));
  }
}

Windows approx_worst_windows(const SearchSpace& space, const RowMajorMatrix& omega, const SearchEffort& effort) {
  const std::size_t taps = space.block.d_conv;
  return search(space, omega, {}, {taps, 1, taps, false}, effort);
}

Windows approx_worst_periodic_inputs(const SearchSpace& space, const RowMajorMatrix& omega,
                                     const std::vector<double>& bias, std::size_t period, const SearchEffort& effort) {
  return search(space, omega, bias, {period, period, space.block.d_conv, true}, effort);
}

}  // namespace lyap
