#pragma once

#include "kernels/device/chunk_decays.cuh"
#include "kernels/device/device_math.cuh"
#include "kernels/device/state_space_duality_arguments.hpp"
#include "kernels/device/warpgroup_matrix.cuh"

/// SSD forward for 16-bit types, head_dim <= 64, states <= 64 kHalves. One warpgroup owns one head of one sequence (or
/// a segment of it) and walks over chunks of 64 steps; the state stays in its registers in binary32, transposed:
///   y^T = h C^T scaled by the decay since the chunk began, + x^T M^T, M = (C B^T) decayed and times Delta, causal;
///   h   = h decayed over the chunk, + (x Delta decay to the chunk's end)^T B.
/// Rounded to T on the way: h and M as operands, the scaled x. Order of summation: fixed, so the bits are too.
namespace lyap::kernels::device {

inline constexpr int kDualityThreads = 128;

template <int kHalves>
struct DualityShared {
  alignas(1024) unsigned char C[2][kHalves * kTileBytes];
  alignas(1024) unsigned char B[2][kHalves * kTileBytes];
  alignas(1024) unsigned char x[2][kTileBytes];
  alignas(1024) unsigned char M[kTileBytes];
  alignas(1024) unsigned char y[kTileBytes];
  ChunkDecays decays[2];
};

/// Where one warpgroup works: a head of a sequence, steps begin .. end of it.
struct DualityPlace {
  std::int64_t origin, begin, end;  // origin: first step of the sequence in a packed batch
  std::int64_t sequence;
  int head, group;
};

template <class T>
__device__ __forceinline__ DualityPlace duality_place(const StateSpaceDualityArguments<T>& a) {
  DualityPlace p;
  p.sequence = blockIdx.z;
  p.head = static_cast<int>(blockIdx.x);
  p.group = p.head / (a.heads / a.groups);
  const SequenceRange range = sequence_range(a, p.sequence);
  p.origin = range.origin;
  const std::int64_t chunks = (range.length + kChunk - 1) / kChunk;
  const std::int64_t each = (chunks + a.segments - 1) / a.segments * kChunk;
  p.begin = min(static_cast<std::int64_t>(blockIdx.y) * each, range.length);
  p.end = min(p.begin + each, range.length);
  return p;
}

/// Copies tiles of 64 rows, chunk after chunk; a thread's pieces are 16/kTiles rows apart.
template <class T, int kTiles>
class TileStream {
 public:
  __device__ __forceinline__ TileStream(const T* rows, std::int64_t stride, int width)
      : from_(rows + row() * stride + column() * 8),
        step_(kStep * stride),
        inside_width_(column() * 8 < width),
        to_((column() / 8) * kTileBytes + swizzled(row(), column() % 8)) {}

  /// The next 64 rows, of which `inside` exist; zeros outside.
  __device__ __forceinline__ void copy(unsigned char* tile, int inside) {
    int left = inside_width_ ? inside - row() : 0;
#pragma unroll
    for (int i = 0; i < 4 * kTiles; ++i) {
      copy_async<16>(tile + to_ + i * kStep * 128, from_, left > i * kStep);
      from_ += step_;
    }
  }

 private:
  static constexpr int kStep = 16 / kTiles;
  static __device__ __forceinline__ int row() { return static_cast<int>(threadIdx.x) / (8 * kTiles); }
  static __device__ __forceinline__ int column() { return static_cast<int>(threadIdx.x) % (8 * kTiles); }
  const T* from_;
  std::int64_t step_;
  bool inside_width_;
  std::uint32_t to_;
};

template <class T, int kHalves, bool kStateOnly>
class DualityForward {
 public:
  __device__ DualityForward(const StateSpaceDualityArguments<T>& a, DualityShared<kHalves>& shared)
      : a_(a),
        shared_(shared),
        at_(duality_place(a)),
        x_(start(a.x, a.x_strides, at_.head), a.x_strides.time, a.head_dim),
        B_(start(a.B, a.B_strides, at_.group), a.B_strides.time, a.states),
        C_(start(a.C, a.C_strides, at_.group), a.C_strides.time, a.states),
        D_(a.D ? a.D[at_.head] : 0.0F) {
    out_ = a.out + (start(a.out, a.out_strides, at_.head) - a.out) +
           static_cast<std::int64_t>(threadIdx.x / 8) * a.out_strides.time + threadIdx.x % 8 * 8;
    decays_ = a.decays + (first_slot(a, at_.sequence, at_.origin) + at_.begin / kChunk) * a.heads + at_.head;
  }

