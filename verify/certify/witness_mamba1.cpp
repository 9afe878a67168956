#include "verify/certify/witness_mamba1.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "numerics/square_root.hpp"
#include "verify/certify/norm_domain.hpp"
#include "verify/certify/scan_input_functionals.hpp"
#include "verify/certify/vocabulary_ranges.hpp"

namespace lyap {
namespace {

constexpr double kResidualScale = 0x1p14;  // epsilon / (2 mean r^2) is then below 2e-9 of the radius for epsilon <= 1

constexpr double kFarAway = 0x1p12;  // of witnesses that were found as points of the ball

double approx_sigmoid(double q) { return 1.0 / (1.0 + std::exp(-q)); }
double approx_silu(double q) { return q * approx_sigmoid(q); }
double approx_silu_slope(double q) { return approx_sigmoid(q) * (1.0 + q * approx_sigmoid(-q)); }

// One channel's p as a function of the tokens in its window, in plain binary64.
class ChannelObjective {
 public:
  ChannelObjective(const WitnessSearch& search, std::size_t channel)
      : search_(search), omega_(search.block.d_inner, 0.0) {
    for (std::size_t r = 0; r < search.block.dt_rank; ++r) {
      const double weight = search.block.dt_proj(channel, r);
      for (std::size_t k = 0; k < omega_.size(); ++k) omega_[k] += weight * search.block.x_proj(r, k);
    }
  }

  // q_k of the window whose token functionals are `projected` (taps, d_inner).
  [[nodiscard]] std::vector<double> convolve(const RowMajorMatrix& projected) const {
    const theory::Mamba1Weights& block = search_.block;
    std::vector<double> q(block.d_inner, 0.0);
    for (std::size_t k = 0; k < q.size(); ++k) {
      if (!block.conv_bias.empty()) q[k] = block.conv_bias[k];
      for (std::size_t j = 0; j < block.d_conv; ++j) {
        const double in_bias = block.in_proj_bias.empty() ? 0.0 : block.in_proj_bias[k];
        q[k] +=
            block.conv_weight(k, j) * (projected(static_cast<Eigen::Index>(j), static_cast<Eigen::Index>(k)) + in_bias);
      }
    }
    return q;
  }

  [[nodiscard]] double value(const std::vector<double>& q) const {
    double sum = 0.0;
    for (std::size_t k = 0; k < q.size(); ++k) sum += omega_[k] * approx_silu(q[k]);
    return sum;
  }

  // Gradient of p by each tap's token, given silu's slopes: (taps, d_model), or their sum in every row.
  [[nodiscard]] RowMajorMatrix gradient(const std::vector<double>& slopes, bool constant) const {
    const std::size_t taps = search_.block.d_conv;
    RowMajorMatrix scaled(static_cast<Eigen::Index>(taps), static_cast<Eigen::Index>(slopes.size()));
    for (std::size_t j = 0; j < taps; ++j) {
      for (std::size_t k = 0; k < slopes.size(); ++k) {
        scaled(static_cast<Eigen::Index>(j), static_cast<Eigen::Index>(k)) =
            omega_[k] * slopes[k] * search_.block.conv_weight(k, j);
      }
    }
    RowMajorMatrix rows = approx_dense_product(scaled, search_.token_weights.midpoint);
    if (constant) {
      const Eigen::RowVectorXd sum = rows.colwise().sum();
      rows.rowwise() = sum;
    }
    return rows;
  }

