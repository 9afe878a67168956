#pragma once

#include <cstdint>

/// What a device selective scan is launched with; plain data, already checked by the host API.
namespace lyap::kernels::device {

/// Strides in elements; (batch, time, channel), (batch, time, group, state) for B and C.
struct TokenStrides {
  std::int64_t batch, time, channel;
};
struct StateStrides {
  std::int64_t batch, time, group, state;
};

template <class T>
struct SelectiveScanArguments {
  std::int64_t batch, length, channels;
  int states, groups;
  const T *u, *delta, *z;  ///< z may be null
  const T *B, *C;
  T* out;
  const float* A;                     ///< (channels, states), contiguous, negative decay rates
  const float* D;                     ///< (channels) or null
  const float* delta_bias;            ///< (channels) or null
  const float* initial;               ///< (batch or sequences, channels, states) or null: zero
  float* final_state;                 ///< same shape, or null
  const std::int64_t* sequence_ends;  ///< cu_seqlens, (sequences + 1), on the device, or null
  std::int64_t sequences;             ///< used with sequence_ends, where batch is 1
  TokenStrides u_strides, delta_strides, z_strides, out_strides;
  StateStrides B_strides, C_strides;
  bool softplus;
  float delta_lower, delta_upper;  ///< clamp after softplus; 0 and infinity: none
};

}  // namespace lyap::kernels::device
