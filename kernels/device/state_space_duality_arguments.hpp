#pragma once

#include <cstdint>

/// What a device SSD (Mamba-2 scan) is launched with; plain data, already checked by the host API.
namespace lyap::kernels::device {

inline constexpr int kChunk = 64;

/// The unevaluated sum high + low.
struct Double32 {
  float high, low;
};

/// Per step of one chunk: running sums of Delta A log2(e) from the chunk's start (in two floats, so that differences
/// have the error of a segment's own sum), Delta, the decay since the start, and Delta times the decay to the end.
struct alignas(16) ChunkDecays {
  float high[kChunk], low[kChunk], Delta[kChunk], since_start[kChunk], weight_to_end[kChunk];
  float total;          // decay over the chunk
  Double32 total_log2;  // its logarithm
  float unused;         // written, so that whole 16-byte pieces are
};

/// Strides in elements of a (batch, time, head, feature) tensor; features are contiguous.
struct HeadStrides {
  std::int64_t batch, time, head;
};

/// h_t = exp(Delta_t A) h_{t-1} + Delta_t x_t B_t, y_t = C_t . h_t + D x_t, gated by silu(z_t) where z is given.
template <class T>
struct StateSpaceDualityArguments {
  std::int64_t batch, length;
  int heads, head_dim, states, groups;
  const T *x, *delta, *z;             ///< (batch, length, heads, head_dim), (batch, length, heads), as x or null
  const T *B, *C;                     ///< (batch, length, groups, states)
  T* out;                             ///< as x
  const float* A;                     ///< (heads)
  const float* D;                     ///< (heads) or null
  const float* delta_bias;            ///< (heads) or null
  const float* initial;               ///< (batch or sequences, heads, head_dim, states) or null: zero
  float* final_state;                 ///< same shape, or null
  const std::int64_t* sequence_ends;  ///< cu_seqlens, (sequences + 1), on the device, or null
  std::int64_t sequences;             ///< used with sequence_ends, where batch is 1
  HeadStrides x_strides, delta_strides, z_strides, out_strides, B_strides, C_strides;  ///< head: group for B, C
  bool softplus;
  float delta_lower, delta_upper;  ///< clamp after softplus; 0 and infinity: none
  int segments;                    ///< parts of the time axis that run side by side; 1: none
  float* segment_states;           ///< workspace (sequences, heads, segments - 1, head_dim, states) if segments > 1
  float2* segment_decays;          ///< workspace (sequences, heads, segments - 1)
  ChunkDecays* decays;             ///< workspace (decay_slots(), heads), aligned to 16 bytes
  void* planes;                    ///< float only: workspace of plane_bytes(), aligned to 16 bytes, or null
};

/// Chunks of all sequences, room for ragged ends included.
[[nodiscard]] inline std::int64_t decay_slots(std::int64_t batch, std::int64_t length, std::int64_t sequences) {
  return sequences > 0 ? length / kChunk + sequences + 1 : batch * ((length + kChunk - 1) / kChunk);
}

/// B and C split into bfloat16 planes, for binary32 products on tensor cores.
[[nodiscard]] inline std::int64_t plane_bytes(std::int64_t batch, std::int64_t length, std::int64_t groups) {
  return std::int64_t{2} * 3 * 128 * 2 * batch * length * groups;
}

}  // namespace lyap::kernels::device
