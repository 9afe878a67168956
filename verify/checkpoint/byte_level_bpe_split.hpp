#pragma once

#include <string_view>
#include <vector>

namespace lyap {

/// The words of well-formed UTF-8 text: the successive matches of GPT-2's pattern
///     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
/// with Unicode categories (character_kind). Their concatenation is `text`; the views point into it.
/// Requires text that is UTF-8. Cost: linear, each character is classified at most three times.
[[nodiscard]] std::vector<std::string_view> split_into_words(std::string_view text);

}  // namespace lyap
