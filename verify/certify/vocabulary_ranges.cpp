#include "verify/certify/vocabulary_ranges.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "numerics/exponential.hpp"
#include "numerics/norm_bounds.hpp"
#include "numerics/parallel.hpp"
#include "numerics/rounding.hpp"
#include "verify/certify/norm_domain.hpp"

namespace lyap {
namespace {

constexpr std::size_t kTokensPerBlock = 1024;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Extremes {
  std::vector<double> lowest, highest;
  explicit Extremes(std::size_t count) : lowest(count, kInfinity), highest(count, -kInfinity) {}
};

// Column extremes of `values`, what is not finite counting as unknown.
void take_extremes(const RowMajorMatrix& values, std::size_t first_column, std::size_t columns, Extremes& extremes,
                   std::size_t offset) {
  parallel_for(columns, 64, [&](std::size_t from, std::size_t to) {
    for (Eigen::Index v = 0; v < values.rows(); ++v) {
      const double* row = values.data() + v * values.cols() + first_column;
      for (std::size_t k = from; k < to; ++k) {
        const bool unknown = !std::isfinite(row[k]);  // a sum that overflowed may be anything
        extremes.lowest[offset + k] = std::min(extremes.lowest[offset + k], unknown ? -kInfinity : row[k]);
        extremes.highest[offset + k] = std::max(extremes.highest[offset + k], unknown ? kInfinity : row[k]);
      }
    }
  });
}

// |fl(n.w) - n.w| over the vocabulary: gamma |n||w| for the product, |w| times n's radius, |n| times w's radius.
std::vector<double> product_errors(const RowBallMatrix& functionals, double token_norm, double token_radius) {
  const Eigen::VectorXd norms = row_norms_upper_bound(functionals);
  const auto d = static_cast<std::size_t>(functionals.midpoint.cols());
  const double gamma = dot_product_error_factor(d);
  const double underflow = dot_product_underflow(d);
  const RoundingUpward upward;
  std::vector<double> errors(static_cast<std::size_t>(norms.size()));
  for (std::size_t k = 0; k < errors.size(); ++k) {
    const auto row = static_cast<Eigen::Index>(k);
    errors[k] = (gamma * token_norm + token_radius) * norms(row) + token_norm * functionals.row_radius(row) + underflow;
  }
  return errors;
}

std::vector<Interval> widened(const Extremes& extremes, const std::vector<double>& errors) {
  std::vector<Interval> ranges;
  ranges.reserve(errors.size());
  for (std::size_t k = 0; k < errors.size(); ++k) {
    const double error = std::isnan(errors[k]) ? kInfinity : errors[k];
    ranges.push_back(Interval::from_bounds(extremes.lowest[k], extremes.highest[k]) +
                     Interval::from_bounds(-error, error));
  }
  return ranges;
}

// Largest |n|_2 (midpoint and radius apart) that normalised_tokens can return for this d_model: a fact of its
// construction.
double token_norm_bound(std::size_t d) { return sqrt_upper_bound(d) * (1.0 + 0x1p-30); }
double token_radius_bound(std::size_t d) { return sqrt_upper_bound(d) * (static_cast<double>(d) + 16.0) * 0x1p-51; }

}  // namespace

RowBallMatrix normalised_tokens(const theory::Matrix& embeddings, double epsilon) {
  const auto rows = static_cast<Eigen::Index>(embeddings.rows);
  const auto d = static_cast<Eigen::Index>(embeddings.columns);
  RowBallMatrix result{rows_of(embeddings, 0, embeddings.rows), Eigen::VectorXd(rows)};
  for (Eigen::Index v = 0; v < rows; ++v) {
    double squares = 0.0;
    for (Eigen::Index k = 0; k < d; ++k) squares += result.midpoint(v, k) * result.midpoint(v, k);
    const double scale = 1.0 / std::sqrt(squares / static_cast<double>(d) + epsilon);
    if (std::isfinite(squares))
      result.midpoint.row(v) *= scale;
    else
      result.midpoint.row(v).setConstant(
          std::numeric_limits<double>::quiet_NaN());  // unknown: take_extremes gives infinite ends
    // Relative error of scale: (d + 1) u of the sum, halved by the root, and four more roundings; u = 2^-52 covers
    // every mode. Each entry is rounded once more. Squares that underflow vanish beside epsilon, which is above
    // 2^-1000.
    result.row_radius(v) = token_radius_bound(static_cast<std::size_t>(d));
  }
  return result;
}

std::vector<double> vocabulary_product_errors(const RowBallMatrix& functionals) {
  const auto d = static_cast<std::size_t>(functionals.midpoint.cols());
  return product_errors(functionals, token_norm_bound(d), token_radius_bound(d));
}

std::vector<Interval> vocabulary_ranges(const Vocabulary& vocabulary, double epsilon,
                                        const RowBallMatrix& functionals) {
  const auto count = static_cast<std::size_t>(functionals.midpoint.rows());
  Extremes extremes(count);
  for (std::size_t begin = 0; begin < vocabulary.rows; begin += kTokensPerBlock) {
    const RowBallMatrix tokens =
        normalised_tokens(vocabulary.read_rows(begin, std::min(begin + kTokensPerBlock, vocabulary.rows)), epsilon);
    take_extremes(approx_dense_product(tokens.midpoint, functionals.midpoint, Transposed::kYes), 0, count, extremes, 0);
  }
  return widened(extremes, vocabulary_product_errors(functionals));
}

std::vector<std::vector<Interval>> vocabulary_ranges_low_rank(const Vocabulary& vocabulary, double epsilon,
                                                              const ConstMatrixRef& outer,
                                                              const std::vector<RowBallMatrix>& functionals) {
  const auto rank = static_cast<std::size_t>(outer.cols());
  const auto outer_rows = static_cast<std::size_t>(outer.rows());
  const std::size_t rest = static_cast<std::size_t>(functionals.at(0).midpoint.rows()) - rank;
  const auto d = static_cast<std::size_t>(functionals[0].midpoint.cols());
  std::vector<Extremes> extremes(functionals.size(), Extremes(outer_rows + rest));
  for (std::size_t begin = 0; begin < vocabulary.rows; begin += kTokensPerBlock) {
    const RowBallMatrix tokens =
        normalised_tokens(vocabulary.read_rows(begin, std::min(begin + kTokensPerBlock, vocabulary.rows)), epsilon);
    for (std::size_t j = 0; j < functionals.size(); ++j) {
      const RowMajorMatrix inner = approx_dense_product(tokens.midpoint, functionals[j].midpoint, Transposed::kYes);
      take_extremes(approx_dense_product(ConstMatrixRef(inner.leftCols(static_cast<Eigen::Index>(rank))), outer,
                                         Transposed::kYes),
                    0, outer_rows, extremes[j], 0);
      take_extremes(inner, rank, rest, extremes[j], outer_rows);
    }
  }
  std::vector<std::vector<Interval>> result;
  const double gamma = dot_product_error_factor(rank);
  for (std::size_t j = 0; j < functionals.size(); ++j) {
    const std::vector<double> inner_errors = product_errors(functionals[j], token_norm_bound(d), token_radius_bound(d));
    const Eigen::VectorXd norms = row_norms_upper_bound(functionals[j]);
    std::vector<double> errors(outer_rows + rest);
    {
      const RoundingUpward upward;
      for (std::size_t i = 0; i < outer_rows; ++i) {
        double error = dot_product_underflow(rank);
        for (std::size_t r = 0; r < rank; ++r) {
          const double weight = std::fabs(outer(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(r)));
          const double inner_magnitude = token_norm_bound(d) * norms(static_cast<Eigen::Index>(r)) + inner_errors[r];
          if (weight != 0.0) error += weight * (inner_errors[r] + gamma * inner_magnitude);
        }
        errors[i] = error;
      }
      for (std::size_t r = 0; r < rest; ++r) errors[outer_rows + r] = inner_errors[rank + r];
    }
    result.push_back(widened(extremes[j], errors));
  }
  return result;
}

std::vector<std::size_t> approx_minimising_tokens(const Vocabulary& vocabulary, double epsilon,
                                                  const RowMajorMatrix& directions) {
  std::vector<std::size_t> best(static_cast<std::size_t>(directions.rows()), 0);
  std::vector<double> lowest(best.size(), kInfinity);
  for (std::size_t begin = 0; begin < vocabulary.rows; begin += kTokensPerBlock) {
    const RowBallMatrix tokens =
        normalised_tokens(vocabulary.read_rows(begin, std::min(begin + kTokensPerBlock, vocabulary.rows)), epsilon);
    const RowMajorMatrix values = approx_dense_product(tokens.midpoint, directions, Transposed::kYes);
    for (Eigen::Index v = 0; v < values.rows(); ++v) {
      for (std::size_t j = 0; j < best.size(); ++j) {
        if (values(v, static_cast<Eigen::Index>(j)) >= lowest[j]) continue;
        lowest[j] = values(v, static_cast<Eigen::Index>(j));
        best[j] = begin + static_cast<std::size_t>(v);
      }
    }
  }
  return best;
}

}  // namespace lyap
