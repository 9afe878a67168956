#pragma once

#include <string>
#include <vector>

#include "verify/checkpoint/weight_file.hpp"

namespace lyap {

/// Larger magnitudes, which only F64 can hold, are refused: bounds of products of such weights leave binary64.
inline constexpr double kLargestWeight = 1e100;

/// The SHA-256 of each file, in order, from one pass over each that also looks at every number.
/// Throws BadInput that names file, tensor and place of the first NaN, infinity or number beyond kLargestWeight of the
/// first file that has one. Cost: as fast as OpenSSL hashes, one thread per file up to the number of cores; few pages
/// stay in memory.
[[nodiscard]] std::vector<std::string> digest_finite_files(const std::vector<WeightFile>& files);

}  // namespace lyap
