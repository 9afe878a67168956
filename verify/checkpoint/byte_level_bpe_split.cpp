#include "verify/checkpoint/byte_level_bpe_split.hpp"

#include <array>
#include <cstddef>

#include "verify/checkpoint/unicode_text.hpp"

namespace lyap {
namespace {

/// A run of characters of one kind: its end, and where its last character starts.
struct Run {
  std::size_t end = 0;
  std::size_t last_character = 0;
};

Run run_of_kind(std::string_view text, std::size_t begin, CharacterKind kind) {
  Run run{begin, begin};
  while (run.end < text.size()) {
    const DecodedCharacter next = decode_utf8(text, run.end);
    if (character_kind(next.code_point) != kind) break;
    run.last_character = run.end;
    run.end += next.length;
  }
  return run;
}

/// Length of an English contraction's ending at the start of `rest`, 0 where there is none. Small letters only.
std::size_t contraction_length(std::string_view rest) {
  static constexpr std::array<std::string_view, 7> kEndings = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
  for (const std::string_view ending : kEndings) {
    if (rest.starts_with(ending)) return ending.size();
  }
  return 0;
}

/// End of the match that starts at `begin`.
std::size_t word_end(std::string_view text, std::size_t begin) {
  if (const std::size_t length = contraction_length(text.substr(begin))) return begin + length;
  const DecodedCharacter first = decode_utf8(text, begin);
  const CharacterKind kind = character_kind(first.code_point);
  if (kind != CharacterKind::kWhitespace) return run_of_kind(text, begin, kind).end;
  const std::size_t second = begin + first.length;
  if (first.code_point == ' ' && second < text.size()) {
    const CharacterKind second_kind = character_kind(decode_utf8(text, second).code_point);
    if (second_kind != CharacterKind::kWhitespace) return run_of_kind(text, second, second_kind).end;
  }
  // White space before a word leaves its last character to that word, unless that is all there is.
  const Run space = run_of_kind(text, begin, CharacterKind::kWhitespace);
  return space.end == text.size() || space.last_character == begin ? space.end : space.last_character;
}

}  // namespace

std::vector<std::string_view> split_into_words(std::string_view text) {
  std::vector<std::string_view> words;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = word_end(text, begin);
    words.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return words;
}

}  // namespace lyap
