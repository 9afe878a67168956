#include "verify/checkpoint/unicode_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "verify/checkpoint/bad_input.hpp"

namespace lyap {
namespace {

/// UTF-8 of any 21-bit number by the bit pattern alone, surrogates included.
std::string encoded(std::int32_t code) {
  const auto tail = [code](int shift) { return static_cast<char>(0x80 | ((code >> shift) & 0x3F)); };
  if (code < 0x80) return {static_cast<char>(code)};
  if (code < 0x800) return {static_cast<char>(0xC0 | (code >> 6)), tail(0)};
  if (code < 0x10000) return {static_cast<char>(0xE0 | (code >> 12)), tail(6), tail(0)};
  return {static_cast<char>(0xF0 | (code >> 18)), tail(12), tail(6), tail(0)};
}

TEST(UnicodeText, EveryCodePointHasTheKindThatTheTokenizersPackageGivesIt) {
  std::ifstream file(LYAP_SOURCE_DIR "/tests/data/tokenizers/character_kinds.json");
  const auto ranges = nlohmann::json::parse(file);
  std::vector<CharacterKind> expected(0x110000, CharacterKind::kOther);
  const auto mark = [&](const char* name, CharacterKind kind) {
    for (const auto& range : ranges.at(name)) {
      for (std::size_t code = range.at(0); code <= range.at(1); ++code) expected[code] = kind;
    }
  };
  mark("letter", CharacterKind::kLetter);
  mark("number", CharacterKind::kNumber);
  mark("whitespace", CharacterKind::kWhitespace);
  for (std::int32_t code = 0; code < 0x110000; ++code) {
    if (code >= 0xD800 && code < 0xE000) continue;
    ASSERT_EQ(character_kind(code), expected[static_cast<std::size_t>(code)]) << "U+" << std::hex << code;
  }
}

TEST(UnicodeText, EveryCodePointDecodesToItselfAndSurrogatesAndLargerNumbersAreMalformed) {
  for (std::int32_t code = 0; code < 0x130000; ++code) {
    const std::string text = std::string("x").append(encoded(code)).append("y");
    const DecodedCharacter character = decode_utf8(text, 1);
    if ((code >= 0xD800 && code < 0xE000) || code > 0x10FFFF) {
      ASSERT_EQ(character.length, 0U) << "U+" << std::hex << code;
      ASSERT_EQ(first_invalid_utf8_byte(text), 1U) << "U+" << std::hex << code;
    } else {
      ASSERT_EQ(character.code_point, code);
      ASSERT_EQ(character.length, text.size() - 2);
      ASSERT_EQ(first_invalid_utf8_byte(text), std::nullopt);
    }
  }
}

TEST(UnicodeText, TheFirstMalformedByteIsNamed) {
  EXPECT_EQ(first_invalid_utf8_byte(""), std::nullopt);
  EXPECT_EQ(first_invalid_utf8_byte(std::string_view("a\0b", 3)), std::nullopt);
  EXPECT_EQ(first_invalid_utf8_byte("ab\x80"), 2U) << "a continuation byte alone";
  EXPECT_EQ(first_invalid_utf8_byte("ab\xC0\xAF"), 2U) << "an overlong slash";
  EXPECT_EQ(first_invalid_utf8_byte("\xE0\x80\xAF"), 0U) << "an overlong slash of three bytes";
  EXPECT_EQ(first_invalid_utf8_byte("\xC3\xA9\xE2\x82"), 2U) << "cut short at the end";
  EXPECT_EQ(first_invalid_utf8_byte("\xE2\x82(x"), 0U) << "cut short by a letter";
  EXPECT_EQ(first_invalid_utf8_byte("\xFF\xFEh\0"), 0U) << "UTF-16";
}

TEST(UnicodeText, CompositionIsCanonicalAndKeepsZeroBytes) {
  EXPECT_EQ(compose_nfc("plain"), "plain");
  EXPECT_EQ(compose_nfc("e\u0301"), "\u00e9");
  EXPECT_EQ(compose_nfc("\u1100\u1161\u11a8"), "\uac01");
  EXPECT_EQ(compose_nfc("q\u0307\u0323"), "q\u0323\u0307") << "marks come into canonical order";
  EXPECT_EQ(compose_nfc("\u0958"), "\u0915\u093c") << "an excluded composition";
  EXPECT_EQ(compose_nfc("\ufb01"), "\ufb01") << "no compatibility mapping";
  EXPECT_EQ(compose_nfc(std::string("e\u0301\0a\0", 6)), std::string("\u00e9\0a\0", 5));
}

TEST(UnicodeText, AFileThatIsNotUtf8IsNamedWithTheOffset) {
  const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / "lyap_not_utf8.txt";
  std::ofstream(path, std::ios::binary) << "gr\xC3\xBC\xDF"
                                        << "e";
  try {
    (void)read_utf8_file(path);
    FAIL() << "expected BadInput";
  } catch (const BadInput& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr(path.string()));
    EXPECT_THAT(error.what(), testing::HasSubstr("offset 4"));
  }
  std::filesystem::remove(path);
  EXPECT_THROW((void)read_utf8_file(path), BadInput);
  EXPECT_THROW((void)read_utf8_file(testing::TempDir()), BadInput);
}

}  // namespace
}  // namespace lyap
