#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace lyap {

/// Arrays and objects may be nested this deep.
inline constexpr std::size_t kMaxJsonDepth = 64;
/// Values (members, elements, and the containers themselves) that one document may have.
inline constexpr std::size_t kMaxJsonValues = 4'000'000;

/// Whether the words Infinity, -Infinity and NaN, which are not JSON, are read. They come out as {"__float__": word}.
enum class BareNonFinite { kRefused, kRead };

/// The document in `text`, read strictly: UTF-8 throughout, nothing after the value, no key twice in one object,
/// limited depth and size. Throws BadInput that names `file` and the place. Numbers become the nearest binary64, or
/// integers of 64 bits where they are integers. Cost: linear; the stack does not grow with depth.
[[nodiscard]] nlohmann::json parse_strict_json(std::string_view text, const std::string& file,
                                               BareNonFinite words = BareNonFinite::kRefused);

/// The same for a whole file of at most `size_limit` bytes.
[[nodiscard]] nlohmann::json read_strict_json(const std::filesystem::path& path, std::size_t size_limit,
                                              BareNonFinite words = BareNonFinite::kRefused);

}  // namespace lyap
