#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "reports/random_blocks_record.hpp"

namespace lyap {

/// One self-contained HTML page on records of random blocks: what is proved, a table over the distributions, and for
/// each distribution, kind of parameters and epsilon a picture of the mean with its band, the largest block and the
/// proved envelope over time, a sentence, and the numbers. Every text of a record is escaped; numbers are rounded up.
[[nodiscard]] std::string render_random_blocks(const std::vector<RandomBlocksRecord>& records);

/// The numbers that random_blocks.js draws: log10 of the deviations, envelopes rounded up, as JSON that is safe inside
/// a <script> element. A deviation of 0 is null.
[[nodiscard]] std::string random_blocks_pictures(const std::vector<RandomBlocksRecord>& records);

/// Reads `files` and writes their page to `out` atomically. Throws BadInput before anything is written, ResourceError.
void write_random_blocks_report(const std::vector<std::filesystem::path>& files, const std::filesystem::path& out);

}  // namespace lyap
