#pragma once

#include <cuda_runtime.h>

#include "device_math.cuh"
#include "selective_scan_arguments.hpp"

/// Selective scan, forward, for every shape that the fast kernel does not take: any number of states up to 256, groups,
/// strides, sequences packed end to end. Also the single-step form (length 1 with initial and final state).
namespace lyap::kernels::device {

inline constexpr int kMostStatesPerLane = 8;

/// `lanes` neighbouring lanes (a power of two) share a channel; lane i has states i, i + lanes, ...
/// y = ((C h of the lane's states in order), then a butterfly over lanes, farthest first).
template <class T>
__global__ void __launch_bounds__(128)
    scan_forward_any(const __grid_constant__ SelectiveScanArguments<T> args, const int lanes) {
  const std::int64_t index = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / lanes;
  const int lane = static_cast<int>(threadIdx.x) % lanes;
  const std::int64_t sequences = args.sequence_ends == nullptr ? args.batch : args.sequences;
  const bool active = index < sequences * args.channels;
  const std::int64_t sequence = active ? index / args.channels : 0;
  const std::int64_t d = active ? index % args.channels : 0;
  const std::int64_t begin = args.sequence_ends == nullptr ? 0 : args.sequence_ends[sequence];
  const std::int64_t end = args.sequence_ends == nullptr ? args.length : args.sequence_ends[sequence + 1];
  const std::int64_t batch = args.sequence_ends == nullptr ? sequence : 0;
  const std::int64_t steps = active ? end - begin : 0;
  const std::int64_t group = d / (args.channels / args.groups);
  const T* u = args.u + batch * args.u_strides.batch + d * args.u_strides.channel;
  const T* delta = args.delta + batch * args.delta_strides.batch + d * args.delta_strides.channel;
  const T* z = args.z + (args.z == nullptr ? 0 : batch * args.z_strides.batch + d * args.z_strides.channel);
  T* out = args.out + batch * args.out_strides.batch + d * args.out_strides.channel;
  const T* B = args.B + batch * args.B_strides.batch + group * args.B_strides.group;
  const T* C = args.C + batch * args.C_strides.batch + group * args.C_strides.group;
  const float D = args.D == nullptr ? 0.0F : args.D[d];
  const float bias = args.delta_bias == nullptr ? 0.0F : args.delta_bias[d];
  float A[kMostStatesPerLane], h[kMostStatesPerLane];
  const std::int64_t row = (sequence * args.channels + d) * args.states;
#pragma unroll
  for (int i = 0; i < kMostStatesPerLane; ++i) {
    const int n = lane + i * lanes;
    const bool used = active && n < args.states;
    A[i] = used ? args.A[d * args.states + n] * kLog2E : 0.0F;
    h[i] = used && args.initial != nullptr ? args.initial[row + n] : 0.0F;
  }
  // Lanes of one warp may have sequences of different lengths: all walk the longest, so that shuffles meet.
  std::int64_t longest = steps;
  for (int distance = 16; distance > 0; distance /= 2) {
    const std::int64_t other = __shfl_xor_sync(0xffffffffU, longest, distance);
    longest = other > longest ? other : longest;
  }
  for (std::int64_t k = 0; k < longest; ++k) {
    const bool inside = k < steps;
    const std::int64_t t = begin + (inside ? k : 0);
    float sum = 0.0F;
    float input = 0.0F;
    if (inside) {
      float step = Element<T>::load(delta[t * args.delta_strides.time]) + bias;
      if (args.softplus) step = softplus<true>(step);
      step = clamp_keeping_nan(step, args.delta_lower, args.delta_upper);
      input = Element<T>::load(u[t * args.u_strides.time]);
      const float delta_u = step * input;
#pragma unroll
      for (int i = 0; i < kMostStatesPerLane; ++i) {
        const int n = lane + i * lanes;
        if (n < args.states) {
          const float b = delta_u * Element<T>::load(B[t * args.B_strides.time + n * args.B_strides.state]);
          h[i] = fmaf(exp2_approx(step * A[i]), h[i], b);
          sum = fmaf(Element<T>::load(C[t * args.C_strides.time + n * args.C_strides.state]), h[i], sum);
        }
      }
    }
    for (int distance = lanes / 2; distance > 0; distance /= 2) sum += __shfl_xor_sync(0xffffffffU, sum, distance);
    if (inside && lane == 0) {
      float result = args.D == nullptr ? sum : fmaf(D, input, sum);
      if (args.z != nullptr) result *= silu(Element<T>::load(z[t * args.z_strides.time]));
      out[t * args.out_strides.time] = Element<T>::store(result);
    }
  }
  if (args.final_state != nullptr) {
#pragma unroll
    for (int i = 0; i < kMostStatesPerLane; ++i) {
      const int n = lane + i * lanes;
      if (active && n < args.states) args.final_state[row + n] = h[i];
    }
  }
}

}  // namespace lyap::kernels::device
