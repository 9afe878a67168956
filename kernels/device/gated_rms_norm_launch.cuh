#pragma once

#include <cuda_runtime.h>

#include "kernels/device/gated_rms_norm.cuh"
#include "kernels/device/gated_rms_norm.hpp"

namespace lyap::kernels::device {

template <class T, int kPieces, int kWarps>
cudaError_t launch_gated_rms_norm_rows(const GatedRmsNormArguments<T>& a, cudaStream_t stream) {
  const auto blocks = static_cast<unsigned>(a.rows * a.groups);
  gated_rms_norm_forward<T, kPieces, kWarps><<<blocks, kWarps * 32, 0, stream>>>(a);
  return cudaGetLastError();
}

/// kWarps warps per row, as many pieces per thread as that needs.
template <class T, int kWarps>
cudaError_t launch_gated_rms_norm_rows(const GatedRmsNormArguments<T>& a, int pieces, cudaStream_t stream) {
  switch ((pieces + kWarps * 32 - 1) / (kWarps * 32)) {
    case 1:
      return launch_gated_rms_norm_rows<T, 1, kWarps>(a, stream);
    case 2:
      return launch_gated_rms_norm_rows<T, 2, kWarps>(a, stream);
    case 3:
      return launch_gated_rms_norm_rows<T, 3, kWarps>(a, stream);
    case 4:
      return launch_gated_rms_norm_rows<T, 4, kWarps>(a, stream);
    default:
      return launch_gated_rms_norm_rows<T, 6, kWarps>(a, stream);
  }
}

/// Launches; fewer than 2^31 rows times groups. `warps` per row: 1, 2, 3, 6, or 0 for the usual choice.
template <class T>
cudaError_t launch_gated_rms_norm(const GatedRmsNormArguments<T>& a, cudaStream_t stream, int warps) {
  constexpr int kCount = Piece<T>::kCount;
  const auto aligned = [](const void* p, std::int64_t stride) {
    return reinterpret_cast<std::uintptr_t>(p) % 16 == 0 && stride % kCount == 0;
  };
  const bool vectors = a.width % kCount == 0 && aligned(a.x, a.x_stride) && aligned(a.out, a.out_stride) &&
                       (a.z == nullptr || aligned(a.z, a.z_stride)) && aligned(a.weight, 0);
  const int pieces = a.width / kCount;
  if (a.rows == 0) return cudaSuccess;
  if (warps == 0) warps = pieces <= 32 ? 1 : pieces <= 64 ? 2 : 6;
  if (vectors && pieces <= warps * 192) {
    if (warps == 1) return launch_gated_rms_norm_rows<T, 1>(a, pieces, stream);
    if (warps == 2) return launch_gated_rms_norm_rows<T, 2>(a, pieces, stream);
    if (warps == 3) return launch_gated_rms_norm_rows<T, 3>(a, pieces, stream);
    return launch_gated_rms_norm_rows<T, 6>(a, pieces, stream);
  }
  gated_rms_norm_forward_any<T><<<static_cast<unsigned>(a.rows * a.groups), 256, 0, stream>>>(a);
  return cudaGetLastError();
}

}  // namespace lyap::kernels::device