 private:
  const WitnessSearch& search_;
  std::vector<double> omega_;
};

theory::Matrix float_rows(const RowMajorMatrix& rows, double scale) {
  theory::Matrix result(static_cast<std::size_t>(rows.rows()), static_cast<std::size_t>(rows.cols()));
  for (std::size_t i = 0; i < result.entries.size(); ++i)
    result.entries[i] = static_cast<float>(rows.data()[i] * scale);
  return result;
}

// The admissible residual that minimises each row's linear functional: against the direction, or the best token.
theory::Matrix minimising_residual(const WitnessSearch& search, RowMajorMatrix directions) {
  if (search.vocabulary == nullptr) {
    for (Eigen::Index j = 0; j < directions.rows(); ++j) {
      const double largest = directions.row(j).cwiseAbs().maxCoeff();
      if (largest > 0.0 && std::isfinite(largest))
        directions.row(j) /= -largest;
      else
        directions.row(j).setOnes();
    }
    return float_rows(directions, kResidualScale);
  }
  const std::vector<std::size_t> tokens =
      approx_minimising_tokens(*search.vocabulary, search.block.norm_epsilon, directions);
  theory::Matrix result(tokens.size(), search.block.d_model);
  for (std::size_t j = 0; j < tokens.size(); ++j) {
    const theory::Matrix row = search.vocabulary->read_rows(tokens[j], tokens[j] + 1);
    std::copy(row.entries.begin(), row.entries.end(),
              result.entries.begin() + static_cast<std::ptrdiff_t>(j * result.columns));
  }
  return result;
}

std::vector<Interval> multiply_by(const theory::Vector& factors, std::vector<Interval> x) {
  for (std::size_t k = 0; k < x.size(); ++k) x[k] *= Interval::from_exact(factors[k]);
  return x;
}

}  // namespace

theory::Matrix far_residual(const RowMajorMatrix& tokens) {
  theory::Matrix residual(static_cast<std::size_t>(tokens.rows()), static_cast<std::size_t>(tokens.cols()));
  for (std::size_t i = 0; i < residual.entries.size(); ++i)
    residual.entries[i] = static_cast<float>(tokens.data()[i] * kFarAway);
  return residual;
}

theory::Matrix window_at(const theory::Matrix& period, std::size_t t, std::size_t taps) {
  theory::Matrix window(taps, period.columns);
  for (std::size_t j = 0; j < taps; ++j) {
    const std::size_t row = (t + j + taps * period.rows + 1 - taps) % period.rows;
    std::copy_n(period.row(row), period.columns,
                window.entries.begin() + static_cast<std::ptrdiff_t>(j * period.columns));
  }
  return window;
}

SelectedAt selected_at(const theory::Mamba1Weights& block, const theory::Matrix& residual) {
  const std::size_t taps = std::min(block.d_conv, residual.rows);
  std::vector<Interval> q(block.d_inner);
  for (std::size_t k = 0; k < block.d_inner && !block.conv_bias.empty(); ++k)
    q[k] = Interval::from_exact(block.conv_bias[k]);
  for (std::size_t back = 0; back < taps; ++back) {
    const double* row = residual.row(residual.rows - 1 - back);
    std::vector<Interval> token;
    Interval squares;
    for (std::size_t d = 0; d < block.d_model; ++d) {
      token.push_back(Interval::from_exact(row[d]));
      squares += square(token.back());
    }
    const Interval root = sqrt(squares / Interval::from_exact(static_cast<double>(block.d_model)) +
                               Interval::from_exact(block.norm_epsilon));
    for (Interval& entry : token) entry /= root;
    const std::vector<Interval> projected =
        matrix_vector_ranges(rows_of(block.in_proj, 0, block.d_inner), multiply_by(block.norm_weight, token));
    const std::size_t tap = block.d_conv - 1 - back;
    for (std::size_t k = 0; k < block.d_inner; ++k) {
      const Interval in_bias = block.in_proj_bias.empty() ? Interval() : Interval::from_exact(block.in_proj_bias[k]);
      q[k] += Interval::from_exact(block.conv_weight(k, tap)) * (projected[k] + in_bias);
    }
  }
  std::vector<Interval> selected = matrix_vector_ranges(rows_of(block.x_proj, 0, block.x_proj.rows), silu_ranges(q));
  const auto rank = static_cast<std::ptrdiff_t>(block.dt_rank);
  SelectedAt result;
  result.BC.assign(selected.begin() + rank, selected.end());
  selected.resize(block.dt_rank);
  result.p = matrix_vector_ranges(rows_of(block.dt_proj, 0, block.d_inner), selected);
  for (std::size_t i = 0; i < block.d_inner; ++i) result.p[i] += Interval::from_exact(block.dt_bias[i]);
  return result;
}

theory::Matrix approx_worst_residual(const WitnessSearch& search, std::size_t channel, bool constant) {
  const ChannelObjective objective(search, channel);
  RowMajorMatrix directions = objective.gradient(std::vector<double>(search.block.d_inner, 0.5), constant);
  theory::Matrix best;
  double lowest = std::numeric_limits<double>::infinity();
  for (int i = 0; i < search.iterations; ++i) {
    const theory::Matrix residual = minimising_residual(search, directions);
    const RowBallMatrix tokens = normalised_tokens(residual, search.block.norm_epsilon);
    const std::vector<double> q =
        objective.convolve(approx_dense_product(tokens.midpoint, search.token_weights.midpoint, Transposed::kYes));
    const double value = objective.value(q);
    if (best.rows > 0 && !(value < lowest)) break;
    lowest = value;
    best = residual;
    std::vector<double> slopes(q.size());
    std::transform(q.begin(), q.end(), slopes.begin(), approx_silu_slope);
    directions = objective.gradient(slopes, constant);
  }
  return best;
}

}  // namespace lyap
