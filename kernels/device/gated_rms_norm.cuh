#pragma once

#include "kernels/device/device_math.cuh"
#include "kernels/device/gated_rms_norm_arguments.hpp"
#include "kernels/device/warpgroup_matrix.cuh"

/// Gated RMS norm forward. One block of kWarps warps per (row, group); a thread holds every 32 kWarps-th 16-byte piece
/// of it in registers, so that every input is read once. The sum of squares: a thread's values in order, then the lanes
/// of a warp as a tree, then warps in order.
namespace lyap::kernels::device {

/// 16 bytes of T as floats.
template <class T>
struct Piece {
  static constexpr int kCount = 16 / static_cast<int>(sizeof(T));
  float v[kCount];

  __device__ __forceinline__ void unpack(const uint4& raw) {
    const std::uint32_t words[4] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if constexpr (sizeof(T) == 2) {
        const float2 pair = unpacked(words[i], T{});
        v[2 * i] = pair.x;
        v[2 * i + 1] = pair.y;
      } else {
        v[i] = __uint_as_float(words[i]);
      }
    }
  }
  [[nodiscard]] __device__ __forceinline__ uint4 pack() const {
    std::uint32_t words[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if constexpr (sizeof(T) == 2) {
        words[i] = packed(v[2 * i], v[2 * i + 1], T{});
      } else {
        words[i] = __float_as_uint(v[i]);
      }
    }
    return make_uint4(words[0], words[1], words[2], words[3]);
  }
};

__device__ __forceinline__ float tree_sum(float s) {
#pragma unroll
  for (int i = 16; i > 0; i /= 2) s += __shfl_xor_sync(~0U, s, i);
  return s;
}

/// The sum over a block of kWarps warps, in every thread.
template <int kWarps>
__device__ __forceinline__ float block_sum(float s) {
  s = tree_sum(s);
  if constexpr (kWarps == 1) return s;
  __shared__ float part[kWarps];
  if ((threadIdx.x & 31) == 0) part[threadIdx.x >> 5] = s;
  __syncthreads();
  float sum = part[0];
#pragma unroll
  for (int i = 1; i < kWarps; ++i) sum += part[i];
  return sum;
}

/// Rows and widths in multiples of 16 bytes; kPieces 16-byte pieces per thread.
template <class T, int kPieces, int kWarps>
__global__ void __launch_bounds__(kWarps * 32)
    gated_rms_norm_forward(const __grid_constant__ GatedRmsNormArguments<T> a) {
  constexpr int kThreads = kWarps * 32;
  const int lane = static_cast<int>(threadIdx.x);
  const std::int64_t item = blockIdx.x;
  const std::int64_t row = item / a.groups;
  const int begin = static_cast<int>(item % a.groups) * a.width;
  const auto* x = reinterpret_cast<const uint4*>(a.x + row * a.x_stride + begin);
  const auto* z = reinterpret_cast<const uint4*>(a.z ? a.z + row * a.z_stride + begin : nullptr);
  const int pieces = a.width / Piece<T>::kCount;
  uint4 x_raw[kPieces];
  uint4 z_raw[kPieces];
#pragma unroll
  for (int i = 0; i < kPieces; ++i) {
    const int j = lane + kThreads * i;
    if (j < pieces) x_raw[i] = __ldcs(x + j);
    if (j < pieces && z) z_raw[i] = __ldcs(z + j);
  }
  Piece<T> v[kPieces];
  float sum = 0.0F;
#pragma unroll
  for (int i = 0; i < kPieces; ++i) {
    if (lane + kThreads * i >= pieces) continue;
    v[i].unpack(x_raw[i]);
    Piece<T> gate;
    if (z) gate.unpack(z_raw[i]);
#pragma unroll
    for (int k = 0; k < Piece<T>::kCount; ++k) {
      if (z && !a.norm_before_gate) v[i].v[k] *= silu(gate.v[k]);
      sum = fmaf(v[i].v[k], v[i].v[k], sum);
    }
  }
  const float rms = rsqrtf(block_sum<kWarps>(sum) / static_cast<float>(a.width) + a.epsilon);
  if (a.reciprocal_rms && lane == 0) a.reciprocal_rms[item] = rms;
  auto* out = reinterpret_cast<uint4*>(a.out + row * a.out_stride + begin);
#pragma unroll
  for (int i = 0; i < kPieces; ++i) {
    const int j = lane + kThreads * i;
    if (j >= pieces) continue;
    const auto* w = reinterpret_cast<const float4*>(a.weight + begin) + j * (Piece<T>::kCount / 4);
    Piece<T> gate;
    if (z) gate.unpack(z_raw[i]);
#pragma unroll
    for (int q = 0; q < Piece<T>::kCount / 4; ++q) {
      const float4 g = __ldg(w + q);
      v[i].v[4 * q] *= rms * g.x;
      v[i].v[4 * q + 1] *= rms * g.y;
      v[i].v[4 * q + 2] *= rms * g.z;
      v[i].v[4 * q + 3] *= rms * g.w;
    }
    if (z && a.norm_before_gate) {
#pragma unroll
      for (int k = 0; k < Piece<T>::kCount; ++k) v[i].v[k] *= silu(gate.v[k]);
    }
    __stcs(out + j, v[i].pack());
  }
}

/// Any width and alignment: one block per (row, group), inputs read twice.
template <class T>
__global__ void __launch_bounds__(256) gated_rms_norm_forward_any(const __grid_constant__ GatedRmsNormArguments<T> a) {
  __shared__ float part[8];
  const std::int64_t item = blockIdx.x;
  const std::int64_t row = item / a.groups;
  const std::int64_t begin = (item % a.groups) * a.width;
  const T* x = a.x + row * a.x_stride + begin;
  const T* z = a.z ? a.z + row * a.z_stride + begin : nullptr;
  const auto value = [&](int i) {
    const float v = Element<T>::load(x[i]);
    return z && !a.norm_before_gate ? v * silu(Element<T>::load(z[i])) : v;
  };
  float sum = 0.0F;
  for (int i = static_cast<int>(threadIdx.x); i < a.width; i += 256) sum = fmaf(value(i), value(i), sum);
  sum = tree_sum(sum);
  if ((threadIdx.x & 31) == 0) part[threadIdx.x >> 5] = sum;
  __syncthreads();
  sum = ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
  const float rms = rsqrtf(sum / static_cast<float>(a.width) + a.epsilon);
  if (a.reciprocal_rms && threadIdx.x == 0) a.reciprocal_rms[item] = rms;
  for (int i = static_cast<int>(threadIdx.x); i < a.width; i += 256) {
    float v = value(i) * (rms * a.weight[begin + i]);
    if (z && a.norm_before_gate) v *= silu(Element<T>::load(z[i]));
    a.out[row * a.out_stride + begin + i] = Element<T>::store(v);
  }
}

}  // namespace lyap::kernels::device
