#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

/// Elementary functions and number types of the device kernels. Each states the error that the model uses.
namespace lyap::kernels::device {

inline constexpr float kLog2E = 0x1.715476p+0F;

/// 2^x within 2 units in the last place over all inputs (PTX ISA, ex2.approx.ftz.f32: 2^-22.5 relative); results below
/// 2^-126 are 0.
__device__ __forceinline__ float exp2_approx(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

__device__ __forceinline__ float reciprocal_approx(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// exp(-m), m >= 0, within 2^-22 + 1.01 m 2^-23 relative, or with kExact, which puts the rounding of m log2(e) back to
/// first order, within 3e-7 whatever m; 0 where the result is below 2^-126.
template <bool kExact>
__device__ __forceinline__ float exp_minus(float m) {
  const float argument = m * kLog2E;
  const float e = exp2_approx(-argument);
  if constexpr (!kExact) return e;
  constexpr float kLog2ERest = 0x1.4ae0cp-26F;
  constexpr float kLog2 = 0x1.62e43p-1F;
  const float low = fmaf(-m, kLog2ERest, fmaf(-m, kLog2E, argument)) * kLog2;
  return fmaf(e, m > 128.0F ? 0.0F : low, e);  // low may be NaN for infinite m
}

/// log(1 + exp(x)) = max(x, 0) + e P(e), e = exp(-|x|), P the best polynomial of degree 8 for log1p(e)/e on [0, 1]
/// (relative error 6.6e-8 with its coefficients rounded). No cancellation: small step sizes keep their relative
/// accuracy down to the smallest normal number. NaN for NaN.
template <bool kExact>
__device__ __forceinline__ float softplus(float x) {
  const float e = exp_minus<kExact>(fabsf(x));
  float p = 0x1.56edf8p-8F;
  p = fmaf(p, e, -0x1.e369dcp-6F);
  p = fmaf(p, e, 0x1.4069d2p-4F);
  p = fmaf(p, e, -0x1.17d2bep-3F);
  p = fmaf(p, e, 0x1.874a7ep-3F);
  p = fmaf(p, e, -0x1.fcc8c6p-3F);
  p = fmaf(p, e, 0x1.553004p-2F);
  p = fmaf(p, e, -0x1.fffeacp-2F);
  p = fmaf(p, e, 0x1.fffffep-1F);
  return fmaf(e, p, fmaxf(x, 0.0F));
}

/// min(max(x, lower), upper); NaN for NaN.
__device__ __forceinline__ float clamp_keeping_nan(float x, float lower, float upper) {
  asm("max.NaN.f32 %0, %0, %1;" : "+f"(x) : "f"(lower));
  asm("min.NaN.f32 %0, %0, %1;" : "+f"(x) : "f"(upper));
  return x;
}

/// 1/(1 + exp(-x)).
__device__ __forceinline__ float sigmoid(float x) { return reciprocal_approx(1.0F + exp2_approx(-x * kLog2E)); }

/// x/(1 + exp(-x)); -0 at -infinity, where x sigmoid(x) would be NaN.
__device__ __forceinline__ float silu(float x) {
  asm("max.NaN.f32 %0, %0, %1;" : "+f"(x) : "f"(-1.0e4F));
  return x * sigmoid(x);
}

template <class T>
struct Element;

template <>
struct Element<float> {
  static __device__ __forceinline__ float load(float x) { return x; }
  static __device__ __forceinline__ float store(float x) { return x; }
};

template <>
struct Element<__nv_bfloat16> {
  static __device__ __forceinline__ float load(__nv_bfloat16 x) { return __bfloat162float(x); }
  static __device__ __forceinline__ __nv_bfloat16 store(float x) { return __float2bfloat16_rn(x); }
};

template <>
struct Element<__half> {
  static __device__ __forceinline__ float load(__half x) { return __half2float(x); }
  static __device__ __forceinline__ __half store(float x) { return __float2half_rn(x); }
};

/// Copies 8 or 16 bytes from global to shared memory without waiting; zeros if `inside` is false (nothing is then
/// read).
template <int kBytes>
__device__ __forceinline__ void copy_async(void* shared, const void* global, bool inside) {
  const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(shared));
  const int bytes = inside ? kBytes : 0;
  if constexpr (kBytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(global), "r"(bytes) : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"(address), "l"(global), "r"(bytes) : "memory");
  }
}

__device__ __forceinline__ void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

/// Waits until at most `kPending` of this thread's groups of copies are outstanding.
template <int kPending>
__device__ __forceinline__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

}  // namespace lyap::kernels::device
