#pragma once

#include "kernels/device/device_math.cuh"
#include "kernels/device/state_space_duality_arguments.hpp"

/// SSD forward for every shape and type, the slow path: one warp per (sequence, head, feature) runs the recurrence step
/// by step, lane n mod 32 holding state n in binary32. y sums a lane's states in order, then lanes as a binary tree.
namespace lyap::kernels::device {

inline constexpr int kSerialWarps = 4;

template <class T, int kPerLane>
__global__ void __launch_bounds__(kSerialWarps * 32)
    duality_forward_serial(const __grid_constant__ StateSpaceDualityArguments<T> a) {
  const int lane = static_cast<int>(threadIdx.x) & 31;
  const std::int64_t p = static_cast<std::int64_t>(blockIdx.y) * kSerialWarps + (threadIdx.x >> 5);
  if (p >= a.head_dim) return;
  const std::int64_t sequence = blockIdx.z;
  const int head = static_cast<int>(blockIdx.x);
  const int group = head / (a.heads / a.groups);
  const std::int64_t origin = a.sequence_ends ? a.sequence_ends[sequence] : 0;
  const std::int64_t length = a.sequence_ends ? a.sequence_ends[sequence + 1] - origin : a.length;
  const std::int64_t batch = a.sequence_ends ? 0 : sequence;
  const auto start = [&](const HeadStrides& s, int h) { return batch * s.batch + origin * s.time + h * s.head; };
  const T* x = a.x + start(a.x_strides, head) + p;
  const T* delta = a.delta + start(a.delta_strides, head);
  const T* B = a.B + start(a.B_strides, group);
  const T* C = a.C + start(a.C_strides, group);
  const T* z = a.z ? a.z + start(a.z_strides, head) + p : nullptr;
  T* out = a.out + start(a.out_strides, head) + p;
  const float A = a.A[head];
  const float D = a.D ? a.D[head] : 0.0F;
  const float bias = a.delta_bias ? a.delta_bias[head] : 0.0F;
  const std::int64_t state = ((sequence * a.heads + head) * a.head_dim + p) * a.states;
  float h[kPerLane];
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) {
    const int n = lane + 32 * i;
    h[i] = a.initial && n < a.states ? a.initial[state + n] : 0.0F;
  }
  for (std::int64_t t = 0; t < length; ++t) {
    const float x_t = Element<T>::load(x[t * a.x_strides.time]);
    float Delta = Element<T>::load(delta[t * a.delta_strides.time]) + bias;
    if (a.softplus) Delta = softplus<true>(Delta);
    Delta = Delta < a.delta_lower ? a.delta_lower : Delta;
    Delta = Delta > a.delta_upper ? a.delta_upper : Delta;
    const float s = Delta * A;
    const float decay = s <= 0.0F ? exp_minus<true>(-s) : expf(s);
    float y = 0.0F;
#pragma unroll
    for (int i = 0; i < kPerLane; ++i) {
      const int n = lane + 32 * i;
      if (n < a.states) {
        h[i] = fmaf(decay, h[i], Delta * x_t * Element<T>::load(B[t * a.B_strides.time + n]));
        y = fmaf(Element<T>::load(C[t * a.C_strides.time + n]), h[i], y);
      }
    }
#pragma unroll
    for (int i = 16; i > 0; i /= 2) y += __shfl_xor_sync(~0U, y, i);
    y = a.D ? fmaf(D, x_t, y) : y;
    if (z) y *= silu(Element<T>::load(z[t * a.z_strides.time]));
    if (lane == 0) out[t * a.out_strides.time] = Element<T>::store(y);
  }
  if (!a.final_state) return;
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) {
    const int n = lane + 32 * i;
    if (n < a.states) a.final_state[state + n] = h[i];
  }
}

}  // namespace lyap::kernels::device
