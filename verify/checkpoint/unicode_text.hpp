#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace lyap {

/// The four kinds of character that the GPT-2 word pattern tells apart: \p{L}, \p{N}, White_Space and all others.
enum class CharacterKind : std::uint8_t { kLetter, kNumber, kWhitespace, kOther };

/// The kind of a code point in Unicode 16: utf8proc's general category, completed by a table for the letters and
/// numbers that utf8proc 2.8 (Unicode 15.0) does not know yet. Unassigned code points are kOther.
[[nodiscard]] CharacterKind character_kind(std::int32_t code_point);

/// A code point and the bytes it takes in UTF-8.
struct DecodedCharacter {
  std::int32_t code_point = 0;
  std::size_t length = 0;
};

/// The character that starts at byte `position`; length 0 where no well-formed one does (overlong forms, surrogates and
/// values above U+10FFFF are malformed). Requires position < text.size().
[[nodiscard]] DecodedCharacter decode_utf8(std::string_view text, std::size_t position);

/// Offset of the first byte that is not part of a well-formed UTF-8 character, or nothing where all of `text` is UTF-8.
[[nodiscard]] std::optional<std::size_t> first_invalid_utf8_byte(std::string_view text);

/// The canonical composition (NFC) of well-formed UTF-8 text, by utf8proc's tables. Zero bytes are characters like
/// others. Requires text that is UTF-8 (throws BadInput otherwise). Throws std::bad_alloc where memory is short.
[[nodiscard]] std::string compose_nfc(std::string_view text);

/// All bytes of the file, unchanged (a byte order mark and CR LF stay). Throws BadInput where it cannot be read.
[[nodiscard]] std::string read_text_file(const std::filesystem::path& file);

/// As read_text_file, but throws BadInput also where the bytes are not UTF-8, naming the offset of the first wrong one.
[[nodiscard]] std::string read_utf8_file(const std::filesystem::path& file);

}  // namespace lyap
