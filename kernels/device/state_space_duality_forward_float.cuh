#pragma once

#include "kernels/device/chunk_decays.cuh"
#include "kernels/device/device_math.cuh"
#include "kernels/device/state_space_duality_arguments.hpp"
#include "kernels/device/warpgroup_matrix.cuh"

/// SSD forward in true binary32, head_dim <= 64, states <= 128: every operand v is v1 + v2 + v3 in bfloat16 (24 bits),
/// every product the six parts of weight 2^-16 and above, least first; sums in binary32. The chunk's contribution to
/// the state has its own accumulator and is added to nearest. Otherwise as in state_space_duality_forward.cuh; a block
/// has kGroups warpgroups, a head each, that share B and C.
namespace lyap::kernels::device {

inline constexpr int kPlanes = 3;
inline constexpr int kPlaneBytes = 2 * kTileBytes;  // 64 steps x 128 states
inline constexpr int kFloatRow = 68;                // padded row of x

template <int kGroups>
struct DualityFloatShared {
  alignas(1024) unsigned char C[kPlanes][kPlaneBytes];
  alignas(1024) unsigned char B[kPlanes][kPlaneBytes];
  alignas(1024) unsigned char M[kGroups][kPlanes][kTileBytes];
  alignas(16) float x[2][kGroups][kChunk * kFloatRow];
  ChunkDecays decays[2][kGroups];
};

/// B and C as three bfloat16 planes, (B or C, plane, batch, time, group, 128), zeros from `states` on.
static __global__ void __launch_bounds__(128)
    split_planes(const __grid_constant__ StateSpaceDualityArguments<float> a) {
  const std::int64_t tokens = a.batch * a.length * a.groups;
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x);
  const int n = static_cast<int>(threadIdx.x);
  const std::int64_t t = row / a.groups % a.length;
  const std::int64_t b = row / a.groups / a.length;
  const std::int64_t g = row % a.groups;
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const HeadStrides& s = i == 0 ? a.B_strides : a.C_strides;
    const float* from = (i == 0 ? a.B : a.C) + b * s.batch + t * s.time + g * s.head;
    float v = n < a.states ? from[n] : 0.0F;
    auto* to = static_cast<__nv_bfloat16*>(a.planes) + (i * kPlanes * tokens + row) * 128 + n;
#pragma unroll
    for (int k = 0; k < kPlanes; ++k) {
      const __nv_bfloat16 part = __float2bfloat16_rn(v);
      to[k * tokens * 128] = part;
      v -= __bfloat162float(part);
    }
  }
}

/// (v, w) as three packed pairs.
__device__ __forceinline__ void split(float v, float w, std::uint32_t& p1, std::uint32_t& p2, std::uint32_t& p3) {
  p1 = packed(v, w, __nv_bfloat16{});
  const float2 a = unpacked(p1, __nv_bfloat16{});
  v -= a.x;
  w -= a.y;
  p2 = packed(v, w, __nv_bfloat16{});
  const float2 b = unpacked(p2, __nv_bfloat16{});
  p3 = packed(v - b.x, w - b.y, __nv_bfloat16{});
}

/// d += a b in six products; b(plane) is a descriptor.
template <int kTranspose, int n, class F>
__device__ __forceinline__ void multiply_add_split(float (&d)[n], const std::uint32_t (&a)[kPlanes][4], F b) {
  constexpr __nv_bfloat16 kType{};
  begin_products();
  multiply_add<kTranspose>(d, a[2], b(0), kType);
  multiply_add<kTranspose>(d, a[1], b(1), kType);
  multiply_add<kTranspose>(d, a[0], b(2), kType);
  multiply_add<kTranspose>(d, a[1], b(0), kType);
  multiply_add<kTranspose>(d, a[0], b(1), kType);
  multiply_add<kTranspose>(d, a[0], b(0), kType);
  commit_products();
}

