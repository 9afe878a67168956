#include "verify/certify/float_forward_block.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>

#include "numerics/parallel.hpp"

namespace lyap {
namespace {

using FloatRow = Eigen::RowVectorXf;
using FloatSlice = Eigen::Map<Eigen::ArrayXf>;
using ConstFloatSlice = Eigen::Map<const Eigen::ArrayXf>;
using Eigen::Index;

constexpr Index kChunkTokens = 512;
constexpr float kSoftplusCutOff = 20.0F;

FloatMatrix to_float(const theory::Matrix& m) {
  return Eigen::Map<const Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>(
             m.entries.data(), Index(m.rows), Index(m.columns))
      .cast<float>();
}

FloatRow to_float(const theory::Vector& v) {
  return Eigen::Map<const Eigen::RowVectorXd>(v.data(), Index(v.size())).cast<float>();
}

float silu(float q) { return q / (1.0F + std::exp(-q)); }

float deployed_softplus(float p) { return p > kSoftplusCutOff ? p : std::log1p(std::exp(p)); }

void parallel_rows(Index rows, std::size_t grain, const std::function<void(Index begin, Index end)>& body) {
  parallel_for(std::size_t(rows), grain, [&](std::size_t begin, std::size_t end) { body(Index(begin), Index(end)); });
}

FloatMatrix affine(const FloatMatrix& x, const FloatMatrix& w, const FloatRow& bias) {
  FloatMatrix result = approx_product_transposed(x, w);
  if (bias.size() > 0) result.rowwise() += bias;
  return result;
}

/// The depthwise causal convolution and silu; remembers the last J - 1 rows it saw, zeros before the first.
class FloatConvolution {
 public:
  FloatConvolution(const theory::Matrix& weight, const theory::Vector& bias)
      : taps_(to_float(weight)), bias_(to_float(bias)), past_(FloatMatrix::Zero(taps_.cols() - 1, taps_.rows())) {}

  FloatMatrix apply(const FloatMatrix& x) {
    const Index history = past_.rows();
    FloatMatrix padded(history + x.rows(), x.cols());
    padded.topRows(history) = past_;
    padded.bottomRows(x.rows()) = x;
    FloatMatrix result(x.rows(), x.cols());
    parallel_rows(x.rows(), 16, [&](Index begin, Index end) {
      for (Index t = begin; t < end; ++t) {
        for (Index c = 0; c < x.cols(); ++c) {
          float q = bias_.size() > 0 ? bias_(c) : 0.0F;
          for (Index j = 0; j <= history; ++j) q += taps_(c, j) * padded(t + j, c);
          result(t, c) = silu(q);
        }
      }
    });
    past_ = padded.bottomRows(history);
    return result;
  }

