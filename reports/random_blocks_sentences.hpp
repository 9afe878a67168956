#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "reports/random_blocks_record.hpp"

namespace lyap {

/// Positions in `times` that sentences speak of: the first, one near the square root of the last, the last.
[[nodiscard]] std::vector<std::size_t> sentence_places(const std::vector<std::size_t>& times);
/// Positions in `times` of the powers of two and of the last time.
[[nodiscard]] std::vector<std::size_t> tabulated_places(const std::vector<std::size_t>& times);

/// "2,048".
[[nodiscard]] std::string grouped_count(std::size_t count);
/// The shortest decimal that reads back as `value`.
[[nodiscard]] std::string shortest_text(double value);

/// "100 blocks per distribution, width 64, ...".
[[nodiscard]] std::string experiment_line(const RandomBlocksRecord& record);
/// What is proved, over the whole record.
[[nodiscard]] std::string random_blocks_verdict(const RandomBlocksRecord& record);
/// What the distributions have in common and how they differ.
[[nodiscard]] std::string distribution_sentence(const RandomBlocksRecord& record);
/// "Parameters given, as in the paper" or "Parameters that depend on the input".
[[nodiscard]] std::string variant_title(const RecordedRandomVariant& variant);
/// One sentence under a picture of outputs, and under one of states.
[[nodiscard]] std::string output_sentence(const RandomBlocksRecord& record, const RecordedRandomResult& result);
[[nodiscard]] std::string state_sentence(const RandomBlocksRecord& record, const RecordedRandomVariant& variant,
                                         const RecordedRandomResult& result);

}  // namespace lyap
