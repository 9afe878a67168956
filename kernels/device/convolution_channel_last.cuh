#pragma once

#include "causal_convolution.hpp"
#include "convolution_vectors.cuh"

/// Convolution where channels are contiguous: a thread walks a run of steps of four neighbouring channels. Its rows
/// come through a ring of its own in shared memory, filled by asynchronous copies: no thread reads what another has
/// copied, so there are no barriers, and rows in flight cost no registers.
namespace lyap::kernels::device {

inline constexpr int kConvolutionChannels = 4;  // per thread
inline constexpr int kConvolutionRun = 64;      // forward, steps per thread
inline constexpr int kGroupRows = 4;            // rows per group of copies
inline constexpr int kBackwardWarps = 4;

/// kGroups groups of kGroupRows rows in flight for each of 128 threads.
template <class T, int kGroups>
struct ConvolutionRing {
  using Row = Vector<T, kConvolutionChannels>;
  static constexpr int kBytes = static_cast<int>(sizeof(typename Row::Bits));
  typename Row::Bits rows[kGroups * kGroupRows][128];

  __device__ __forceinline__ void copy(int row, const T* from, bool inside) {
    copy_async<kBytes>(&rows[row][threadIdx.x], from, inside);
  }
  __device__ __forceinline__ Row read(int row) const {
    Row v;
    v.bits = rows[row][threadIdx.x];
    return v;
  }
};

template <class T, int kTaps>
__global__ void __launch_bounds__(128, 6)
    convolution_forward_channel_last(const __grid_constant__ ConvolutionArguments<T> args) {
  constexpr int kCount = kConvolutionChannels;
  constexpr int kGroups = 4;
  using Row = Vector<T, kCount>;
  __shared__ ConvolutionRing<T, kGroups> ring;
  const std::int64_t vectors = args.channels / kCount;
  const std::int64_t runs = (args.length + kConvolutionRun - 1) / kConvolutionRun;
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * 128 + threadIdx.x;
  if (index >= args.batch * runs * vectors) return;
  const std::int64_t d = index % vectors * kCount;
  const std::int64_t t0 = index / vectors % runs * kConvolutionRun;
  const std::int64_t b = index / vectors / runs;
  const int rows = static_cast<int>(args.length - t0 < kConvolutionRun ? args.length - t0 : kConvolutionRun);
  const T* x = args.x + b * args.x_strides.batch + t0 * args.x_strides.time + d;
  T* out = args.out + b * args.out_strides.batch + t0 * args.out_strides.time + d;
  const T* from = x;
  const auto copy_group = [&](int first) {
#pragma unroll
    for (int r = 0; r < kGroupRows; ++r) {
      const bool inside = first + r < rows;
      ring.copy((first + r) % (kGroups * kGroupRows), inside ? from : x, inside);
      from += args.x_strides.time;
    }
    commit_copies();
  };
#pragma unroll
  for (int k = 0; k < kGroups - 1; ++k) copy_group(k * kGroupRows);
  float w[kTaps][kCount], bias[kCount], past[kTaps][kCount];
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    bias[i] = args.bias == nullptr ? 0.0F : args.bias[d + i];
#pragma unroll
    for (int j = 0; j < kTaps; ++j) w[j][i] = args.weight[(d + i) * kTaps + j];
  }
#pragma unroll
  for (int j = 0; j < kTaps - 1; ++j)
    (t0 > 0 ? Row::load(x + (j - (kTaps - 1)) * args.x_strides.time) : Row::zero()).widen(past[j]);
#pragma unroll 1
  for (int first = 0; first < rows; first += kGroupRows) {
    copy_group(first + (kGroups - 1) * kGroupRows);
    wait_for_copies<kGroups - 1>();
#pragma unroll
    for (int r = 0; r < kGroupRows; ++r) {
      ring.read((first + r) % (kGroups * kGroupRows)).widen(past[kTaps - 1]);
      float q[kCount];
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        q[i] = bias[i];
#pragma unroll
        for (int j = 0; j < kTaps; ++j) q[i] = fmaf(w[j][i], past[j][i], q[i]);
        if (args.silu) q[i] = silu(q[i]);
#pragma unroll
        for (int j = 0; j < kTaps - 1; ++j) past[j][i] = past[j + 1][i];
      }
      if (first + r < rows) Row::narrow(q).store(out);
      out += args.out_strides.time;
    }
  }
}

/// Steps per thread, such that with the taps - 1 steps after them it is whole groups of rows, for about 528 blocks.
/// Fixed by the shape alone: so is the order of every sum.
template <class T>
std::int64_t backward_run(const ConvolutionArguments<T>& args) {
  const std::int64_t columns = args.batch * ((args.channels + 127) / 128);
  const std::int64_t slices = columns >= 528 ? 1 : 528 / columns;
  const std::int64_t run = (args.length + kBackwardWarps * slices - 1) / (kBackwardWarps * slices);
  const std::int64_t least = run < 29 ? 29 : run > 1021 ? 1021 : run;
  return (least + args.taps - 1 + kGroupRows - 1) / kGroupRows * kGroupRows - (args.taps - 1);
}

