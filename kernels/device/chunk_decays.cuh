#pragma once

#include "kernels/device/device_math.cuh"
#include "kernels/device/state_space_duality_arguments.hpp"

/// Step sizes and decays of SSD chunks, computed before the scan by a kernel of their own.
namespace lyap::kernels::device {

inline constexpr int kDecayWarps = 4;

__device__ __forceinline__ Double32 sum(Double32 a, Double32 b) {
  const float s = __fadd_rn(a.high, b.high);
  const float t = __fsub_rn(s, a.high);
  float e = __fadd_rn(__fsub_rn(a.high, __fsub_rn(s, t)), __fsub_rn(b.high, t));
  e = __fadd_rn(e, __fadd_rn(a.low, b.low));
  const float high = __fadd_rn(s, e);
  return {high, __fsub_rn(e, __fsub_rn(high, s))};
}

/// The step size from its pre-activation.
template <class Arguments>
__device__ __forceinline__ float step_size(const Arguments& a, float p) {
  float Delta = a.softplus ? softplus<true>(p) : p;
  Delta = Delta < a.delta_lower ? a.delta_lower : Delta;
  return Delta > a.delta_upper ? a.delta_upper : Delta;
}

/// Delta A log2(e), held above -2^100 so that sums of two floats stay finite; the decay is 0 long before.
__device__ __forceinline__ float log2_decay(float Delta, float A) {
  const float p = Delta * (A * kLog2E);
  return p < -0x1p100F ? -0x1p100F : p;
}

/// One warp; a lane has steps 2 lane and 2 lane + 1. Steps outside the sequence have Delta = 0.
__device__ __forceinline__ void chunk_decays(ChunkDecays& d, float Delta0, float Delta1, float A) {
  const int lane = static_cast<int>(threadIdx.x) & 31;
  const Double32 p0{log2_decay(Delta0, A), 0.0F};
  const Double32 p1{log2_decay(Delta1, A), 0.0F};
  Double32 s = sum(p0, p1);
#pragma unroll
  for (int i = 1; i < 32; i *= 2) {
    const Double32 left{__shfl_up_sync(~0U, s.high, i), __shfl_up_sync(~0U, s.low, i)};
    if (lane >= i) s = sum(left, s);
  }
  Double32 before{__shfl_up_sync(~0U, s.high, 1), __shfl_up_sync(~0U, s.low, 1)};
  if (lane == 0) before = {0.0F, 0.0F};
  const Double32 s0 = sum(before, p0);
  const Double32 end{__shfl_sync(~0U, s.high, 31), __shfl_sync(~0U, s.low, 31)};
  const int t = 2 * lane;
  *reinterpret_cast<float2*>(d.high + t) = make_float2(s0.high, s.high);
  *reinterpret_cast<float2*>(d.low + t) = make_float2(s0.low, s.low);
  *reinterpret_cast<float2*>(d.Delta + t) = make_float2(Delta0, Delta1);
  *reinterpret_cast<float2*>(d.since_start + t) =
      make_float2(exp2_approx(s0.high + s0.low), exp2_approx(s.high + s.low));
  const float w0 = Delta0 * exp2_approx((end.high - s0.high) + (end.low - s0.low));
  const float w1 = Delta1 * exp2_approx((end.high - s.high) + (end.low - s.low));
  *reinterpret_cast<float2*>(d.weight_to_end + t) = make_float2(w0, w1);
  if (lane == 0) {
    d.total = exp2_approx(end.high + end.low);
    d.total_log2 = end;
    d.unused = 0.0F;
  }
}

/// Steps of sequence q: the first in a packed batch, and how many.
struct SequenceRange {
  std::int64_t origin, length;
};

template <class Arguments>
__device__ __forceinline__ SequenceRange sequence_range(const Arguments& a, std::int64_t q) {
  if (!a.sequence_ends) return {0, a.length};
  return {a.sequence_ends[q], a.sequence_ends[q + 1] - a.sequence_ends[q]};
}

/// Index of a sequence's first chunk in the workspace (slot, head); slots: see decay_slots().
template <class Arguments>
__device__ __forceinline__ std::int64_t first_slot(const Arguments& a, std::int64_t q, std::int64_t origin) {
  return a.sequence_ends ? origin / kChunk + q : q * ((a.length + kChunk - 1) / kChunk);
}

/// One warp per chunk and head; grid (chunks / kDecayWarps, heads, sequences).
template <class T>
__global__ void __launch_bounds__(kDecayWarps * 32)
    duality_decays(const __grid_constant__ StateSpaceDualityArguments<T> a) {
  const std::int64_t q = blockIdx.z;
  const int head = static_cast<int>(blockIdx.y);
  const SequenceRange range = sequence_range(a, q);
  const std::int64_t chunk = static_cast<std::int64_t>(blockIdx.x) * kDecayWarps + (threadIdx.x >> 5);
  const std::int64_t t = chunk * kChunk + 2 * (threadIdx.x & 31);
  if (chunk * kChunk >= range.length) return;
  const T* delta = a.delta + (a.sequence_ends ? 0 : q) * a.delta_strides.batch + head * a.delta_strides.head;
  const float bias = a.delta_bias ? a.delta_bias[head] : 0.0F;
  const auto Delta = [&](std::int64_t k) {
    if (k >= range.length) return 0.0F;
    return step_size(a, Element<T>::load(delta[(range.origin + k) * a.delta_strides.time]) + bias);
  };
  chunk_decays(a.decays[(first_slot(a, q, range.origin) + chunk) * a.heads + head], Delta(t), Delta(t + 1), a.A[head]);
}

}  // namespace lyap::kernels::device
