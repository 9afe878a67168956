#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

/// Depthwise causal convolution with J <= 4 taps (any J <= 16 by a slow path), optional bias and silu:
///   q_t = bias + sum_j w_j x_(t-J+1+j),  out = silu(q) or q.
/// Inputs before the start of a sequence come from `initial` or are 0. Weights, bias and their gradients are float32.
namespace lyap::kernels::device {

struct ConvolutionStrides {
  std::int64_t batch, time, channel;
};

template <class T>
struct ConvolutionArguments {
  std::int64_t batch, length, channels;
  int taps;
  bool silu;
  const T* x;
  T* out;
  const float* weight;                ///< (channels, taps), contiguous
  const float* bias;                  ///< (channels) or null
  const T* initial;                   ///< (batch, channels, taps - 1), contiguous, oldest first, or null: zero
  const std::int64_t* sequence_ends;  ///< cu_seqlens (sequences + 1) on the device, or null; then batch is 1
  std::int64_t sequences;
  ConvolutionStrides x_strides, out_strides;
  const T* out_gradient;  ///< backward only
  T* x_gradient;
  float* weight_gradient;  ///< (channels, taps)
  float* bias_gradient;    ///< (channels) or null
  ConvolutionStrides out_gradient_strides, x_gradient_strides;
};

/// Order of summation: bias, then taps oldest to newest, fused multiply-adds, for every path.
template <class T>
[[nodiscard]] cudaError_t launch_convolution_forward(const ConvolutionArguments<T>& args, cudaStream_t stream);

template <class T>
[[nodiscard]] std::size_t convolution_backward_workspace(const ConvolutionArguments<T>& args);

/// q is recomputed. Sums over time and batch: fixed order, two stages, no atomics. Cases outside the fast paths (packed
/// sequences, initial inputs, other numbers of taps, misaligned rows) take a slow path with the same guarantees.
template <class T>
[[nodiscard]] cudaError_t launch_convolution_backward(const ConvolutionArguments<T>& args, void* workspace,
                                                      cudaStream_t stream);

}  // namespace lyap::kernels::device
