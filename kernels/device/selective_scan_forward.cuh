#pragma once

#include <cuda_runtime.h>

#include <type_traits>

#include "device_math.cuh"
#include "selective_scan_arguments.hpp"

/// Selective scan, forward, 16 states, one group, channels contiguous in memory.
///
/// A block owns 32 channels of one sequence and goes through time in tiles of 32 steps; a thread owns one channel and
/// kStates of its states in registers, so the recurrence is serial and every h_t is one fused multiply-add after one
/// product. Inputs arrive by asynchronous copies three tiles ahead; step sizes of the next tile are computed between
/// the steps of this one. The sum over states is either a tensor-core product of h (rounded to tf32, in one or two
/// parts) with C, or float32 arithmetic.
namespace lyap::kernels::device {

inline constexpr int kTileSteps = 32;
inline constexpr int kBlockChannels = 32;
inline constexpr int kScanStates = 16;

/// How sum_n C_n h_n is evaluated.
enum class OutputSum {
  kTf32,       ///< one tensor-core product, h cut to tf32: for bfloat16 results
  kTf32Twice,  ///< h = high + low, two products: slower than kFloat32 where measured
  kFloat32     ///< fused multiply-adds over a thread's states, then a tree over lanes: for float32 and float16
};

/// Where a group of channels is handed from one block to the next, in the caller's workspace.
struct ScanHandover {
  float* states;        ///< (groups of channels, 32, 16); null if no group is split
  unsigned int* ready;  ///< (groups of channels), `epoch` once the state is there
  unsigned int epoch;
  std::int64_t tiles_per_block;  ///< 0: one block per group of channels
};

template <class T, int kStates, int kRing>
struct ScanShared {
  static constexpr int kRowBytes = kBlockChannels * static_cast<int>(sizeof(T)) + 16;  // padded: no bank conflicts
  struct Raw {
    alignas(16) unsigned char u[kTileSteps * kRowBytes];
    alignas(16) unsigned char delta[kTileSteps * kRowBytes];
    alignas(16) unsigned char z[kTileSteps * kRowBytes];
    alignas(16) T B[kTileSteps * kScanStates];
    alignas(16) T C[kTileSteps * kScanStates];
  };
  static constexpr bool kWiden = !std::is_same_v<T, float>;
  Raw raw[kRing];
  float4 step[2][kTileSteps / 2][kBlockChannels];  // (delta, delta u) of two steps
  alignas(16) float B[kWiden ? 2 : 1][kWiden ? kTileSteps * kScanStates : 4];
  alignas(16) unsigned char out[2][kTileSteps * kRowBytes];
};

__device__ __forceinline__ void multiply_tf32(float (&d)[4], const float (&a)[4], float b0, float b1) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])), "r"(__float_as_uint(a[3])),
        "r"(__float_as_uint(b0)), "r"(__float_as_uint(b1)));
}

__device__ __forceinline__ float tf32_part(float x) { return __uint_as_float(__float_as_uint(x) & 0xffffe000U); }

template <class T, int kStates, OutputSum kSum, int kRing, bool kGate>
class ForwardScan {
 public:
  static constexpr int kLanes = kScanStates / kStates;  // lanes that share a channel
  static constexpr int kThreads = kBlockChannels * kLanes;
  static constexpr int kVector = 16 / static_cast<int>(sizeof(T));
  using Shared = ScanShared<T, kStates, kRing>;

  __device__ ForwardScan(const SelectiveScanArguments<T>& arguments, const ScanHandover& handover, Shared& shared)
      : args_(arguments), handover_(handover), shared_(shared) {
    lane_ = static_cast<int>(threadIdx.x) & 31;
    channel_ = static_cast<int>(threadIdx.x) / kLanes;
    first_state_ = (static_cast<int>(threadIdx.x) % kLanes) * kStates;
    q_ = lane_ & 3;
    upper_ = (lane_ >> 2) & 1;
  }