  __device__ void run() {
    load_initial();
    load(0, at_.begin);
    int stage = 0;
    for (std::int64_t t = at_.begin; t < at_.end; t += kChunk, stage ^= 1) {
      wait_for_copies<0>();
      publish_to_tensor_cores();
      __syncthreads();
      if (t + kChunk < at_.end) load(stage ^ 1, t + kChunk);
      chunk(stage, t);
    }
    store_final();
  }

 private:
  __device__ __forceinline__ const T* start(const T* p, const HeadStrides& s, int head) const {
    return p + (a_.sequence_ends ? 0 : at_.sequence) * s.batch + (at_.origin + at_.begin) * s.time + head * s.head;
  }

  __device__ __forceinline__ int left(std::int64_t t) const {
    return static_cast<int>(min(at_.end - t, static_cast<std::int64_t>(kChunk)));
  }

  __device__ __forceinline__ void load(int stage, std::int64_t t) {
    const int inside = left(t);
    if (!kStateOnly) C_.copy(shared_.C[stage], inside);
    B_.copy(shared_.B[stage], inside);
    x_.copy(shared_.x[stage], inside);
    if (threadIdx.x < sizeof(ChunkDecays) / 16 && inside > 0)
      copy_async<16>(reinterpret_cast<char*>(&shared_.decays[stage]) + threadIdx.x * 16,
                    reinterpret_cast<const char*>(decays_) + threadIdx.x * 16, true);
    decays_ += a_.heads;
    commit_copies();
  }

  // x^T as the left operand, for 16 steps each.
  __device__ __forceinline__ void load_x(int stage) {
    const std::uint32_t base = shared_address(shared_.x[stage]);
#pragma unroll
    for (int kk = 0; kk < 4; ++kk) {
      const int k = kk * 16 + (lane_ >> 4) * 8 + (lane_ & 7);
      load_transposed(xt_[kk], base + swizzled(k, 2 * warp_ + ((lane_ >> 3) & 1)));
    }
  }

  __device__ __forceinline__ void update_state(int stage, const ChunkDecays& d) {
    const std::uint32_t B = shared_address(shared_.B[stage]);
    const float total = d.total;
#pragma unroll
    for (int i = 0; i < kHalves * 32; ++i) h_[i] *= total;
#pragma unroll
    for (int kk = 0; kk < 4; ++kk) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float2 w = *reinterpret_cast<const float2*>(d.weight_to_end + kk * 16 + (i >> 1) * 8 + 2 * (lane_ & 3));
        const float2 x = unpacked(xt_[kk][i], T{});
        xw_[kk][i] = packed(x.x * w.x, x.y * w.y, T{});
      }
    }
    begin_products();
#pragma unroll
    for (int kk = 0; kk < 4; ++kk) multiply_add<1>(h_, xw_[kk], rows_inner(B + kk * 2048), T{});
    commit_products();
  }

  // h C^T and C B^T, two groups of products.
  __device__ __forceinline__ void start_products(int stage, float (&S)[32], float (&y)[32]) {
    const std::uint32_t B = shared_address(shared_.B[stage]);
    const std::uint32_t C = shared_address(shared_.C[stage]);
#pragma unroll
    for (int i = 0; i < 32; ++i) S[i] = y[i] = 0.0F;
#pragma unroll
    for (int kk = 0; kk < 4 * kHalves; ++kk) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int j = 4 * (2 * kk + (i >> 1)) + 2 * (i & 1);
        hb_[kk][i] = packed(h_[j], h_[j + 1], T{});
      }
    }
    begin_products();
#pragma unroll
    for (int kk = 0; kk < 4 * kHalves; ++kk) {
      const std::uint32_t offset = (kk / 4) * kTileBytes + (kk % 4) * 32;
      multiply_add<0>(y, hb_[kk], rows_outer(C + offset), T{});
    }
    commit_products();
