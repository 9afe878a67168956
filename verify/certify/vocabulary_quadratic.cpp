#include "verify/certify/vocabulary_quadratic.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "numerics/norm_bounds.hpp"
#include "numerics/parallel.hpp"
#include "numerics/rounding.hpp"
#include "verify/certify/even_part_relaxation.hpp"
#include "verify/certify/vocabulary_ranges.hpp"

namespace lyap {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kUnitRoundoff = 0x1p-52;
constexpr std::size_t kTokensPerBlock = 1024;
constexpr int kSearchSteps = 4;
constexpr int kSplitRounds = 12;      // splits tried, each at the mean of the tokens that were least so far
constexpr double kShareFloor = 1e-3;  // least share of a tap in a square that is split, before normalisation

Eigen::Index index(std::size_t k) { return static_cast<Eigen::Index>(k); }

double approx_silu_slope(double q) {
  const double s = 1.0 / (1.0 + std::exp(-q));
  return s * (1.0 + q * (1.0 - s));
}

// Token functionals w_k . n of one block of tokens, (tokens, d_inner), rounded.
template <class Use>
void for_each_block(const VocabularyTask& task, const Use& use) {
  for (std::size_t begin = 0; begin < task.vocabulary.rows; begin += kTokensPerBlock) {
    const std::size_t end = std::min(begin + kTokensPerBlock, task.vocabulary.rows);
    const RowBallMatrix tokens = normalised_tokens(task.vocabulary.read_rows(begin, end), task.block.norm_epsilon);
    use(begin, approx_dense_product(tokens.midpoint, task.tokens.weights.midpoint, Transposed::kYes));
  }
}

// w_k . n for a token, or a mean of tokens, in each tap of each functional's window: [functional][tap] -> (d_inner).
using Projected = std::vector<std::vector<std::vector<double>>>;

Projected project_windows(const VocabularyTask& task, const TokenWindows& windows) {
  Projected projected;
  for (const std::vector<std::size_t>& window : windows) {
    std::vector<std::vector<double>>& rows = projected.emplace_back();
    for (const std::size_t token : window) {
      const RowBallMatrix n = normalised_tokens(task.vocabulary.read_rows(token, token + 1), task.block.norm_epsilon);
      const RowMajorMatrix row = approx_dense_product(n.midpoint, task.tokens.weights.midpoint, Transposed::kYes);
      rows.emplace_back(row.data(), row.data() + row.size());
    }
  }
  return projected;
}

double in_bias_of(const theory::Mamba1Weights& block, std::size_t k) {
  return block.in_proj_bias.empty() ? 0.0 : block.in_proj_bias[k];
}

// For every functional and tap: linear . u + square . u^2 below the functional's part in that tap, u_k = w_k . n.
struct TapParts {
  RowMajorMatrix linear, square;  // (functionals, d_inner), rounded
  std::vector<double> error;  // per functional: at least what rounding of coefficients, of u and of the sums can change
                              // over the vocabulary
};

// f >= offset + sum over present taps of its part.
struct SplitFunctionals {
  std::vector<double> offset;  // lower bounds
  std::vector<TapParts> taps;
};

class Splitting {
 public:
  Splitting(const VocabularyTask& task, std::size_t present);
  SplitFunctionals split(const std::vector<SiluFunctional>& functionals, const Projected& projected) const;

 private:
  void split_one(const SiluFunctional& f, const std::vector<std::vector<double>>& projected, std::size_t i,
                 SplitFunctionals& result) const;