  /// Tiles [begin, end) of one group of channels.
  __device__ void run(std::int64_t group, std::int64_t begin, std::int64_t end) {
    const std::int64_t groups_per_sequence = args_.channels / kBlockChannels;
    batch_ = group / groups_per_sequence;
    first_channel_ = (group % groups_per_sequence) * kBlockChannels;
    const std::int64_t d = first_channel_ + channel_;
#pragma unroll
    for (int i = 0; i < kStates; ++i) A_[i] = args_.A[d * kScanStates + first_state_ + i] * kLog2E;
    D_ = args_.D == nullptr ? 0.0F : args_.D[d];
    bias_ = args_.delta_bias == nullptr ? 0.0F : args_.delta_bias[first_channel_ + lane_];
    u_from_ = part_of<kRowChunks>(args_.u, args_.u_strides, first_channel_, begin);
    delta_from_ = part_of<kRowChunks>(args_.delta, args_.delta_strides, first_channel_, begin);
    if constexpr (kGate) z_from_ = part_of<kRowChunks>(args_.z, args_.z_strides, first_channel_, begin);
    B_from_ = part_of<kStateChunks>(args_.B, args_.B_strides, 0, begin);
    C_from_ = part_of<kStateChunks>(args_.C, args_.C_strides, 0, begin);
    out_to_ =
        const_cast<T*>(part_of<kRowChunks>(static_cast<const T*>(args_.out), args_.out_strides, first_channel_, begin));
    __syncthreads();  // the previous group's tiles are no longer read
    start_copies(begin, end);
    load_state(group, begin);
    wait_for_copies<kRing - 2>();
    __syncthreads();
#pragma unroll 1
    for (int part = 0; part < kParts; ++part) prepare(steps_left(begin), 0, 0, part);
    widen(0, 0);
#pragma unroll 1
    for (std::int64_t tile = begin; tile < end; ++tile) {
      const int k = static_cast<int>(tile - begin);
      wait_for_copies<kRing - 3>();
      __syncthreads();
      copy_tile(tile + kRing - 1, end, (k + kRing - 1) % kRing);
      if (k > 0) write_tile(tile - 1, (k - 1) & 1);
      scan_tile(tile, k);
    }
    wait_for_copies<0>();
    __syncthreads();
    write_tile(end - 1, static_cast<int>(end - 1 - begin) & 1);
    store_state(group, end);
  }

 private:
  static constexpr int kPairs = kTileSteps / 2 * kBlockChannels;
  static constexpr int kParts = kPairs / kThreads;  // pairs of steps per thread and tile: 4 or 2

  __device__ void start_copies(std::int64_t begin, std::int64_t end) {
#pragma unroll 1
    for (int k = 0; k < kRing - 1; ++k) copy_tile(begin + k, end, k);
  }

  static constexpr int kRowChunks = kBlockChannels / kVector;  // of 16 bytes, per row of u, delta, z
  static constexpr int kStateChunks = kScanStates / kVector;   // of B, C
  static constexpr int kRowCopies = (kTileSteps * kRowChunks + kThreads - 1) / kThreads;
  static constexpr int kStateCopies = (kTileSteps * kStateChunks + kThreads - 1) / kThreads;

  /// This thread's part of a tile of kChunks chunks a row; `from` is its first element.
  template <int kChunks, int kCopies>
  __device__ __forceinline__ void copy_part(unsigned char* to, int row_bytes, const T* from, std::int64_t stride,
                                            int steps_left) {
    const int row = static_cast<int>(threadIdx.x) / kChunks;
    const int chunk = static_cast<int>(threadIdx.x) % kChunks;
#pragma unroll
    for (int i = 0; i < kCopies; ++i) {
      const int r = row + i * (kThreads / kChunks);
      if (kTileSteps * kChunks % kThreads == 0 || r < kTileSteps) {
        const bool inside = r < steps_left;
        copy_async<16>(to + r * row_bytes + chunk * 16, inside ? from + i * (kThreads / kChunks) * stride : args_.u,
                       inside);
      }
    }
  }

  /// Where this thread's part of tile `tile` begins.
  template <int kChunks, class Strides>
  __device__ __forceinline__ const T* part_of(const T* from, const Strides& strides, std::int64_t first_column,
                                              std::int64_t tile) const {
    const std::int64_t t = tile * kTileSteps + static_cast<int>(threadIdx.x) / kChunks;
    return from + batch_ * strides.batch + t * strides.time + first_column +
           static_cast<int>(threadIdx.x) % kChunks * kVector;
  }

