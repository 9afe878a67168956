#include "verify/deviation/composite_rows.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "numerics/dense_product.hpp"
#include "numerics/parallel.hpp"
#include "numerics/rounding.hpp"
#include "numerics/single_threaded_products.hpp"
#include "verify/deviation/apriori_rounding.hpp"

namespace lyap::deviation {
namespace {

using Eigen::Index;

constexpr std::size_t kTokensAtOnce = 8;
constexpr std::size_t kGreatestCost = std::size_t(1) << 27;
constexpr Index kLanes = 8;
/// What subnormal products lose, per unit of radius; far below anything that is stated.
constexpr double kUnderflow = 0x1p-600;

double magnitude(double x) { return x < 0.0 ? -x : x; }

RowMajorMatrix rows_of(const theory::Matrix& matrix, std::size_t count) {
  return Eigen::Map<const RowMajorMatrix>(matrix.row(0), Index(count), Index(matrix.columns));
}

/// Σ |m_k| r_k, in upward rounding.
double absolute_sum_upward(const double* m, const double* r, Index count) {
  double lanes[kLanes] = {};
  Index k = 0;
  for (; k + kLanes <= count; k += kLanes) {
    for (Index lane = 0; lane < kLanes; ++lane) lanes[lane] += magnitude(m[k + lane]) * r[k + lane];
  }
  for (; k < count; ++k) lanes[0] += magnitude(m[k]) * r[k];
  double sum = 0.0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

}  // namespace

/// For one thread: the Gram matrices of a token's taps, side by side.
struct CompositeRows::Scratch {
  RowMajorMatrix weighted, gram;  // (rank, d_model), (rank, J rank)
  std::vector<double> total, root;
};

CompositeRows::CompositeRows(const theory::Mamba1Weights& block)
    : rank_(Index(block.dt_rank)),
      rows_(Index(block.x_proj.rows)),
      inner_(Index(block.d_inner)),
      model_(Index(block.d_model)),
      taps_(Index(block.d_conv)),
      x_proj_(rows_of(block.x_proj, block.x_proj.rows)),
      dt_proj_(rows_of(block.dt_proj, block.d_inner)),
      taps_in_proj_(inner_, taps_ * model_),
      dt_proj_size_(dt_proj_.cwiseAbs()) {
  for (Index i = 0; i < inner_; ++i) {
    for (Index j = 0; j < taps_; ++j) {
      for (Index k = 0; k < model_; ++k)
        taps_in_proj_(i, j * model_ + k) =
            block.conv_weight(std::size_t(i), std::size_t(j)) * block.in_proj(std::size_t(i), std::size_t(k));
    }
  }
}

bool CompositeRows::is_affordable(const theory::Mamba1Weights& block) {
  return block.x_proj.rows * block.d_inner * block.d_conv * block.d_model <= kGreatestCost;
}

double CompositeRows::lost() const {
  // A row of the map is a sum of d_inner products of four numbers; its image under W_dt is taken through a Gram matrix
  // of sums of d_model products and a quadratic form in `rank` variables.
  return std::ldexp(double(inner_ + 2 * model_ + 4 * rank_ + 32), -52);
}

CompositeRows::Bounds CompositeRows::advance(const RowMajorMatrix& slope, const RowMajorMatrix& radius) const {
  const Index tokens = slope.rows();
  Bounds bounds{RowMajorMatrix(tokens, rows_), RowMajorMatrix(tokens, inner_)};
  const SingleThreadedProducts single;
  parallel_for(std::size_t(tokens), kTokensAtOnce, [&](std::size_t begin, std::size_t end) {
    RowMajorMatrix scaled(Index(end - begin) * rows_, inner_);
    for (Index t = Index(begin); t < Index(end); ++t) {
      for (Index r = 0; r < rows_; ++r)
        scaled.row((t - Index(begin)) * rows_ + r) = x_proj_.row(r).cwiseProduct(slope.row(t));
    }
    const RowMajorMatrix map = approx_dense_product(scaled, taps_in_proj_);
    Scratch scratch;
    scratch.gram.resize(rank_, taps_ * rank_);
    scratch.total.resize(std::size_t(taps_));
    scratch.root.resize(std::size_t(taps_ * rank_));
    for (Index t = Index(begin); t < Index(end); ++t)
      advance_token(map, (t - Index(begin)) * rows_, t, radius.row(t).data(), scratch, bounds);
  });
  return bounds;
}

/// `radius` points at the oldest of the J tokens that this one sees; they follow one another.
void CompositeRows::advance_token(const RowMajorMatrix& map, Index first_row, Index token, const double* radius,
                                  Scratch& scratch, Bounds& bounds) const {
  // By Cauchy and Schwarz, tap by tap: Σ_k r_k |w.m_k| <= sqrt(Σ r_k) sqrt(w.G w), G = Σ_k r_k m_k m_k'.
  const Eigen::Map<const RowMajorMatrix> r(radius, taps_, model_);
  for (Index j = 0; j < taps_; ++j) {
    const auto part = map.block(first_row, j * model_, rank_, model_);
    scratch.weighted = part.array().rowwise() * r.row(j).array();
    scratch.gram.middleCols(j * rank_, rank_) =
        approx_dense_product(scratch.weighted, RowMajorMatrix(part), Transposed::kYes);
  }
  const RowMajorMatrix image = approx_dense_product(dt_proj_, scratch.gram);  // (d_inner, J rank)
  const RoundingUpward upward;
  double everything = 0.0;
  for (Index j = 0; j < taps_; ++j) {
    double total = 0.0;
    for (Index k = 0; k < model_; ++k) total += r(j, k);
    scratch.total[std::size_t(j)] = total;
    everything += total;
    for (Index s = 0; s < rank_; ++s) {  // the diagonal is a sum of nonnegative products
      const double diagonal = scratch.gram(s, j * rank_ + s);
      scratch.root[std::size_t(j * rank_ + s)] = std::sqrt(diagonal + diagonal * 0x1p-30 + kUnderflow);
    }
  }
  for (Index row = 0; row < rows_; ++row)
    bounds.rows(token, row) =
        known(absolute_sum_upward(map.row(first_row + row).data(), radius, taps_ * model_) + kUnderflow * everything);
  const double off = lost();
  for (Index i = 0; i < inner_; ++i) {
    const double* w = dt_proj_.row(i).data();
    const double* size = dt_proj_size_.row(i).data();
    double sum = 0.0;
    for (Index j = 0; j < taps_; ++j) {
      const double* form = image.row(i).data() + j * rank_;
      const double* root = scratch.root.data() + j * rank_;
      double square = 0.0, crude = 0.0;
      for (Index s = 0; s < rank_; ++s) {
        square += w[s] * form[s];
        crude += size[s] * root[s];
      }
      const double above = square + off * (crude * crude);
      sum += std::sqrt((above > 0.0 ? above : 0.0) * scratch.total[std::size_t(j)]);
    }
    bounds.steps(token, i) = known(sum + kUnderflow * everything);
  }
}

}  // namespace lyap::deviation
