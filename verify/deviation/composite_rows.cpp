#include "verify/deviation/composite_rows.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "numerics/parallel.hpp"
#include "numerics/rounding.hpp"
#include "numerics/single_threaded_products.hpp"
#include "numerics/vector_clones.hpp"
#include "numerics/vector_lanes.hpp"
#include "verify/deviation/apriori_rounding.hpp"

// Binary32, u = 2^-23 in every rounding mode, least subnormal 2^-149. Weights are scaled to magnitudes of at most 1,
// and so is each token's radius. With n = d_inner, m = d_model, k = rank:
//
// (1) An entry of the map is a sum of n products of two rounded numbers, at most 2 and 1: its error is at most
//     (n + 3) u/(1 - (n + 3) u) times the sum of the products' magnitudes, and n 2^-146 where something underflows.
// (2) Radii are rounded up and sums of magnitudes are added up in upward rounding: those bound.
// (3) An entry of G = M diag(r) M' is a sum of m products of three numbers, of magnitude at most sqrt(G_ss G_s's'), the
//     diagonal being rounded up; w.G w is a sum of k (k + 1)/2 products with rounded w_s w_s'. Its error is at most
//     (m + k (k + 1)/2 + 8) u (1 + 2^-7) (Σ_s |w_s| sqrt(G_ss))^2, and k^2 m n^2 2^-140 where something underflows.
namespace lyap::deviation {
namespace {

using Eigen::Index;

constexpr std::size_t kTokensAtOnce = 8;
constexpr std::size_t kGreatestCost = std::size_t(1) << 27;
constexpr std::size_t kGreatestWidth = std::size_t(1) << 15;  // of sums, so that n u stays below 2^-8
constexpr double kRoundoff = 0x1p-23;

RowMajorMatrix rows_of(const theory::Matrix& matrix, std::size_t count) {
  return Eigen::Map<const RowMajorMatrix>(matrix.row(0), Index(count), Index(matrix.columns));
}

/// A power of two that brings all magnitudes below 1, the greatest to 1/2 at least unless it is out of the ordinary.
double scale_of(const RowMajorMatrix& x) {
  const double greatest = x.size() == 0 ? 0.0 : x.cwiseAbs().maxCoeff();
  if (!(greatest > 0.0 && std::isfinite(greatest))) return 1.0;
  return std::ldexp(1.0, std::clamp(-std::ilogb(greatest) - 1, -400, 400));
}

LYAP_VECTOR_CLONES void scale_row(const double* row, const double* slope, Index count, float* result) {
  for (Index i = 0; i < count; ++i) result[i] = static_cast<float>(row[i] * slope[i]);
}

LYAP_VECTOR_CLONES void round_radius_upward(const double* radius, double scale, Index count, float* result) {
  for (Index i = 0; i < count; ++i) result[i] = static_cast<float>(radius[i] * scale);
}

/// Σ |m_k| r_k.
LYAP_VECTOR_CLONES float absolute_sum_upward(const float* m, const float* r, std::size_t count) {
  FloatLanes sums = {}, x, y;
  std::size_t k = 0;
  for (; k + kFloatLanes <= count; k += kFloatLanes) {
    load_lanes(m + k, x);
    load_lanes(r + k, y);
    take_larger(x, -x);
    sums += x * y;
  }
  float sum = sum_of_lanes<float>(sums);
  for (; k < count; ++k) sum += (m[k] < 0.0F ? -m[k] : m[k]) * r[k];
  return sum;
}

/// Σ_k r_k a_k b_k: a bound from above where no product is negative.
LYAP_VECTOR_CLONES float weighted_sum_upward(const float* a, const float* b, const float* r, std::size_t count) {
  FloatLanes sums = {}, x, y, z;
  std::size_t k = 0;
  for (; k + kFloatLanes <= count; k += kFloatLanes) {
    load_lanes(a + k, x);
    load_lanes(b + k, y);
    load_lanes(r + k, z);
    sums += z * (x * y);
  }
  float sum = sum_of_lanes<float>(sums);
  for (; k < count; ++k) sum += r[k] * (a[k] * b[k]);
  return sum;
}

/// sum += sqrt((form + off crude^2 + underflow) total), crude a product of nonnegative numbers.
LYAP_VECTOR_CLONES void add_roots_upward(const float* form, const float* crude, double off, double underflow,
                                         double total, Index count, double* sum) {
  for (Index i = 0; i < count; ++i) {
    const double size = crude[i], above = form[i] + (off * (size * size) + underflow);
    sum[i] += std::sqrt((above <= 0.0 ? 0.0 : above) * total);
  }
}

/// Takes the weights' and the radius's scales out of a bound.
LYAP_VECTOR_CLONES void finish_upward(double lost, double weight_scale, double other_scale, double radius_scale,
                                      Index count, double* x) {
  for (Index i = 0; i < count; ++i) x[i] = known((x[i] + lost) * weight_scale * other_scale * radius_scale);
}

}  // namespace

/// For one thread: some tokens, and the Gram matrices of their taps. A token's rows follow one another.
struct CompositeRows::Batch {
  Index first_token, tokens;
  RowMajorFloatMatrix map;             // (tokens rows, J d_model)
  RowMajorFloatMatrix pairs, roots;    // (tokens J, rank (rank + 1)/2), (tokens J, rank)
  std::vector<float> radius;           // of one token, scaled: J d_model
  std::vector<double> totals, scales;  // (tokens J) sums of its parts; (tokens)
};

CompositeRows::CompositeRows(const theory::Mamba1Weights& block)
    : rank_(Index(block.dt_rank)),
      rows_(Index(block.x_proj.rows)),
      inner_(Index(block.d_inner)),
      model_(Index(block.d_model)),
      taps_(Index(block.d_conv)),
      x_proj_(rows_of(block.x_proj, block.x_proj.rows)) {
  RowMajorMatrix taps_in_proj(inner_, taps_ * model_);
  for (Index i = 0; i < inner_; ++i) {
    for (Index j = 0; j < taps_; ++j) {
      for (Index k = 0; k < model_; ++k)
        taps_in_proj(i, j * model_ + k) =
            block.conv_weight(std::size_t(i), std::size_t(j)) * block.in_proj(std::size_t(i), std::size_t(k));
    }
  }
  const double x_scale = scale_of(x_proj_), in_scale = scale_of(taps_in_proj);
  x_proj_ *= x_scale;
  taps_in_proj_ = (in_scale * taps_in_proj).cast<float>();
  map_scale_ = (1.0 / x_scale) * (1.0 / in_scale);
  RowMajorMatrix dt_proj = rows_of(block.dt_proj, block.d_inner).transpose();
  const double dt_scale = scale_of(dt_proj);
  dt_proj *= dt_scale;
  dt_scale_ = 1.0 / dt_scale;
  dt_proj_size_ = rounded_up(dt_proj.cwiseAbs());
  dt_proj_pairs_.resize(rank_ * (rank_ + 1) / 2, inner_);
  Index pair = 0;
  for (Index s = 0; s < rank_; ++s) {
    for (Index other = s; other < rank_; ++other) {
      const double times = other == s ? 1.0 : 2.0;
      dt_proj_pairs_.row(pair++) = (times * dt_proj.row(s).cwiseProduct(dt_proj.row(other))).cast<float>();
    }
  }
}

bool CompositeRows::is_affordable(const theory::Mamba1Weights& block) {
  const std::size_t pairs = block.dt_rank * (block.dt_rank + 1) / 2;
  return std::max({block.d_inner, block.d_model, pairs}) <= kGreatestWidth &&
         block.x_proj.rows * block.d_inner * block.d_conv * block.d_model <= kGreatestCost;
}

double CompositeRows::lost() const { return double(inner_ + 4) * kRoundoff * (1.0 + 0x1p-7); }

CompositeRows::Bounds CompositeRows::advance(const RowMajorMatrix& slope, const RowMajorMatrix& radius) const {
  const Index tokens = slope.rows();
  Bounds bounds{RowMajorMatrix(tokens, rows_), RowMajorMatrix::Zero(tokens, inner_)};
  const SingleThreadedProducts single;
  parallel_for(std::size_t(tokens), kTokensAtOnce, [&](std::size_t begin, std::size_t end) {
    Batch batch;
    batch.first_token = Index(begin);
    batch.tokens = Index(end - begin);
    RowMajorFloatMatrix scaled(batch.tokens * rows_, inner_);
    for (Index t = 0; t < batch.tokens; ++t) {
      for (Index r = 0; r < rows_; ++r)
        scale_row(&x_proj_(r, 0), &slope(batch.first_token + t, 0), inner_, &scaled(t * rows_ + r, 0));
    }
    batch.map = approx_float_product(scaled, taps_in_proj_);
    batch.pairs.resize(batch.tokens * taps_, dt_proj_pairs_.rows());
    batch.roots.resize(batch.tokens * taps_, rank_);
    batch.radius.resize(std::size_t(taps_ * model_));
    for (Index t = 0; t < batch.tokens; ++t) add_token(t, radius, batch, bounds);
    add_steps(batch, bounds);
  });
  return bounds;
}

/// Rows of one token of the batch, and by Cauchy and Schwarz, tap by tap, what its steps need:
/// Σ_k r_k |w.m_k| <= sqrt(Σ r_k) sqrt(w.G w), G = Σ_k r_k m_k m_k'.
void CompositeRows::add_token(Index token, const RowMajorMatrix& radius, Batch& batch, Bounds& bounds) const {
  const Index at = batch.first_token + token;
  const auto seen = radius.middleRows(at, taps_);  // by this token, oldest first
  const double greatest = seen.maxCoeff();
  const bool is_known = seen.allFinite() && greatest > 0.0;
  const int exponent = is_known ? std::clamp(std::ilogb(greatest) + 1, -1000, 1000) : 0;
  batch.scales.push_back(std::ldexp(1.0, exponent));
  const RoundingUpward upward;
  const double underflow = double(inner_) * 0x1p-146;
  float* const r = batch.radius.data();
  round_radius_upward(&radius(at, 0), std::ldexp(1.0, -exponent), taps_ * model_, r);
  double everything = 0.0;
  for (Index j = 0; j < taps_; ++j) {
    double total = 0.0;
    for (Index k = 0; k < model_; ++k) total += double(r[j * model_ + k]);
    batch.totals.push_back(total);
    everything += total;
  }
  const float* const map = &batch.map(token * rows_, 0);
  const Index width = taps_ * model_;
  for (Index row = 0; row < rows_; ++row)
    bounds.rows(at, row) = double(absolute_sum_upward(map + row * width, r, std::size_t(width)));
  finish_upward(underflow * everything, map_scale_, 1.0, batch.scales.back(), rows_, &bounds.rows(at, 0));
  for (Index j = 0; j < taps_; ++j) {
    const Index row = token * taps_ + j;
    Index pair = 0;
    for (Index s = 0; s < rank_; ++s) {
      const float* const m = map + s * width + j * model_;
      for (Index other = s; other < rank_; ++other) {
        const float entry =
            weighted_sum_upward(m, map + other * width + j * model_, r + j * model_, std::size_t(model_));
        batch.pairs(row, pair++) = entry;
        if (other == s) batch.roots(row, s) = static_cast<float>(std::sqrt(double(entry)));
      }
    }
  }
}

void CompositeRows::add_steps(Batch& batch, Bounds& bounds) const {
  const RowMajorFloatMatrix forms = approx_float_product(batch.pairs, dt_proj_pairs_);
  const RowMajorFloatMatrix crude = approx_float_product(batch.roots, dt_proj_size_);
  const double k = double(rank_), m = double(model_), n = double(inner_);
  const RoundingUpward upward;
  const double crude_error = 1.0 + (k + 4.0) * kRoundoff * 2.0;
  const double off =
      (m + double(dt_proj_pairs_.rows()) + 8.0) * kRoundoff * (1.0 + 0x1p-7) * (crude_error * crude_error);
  const double underflow = k * k * (m * (n * n)) * 0x1p-140;
  const double lost = n * k * 0x1p-146;
  for (Index t = 0; t < batch.tokens; ++t) {
    double* const sum = &bounds.steps(batch.first_token + t, 0);
    double everything = 0.0;
    for (Index j = 0; j < taps_; ++j) {
      const Index row = t * taps_ + j;
      const double total = batch.totals[std::size_t(row)];
      everything += total;
      add_roots_upward(&forms(row, 0), &crude(row, 0), off, underflow, total, inner_, sum);
    }
    finish_upward(lost * everything, map_scale_, dt_scale_, batch.scales[std::size_t(t)], inner_, sum);
  }
}

}  // namespace lyap::deviation
