#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>

#include "selective_scan_arguments.hpp"

/// Launches of the selective scan, forward. Arguments are taken as checked.
namespace lyap::kernels::device {

/// Which program computes a scan. The results of kWide, kNarrow and kNarrowBalanced differ in the order of the sum over
/// states only; of one program they depend on nothing but the inputs.
enum class ScanProgram {
  kChosen,          ///< the fastest for the shape
  kAny,             ///< any shape; serial, slow
  kWide,            ///< 4 states per thread, one block per 32 channels
  kWideBalanced,    ///< 4 states per thread, groups of channels handed from block to block
  kNarrow,          ///< 2 states per thread
  kNarrowBalanced,  ///< 2 states per thread, handed on
  kWideFloat,       ///< as kWide, y = sum C h in float32 arithmetic whatever the type
  kWideTwice        ///< as kWide, y by two tensor-core products
};

/// Bytes of workspace for any program on this device; zeroed once by the caller before its first use.
[[nodiscard]] std::size_t scan_forward_workspace(std::int64_t batch, std::int64_t channels);

/// Whether the 16-state kernels take these arguments: 16 states, one group, channels and states contiguous, channels a
/// multiple of 32, rows 16-byte aligned, no packed sequences.
template <class T>
[[nodiscard]] bool scan_is_regular(const SelectiveScanArguments<T>& args);

/// What kChosen stands for: the error model depends on it.
template <class T>
[[nodiscard]] ScanProgram chosen_scan_program(const SelectiveScanArguments<T>& args, bool has_workspace);

/// Enqueues the scan; `workspace` may be null for programs that hand nothing over. Calls that share a workspace must be
/// on one stream.
template <class T>
[[nodiscard]] cudaError_t launch_scan_forward(const SelectiveScanArguments<T>& args, void* workspace,
                                              cudaStream_t stream, ScanProgram program = ScanProgram::kChosen);

}  // namespace lyap::kernels::device