  /// One group of copies per call, also where there is nothing to copy, so that counting groups works.
  __device__ __forceinline__ void copy_tile(std::int64_t tile, std::int64_t end, int slot) {
    if (tile < end) {
      typename Shared::Raw& raw = shared_.raw[slot];
      const int left = steps_left(tile);
      constexpr int kRowBytes = Shared::kRowBytes;
      constexpr int kStateBytes = kScanStates * static_cast<int>(sizeof(T));
      copy_part<kRowChunks, kRowCopies>(raw.u, kRowBytes, u_from_, args_.u_strides.time, left);
      copy_part<kRowChunks, kRowCopies>(raw.delta, kRowBytes, delta_from_, args_.delta_strides.time, left);
      if constexpr (kGate) copy_part<kRowChunks, kRowCopies>(raw.z, kRowBytes, z_from_, args_.z_strides.time, left);
      copy_part<kStateChunks, kStateCopies>(reinterpret_cast<unsigned char*>(raw.B), kStateBytes, B_from_,
                                            args_.B_strides.time, left);
      copy_part<kStateChunks, kStateCopies>(reinterpret_cast<unsigned char*>(raw.C), kStateBytes, C_from_,
                                            args_.C_strides.time, left);
      u_from_ += kTileSteps * args_.u_strides.time;
      delta_from_ += kTileSteps * args_.delta_strides.time;
      if constexpr (kGate) z_from_ += kTileSteps * args_.z_strides.time;
      B_from_ += kTileSteps * args_.B_strides.time;
      C_from_ += kTileSteps * args_.C_strides.time;
    }
    commit_copies();
  }

  static __device__ __forceinline__ float element(const unsigned char* rows, int row, int column) {
    return Element<T>::load(reinterpret_cast<const T*>(rows + row * Shared::kRowBytes)[column]);
  }

  /// No branches, so that the compiler can interleave this with the steps around it.
  __device__ __forceinline__ float step_size(float p, bool inside) const {
    const float smooth = softplus<!Shared::kWiden>(p);
    const float delta = clamp_keeping_nan(args_.softplus ? smooth : p, args_.delta_lower, args_.delta_upper);
    return inside ? delta : 0.0F;  // past the end: a = 1, b = 0, so that the state stays
  }

  /// Step sizes of one pair of steps and one channel of a tile with that many steps left.
  __device__ __forceinline__ void prepare(int steps_left, int slot, int half, int part) {
    const int pair = part * (kThreads / 32) + static_cast<int>(threadIdx.x) / 32;
    const typename Shared::Raw& raw = shared_.raw[slot];
    const float delta0 = step_size(element(raw.delta, 2 * pair, lane_) + bias_, 2 * pair < steps_left);
    const float delta1 = step_size(element(raw.delta, 2 * pair + 1, lane_) + bias_, 2 * pair + 1 < steps_left);
    shared_.step[half][pair][lane_] = make_float4(delta0, delta0 * element(raw.u, 2 * pair, lane_), delta1,
                                                  delta1 * element(raw.u, 2 * pair + 1, lane_));
  }

  __device__ __forceinline__ void widen(int slot, int half) {
    if constexpr (Shared::kWiden) {
      static_assert(kTileSteps * kScanStates == kThreads * kStates);
      float B[kStates];
      read_states(B, shared_.raw[slot].B + static_cast<int>(threadIdx.x) * kStates);
      float* to = shared_.B[half] + static_cast<int>(threadIdx.x) * kStates;
      if constexpr (kStates == 4) {
        *reinterpret_cast<float4*>(to) = make_float4(B[0], B[1], B[2], B[3]);
      } else {
        *reinterpret_cast<float2*>(to) = make_float2(B[0], B[1]);
      }
    }
  }

  __device__ __forceinline__ void read_states(float (&to)[kStates], const T* from) const {
    if constexpr (std::is_same_v<T, float>) {
      if constexpr (kStates == 4) {
        const float4 v = *reinterpret_cast<const float4*>(from);
        to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
      } else {
        const float2 v = *reinterpret_cast<const float2*>(from);
        to[0] = v.x, to[1] = v.y;
      }
    } else {
      alignas(8) T v[kStates];
      if constexpr (kStates == 4) {
        *reinterpret_cast<uint2*>(v) = *reinterpret_cast<const uint2*>(from);
      } else {
        *reinterpret_cast<std::uint32_t*>(v) = *reinterpret_cast<const std::uint32_t*>(from);
      }
#pragma unroll
      for (int i = 0; i < kStates; ++i) to[i] = Element<T>::load(v[i]);
    }
  }

