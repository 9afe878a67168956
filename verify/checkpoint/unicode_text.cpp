#include "verify/checkpoint/unicode_text.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <new>
#include <system_error>

#include "verify/checkpoint/bad_input.hpp"

namespace lyap {
namespace {

struct CodePointRange {
  std::int32_t first;
  std::int32_t last;
};

/// Letters that Unicode 15.1 and 16.0 added to 15.0.
constexpr std::array<CodePointRange, 22> kLettersAfterUnicode15 = {
    {{0x1C89, 0x1C8A},   {0xA7CB, 0xA7CD},   {0xA7DA, 0xA7DC},   {0x105C0, 0x105F3}, {0x10D4A, 0x10D65},
     {0x10D6F, 0x10D85}, {0x10EC2, 0x10EC4}, {0x11380, 0x11389}, {0x1138B, 0x1138B}, {0x1138E, 0x1138E},
     {0x11390, 0x113B5}, {0x113B7, 0x113B7}, {0x113D1, 0x113D1}, {0x113D3, 0x113D3}, {0x11BC0, 0x11BE0},
     {0x13460, 0x143FA}, {0x16100, 0x1611D}, {0x16D40, 0x16D6C}, {0x18CFF, 0x18CFF}, {0x1E5D0, 0x1E5ED},
     {0x1E5F0, 0x1E5F0}, {0x2EBF0, 0x2EE5D}}};

/// Numbers that Unicode 15.1 and 16.0 added to 15.0.
constexpr std::array<CodePointRange, 7> kNumbersAfterUnicode15 = {{{0x10D40, 0x10D49},
                                                                   {0x116D0, 0x116E3},
                                                                   {0x11BF0, 0x11BF9},
                                                                   {0x16130, 0x16139},
                                                                   {0x16D70, 0x16D79},
                                                                   {0x1CCF0, 0x1CCF9},
                                                                   {0x1E5F1, 0x1E5FA}}};

template <std::size_t kCount>
bool contains(const std::array<CodePointRange, kCount>& ranges, std::int32_t code_point) {
  return std::any_of(ranges.begin(), ranges.end(), [code_point](const CodePointRange& range) {
    return range.first <= code_point && code_point <= range.last;
  });
}

CharacterKind kind_of_unassigned(std::int32_t code_point) {
  if (contains(kLettersAfterUnicode15, code_point)) return CharacterKind::kLetter;
  if (contains(kNumbersAfterUnicode15, code_point)) return CharacterKind::kNumber;
  return CharacterKind::kOther;
}

/// An 8-bit read of the text as utf8proc wants it.
const utf8proc_uint8_t* bytes_of(std::string_view text) {
  return reinterpret_cast<const utf8proc_uint8_t*>(text.data());
}

struct FreeMemory {
  void operator()(utf8proc_uint8_t* memory) const { std::free(memory); }
};

}  // namespace

CharacterKind character_kind(std::int32_t code_point) {
  // White_Space is the separators and six controls: TAB, LF, VT, FF, CR and NEL.
  if ((code_point >= 0x09 && code_point <= 0x0D) || code_point == 0x85) return CharacterKind::kWhitespace;
  switch (utf8proc_category(code_point)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return CharacterKind::kLetter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return CharacterKind::kNumber;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return CharacterKind::kWhitespace;
    case UTF8PROC_CATEGORY_CN:
      return kind_of_unassigned(code_point);
    default:
      return CharacterKind::kOther;
  }
}

DecodedCharacter decode_utf8(std::string_view text, std::size_t position) {
  const auto first = static_cast<unsigned char>(text[position]);
  if (first < 0x80) return {first, 1};
  utf8proc_int32_t code_point = 0;
  const auto available = static_cast<utf8proc_ssize_t>(std::min<std::size_t>(4, text.size() - position));
  const utf8proc_ssize_t length = utf8proc_iterate(bytes_of(text) + position, available, &code_point);
  if (length <= 0) return {};
  return {code_point, static_cast<std::size_t>(length)};
}

std::optional<std::size_t> first_invalid_utf8_byte(std::string_view text) {
  for (std::size_t position = 0; position < text.size();) {
    const std::size_t length = decode_utf8(text, position).length;
    if (length == 0) return position;
    position += length;
  }
  return std::nullopt;
}

std::string compose_nfc(std::string_view text) {
  const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  if (std::all_of(text.begin(), text.end(), is_ascii)) return std::string(text);
  utf8proc_uint8_t* memory = nullptr;
  const utf8proc_ssize_t length = utf8proc_map(bytes_of(text), static_cast<utf8proc_ssize_t>(text.size()), &memory,
                                               static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, FreeMemory> owner(memory);
  if (length == UTF8PROC_ERROR_NOMEM) throw std::bad_alloc();
  if (length < 0) throw BadInput("text", std::string("cannot be normalised (NFC): ") + utf8proc_errmsg(length));
  return std::string(reinterpret_cast<const char*>(memory), static_cast<std::size_t>(length));
}

std::string read_text_file(const std::filesystem::path& file) {
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  if (status.type() == std::filesystem::file_type::not_found) throw BadInput(file.string(), "there is no such file");
  if (std::filesystem::is_directory(status)) throw BadInput(file.string(), "is a folder, expected a file");
  errno = 0;
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw BadInput(file.string(), std::string("cannot be opened: ") + std::strerror(errno));
  std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (stream.bad()) throw BadInput(file.string(), "cannot be read to its end");
  return text;
}

std::string read_utf8_file(const std::filesystem::path& file) {
  std::string text = read_text_file(file);
  if (const auto position = first_invalid_utf8_byte(text)) {
    throw BadInput(file.string(), "is not UTF-8: the byte at offset " + std::to_string(*position) +
                                      " is not part of a well-formed character");
  }
  return text;
}

}  // namespace lyap
