#pragma once

#include "causal_convolution.hpp"
#include "convolution_vectors.cuh"

/// Convolution of any shape: one thread per element, one block per channel for the weight gradients.
namespace lyap::kernels::device {

inline constexpr int kMostTaps = 16;

/// First step and end of the sequence that step t belongs to.
template <class T>
__device__ __forceinline__ void sequence_of(const ConvolutionArguments<T>& args, std::int64_t t, std::int64_t& begin,
                                            std::int64_t& end) {
  begin = 0;
  end = args.length;
  if (args.sequence_ends == nullptr) return;
  std::int64_t low = 0;
  std::int64_t high = args.sequences;  // ends[low] <= t < ends[high]
  while (high - low > 1) {
    const std::int64_t middle = (low + high) / 2;
    (args.sequence_ends[middle] <= t ? low : high) = middle;
  }
  begin = args.sequence_ends[low];
  end = args.sequence_ends[low + 1];
}

/// Input of step s for a sequence that starts at `begin`.
template <class T>
__device__ __forceinline__ float input_at(const ConvolutionArguments<T>& args, std::int64_t b, std::int64_t d,
                                          std::int64_t s, std::int64_t begin) {
  if (s >= begin)
    return Element<T>::load(args.x[b * args.x_strides.batch + s * args.x_strides.time + d * args.x_strides.channel]);
  if (args.initial == nullptr || args.sequence_ends != nullptr) return 0.0F;
  return Element<T>::load(args.initial[(b * args.channels + d) * (args.taps - 1) + s + args.taps - 1]);
}

template <class T>
__device__ __forceinline__ float activation_at(const ConvolutionArguments<T>& args, std::int64_t b, std::int64_t d,
                                               std::int64_t t, std::int64_t begin) {
  float q = args.bias == nullptr ? 0.0F : args.bias[d];
  for (int j = 0; j < args.taps; ++j)
    q = fmaf(args.weight[d * args.taps + j], input_at(args, b, d, t - args.taps + 1 + j, begin), q);
  return q;
}

template <class T>
__global__ void __launch_bounds__(128) convolution_forward_any(const __grid_constant__ ConvolutionArguments<T> args) {
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * 128 + threadIdx.x;
  if (index >= args.batch * args.length * args.channels) return;
  const std::int64_t d = index % args.channels;
  const std::int64_t t = index / args.channels % args.length;
  const std::int64_t b = index / args.channels / args.length;
  std::int64_t begin, end;
  sequence_of(args, t, begin, end);
  const float q = activation_at(args, b, d, t, begin);
  args.out[b * args.out_strides.batch + t * args.out_strides.time + d * args.out_strides.channel] =
      Element<T>::store(args.silu ? silu(q) : q);
}

template <class T>
__device__ __forceinline__ float activation_gradient(const ConvolutionArguments<T>& args, std::int64_t b,
                                                     std::int64_t d, std::int64_t t, std::int64_t begin) {
  const ConvolutionStrides& s = args.out_gradient_strides;
  const float dy = Element<T>::load(args.out_gradient[b * s.batch + t * s.time + d * s.channel]);
  return args.silu ? dy * silu_derivative(activation_at(args, b, d, t, begin)) : dy;
}

template <class T>
__global__ void __launch_bounds__(128)
    convolution_input_gradient_any(const __grid_constant__ ConvolutionArguments<T> args) {
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * 128 + threadIdx.x;
  if (index >= args.batch * args.length * args.channels) return;
  const std::int64_t d = index % args.channels;
  const std::int64_t t = index / args.channels % args.length;
  const std::int64_t b = index / args.channels / args.length;
  std::int64_t begin, end;
  sequence_of(args, t, begin, end);
  float sum = 0.0F;
  for (int j = args.taps - 1; j >= 0; --j) {
    const std::int64_t s = t + args.taps - 1 - j;
    if (s < end) sum = fmaf(args.weight[d * args.taps + j], activation_gradient(args, b, d, s, begin), sum);
  }
  const ConvolutionStrides& s = args.x_gradient_strides;
  args.x_gradient[b * s.batch + t * s.time + d * s.channel] = Element<T>::store(sum);
}

/// One block per (channel, batch): thread i sums steps i, i + 128, ...; then a tree. One partial per batch.
template <class T>
__global__ void __launch_bounds__(128)
    convolution_weight_gradient_any(const __grid_constant__ ConvolutionArguments<T> args, float* partials) {
  __shared__ float tree[128];
  const std::int64_t d = blockIdx.x;
  const std::int64_t b = blockIdx.y;
  float sums[kMostTaps + 1];
  for (int j = 0; j <= args.taps; ++j) sums[j] = 0.0F;
  for (std::int64_t t = threadIdx.x; t < args.length; t += 128) {
    std::int64_t begin, end;
    sequence_of(args, t, begin, end);
    const float g = activation_gradient(args, b, d, t, begin);
    for (int j = 0; j < args.taps; ++j) sums[j] = fmaf(g, input_at(args, b, d, t - args.taps + 1 + j, begin), sums[j]);
    sums[args.taps] += g;
  }
  for (int j = 0; j <= args.taps; ++j) {
    __syncthreads();
    tree[threadIdx.x] = sums[j];
    for (unsigned int distance = 64; distance > 0; distance /= 2) {
      __syncthreads();
      if (threadIdx.x < distance) tree[threadIdx.x] += tree[threadIdx.x + distance];
    }
    if (threadIdx.x == 0) partials[(b * (args.taps + 1) + j) * args.channels + d] = tree[0];
  }
}

}  // namespace lyap::kernels::device