 private:
  FloatMatrix taps_;
  FloatRow bias_;
  FloatMatrix past_;
};

FloatMatrix step_sizes(const FloatMatrix& p, float lower, float upper) {
  return p.unaryExpr([=](float value) { return std::clamp(deployed_softplus(value), lower, upper); });
}

/// y += the scan over states of channels [begin, end), Mamba-1. h (d_inner, N) is carried; bc holds B then C, (T, 2N).
void scan_mamba1(const FloatMatrix& x, const FloatMatrix& delta, const FloatMatrix& bc, const FloatMatrix& rates,
                 const FloatRow& skip, FloatMatrix& h, FloatMatrix& y, Index begin, Index end) {
  const Index states = rates.cols();
  FloatMatrix decay(end - begin, states);
  for (Index t = 0; t < x.rows(); ++t) {
    for (Index c = begin; c < end; ++c) decay.row(c - begin) = delta(t, c) * rates.row(c);
    decay = decay.array().exp().matrix();
    const ConstFloatSlice b(bc.row(t).data(), states);
    const ConstFloatSlice c_row(bc.row(t).data() + states, states);
    for (Index c = begin; c < end; ++c) {
      FloatSlice state(h.row(c).data(), states);
      state = state * decay.row(c - begin).transpose().array() + (delta(t, c) * x(t, c)) * b;
      y(t, c) = (state * c_row).sum() + skip(c) * x(t, c);
    }
  }
}

struct HeadShape {
  Index heads, head_dim, states, groups;
};

/// The same for rows [begin, end) of heads x head_dim, Mamba-2; xbc is the convolution's output (T, x | B | C).
void scan_mamba2(const FloatMatrix& xbc, const FloatMatrix& delta, const HeadShape& shape, const FloatRow& rates,
                 const FloatRow& skip, FloatMatrix& h, FloatMatrix& y, Index begin, Index end) {
  const Index inner = shape.heads * shape.head_dim;
  for (Index t = 0; t < xbc.rows(); ++t) {
    for (Index c = begin; c < end; ++c) {
      const Index head = c / shape.head_dim;
      const Index group = head / (shape.heads / shape.groups);
      const float* row = xbc.row(t).data();
      const ConstFloatSlice b(row + inner + group * shape.states, shape.states);
      const ConstFloatSlice c_row(row + inner + (shape.groups + group) * shape.states, shape.states);
      FloatSlice state(h.row(c).data(), shape.states);
      state = state * std::exp(delta(t, head) * rates(head)) + (delta(t, head) * row[c]) * b;
      y(t, c) = (state * c_row).sum() + skip(head) * row[c];
    }
  }
}

}  // namespace

FloatMatrix approx_rms_norm(const FloatMatrix& x, const FloatRow& gain, float epsilon) {
  FloatMatrix result(x.rows(), x.cols());
  for (Index t = 0; t < x.rows(); ++t) {
    const float scale = 1.0F / std::sqrt(x.row(t).squaredNorm() / float(x.cols()) + epsilon);
    result.row(t) = (x.row(t) * scale).cwiseProduct(gain);
  }
  return result;
}

FloatMatrix approx_product_transposed(const FloatMatrix& x, const FloatMatrix& w) {
  FloatMatrix result(x.rows(), w.rows());
  parallel_rows(x.rows(), 64, [&](Index begin, Index end) {
    result.middleRows(begin, end - begin).noalias() = x.middleRows(begin, end - begin) * w.transpose();
  });
  return result;
}

void approx_add_block(const theory::Mamba1Weights& block, FloatMatrix& residual) {
  const Index inner = Index(block.d_inner);
  const Index rank = Index(block.dt_rank);
  const FloatMatrix in_proj = to_float(block.in_proj), x_proj = to_float(block.x_proj),
                    dt_proj = to_float(block.dt_proj), out_proj = to_float(block.out_proj);
  const FloatRow gain = to_float(block.norm_weight), in_bias = to_float(block.in_proj_bias),
                 dt_bias = to_float(block.dt_bias), skip = to_float(block.D);
  const FloatRow out_bias = to_float(block.out_proj_bias);
  const FloatMatrix rates = to_float(block.A_log).unaryExpr([](float a_log) { return -std::exp(a_log); });
  FloatConvolution convolution(block.conv_weight, block.conv_bias);
  FloatMatrix h = FloatMatrix::Zero(inner, Index(block.d_state));
  for (Index begin = 0; begin < residual.rows(); begin += kChunkTokens) {
    const Index tokens = std::min(kChunkTokens, residual.rows() - begin);
    const FloatMatrix normed = approx_rms_norm(residual.middleRows(begin, tokens), gain, float(block.norm_epsilon));
    const FloatMatrix xz = affine(normed, in_proj, in_bias);
    const FloatMatrix x = convolution.apply(xz.leftCols(inner));
    const FloatMatrix dbc = approx_product_transposed(x, x_proj);
    const FloatMatrix delta =
        step_sizes(affine(dbc.leftCols(rank), dt_proj, dt_bias), 0.0F, std::numeric_limits<float>::infinity());
    const FloatMatrix bc = dbc.rightCols(dbc.cols() - rank);
    FloatMatrix y(tokens, inner);
    parallel_rows(inner, 32,
                  [&](Index first, Index last) { scan_mamba1(x, delta, bc, rates, skip, h, y, first, last); });
    y = y.cwiseProduct(xz.rightCols(inner).unaryExpr(&silu));
    residual.middleRows(begin, tokens) += affine(y, out_proj, out_bias);
  }
}

void approx_add_block(const theory::Mamba2Weights& block, FloatMatrix& residual) {
  const Index inner = Index(block.d_inner);
  const HeadShape shape{Index(block.heads), Index(block.head_dim), Index(block.d_state), Index(block.groups)};
  const FloatMatrix in_proj = to_float(block.in_proj), out_proj = to_float(block.out_proj);
  const FloatRow gain = to_float(block.norm_weight), in_bias = to_float(block.in_proj_bias),
                 dt_bias = to_float(block.dt_bias), skip = to_float(block.D);
  const FloatRow gated_gain = to_float(block.gated_norm_weight), out_bias = to_float(block.out_proj_bias);
  const FloatRow rates = to_float(block.A_log).unaryExpr([](float a_log) { return -std::exp(a_log); });
  const Index norm_width = inner / Index(block.gated_norm_groups);
  FloatConvolution convolution(block.conv_weight, block.conv_bias);
  FloatMatrix h = FloatMatrix::Zero(inner, shape.states);
  for (Index begin = 0; begin < residual.rows(); begin += kChunkTokens) {
    const Index tokens = std::min(kChunkTokens, residual.rows() - begin);
    const FloatMatrix normed = approx_rms_norm(residual.middleRows(begin, tokens), gain, float(block.norm_epsilon));
    const FloatMatrix projected = affine(normed, in_proj, in_bias);
    const FloatMatrix xbc = convolution.apply(projected.middleCols(inner, Index(block.conv_channels())));
    FloatMatrix p = projected.rightCols(shape.heads);
    p.rowwise() += dt_bias;
    const FloatMatrix delta = step_sizes(p, float(block.step_limits.lower), float(block.step_limits.upper));
    FloatMatrix y(tokens, inner);
    parallel_rows(inner, 32,
                  [&](Index first, Index last) { scan_mamba2(xbc, delta, shape, rates, skip, h, y, first, last); });
    y = y.cwiseProduct(projected.leftCols(inner).unaryExpr(&silu));
    for (Index column = 0; column < inner; column += norm_width) {
      y.middleCols(column, norm_width) = approx_rms_norm(
          y.middleCols(column, norm_width), gated_gain.segment(column, norm_width), float(block.gated_norm_epsilon));
    }
    residual.middleRows(begin, tokens) += affine(y, out_proj, out_bias);
  }
}

}  // namespace lyap