#pragma unroll
    for (int kk = 0; kk < 4 * kHalves; ++kk) {
      const std::uint32_t offset = (kk / 4) * kTileBytes + (kk % 4) * 32;
      multiply_add(S, rows_outer(C + offset), rows_outer(B + offset), T{});
    }
    commit_products();
  }

  // M = C B^T decayed, times Delta, causal: to shared memory, [t][k].
  __device__ __forceinline__ void decay_products(const float (&S)[32], const ChunkDecays& d) {
    const int row = 16 * warp_ + (lane_ >> 2);
    const Double32 s0{d.high[row], d.low[row]};
    const Double32 s1{d.high[row + 8], d.low[row + 8]};
    const std::uint32_t base = shared_address(shared_.M);
#pragma unroll
    for (int jj = 0; jj < 4; ++jj) {
      std::uint32_t m[4] = {0, 0, 0, 0};
      if (jj <= warp_) {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const int j = 2 * jj + i;
          const int k = 8 * j + 2 * (lane_ & 3);
          const float2 high = *reinterpret_cast<const float2*>(d.high + k);
          const float2 low = *reinterpret_cast<const float2*>(d.low + k);
          const float2 Delta = *reinterpret_cast<const float2*>(d.Delta + k);
          const auto entry = [&](float S_tk, const Double32& s, float high_k, float low_k, float Delta_k, bool causal) {
            const float decay = exp2_approx((s.high - high_k) + (s.low - low_k));
            return causal ? S_tk * (decay * Delta_k) : 0.0F;
          };
          const float m0 = entry(S[4 * j], s0, high.x, low.x, Delta.x, k <= row);
          const float m1 = entry(S[4 * j + 1], s0, high.y, low.y, Delta.y, k + 1 <= row);
          const float m2 = entry(S[4 * j + 2], s1, high.x, low.x, Delta.x, k <= row + 8);
          const float m3 = entry(S[4 * j + 3], s1, high.y, low.y, Delta.y, k + 1 <= row + 8);
          m[2 * i] = packed(m0, m1, T{});
          m[2 * i + 1] = packed(m2, m3, T{});
        }
      }
      const int r = 16 * warp_ + ((lane_ >> 3) & 1) * 8 + (lane_ & 7);
      store_matrices(base + swizzled(r, 2 * jj + (lane_ >> 4)), m);
    }
  }

  __device__ __forceinline__ void chunk(int stage, std::int64_t t) {
    const ChunkDecays& d = shared_.decays[stage];
    if constexpr (kStateOnly) {
      load_x(stage);
      update_state(stage, d);
      segment_log2_ = sum(segment_log2_, d.total_log2);
      wait_for_products<0>();
      pin(h_);
    } else {
      float S[32];
      float y[32];
      start_products(stage, S, y);
      load_x(stage);
      update_state(stage, d);
      wait_for_products<2>();
      pin(S);
      decay_products(S, d);
      publish_to_tensor_cores();
      __syncthreads();
      wait_for_products<1>();
      pin(y);
      finish(y, t, d);
    }
  }

  __device__ __forceinline__ void finish(float (&y)[32], std::int64_t t, const ChunkDecays& d) {
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      const float2 e = *reinterpret_cast<const float2*>(d.since_start + 8 * j + 2 * (lane_ & 3));
      y[4 * j] *= e.x;
      y[4 * j + 1] *= e.y;
      y[4 * j + 2] *= e.x;
      y[4 * j + 3] *= e.y;
    }
    const std::uint32_t M = shared_address(shared_.M);
    begin_products();
#pragma unroll
    for (int kk = 0; kk < 4; ++kk) multiply_add<0>(y, xt_[kk], rows_outer(M + kk * 32), T{});
    commit_products();
    wait_for_products<0>();
    pin(y);
    pin(h_);
    const std::uint32_t base = shared_address(shared_.y);
