#pragma once

#include <cuda_runtime_api.h>

#include "kernels/device/gated_rms_norm_arguments.hpp"

/// Launches of the gated RMS norm, forward. Arguments are taken as checked. T: float, __nv_bfloat16, __half.
namespace lyap::kernels::device {

/// Enqueues out, (rows, groups * width), and the reciprocal root mean squares where asked for; fewer than 2^31 rows
/// times groups. `warps` per row: 1, 2, 3, 6, or 0 for the usual choice; it changes the order of the sum of squares.
/// Same inputs, same bits. Rows not in multiples of 16 bytes take a slower kernel.
template <class T>
[[nodiscard]] cudaError_t launch_gated_rms_norm(const GatedRmsNormArguments<T>& a, cudaStream_t stream, int warps = 0);

}  // namespace lyap::kernels::device
