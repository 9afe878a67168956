#pragma once

#include <cuda_runtime_api.h>

#include "kernels/device/state_space_duality_arguments.hpp"

/// Launches of the SSD, forward. Arguments are taken as checked. T: float, __nv_bfloat16, __half.
namespace lyap::kernels::device {

/// Whether the tensor-core kernel for 16-bit types takes these arguments: states <= 128 and head_dim <= 64, multiples
/// of 8; x, B, C, out aligned to 16 bytes with strides in multiples of 8; no z.
template <class T>
[[nodiscard]] bool duality_tiles_fit(const StateSpaceDualityArguments<T>& a);

/// Enqueues y, (batch, length, heads, head_dim), and the final state. Same inputs, same bits; `segments` changes the
/// order of summation. 16-bit: chunks of 64 steps on tensor cores, operands rounded to T, sums in binary32. float:
/// three bfloat16 parts per operand where `planes` is given (states <= 128, head_dim <= 64, no packed sequences). Else
/// the recurrence step by step in binary32, states <= 256; then `segments` must be 1.
template <class T>
[[nodiscard]] cudaError_t launch_state_space_duality(const StateSpaceDualityArguments<T>& a, cudaStream_t stream);

}  // namespace lyap::kernels::device
