#pragma once

#include <cstddef>
#include <filesystem>
#include <map>

#include "verify/checkpoint/checkpoint.hpp"
#include "verify/deviation/real_run.hpp"

namespace lyap {

/// Recorded scan inputs by layer: points, not sets; step_size is empty.
using ScanTrace = std::map<std::size_t, deviation::FrontChunk>;

/// Reads `layer.{i}.x` (T, d_inner), `.B`, `.C` (T, groups N), `.preactivation` (T, heads), and where present `.z`
/// (T, d_inner), in any floating type, as a kernel received them; heads are channels for Mamba-1. Other tensors of the
/// file are not looked at. Throws BadInput that names file and tensor: a layer of [first_layer, last_layer] that is
/// missing, one that the model lacks, another length than `steps`, another width, a number that is not finite. Throws
/// ContractViolation for steps = 0 and for layers that the model lacks. Cost: of the file only those layers are read;
/// 16 bytes a number.
[[nodiscard]] ScanTrace read_scan_trace(const std::filesystem::path& file, const Checkpoint& model, std::size_t steps,
                                        std::size_t first_layer, std::size_t last_layer);

}  // namespace lyap