  const VocabularyTask& task_;
  std::size_t first_;               // the first present tap
  std::vector<Interval> constant_;  // of q
  std::vector<double> reach_, silu_;
  std::vector<double> u_magnitude_, u_error_;
};

Splitting::Splitting(const VocabularyTask& task, std::size_t present)
    : task_(task), first_(task.block.d_conv - present) {
  const theory::Mamba1Weights& block = task.block;
  std::span<const double> in_bias;
  if (!block.in_proj_bias.empty()) in_bias = std::span(block.in_proj_bias).first(block.d_inner);
  std::vector<Interval> token_range = task.token_range;
  if (in_bias.empty()) hull_into(token_range, std::vector<Interval>(token_range.size()));
  constant_ =
      convolution_range(block.conv_weight, block.conv_bias, in_bias, 0, std::vector<Interval>(block.d_inner), present);
  const std::vector<Interval> q =
      convolution_range(block.conv_weight, block.conv_bias, in_bias, 0, token_range, present);
  const std::vector<Interval> silu = silu_ranges(q);
  const std::vector<double> errors = vocabulary_product_errors(task.tokens.weights);
  for (std::size_t k = 0; k < block.d_inner; ++k) {
    reach_.push_back(magnitude(q[k]));
    silu_.push_back(magnitude(silu[k]));
    u_error_.push_back(errors[k]);
    u_magnitude_.push_back(
        (Interval::from_exact(magnitude(task.token_range[k])) + Interval::from_exact(errors[k])).upper());
  }
}

void Splitting::split_one(const SiluFunctional& f, const std::vector<std::vector<double>>& projected, std::size_t i,
                          SplitFunctionals& result) const {
  const theory::Mamba1Weights& block = task_.block;
  std::vector<double> touch(block.d_inner);
  for (std::size_t k = 0; k < block.d_inner; ++k) {
    touch[k] = constant_[k].midpoint();
    for (std::size_t j = first_; j < block.d_conv; ++j) touch[k] += block.conv_weight(k, j) * projected[j][k];
  }
  const std::vector<EvenPartRelaxation> parts = relax_even_parts(f.omega, reach_, touch, 0.0);
  Interval offset;
  for (std::size_t k = 0; k < block.d_inner; ++k) {
    const Interval beta = constant_[k];
    const Interval half =
        Interval::from_exact(0.5) * Interval::from_exact(f.omega[k]) + Interval::from_exact(parts[k].slope);
    const Interval w = Interval::from_exact(parts[k].curvature);
    Interval linear = half + Interval::from_exact(2.0) * w * beta;  // of e = q - beta
    offset += half * beta + w * square(beta) + Interval::from_exact(parts[k].constant);
    offset -= Interval::from_exact(f.error[k]) * Interval::from_exact(silu_[k]);
    const double e = touch[k] - beta.midpoint();
    double total = 0.0;
    for (std::size_t j = first_; j < block.d_conv; ++j)
      total += std::fabs(block.conv_weight(k, j) * projected[j][k]) + kShareFloor * std::fabs(e) + 1e-30;
    if (parts[k].curvature > 0.0) {  // w e^2 >= w (2 e* e - e*^2)
      linear += Interval::from_exact(2.0) * w * Interval::from_exact(e);
      offset -= w * square(Interval::from_exact(e));
    }
    for (std::size_t j = first_; j < block.d_conv; ++j) {
      TapParts& tap = result.taps[j - first_];
      const Interval c = Interval::from_exact(block.conv_weight(k, j));
      const Interval slope = linear * c;
      double curvature = 0.0;
      if (parts[k].curvature <
          0.0) {  // w (sum_j c_j u_j)^2 >= w sum_j (c_j u_j)^2 / share_j with shares that sum to at most 1
        const double share =
            (std::fabs(block.conv_weight(k, j) * projected[j][k]) + kShareFloor * std::fabs(e) + 1e-30) / total *
            (1.0 - 1e-14);
        curvature = (w * square(c) / Interval::from_exact(share)).lower();
      }
      tap.linear(index(i), index(k)) = slope.midpoint();
      tap.square(index(i), index(k)) = curvature;
      const Interval u = Interval::from_exact(u_magnitude_[k]);
      const Interval u_error = Interval::from_exact(u_error_[k]);
      const Interval size = abs(slope) * u + abs(Interval::from_exact(curvature)) * square(u);
      const Interval rounding = Interval::from_exact(2.0 * dot_product_error_factor(block.d_inner + 4)) * size;
      const Interval inexact = abs(slope) * u_error + abs(Interval::from_exact(curvature)) *
                                                          (Interval::from_exact(2.0) * u + u_error) * u_error;
      tap.error[i] = (Interval::from_exact(tap.error[i]) + rounding + inexact +
                      Interval::from_exact(slope.radius_upper_bound()) * u)
                         .upper();
    }
  }
  result.offset[i] = offset.lower();
}

SplitFunctionals Splitting::split(const std::vector<SiluFunctional>& functionals, const Projected& projected) const {
  const std::size_t taps = task_.block.d_conv - first_;
  const RowMajorMatrix zeros = RowMajorMatrix::Zero(index(functionals.size()), index(task_.block.d_inner));
  SplitFunctionals result{
      std::vector<double>(functionals.size(), 0.0),
      std::vector<TapParts>(taps, {zeros, zeros, std::vector<double>(functionals.size(), 0x1p-1000)})};
  parallel_for(functionals.size(), 4, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) split_one(functionals[i], projected[i], i, result);
  });
  return result;
}