template <int kGroups>
class DualityForwardFloat {
 public:
  __device__ DualityForwardFloat(const StateSpaceDualityArguments<float>& a, DualityFloatShared<kGroups>& shared)
      : a_(a), shared_(shared), head_(static_cast<int>(blockIdx.x) * kGroups + group_) {}

  __device__ void run() {
    const std::int64_t size = static_cast<std::int64_t>(a_.head_dim) * a_.states;
    const std::int64_t state = (static_cast<std::int64_t>(blockIdx.y) * a_.heads + head_) * size;
    for_each_state([&](float& h, std::int64_t i) { h = a_.initial && i >= 0 ? a_.initial[state + i] : 0.0F; });
    load_planes(0, 0);
    load_planes(kPlanes, 0);
    load_steps(0);
    for (std::int64_t t = 0; t < a_.length; t += kChunk, stage_ ^= 1) {
      wait_for_copies<0>();
      publish_to_tensor_cores();
      __syncthreads();
      const ChunkDecays& d = shared_.decays[stage_][group_];
      decay_products(d);
      publish_to_tensor_cores();
      asm volatile("bar.sync %0, 128;" ::"r"(group_ + 1) : "memory");
      outputs(t, d);
      __syncthreads();  // C is free
      if (t + kChunk < a_.length) {
        load_planes(kPlanes, t + kChunk);
        stage_ ^= 1;
        load_steps(t + kChunk);
        stage_ ^= 1;
      }
      update_state(d);
      __syncthreads();  // B is free
      if (t + kChunk < a_.length) load_planes(0, t + kChunk);
    }
    if (!a_.final_state) return;
    for_each_state([&](float& h, std::int64_t i) {
      if (i >= 0) a_.final_state[state + i] = h;
    });
  }

 private:
  __device__ __forceinline__ int left(std::int64_t t) const {
    return static_cast<int>(min(a_.length - t, static_cast<std::int64_t>(kChunk)));
  }

  // The planes of B (first = 0) or C (first = kPlanes).
  __device__ __forceinline__ void load_planes(int first, std::int64_t t) {
    const std::int64_t tokens = a_.batch * a_.length * a_.groups;
    const std::int64_t row = (blockIdx.y * a_.length + t) * a_.groups + head_ / (a_.heads / a_.groups);
    const int inside = left(t);
    const int v = static_cast<int>(threadIdx.x) & 15;
    const auto* from = static_cast<const __nv_bfloat16*>(a_.planes) + (first * tokens + row) * 128 + v * 8;
#pragma unroll
    for (int plane = 0; plane < kPlanes; ++plane, from += tokens * 128) {
      unsigned char* to = (first == 0 ? shared_.B[plane] : shared_.C[plane]) + (v >> 3) * kTileBytes;
      for (int r = static_cast<int>(threadIdx.x) >> 4; r < kChunk; r += kGroups * 8)
        copy_async<16>(to + swizzled(r, v & 7), from + static_cast<std::int64_t>(r) * a_.groups * 128, r < inside);
    }
    commit_copies();
  }

