#pragma once

#include <cuda_runtime.h>

#include "device_math.cuh"

/// Vectors of 8 or 16 bytes of elements, read and written as floats.
namespace lyap::kernels::device {

template <int kBytes>
struct Word;
template <>
struct Word<8> {
  using Type = uint2;
};
template <>
struct Word<16> {
  using Type = uint4;
};

template <class T, int kCount>
struct Vector {
  using Bits = typename Word<kCount* static_cast<int>(sizeof(T))>::Type;
  union {
    Bits bits;
    T elements[kCount];
  };
  __device__ __forceinline__ Vector() {}

  static __device__ __forceinline__ Vector load(const T* from) {
    Vector v;
    v.bits = *reinterpret_cast<const Bits*>(from);
    return v;
  }
  static __device__ __forceinline__ Vector zero() {
    Vector v;
    v.bits = Bits{};
    return v;
  }
  __device__ __forceinline__ void store(T* to) const { *reinterpret_cast<Bits*>(to) = bits; }
  __device__ __forceinline__ void widen(float (&to)[kCount]) const {
#pragma unroll
    for (int i = 0; i < kCount; ++i) to[i] = Element<T>::load(elements[i]);
  }
  static __device__ __forceinline__ Vector narrow(const float (&from)[kCount]) {
    Vector v;
#pragma unroll
    for (int i = 0; i < kCount; ++i) v.elements[i] = Element<T>::store(from[i]);
    return v;
  }
};

/// d silu(q)/dq = s (1 + q (1 - s)), s = sigmoid(q); 0 far below zero.
__device__ __forceinline__ float silu_derivative(float q) {
  asm("max.NaN.f32 %0, %0, %1;" : "+f"(q) : "f"(-1.0e4F));
  const float s = sigmoid(q);
  return s * fmaf(q, 1.0F - s, 1.0F);
}

}  // namespace lyap::kernels::device
