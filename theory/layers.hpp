#pragma once

#include <cstddef>
#include <stdexcept>
#include <utility>

#include "theory/block_weights.hpp"
#include "theory/scalar.hpp"

/// The parts of a block that are not the recurrence: linear layers, RMS norm, causal convolution. Weights are exact
/// numbers, activations are of type S.
namespace lyap::theory {

/// W x + bias, (rows); x is (columns), an empty bias means none.
template <class S>
[[nodiscard]] Array<S> linear(const Matrix& W, const Vector& bias, const Array<S>& x) {
  if (x.size() != W.columns) throw std::invalid_argument("linear: the input's width is not the number of columns");
  Array<S> result;
  result.reserve(W.rows);
  for (std::size_t i = 0; i < W.rows; ++i) {
    S sum = exact<S>(bias.empty() ? 0.0 : bias[i]);
    for (std::size_t j = 0; j < W.columns; ++j) sum += exact<S>(W(i, j)) * x[j];
    result.push_back(std::move(sum));
  }
  return result;
}

template <class S>
[[nodiscard]] Array<S> linear(const Matrix& W, const Array<S>& x) {
  return linear(W, Vector{}, x);
}

/// x[begin .. begin + count).
template <class S>
[[nodiscard]] Array<S> part(const Array<S>& x, std::size_t begin, std::size_t count) {
  const auto first = x.begin() + static_cast<std::ptrdiff_t>(begin);
  return Array<S>(first, first + static_cast<std::ptrdiff_t>(count));
}

/// g (*) r / sqrt(mean(r^2) + epsilon), the mean taken within each of `groups` equal parts of r; g is `weight`.
template <class S>
[[nodiscard]] Array<S> rms_norm(const Array<S>& r, const Vector& weight, double epsilon, std::size_t groups = 1) {
  if (groups == 0 || r.size() != weight.size() || r.size() % groups != 0)
    throw std::invalid_argument("rms_norm: sizes do not agree");
  const std::size_t width = r.size() / groups;
  Array<S> result;
  result.reserve(r.size());
  for (std::size_t group = 0; group < groups; ++group) {
    S sum_of_squares = exact<S>(0.0);
    for (std::size_t i = group * width; i < (group + 1) * width; ++i) sum_of_squares += square(r[i]);
    const S rms = sqrt(sum_of_squares / exact<S>(static_cast<double>(width)) + exact<S>(epsilon));
    for (std::size_t i = group * width; i < (group + 1) * width; ++i)
      result.push_back(exact<S>(weight[i]) * r[i] / rms);
  }
  return result;
}

/// A causal depthwise convolution with J taps: q_k = bias_k + Σ_j c_kj (the input of channel k, J - 1 - j steps ago);
/// inputs before the first are 0.
template <class S>
class CausalConvolution {
 public:
  /// weight is (channels, J); its last column multiplies the current input. An empty bias means none. Both are referred
  /// to, not copied.
  CausalConvolution(const Matrix& weight, const Vector& bias)
      : weight_(&weight), bias_(&bias), window_(weight.rows * weight.columns, exact<S>(0.0)) {}

  /// Takes the next input, (channels), and returns q, (channels).
  [[nodiscard]] Array<S> step(const Array<S>& input) {
    const std::size_t channels = weight_->rows;
    const std::size_t J = weight_->columns;
    if (input.size() != channels)
      throw std::invalid_argument("CausalConvolution: the input's width is not the number of channels");
    Array<S> q;
    q.reserve(channels);
    for (std::size_t k = 0; k < channels; ++k) {
      S* taps = window_.data() + k * J;
      for (std::size_t j = 0; j + 1 < J; ++j) taps[j] = std::move(taps[j + 1]);
      taps[J - 1] = input[k];
      S sum = exact<S>(bias_->empty() ? 0.0 : (*bias_)[k]);
      for (std::size_t j = 0; j < J; ++j) sum += exact<S>((*weight_)(k, j)) * taps[j];
      q.push_back(std::move(sum));
    }
    return q;
  }

 private:
  const Matrix* weight_;
  const Vector* bias_;
  Array<S> window_;  // (channels, J), the current input last
};

/// silu of every entry.
template <class S>
[[nodiscard]] Array<S> silu(Array<S> x) {
  for (S& entry : x) entry = silu(entry);
  return x;
}

}  // namespace lyap::theory