  // x and the decays, into the stage.
  __device__ __forceinline__ void load_steps(std::int64_t t) {
    const std::int64_t b = blockIdx.y;
    const int inside = left(t);
    const float* x = a_.x + b * a_.x_strides.batch + t * a_.x_strides.time + head_ * a_.x_strides.head;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const int r = (thread_ >> 4) + 8 * i;
      const int v = thread_ & 15;
      copy_async<16>(shared_.x[stage_][group_] + r * kFloatRow + v * 4, x + r * a_.x_strides.time + v * 4,
                    r < inside && v * 4 < a_.head_dim);
    }
    const ChunkDecays* d = a_.decays + (first_slot(a_, b, 0) + t / kChunk) * a_.heads + head_;
    if (thread_ < static_cast<int>(sizeof(ChunkDecays) / 16))
      copy_async<16>(reinterpret_cast<char*>(&shared_.decays[stage_][group_]) + thread_ * 16,
                    reinterpret_cast<const char*>(d) + thread_ * 16, true);
    commit_copies();
  }

  static __device__ __forceinline__ std::uint32_t columns(int kk) { return (kk / 4) * kTileBytes + (kk % 4) * 32; }

  __device__ __forceinline__ void decay_products(const ChunkDecays& d) {
    const std::uint32_t B = shared_address(shared_.B);
    const std::uint32_t C = shared_address(shared_.C);
    float S[32];
#pragma unroll
    for (float& s : S) s = 0.0F;
    begin_products();
    constexpr int kLeft[6] = {2, 1, 0, 1, 0, 0};
    constexpr int kRight[6] = {0, 1, 2, 0, 1, 0};
#pragma unroll
    for (int i = 0; i < 6; ++i) {
#pragma unroll
      for (int kk = 0; kk < 8; ++kk)
        multiply_add(S, rows_outer(C + kLeft[i] * kPlaneBytes + columns(kk)),
                     rows_outer(B + kRight[i] * kPlaneBytes + columns(kk)), __nv_bfloat16{});
    }
    commit_products();
    wait_for_products<0>();
    pin(S);
    const int row = 16 * warp_ + (lane_ >> 2);
    const std::uint32_t base = shared_address(shared_.M[group_]);
#pragma unroll
    for (int jj = 0; jj < 4; ++jj) {
      std::uint32_t m[kPlanes][4] = {};
      if (jj <= warp_) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const int j = 2 * jj + (i >> 1);
          const int r = row + 8 * (i & 1);
          const int k = 8 * j + 2 * (lane_ & 3);
          const auto entry = [&](float s, int c) {
            const float decay = exp2_approx((d.high[r] - d.high[c]) + (d.low[r] - d.low[c]));
            return c <= r ? s * (decay * d.Delta[c]) : 0.0F;
          };
          split(entry(S[4 * j + 2 * (i & 1)], k), entry(S[4 * j + 2 * (i & 1) + 1], k + 1), m[0][i], m[1][i], m[2][i]);
        }
      }
      const int r = 16 * warp_ + ((lane_ >> 3) & 1) * 8 + (lane_ & 7);
#pragma unroll
      for (int plane = 0; plane < kPlanes; ++plane)
        store_matrices(base + plane * kTileBytes + swizzled(r, 2 * jj + (lane_ >> 4)), m[plane]);
    }
  }

  // Entry i of the left operand x^T for 16 steps kk: feature and first of two steps.
  __device__ __forceinline__ float2 x_pair(int kk, int i) const {
    const int p = 16 * warp_ + (lane_ >> 2) + 8 * (i & 1);
    const int k = 16 * kk + 2 * (lane_ & 3) + 8 * (i >> 1);
    return make_float2(shared_.x[stage_][group_][k * kFloatRow + p],
                       shared_.x[stage_][group_][(k + 1) * kFloatRow + p]);
  }

  __device__ __forceinline__ void outputs(std::int64_t t, const ChunkDecays& d) {
    const std::uint32_t C = shared_address(shared_.C);
    const std::uint32_t M = shared_address(shared_.M[group_]);
    float y[32];
#pragma unroll
    for (float& v : y) v = 0.0F;
#pragma unroll
    for (int kk = 0; kk < 8; ++kk) {
      std::uint32_t a[kPlanes][4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int j = 4 * (2 * kk + (i >> 1)) + 2 * (i & 1);
        split(h_[j], h_[j + 1], a[0][i], a[1][i], a[2][i]);
      }
      multiply_add_split<0>(y, a, [&](int plane) { return rows_outer(C + plane * kPlaneBytes + columns(kk)); });
    }
    wait_for_products<0>();
    pin(y);
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      const float2 e = *reinterpret_cast<const float2*>(d.since_start + 8 * j + 2 * (lane_ & 3));
#pragma unroll
      for (int i = 0; i < 4; ++i) y[4 * j + i] *= i % 2 == 0 ? e.x : e.y;
    }