// The least value of every functional's part in every tap over the vocabulary, as computed, and a token that has it.
struct LeastParts {
  std::vector<std::vector<double>> value;  // [tap][functional]
  std::vector<std::vector<std::size_t>> token;
};

LeastParts least_parts(const VocabularyTask& task, const SplitFunctionals& split) {
  const std::size_t count = split.offset.size();
  LeastParts least{std::vector<std::vector<double>>(split.taps.size(), std::vector<double>(count, kInfinity)),
                   std::vector<std::vector<std::size_t>>(split.taps.size(), std::vector<std::size_t>(count, 0))};
  for_each_block(task, [&](std::size_t first, const RowMajorMatrix& u) {
    const RowMajorMatrix u_squared = u.cwiseProduct(u);
    for (std::size_t j = 0; j < split.taps.size(); ++j) {
      const RowMajorMatrix values = approx_dense_product(u, split.taps[j].linear, Transposed::kYes) +
                                    approx_dense_product(u_squared, split.taps[j].square, Transposed::kYes);
      for (Eigen::Index v = 0; v < values.rows(); ++v) {
        for (std::size_t i = 0; i < count; ++i) {
          const double value =
              std::isfinite(values(v, index(i))) ? values(v, index(i)) : -kInfinity;  // overflow: nothing
          if (!(value < least.value[j][i])) continue;
          least.value[j][i] = value;
          least.token[j][i] = first + static_cast<std::size_t>(v);
        }
      }
    }
  });
  return least;
}

// Moves the points at which functionals are split towards the tokens that were least there: their parts in these tokens
// rise. Any points are sound.
void move_towards(const VocabularyTask& task, const LeastParts& least, double step, Projected& projected) {
  for (std::size_t i = 0; i < projected.size(); ++i) {
    std::vector<std::size_t> window;
    for (const std::vector<std::size_t>& token : least.token) window.push_back(token[i]);
    const std::vector<std::vector<double>> target = project_windows(task, {window})[0];
    for (std::size_t j = 0; j < target.size(); ++j) {
      for (std::size_t k = 0; k < target[j].size(); ++k)
        projected[i][j][k] += step * (target[j][k] - projected[i][j][k]);
    }
  }
}

}  // namespace