/// A warp has 32 vectors of 4 channels and one run of steps; its weight-gradient sums are added over the warps in order
/// and written as one partial, (batch x blocks of time, taps + 1, channels).
template <class T, int kTaps>
__global__ void __launch_bounds__(128, 4)
    convolution_backward_channel_last(const __grid_constant__ ConvolutionArguments<T> args, const int run,
                                      float* partials) {
  constexpr int kCount = kConvolutionChannels;
  constexpr int kWarps = kBackwardWarps;
  constexpr int kGroups = sizeof(T) == 4 ? 2 : 3;
  constexpr int kRingRows = kGroups * kGroupRows;
  using Row = Vector<T, kCount>;
  __shared__ ConvolutionRing<T, kGroups> x_ring, dy_ring;
  __shared__ float sums[kWarps][kTaps + 1][32 * kCount];
  const int lane = static_cast<int>(threadIdx.x) & 31;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const std::int64_t d = (static_cast<std::int64_t>(blockIdx.x) * 32 + lane) * kCount;
  const std::int64_t t0 = (static_cast<std::int64_t>(blockIdx.y) * kWarps + warp) * run;
  const std::int64_t b = blockIdx.z;
  const bool active = d < args.channels && t0 < args.length;
  float dw[kTaps][kCount], db[kCount];
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    db[i] = 0.0F;
#pragma unroll
    for (int j = 0; j < kTaps; ++j) dw[j][i] = 0.0F;
  }
  if (active) {
    const std::int64_t left = args.length - t0;
    const int own = static_cast<int>(left < run ? left : run);
    const int rows = static_cast<int>(left < run + kTaps - 1 ? left : run + kTaps - 1);  // that exist
    const T* x = args.x + b * args.x_strides.batch + t0 * args.x_strides.time + d;
    const T* dy = args.out_gradient + b * args.out_gradient_strides.batch + t0 * args.out_gradient_strides.time + d;
    T* dx = args.x_gradient + b * args.x_gradient_strides.batch + (t0 - (kTaps - 1)) * args.x_gradient_strides.time + d;
    const T* x_from = x;
    const T* dy_from = dy;
    int slot_to = 0;
    const auto copy_group = [&](int first) {
#pragma unroll
      for (int r = 0; r < kGroupRows; ++r) {
        const bool inside = first + r < rows;
        x_ring.copy(slot_to + r, inside ? x_from : x, inside);
        dy_ring.copy(slot_to + r, inside ? dy_from : dy, inside);
        x_from += args.x_strides.time;
        dy_from += args.out_gradient_strides.time;
      }
      slot_to = slot_to + kGroupRows == kRingRows ? 0 : slot_to + kGroupRows;
      commit_copies();
    };
#pragma unroll
    for (int k = 0; k < kGroups - 1; ++k) copy_group(k * kGroupRows);
    float w[kTaps][kCount], bias[kCount], past[kTaps][kCount], g[kTaps][kCount];
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      bias[i] = args.bias == nullptr ? 0.0F : args.bias[d + i];
#pragma unroll
      for (int j = 0; j < kTaps; ++j) {
        w[j][i] = args.weight[(d + i) * kTaps + j];
        g[j][i] = 0.0F;
      }
    }
#pragma unroll
    for (int j = 0; j < kTaps - 1; ++j)
      (t0 > 0 ? Row::load(x + (j - (kTaps - 1)) * args.x_strides.time) : Row::zero()).widen(past[j]);
    int slot = 0;
    // Steps beyond the run are only for the gradients of inputs that they read; beyond the end dy is 0.
#pragma unroll 1
    for (int first = 0; first < own + kTaps - 1; first += kGroupRows) {
      copy_group(first + (kGroups - 1) * kGroupRows);
      wait_for_copies<kGroups - 1>();
#pragma unroll
      for (int r = 0; r < kGroupRows; ++r) {
        float dy_row[kCount], result[kCount];
        x_ring.read(slot + r).widen(past[kTaps - 1]);
        dy_ring.read(slot + r).widen(dy_row);
        const bool counts = first + r < own;
#pragma unroll
        for (int i = 0; i < kCount; ++i) {
          float q = bias[i];
#pragma unroll
          for (int j = 0; j < kTaps; ++j) q = fmaf(w[j][i], past[j][i], q);
          g[kTaps - 1][i] = args.silu ? dy_row[i] * silu_derivative(q) : dy_row[i];
          const float counted = counts ? g[kTaps - 1][i] : 0.0F;
          db[i] += counted;
#pragma unroll
          for (int j = 0; j < kTaps; ++j) dw[j][i] = fmaf(counted, past[j][i], dw[j][i]);
          float sum = 0.0F;
#pragma unroll
          for (int j = 0; j < kTaps; ++j) sum = fmaf(w[kTaps - 1 - j][i], g[j][i], sum);
          result[i] = sum;
#pragma unroll
          for (int j = 0; j < kTaps - 1; ++j) {
            past[j][i] = past[j + 1][i];
            g[j][i] = g[j + 1][i];
          }
        }
        if (first + r >= kTaps - 1 && first + r < own + kTaps - 1) Row::narrow(result).store(dx);
        dx += args.x_gradient_strides.time;
      }
      slot = slot + kGroupRows == kRingRows ? 0 : slot + kGroupRows;
    }
  }
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
#pragma unroll
    for (int j = 0; j < kTaps; ++j) sums[warp][j][lane * kCount + i] = dw[j][i];
    sums[warp][kTaps][lane * kCount + i] = db[i];
  }
  __syncthreads();
  const std::int64_t slice = b * gridDim.y + blockIdx.y;
  for (int i = static_cast<int>(threadIdx.x); i < (kTaps + 1) * 32 * kCount; i += kWarps * 32) {
    const int j = i / (32 * kCount);
    const std::int64_t channel = static_cast<std::int64_t>(blockIdx.x) * 32 * kCount + i % (32 * kCount);
    if (channel >= args.channels) continue;
    float sum = 0.0F;
#pragma unroll
    for (int k = 0; k < kWarps; ++k) sum += sums[k][j][i % (32 * kCount)];
    partials[(slice * (kTaps + 1) + j) * args.channels + channel] = sum;
  }
}

}  // namespace lyap::kernels::device