#pragma unroll
    for (int kk = 0; kk < 4; ++kk) {
      std::uint32_t v[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int j = 4 * (2 * kk + (i >> 1)) + 2 * (i & 1);
        const float2 x = unpacked(xt_[kk][i], T{});
        v[i] = packed(fmaf(D_, x.x, y[j]), fmaf(D_, x.y, y[j + 1]), T{});
      }
      const int r = kk * 16 + (lane_ >> 4) * 8 + (lane_ & 7);
      store_transposed(base + swizzled(r, 2 * warp_ + ((lane_ >> 3) & 1)), v);
    }
    __syncthreads();
    store_out(t);
  }

  __device__ __forceinline__ void store_out(std::int64_t t) {
    const int r = static_cast<int>(threadIdx.x) >> 3;
    const int v = static_cast<int>(threadIdx.x) & 7;
    const int inside = v * 8 < a_.head_dim ? left(t) - r : 0;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const uint4 value = *reinterpret_cast<const uint4*>(shared_.y + swizzled(r, v) + i * 2048);
      if (inside > i * 16) *reinterpret_cast<uint4*>(out_) = value;
      out_ += 16 * a_.out_strides.time;
    }
  }

  // Calls f(entry, p, n) for the state's entries that this thread holds.
  template <class F>
  __device__ __forceinline__ void for_each_state(F f) {
#pragma unroll
    for (int i = 0; i < kHalves * 32; ++i) {
      const int p = 16 * warp_ + (lane_ >> 2) + ((i >> 1) & 1) * 8;
      const int n = (i >> 2) * 8 + 2 * (lane_ & 3) + (i & 1);
      if (p < a_.head_dim && n < a_.states) f(h_[i], static_cast<std::int64_t>(p) * a_.states + n);
    }
  }

  __device__ std::int64_t state_index() const { return at_.sequence * a_.heads + at_.head; }

  __device__ void load_initial() {
#pragma unroll
    for (int i = 0; i < kHalves * 32; ++i) h_[i] = 0.0F;
    const std::int64_t size = static_cast<std::int64_t>(a_.head_dim) * a_.states;
    const int before = kStateOnly ? 0 : static_cast<int>(blockIdx.y);
    if (blockIdx.y == 0 && a_.initial) {
      const float* from = a_.initial + state_index() * size;
      for_each_state([&](float& h, std::int64_t i) { h = from[i]; });
    }
    for (int s = 0; s < before; ++s) {
      const std::int64_t part = state_index() * (a_.segments - 1) + s;
      const float2 log2 = a_.segment_decays[part];
      const float decay = exp2_approx(log2.x + log2.y);
      const float* from = a_.segment_states + part * size;
      for_each_state([&](float& h, std::int64_t i) { h = fmaf(h, decay, from[i]); });
    }
  }

  __device__ void store_final() {
    const std::int64_t size = static_cast<std::int64_t>(a_.head_dim) * a_.states;
    if constexpr (kStateOnly) {
      const std::int64_t part = state_index() * (a_.segments - 1) + blockIdx.y;
      float* to = a_.segment_states + part * size;
      for_each_state([&](float& h, std::int64_t i) { to[i] = h; });
      if (threadIdx.x == 0) a_.segment_decays[part] = make_float2(segment_log2_.high, segment_log2_.low);
    } else if (a_.final_state && blockIdx.y + 1 == gridDim.y) {
      float* to = a_.final_state + state_index() * size;
      for_each_state([&](float& h, std::int64_t i) { to[i] = h; });
    }
  }

  const StateSpaceDualityArguments<T>& a_;
  DualityShared<kHalves>& shared_;
  const DualityPlace at_;
  const int warp_ = static_cast<int>(threadIdx.x) >> 5;
  const int lane_ = static_cast<int>(threadIdx.x) & 31;
  TileStream<T, 1> x_;
  TileStream<T, kHalves> B_, C_;
  T* out_;
  const ChunkDecays* decays_;
  float D_;
  float h_[kHalves * 32];              // (head_dim, states)
  std::uint32_t xt_[4][4], xw_[4][4];  // x^T and x^T weighted, left operands
  std::uint32_t hb_[4 * kHalves][4];   // h as left operand
  Double32 segment_log2_{0.0F, 0.0F};
};

template <class T, int kHalves, bool kStateOnly>
__global__ void __launch_bounds__(kDualityThreads, 2)
    duality_forward(const __grid_constant__ StateSpaceDualityArguments<T> a) {
  extern __shared__ unsigned char raw[];
  const std::uintptr_t aligned = (reinterpret_cast<std::uintptr_t>(raw) + 1023) & ~std::uintptr_t{1023};
  auto& shared = *reinterpret_cast<DualityShared<kHalves>*>(aligned);
  DualityForward<T, kHalves, kStateOnly>(a, shared).run();
}

}  // namespace lyap::kernels::device