  __device__ __forceinline__ void read_floats(float (&to)[kStates], const float* from) const {
    if constexpr (kStates == 4) {
      const float4 v = *reinterpret_cast<const float4*>(from);
      to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
    } else {
      const float2 v = *reinterpret_cast<const float2*>(from);
      to[0] = v.x, to[1] = v.y;
    }
  }

  __device__ __forceinline__ int steps_left(std::int64_t tile) const {
    const std::int64_t left = args_.length - tile * kTileSteps;
    return left > kTileSteps ? kTileSteps : static_cast<int>(left);
  }

  /// Results of eight steps are finished while the next eight are computed.
  __device__ __forceinline__ void scan_tile(std::int64_t tile, int k) {
    const int slot = k % kRing;
    const int next = (k + 1) % kRing;
    const int half = k & 1;
    const int left = steps_left(tile + 1);
    float y[2][2] = {};
#pragma unroll
    for (int group = 0; group < kTileSteps / 8; ++group) {
      eight_steps(slot, half, 8 * group, y[group & 1]);
      if (kParts == 4 || (group & 1) == 0) prepare(left, next, half ^ 1, kParts == 4 ? group : group / 2);
      if (group == 1) widen(next, half ^ 1);
      if (group > 0) finish(slot, half, 8 * (group - 1), y[(group - 1) & 1]);
    }
    finish(slot, half, kTileSteps - 8, y[1]);
  }

  /// h_t = a_t h_{t-1} + (delta u) B for one step; `step` is (delta, delta u).
  __device__ __forceinline__ void advance(float delta, float delta_u, const float (&B)[kStates]) {
#pragma unroll
    for (int i = 0; i < kStates; ++i) h_[i] = fmaf(exp2_approx(delta * A_[i]), h_[i], delta_u * B[i]);
  }

