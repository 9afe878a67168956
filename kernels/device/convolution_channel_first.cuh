#pragma once

#include "causal_convolution.hpp"
#include "convolution_vectors.cuh"

/// Convolution where time is contiguous: a lane has one vector of neighbouring steps, the inputs before it come from
/// the lane to its left.
namespace lyap::kernels::device {

/// Loads kCount steps from t on; zeros past `length`.
template <class T, int kCount>
__device__ __forceinline__ Vector<T, kCount> load_steps(const T* row, std::int64_t t, std::int64_t length) {
  if (t + kCount <= length) return Vector<T, kCount>::load(row + t);
  Vector<T, kCount> v = Vector<T, kCount>::zero();
#pragma unroll
  for (int i = 0; i < kCount; ++i)
    if (t + i < length) v.elements[i] = row[t + i];
  return v;
}

template <class T, int kCount>
__device__ __forceinline__ void store_steps(T* row, std::int64_t t, std::int64_t length, const float (&from)[kCount]) {
  const Vector<T, kCount> v = Vector<T, kCount>::narrow(from);
  if (t + kCount <= length) {
    v.store(row + t);
    return;
  }
#pragma unroll
  for (int i = 0; i < kCount; ++i)
    if (t + i < length) row[t + i] = v.elements[i];
}

/// The taps - 1 inputs before `mine`: the last of the left lane's; lane 0's are the last of lane 31 in the piece
/// before.
template <class T, int kTaps, int kCount>
__device__ __forceinline__ void extend_left(const float (&mine)[kCount], const Vector<T, kCount>& piece_before,
                                            int lane, float (&x)[kCount + kTaps - 1]) {
#pragma unroll
  for (int j = 0; j < kTaps - 1; ++j) {
    const int i = kCount - (kTaps - 1) + j;
    const float sent = lane < 31 ? mine[i] : Element<T>::load(piece_before.elements[i]);
    x[j] = __shfl_sync(0xffffffffU, sent, (lane + 31) & 31);
  }
#pragma unroll
  for (int i = 0; i < kCount; ++i) x[kTaps - 1 + i] = mine[i];
}

/// A warp has kVectors x 32 vectors of one row.
template <class T, int kTaps, int kVectors>
__global__ void __launch_bounds__(128, 8)
    convolution_forward_channel_first(const __grid_constant__ ConvolutionArguments<T> args) {
  constexpr int kCount = 16 / static_cast<int>(sizeof(T));
  constexpr std::int64_t kSpan = 32 * kCount * kVectors;
  const int lane = static_cast<int>(threadIdx.x) & 31;
  const std::int64_t pieces = (args.length + kSpan - 1) / kSpan;
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * 4 + threadIdx.x / 32;
  if (index >= args.batch * args.channels * pieces) return;
  const std::int64_t t0 = index % pieces * kSpan;
  const std::int64_t d = index / pieces % args.channels;
  const std::int64_t b = index / pieces / args.channels;
  const T* x = args.x + b * args.x_strides.batch + d * args.x_strides.channel;
  T* out = args.out + b * args.out_strides.batch + d * args.out_strides.channel;
  Vector<T, kCount> vectors[kVectors + 1];  // the first: what lies before, at lane 31 only
  vectors[0] = t0 > 0 && lane == 31 ? Vector<T, kCount>::load(x + t0 - kCount) : Vector<T, kCount>::zero();
#pragma unroll
  for (int v = 0; v < kVectors; ++v)
    vectors[v + 1] = load_steps<T, kCount>(x, t0 + (v * 32 + lane) * kCount, args.length);
  float w[kTaps];
#pragma unroll
  for (int j = 0; j < kTaps; ++j) w[j] = args.weight[d * kTaps + j];
  const float bias = args.bias == nullptr ? 0.0F : args.bias[d];
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    const std::int64_t t = t0 + (v * 32 + lane) * kCount;
    float mine[kCount], inputs[kCount + kTaps - 1], q[kCount];
    vectors[v + 1].widen(mine);
    if (t0 + v * 32 * kCount < args.length) {  // uniform over the warp
      extend_left<T, kTaps>(mine, vectors[v], lane, inputs);
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        q[i] = bias;
#pragma unroll
        for (int j = 0; j < kTaps; ++j) q[i] = fmaf(w[j], inputs[i + j], q[i]);
        if (args.silu) q[i] = silu(q[i]);
      }
      store_steps<T, kCount>(out, t, args.length, q);
    }
  }
}

