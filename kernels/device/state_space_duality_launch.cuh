#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <type_traits>

#include "kernels/device/state_space_duality_forward.cuh"
#include "kernels/device/state_space_duality_forward_float.cuh"
#include "kernels/device/state_space_duality_serial.cuh"

/// Choice of kernel and launch for the SSD forward.
namespace lyap::kernels::device {

template <class T>
[[nodiscard]] bool duality_tiles_fit(const StateSpaceDualityArguments<T>& a) {
  if constexpr (sizeof(T) != 2) {
    return false;
  } else {
    const auto aligned = [](const void* p, const HeadStrides& s) {
      return reinterpret_cast<std::uintptr_t>(p) % 16 == 0 && s.batch % 8 == 0 && s.time % 8 == 0 && s.head % 8 == 0;
    };
    return a.states <= 128 && a.states % 8 == 0 && a.head_dim <= 64 && a.head_dim % 8 == 0 && a.z == nullptr &&
           aligned(a.x, a.x_strides) && aligned(a.B, a.B_strides) && aligned(a.C, a.C_strides) &&
           aligned(a.out, a.out_strides);
  }
}

template <class T, int kHalves, bool kStateOnly>
cudaError_t launch_duality_tiles(const StateSpaceDualityArguments<T>& a, dim3 grid, cudaStream_t stream) {
  constexpr std::size_t kBytes = sizeof(DualityShared<kHalves>) + 1024;
  const auto kernel = duality_forward<T, kHalves, kStateOnly>;
  const cudaError_t status = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes);
  if (status != cudaSuccess) return status;
  kernel<<<grid, kDualityThreads, kBytes, stream>>>(a);
  return cudaGetLastError();
}

template <class T, int kHalves>
cudaError_t launch_duality_tiles(const StateSpaceDualityArguments<T>& a, cudaStream_t stream) {
  const auto heads = static_cast<unsigned>(a.heads);
  const auto sequences = static_cast<unsigned>(a.sequence_ends ? a.sequences : a.batch);
  const auto segments = static_cast<unsigned>(a.segments);
  const std::int64_t blocks = ((a.length + kChunk - 1) / kChunk + kDecayWarps - 1) / kDecayWarps;
  if (blocks == 0) return cudaSuccess;
  duality_decays<T><<<dim3(static_cast<unsigned>(blocks), heads, sequences), kDecayWarps * 32, 0, stream>>>(a);
  if (const cudaError_t status = cudaGetLastError(); status != cudaSuccess) return status;
  if (segments > 1) {
    const cudaError_t status = launch_duality_tiles<T, kHalves, true>(a, dim3(heads, segments - 1, sequences), stream);
    if (status != cudaSuccess) return status;
  }
  return launch_duality_tiles<T, kHalves, false>(a, dim3(heads, segments, sequences), stream);
}

template <class T>
cudaError_t launch_duality_serial(const StateSpaceDualityArguments<T>& a, cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>(a.heads), static_cast<unsigned>((a.head_dim + kSerialWarps - 1) / kSerialWarps),
                  static_cast<unsigned>(a.sequence_ends ? a.sequences : a.batch));
  const int threads = kSerialWarps * 32;
  if (a.states <= 32) {
    duality_forward_serial<T, 1><<<grid, threads, 0, stream>>>(a);
  } else if (a.states <= 64) {
    duality_forward_serial<T, 2><<<grid, threads, 0, stream>>>(a);
  } else if (a.states <= 128) {
    duality_forward_serial<T, 4><<<grid, threads, 0, stream>>>(a);
  } else if (a.states <= 256) {
    duality_forward_serial<T, 8><<<grid, threads, 0, stream>>>(a);
  } else {
    return cudaErrorInvalidValue;
  }
  return cudaGetLastError();
}

[[nodiscard]] inline bool duality_float_fits(const StateSpaceDualityArguments<float>& a) {
  const HeadStrides& s = a.x_strides;
  return a.planes != nullptr && a.z == nullptr && a.sequence_ends == nullptr && a.states <= 128 && a.head_dim <= 64 &&
         a.head_dim % 4 == 0 && reinterpret_cast<std::uintptr_t>(a.x) % 16 == 0 && s.batch % 4 == 0 &&
         s.time % 4 == 0 && s.head % 4 == 0;
}

template <int kGroups>
cudaError_t launch_duality_float(const StateSpaceDualityArguments<float>& a, cudaStream_t stream) {
  const auto heads = static_cast<unsigned>(a.heads);
  const auto batch = static_cast<unsigned>(a.batch);
  const std::int64_t blocks = ((a.length + kChunk - 1) / kChunk + kDecayWarps - 1) / kDecayWarps;
  if (blocks == 0) return cudaSuccess;
  duality_decays<float><<<dim3(static_cast<unsigned>(blocks), heads, batch), kDecayWarps * 32, 0, stream>>>(a);
  split_planes<<<static_cast<unsigned>(a.batch * a.length * a.groups), 128, 0, stream>>>(a);
  constexpr std::size_t kBytes = sizeof(DualityFloatShared<kGroups>) + 1024;
  const auto kernel = duality_forward_float<kGroups>;
  const cudaError_t status = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes);
  if (status != cudaSuccess) return status;
  kernel<<<dim3(heads / kGroups, batch), kGroups * 128, kBytes, stream>>>(a);
  return cudaGetLastError();
}

/// Launches; a.segments must be 1 where tiles do not fit. At most 256 states.
template <class T>
cudaError_t launch_state_space_duality(const StateSpaceDualityArguments<T>& a, cudaStream_t stream) {
  if constexpr (sizeof(T) == 2) {
    if (duality_tiles_fit(a))
      return a.states <= 64 ? launch_duality_tiles<T, 1>(a, stream) : launch_duality_tiles<T, 2>(a, stream);
  }
  if constexpr (sizeof(T) == 4) {
    if (duality_float_fits(a))
      return a.heads / a.groups % 2 == 0 ? launch_duality_float<2>(a, stream) : launch_duality_float<1>(a, stream);
  }
  return launch_duality_serial(a, stream);
}

}  // namespace lyap::kernels::device