  __device__ __forceinline__ void eight_steps(int slot, int half, int first, float (&y)[2]) {
    const float* B_tile;
    if constexpr (Shared::kWiden) {
      B_tile = shared_.B[half];
    } else {
      B_tile = shared_.raw[slot].B;
    }
    if constexpr (kSum == OutputSum::kFloat32) {
      float partial[8];
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const float4 step = shared_.step[half][first / 2 + j][channel_];
#pragma unroll
        for (int odd = 0; odd < 2; ++odd) {
          float B[kStates], C[kStates];
          const int row = (first + 2 * j + odd) * kScanStates + first_state_;
          read_floats(B, B_tile + row);
          read_states(C, shared_.raw[slot].C + row);
          advance(odd ? step.z : step.x, odd ? step.w : step.y, B);
          float sum = C[0] * h_[0];
#pragma unroll
          for (int i = 1; i < kStates; ++i) sum = fmaf(C[i], h_[i], sum);
          partial[2 * j + odd] = sum;
        }
      }
      sum_over_lanes(partial, y);
    } else if constexpr (kStates == 4) {
      float C[4];
      read_states(C, shared_.raw[slot].C + (first + (lane_ >> 2)) * kScanStates + 4 * q_);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        float even[4], odd[4];
        two_steps(half, first / 2 + j, B_tile, even, odd);
        float d[4] = {0.0F, 0.0F, 0.0F, 0.0F};
        product(d, even[0], odd[0], even[1], odd[1], C[0], C[1]);
        product(d, even[2], odd[2], even[3], odd[3], C[2], C[3]);
        y[0] = q_ == j ? d[0] : y[0];
        y[1] = q_ == j ? d[3] : y[1];
      }
    } else {
      float y0 = 0.0F;
      float y1 = 0.0F;
#pragma unroll
      for (int sub = 0; sub < 2; ++sub) {
        float C[2];
        const int column_half = (lane_ >> 4) ^ sub;
        read_states(
            C, shared_.raw[slot].C + (first + 4 * sub + ((lane_ >> 2) & 3)) * kScanStates + 8 * column_half + 2 * q_);
#pragma unroll
        for (int j = 0; j < 2; ++j) {
          float even[2], odd[2];
          two_steps(half, first / 2 + 2 * sub + j, B_tile, even, odd);
          float d[4] = {0.0F, 0.0F, 0.0F, 0.0F};
          product(d, even[0], odd[0], even[1], odd[1], C[0], C[1]);
          const bool mine = (q_ & 1) == j && (((q_ >> 1) ^ upper_) == sub);
          y0 = mine ? d[0] : y0;
          y1 = mine ? d[3] : y1;
        }
      }
      const float sent = upper_ ? y0 : y1;
      y[0] = (upper_ ? y1 : y0) + __shfl_xor_sync(0xffffffffU, sent, 6);
    }
  }

  __device__ __forceinline__ void two_steps(int half, int pair, const float* B_tile, float (&even)[kStates],
                                            float (&odd)[kStates]) {
    const float4 step = shared_.step[half][pair][channel_];
    float B[kStates];
    read_floats(B, B_tile + 2 * pair * kScanStates + first_state_);
    advance(step.x, step.y, B);
#pragma unroll
    for (int i = 0; i < kStates; ++i) even[i] = h_[i];
    read_floats(B, B_tile + (2 * pair + 1) * kScanStates + first_state_);
    advance(step.z, step.w, B);
#pragma unroll
    for (int i = 0; i < kStates; ++i) odd[i] = h_[i];
  }

  /// Rows 0-7 of the left operand hold an even step, rows 8-15 the odd step after it; columns of the right operand are
  /// the steps of C. Of the 16 x 8 results only those of equal step are used.
  static __device__ __forceinline__ void product(float (&d)[4], float a0, float a1, float a2, float a3, float b0,
                                                 float b1) {
    if constexpr (kSum == OutputSum::kTf32Twice) {
      const float high[4] = {tf32_part(a0), tf32_part(a1), tf32_part(a2), tf32_part(a3)};
      const float low[4] = {a0 - high[0], a1 - high[1], a2 - high[2], a3 - high[3]};
      multiply_tf32(d, low, b0, b1);
      multiply_tf32(d, high, b0, b1);
    } else {
      const float a[4] = {a0, a1, a2, a3};
      multiply_tf32(d, a, b0, b1);
    }
  }

  /// Transposing tree: each lane ends with the steps that `finish` expects of it.
  __device__ __forceinline__ void sum_over_lanes(const float (&partial)[8], float (&y)[2]) const {
    constexpr unsigned int kAll = 0xffffffffU;
    const bool high = (q_ & 2) != 0;
    float four[4];
#pragma unroll
    for (int i = 0; i < 4; ++i)
      four[i] = (high ? partial[4 + i] : partial[i]) + __shfl_xor_sync(kAll, high ? partial[i] : partial[4 + i], 2);
    const bool odd = (q_ & 1) != 0;
    float two[2];
#pragma unroll
    for (int i = 0; i < 2; ++i)
      two[i] = (odd ? four[2 + i] : four[i]) + __shfl_xor_sync(kAll, odd ? four[i] : four[2 + i], 1);
    if constexpr (kStates == 4) {
      y[0] = two[0];
      y[1] = two[1];
    } else {
      y[0] = (upper_ ? two[1] : two[0]) + __shfl_xor_sync(kAll, upper_ ? two[0] : two[1], 4);
    }
  }

  /// Skip connection, gate, cast of the results of eight steps.
  __device__ __forceinline__ void finish(int slot, int half, int first, const float (&y)[2]) {
    constexpr int kResults = kStates == 4 ? 2 : 1;
#pragma unroll
    for (int i = 0; i < kResults; ++i) {
      int row = first + 2 * q_ + i;
      if constexpr (kStates == 2) {
        row = kSum == OutputSum::kFloat32 ? first + 2 * q_ + upper_
                                          : first + 4 * ((q_ >> 1) ^ upper_) + 2 * (q_ & 1) + upper_;
      }
      const typename Shared::Raw& raw = shared_.raw[slot];
      float result = y[i];
      result = fmaf(D_, element(raw.u, row, channel_), result);
      if constexpr (kGate) result *= silu(element(raw.z, row, channel_));
      reinterpret_cast<T*>(shared_.out[half] + row * Shared::kRowBytes)[channel_] = Element<T>::store(result);
    }
  }

  /// Tiles are written in order; out_to_ is this thread's part of the next.
  __device__ __forceinline__ void write_tile(std::int64_t tile, int half) {
    const int row = static_cast<int>(threadIdx.x) / kRowChunks;
    const int chunk = static_cast<int>(threadIdx.x) % kRowChunks;
    const int left = steps_left(tile);
    constexpr int kRows = kThreads / kRowChunks;
#pragma unroll
    for (int i = 0; i < kRowCopies; ++i) {
      const int r = row + i * kRows;
      if (r < left) {
        *reinterpret_cast<uint4*>(out_to_ + i * kRows * args_.out_strides.time) =
            *reinterpret_cast<const uint4*>(shared_.out[half] + r * Shared::kRowBytes + chunk * 16);
      }
    }
    out_to_ += kTileSteps * args_.out_strides.time;
  }

  __device__ __forceinline__ void load_state(std::int64_t group, std::int64_t begin) {
    const float* from = nullptr;
    if (begin > 0) {
      if (threadIdx.x == 0) {
        unsigned int seen;
        do {
          asm volatile("ld.acquire.gpu.u32 %0, [%1];" : "=r"(seen) : "l"(handover_.ready + group) : "memory");
        } while (seen != handover_.epoch);
      }
      __syncthreads();
      from = handover_.states + (group * kBlockChannels + channel_) * kScanStates + first_state_;
    } else if (args_.initial != nullptr) {
      from = args_.initial + (batch_ * args_.channels + first_channel_ + channel_) * kScanStates + first_state_;
    }
#pragma unroll
    for (int i = 0; i < kStates; ++i) h_[i] = from == nullptr ? 0.0F : __ldcg(from + i);
  }

  __device__ __forceinline__ void store_state(std::int64_t group, std::int64_t end) {
    const std::int64_t tiles = (args_.length + kTileSteps - 1) / kTileSteps;
    if (end < tiles) {
      float* to = handover_.states + (group * kBlockChannels + channel_) * kScanStates + first_state_;
#pragma unroll
      for (int i = 0; i < kStates; ++i) __stcg(to + i, h_[i]);
      __threadfence();
      __syncthreads();
      if (threadIdx.x == 0) {
        asm volatile("st.release.gpu.u32 [%0], %1;" ::"l"(handover_.ready + group), "r"(handover_.epoch) : "memory");
      }
    } else if (args_.final_state != nullptr) {
      float* to =
          args_.final_state + (batch_ * args_.channels + first_channel_ + channel_) * kScanStates + first_state_;
#pragma unroll
      for (int i = 0; i < kStates; ++i) to[i] = h_[i];
    }
  }

  const SelectiveScanArguments<T>& args_;
  const ScanHandover& handover_;
  Shared& shared_;
  int lane_, channel_, first_state_, q_, upper_;
  const T *u_from_, *delta_from_, *z_from_, *B_from_, *C_from_;  // next tile to copy
  T* out_to_;
  std::int64_t batch_ = 0;
  std::int64_t first_channel_ = 0;
  float A_[kStates], h_[kStates];
  float D_ = 0.0F;
  float bias_ = 0.0F;
};