/// A warp walks one row from its end to its start; what the lanes to the right need of g = dout silu'(q) comes by
/// shuffles, at lane 31 from the piece before. Writes one partial of the weight gradient per row.
template <class T, int kTaps>
__global__ void __launch_bounds__(128, 5)
    convolution_backward_channel_first(const __grid_constant__ ConvolutionArguments<T> args, float* partials) {
  constexpr int kCount = 16 / static_cast<int>(sizeof(T));
  constexpr std::int64_t kSpan = 32 * kCount;
  constexpr unsigned int kAll = 0xffffffffU;
  using Piece = Vector<T, kCount>;
  const int lane = static_cast<int>(threadIdx.x) & 31;
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * 4 + threadIdx.x / 32;
  if (index >= args.batch * args.channels) return;
  const std::int64_t d = index % args.channels;
  const std::int64_t b = index / args.channels;
  const T* x = args.x + b * args.x_strides.batch + d * args.x_strides.channel;
  const T* dy = args.out_gradient + b * args.out_gradient_strides.batch + d * args.out_gradient_strides.channel;
  T* dx = args.x_gradient + b * args.x_gradient_strides.batch + d * args.x_gradient_strides.channel;
  float w[kTaps], sums[kTaps + 1], carry[kTaps - 1];
#pragma unroll
  for (int j = 0; j < kTaps; ++j) w[j] = args.weight[d * kTaps + j];
#pragma unroll
  for (int j = 0; j <= kTaps; ++j) sums[j] = 0.0F;
#pragma unroll
  for (int j = 0; j < kTaps - 1; ++j) carry[j] = 0.0F;
  const float bias = args.bias == nullptr ? 0.0F : args.bias[d];
  constexpr int kAhead = 3;  // pieces being loaded, the one in work included
  Piece x_ahead[kAhead], dy_ahead[kAhead];
  const std::int64_t pieces = (args.length + kSpan - 1) / kSpan;
#pragma unroll
  for (int a = 0; a < kAhead; ++a) {
    const std::int64_t t = (pieces - 1 - a) * kSpan + lane * kCount;
    x_ahead[a] = t >= 0 ? load_steps<T, kCount>(x, t, args.length) : Piece::zero();
    dy_ahead[a] = t >= 0 ? load_steps<T, kCount>(dy, t, args.length) : Piece::zero();
  }
#pragma unroll 1
  for (std::int64_t first = pieces - 1; first >= 0; first -= kAhead) {
#pragma unroll
    for (int a = 0; a < kAhead; ++a) {
      if (first - a < 0) break;  // uniform
      const std::int64_t t = (first - a) * kSpan + lane * kCount;
      float mine[kCount], dy_mine[kCount], inputs[kCount + kTaps - 1], g[kCount + kTaps - 1], result[kCount];
      x_ahead[a].widen(mine);
      dy_ahead[a].widen(dy_mine);
      extend_left<T, kTaps>(mine, x_ahead[(a + 1) % kAhead], lane, inputs);
      const std::int64_t next = t - kAhead * kSpan;
      x_ahead[a] = next >= 0 ? Piece::load(x + next) : Piece::zero();
      dy_ahead[a] = next >= 0 ? Piece::load(dy + next) : Piece::zero();
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        float q = bias;
#pragma unroll
        for (int j = 0; j < kTaps; ++j) q = fmaf(w[j], inputs[i + j], q);
        g[i] = args.silu ? dy_mine[i] * silu_derivative(q) : dy_mine[i];  // past the end dy is 0
        sums[kTaps] += g[i];
#pragma unroll
        for (int j = 0; j < kTaps; ++j) sums[j] = fmaf(g[i], inputs[i + j], sums[j]);
      }
#pragma unroll
      for (int j = 0; j < kTaps - 1; ++j) {
        const float right = __shfl_down_sync(kAll, g[j], 1);
        g[kCount + j] = lane < 31 ? right : carry[j];
        carry[j] = __shfl_sync(kAll, g[j], 0);
      }
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        float sum = 0.0F;
#pragma unroll
        for (int j = 0; j < kTaps; ++j) sum = fmaf(w[kTaps - 1 - j], g[i + j], sum);
        result[i] = sum;
      }
      store_steps<T, kCount>(dx, t, args.length, result);
    }
  }
#pragma unroll
  for (int j = 0; j <= kTaps; ++j) {
    for (int distance = 16; distance > 0; distance /= 2) sums[j] += __shfl_xor_sync(kAll, sums[j], distance);
    if (lane == 0) partials[(b * (kTaps + 1) + j) * args.channels + d] = sums[j];
  }
}

}  // namespace lyap::kernels::device