TokenWindows approx_worst_token_windows(const VocabularyTask& task, const std::vector<SiluFunctional>& functionals) {
  const theory::Mamba1Weights& block = task.block;
  const std::size_t taps = block.d_conv;
  std::vector<RowMajorMatrix> directions(taps, RowMajorMatrix(index(functionals.size()), index(block.d_inner)));
  for (std::size_t j = 0; j < taps; ++j) {
    for (std::size_t i = 0; i < functionals.size(); ++i) {
      for (std::size_t k = 0; k < block.d_inner; ++k)
        directions[j](index(i), index(k)) = 0.5 * functionals[i].omega[k] * block.conv_weight(k, j);
    }
  }
  TokenWindows best(functionals.size(), std::vector<std::size_t>(taps, 0));
  std::vector<double> lowest(functionals.size(), kInfinity);
  for (int step = 0; step < kSearchSteps && !(step > 0 && task.stopped()); ++step) {
    TokenWindows windows(functionals.size(), std::vector<std::size_t>(taps, 0));
    std::vector<std::vector<double>> values(taps, std::vector<double>(functionals.size(), kInfinity));
    std::vector<std::vector<std::vector<double>>> projected(functionals.size(), std::vector<std::vector<double>>(taps));
    for_each_block(task, [&](std::size_t begin, const RowMajorMatrix& u) {
      for (std::size_t j = 0; j < taps; ++j) {
        const RowMajorMatrix scores = approx_dense_product(u, directions[j], Transposed::kYes);
        for (std::size_t i = 0; i < functionals.size(); ++i) {
          Eigen::Index at = 0;
          const double least = scores.col(index(i)).minCoeff(&at);
          if (!(least < values[j][i])) continue;
          values[j][i] = least;
          windows[i][j] = begin + static_cast<std::size_t>(at);
          projected[i][j].assign(u.row(at).data(), u.row(at).data() + u.cols());
        }
      }
    });
    for (std::size_t i = 0; i < functionals.size(); ++i) {
      double f = 0.0;
      for (std::size_t k = 0; k < block.d_inner; ++k) {
        double q = block.conv_bias.empty() ? 0.0 : block.conv_bias[k];
        for (std::size_t j = 0; j < taps; ++j)
          q += block.conv_weight(k, j) * (projected[i][j].empty() ? 0.0 : projected[i][j][k] + in_bias_of(block, k));
        f += functionals[i].omega[k] * q / (1.0 + std::exp(-q));
        const double slope = functionals[i].omega[k] * approx_silu_slope(q);
        for (std::size_t j = 0; j < taps; ++j) directions[j](index(i), index(k)) = slope * block.conv_weight(k, j);
      }
      if (!(f < lowest[i])) continue;
      lowest[i] = f;
      best[i] = windows[i];
    }
  }
  return best;
}

namespace {

// The bounds for `present` taps from one split, with the tokens that are least in each tap.
struct SplitBounds {
  std::vector<double> lower;
  LeastParts least;
};

SplitBounds bounds_with(const VocabularyTask& task, const std::vector<SiluFunctional>& functionals,
                        const Projected& projected, std::size_t present) {
  const bool has_in_bias = !task.block.in_proj_bias.empty();
  const SplitFunctionals split = Splitting(task, present).split(functionals, projected);
  SplitBounds result{std::vector<double>(functionals.size()), least_parts(task, split)};
  for (std::size_t i = 0; i < functionals.size(); ++i) {
    Interval sum = Interval::from_exact(split.offset[i]);
    for (std::size_t j = 0; j < split.taps.size(); ++j) {
      const bool may_be_missing = !has_in_bias && j + 1 < split.taps.size();
      const Interval least = Interval::from_exact(result.least.value[j][i]);
      const double value = (least - Interval::from_exact(split.taps[j].error[i])).lower();
      sum += Interval::from_exact(may_be_missing ? std::min(value, 0.0) : value);
    }
    result.lower[i] = sum.lower();
  }
  return result;
}

}  // namespace

std::vector<double> vocabulary_quadratic_lower_bounds(const VocabularyTask& task,
                                                      const std::vector<SiluFunctional>& functionals,
                                                      const TokenWindows& windows) {
  Projected projected = project_windows(task, windows);
  std::vector<double> best;
  for (int round = 0; round < kSplitRounds; ++round) {
    std::vector<double> bounds(functionals.size(), kInfinity);
    LeastParts least;
    for (const std::size_t present : tap_counts(task.block.d_conv, !task.block.in_proj_bias.empty())) {
      if (task.stopped()) return best;
      SplitBounds here = bounds_with(task, functionals, projected, present);
      for (std::size_t i = 0; i < bounds.size(); ++i) bounds[i] = std::min(bounds[i], here.lower[i]);
      if (present == task.block.d_conv) least = std::move(here.least);
    }
    if (best.empty()) best = bounds;
    for (std::size_t i = 0; i < bounds.size(); ++i) best[i] = std::max(best[i], bounds[i]);
    if (round + 1 < kSplitRounds) move_towards(task, least, 1.0 / (round + 2.0), projected);
  }
  return best;
}

}  // namespace lyap