/// Without hand-over: block i takes group i. With it: block i takes tiles [i w, (i + 1) w) of all groups laid end to
/// end, last group first, so that a group which it shares with the next block is started at once and one which it
/// shares with the block before comes last. w is at least the tiles of a group, so only starts of groups precede any
/// waiting.
template <class T, int kStates, OutputSum kSum, int kRing, int kBlocksPerSm, bool kGate>
__global__ void __launch_bounds__(kBlockChannels* kScanStates / kStates, kBlocksPerSm)
    scan_forward(const __grid_constant__ SelectiveScanArguments<T> args,
                 const __grid_constant__ ScanHandover handover) {
  extern __shared__ __align__(16) unsigned char memory[];
  using Scan = ForwardScan<T, kStates, kSum, kRing, kGate>;
  Scan scan(args, handover, *reinterpret_cast<typename Scan::Shared*>(memory));
  const std::int64_t tiles = (args.length + kTileSteps - 1) / kTileSteps;
  if (handover.tiles_per_block == 0) {
    scan.run(blockIdx.x, 0, tiles);
    return;
  }
  const std::int64_t all = args.batch * (args.channels / kBlockChannels) * tiles;
  const std::int64_t begin = blockIdx.x * handover.tiles_per_block;
  const std::int64_t limit = begin + handover.tiles_per_block;
  std::int64_t end = limit < all ? limit : all;
  while (end > begin) {
    const std::int64_t group = (end - 1) / tiles;
    const std::int64_t first = group * tiles > begin ? group * tiles : begin;
    scan.run(group, first - group * tiles, end - group * tiles);
    end = first;
  }
}

}  // namespace lyap::kernels::device