#pragma unroll
    for (int kk = 0; kk < 4; ++kk) {
      std::uint32_t a[kPlanes][4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float2 x = x_pair(kk, i);
        split(x.x, x.y, a[0][i], a[1][i], a[2][i]);
      }
      multiply_add_split<0>(y, a, [&](int plane) { return rows_outer(M + plane * kTileBytes + kk * 32); });
    }
    wait_for_products<0>();
    pin(y);
    store(t, y);
  }

  __device__ __forceinline__ void store(std::int64_t t, const float (&y)[32]) {
    const float D = a_.D ? a_.D[head_] : 0.0F;
    const HeadStrides& s = a_.out_strides;
    float* out = a_.out + static_cast<std::int64_t>(blockIdx.y) * s.batch + t * s.time + head_ * s.head;
#pragma unroll
    for (int kk = 0; kk < 4; ++kk) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int p = 16 * warp_ + (lane_ >> 2) + 8 * (i & 1);
        const int k = 16 * kk + 2 * (lane_ & 3) + 8 * (i >> 1);
        const int j = 4 * (2 * kk + (i >> 1)) + 2 * (i & 1);
        const float2 x = x_pair(kk, i);
        if (p >= a_.head_dim) continue;
        if (t + k < a_.length) out[k * s.time + p] = fmaf(D, x.x, y[j]);
        if (t + k + 1 < a_.length) out[(k + 1) * s.time + p] = fmaf(D, x.y, y[j + 1]);
      }
    }
  }

  __device__ __forceinline__ void update_state(const ChunkDecays& d) {
    const std::uint32_t B = shared_address(shared_.B);
    float sum[64];
#pragma unroll
    for (float& v : sum) v = 0.0F;
#pragma unroll
    for (int kk = 0; kk < 4; ++kk) {
      std::uint32_t a[kPlanes][4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float2 x = x_pair(kk, i);
        const float2 w = *reinterpret_cast<const float2*>(d.weight_to_end + kk * 16 + (i >> 1) * 8 + 2 * (lane_ & 3));
        split(x.x * w.x, x.y * w.y, a[0][i], a[1][i], a[2][i]);
      }
      multiply_add_split<1>(sum, a, [&](int plane) { return rows_inner(B + plane * kPlaneBytes + kk * 2048); });
    }
    wait_for_products<0>();
    pin(sum);
#pragma unroll
    for (int i = 0; i < 64; ++i) h_[i] = fmaf(d.total, h_[i], sum[i]);
  }

  // Calls f(entry, index or -1 outside) for the state's entries that this thread holds.
  template <class F>
  __device__ __forceinline__ void for_each_state(F f) {
#pragma unroll
    for (int i = 0; i < 64; ++i) {
      const int p = 16 * warp_ + (lane_ >> 2) + ((i >> 1) & 1) * 8;
      const int n = (i >> 2) * 8 + 2 * (lane_ & 3) + (i & 1);
      f(h_[i], p < a_.head_dim && n < a_.states ? static_cast<std::int64_t>(p) * a_.states + n : std::int64_t{-1});
    }
  }

  const StateSpaceDualityArguments<float>& a_;
  DualityFloatShared<kGroups>& shared_;
  const int group_ = static_cast<int>(threadIdx.x) >> 7;
  const int thread_ = static_cast<int>(threadIdx.x) & 127;
  const int warp_ = thread_ >> 5;
  const int lane_ = static_cast<int>(threadIdx.x) & 31;
  const int head_;
  int stage_ = 0;
  float h_[64];  // (head_dim, states)
};

template <int kGroups>
__global__ void __launch_bounds__(kGroups * 128, 1)
    duality_forward_float(const __grid_constant__ StateSpaceDualityArguments<float> a) {
  extern __shared__ unsigned char raw[];
  const std::uintptr_t aligned = (reinterpret_cast<std::uintptr_t>(raw) + 1023) & ~std::uintptr_t{1023};
  DualityForwardFloat<kGroups>(a, *reinterpret_cast<DualityFloatShared<kGroups>*>(aligned)).run();
}

}  // namespace lyap::kernels::device
