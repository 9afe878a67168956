#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "verify/checkpoint/byte_level_bpe_merges.hpp"

namespace lyap {

/// What a tokenizer.json says that decides the ids of a text.
struct TokenizerDefinition {
  struct AddedToken {
    std::string content;
    std::int32_t id = 0;
    bool normalized = false;  ///< looked for after normalisation, not before
  };

  TokenVocabulary vocabulary;                               ///< in the byte alphabet
  std::vector<std::pair<std::string, std::string>> merges;  ///< by rank, in the byte alphabet
  std::vector<AddedToken> added_tokens;
  bool nfc = false;               ///< text is composed (NFC) first
  bool add_prefix_space = false;  ///< a space is put before a part of the text that does not start with one
  bool use_regex = true;          ///< the text is cut into words first
  bool ignore_merges = false;     ///< a word that is a token needs no merges
};

/// The definition in a tokenizer.json whose model is byte-level BPE. `truncation`, `padding` and `decoder` do not bear
/// on the ids of a whole text and are not read. Throws BadInput for a file that is missing or malformed, and names each
/// part that is not supported: another model, normaliser, pre-tokenizer or post-processor, dropout, byte fallback,
/// prefixes and suffixes of subwords, added tokens that take white space or whole words only, ids that contradict each
/// other.
[[nodiscard]] TokenizerDefinition read_tokenizer_definition(const std::filesystem::path& file);

}  // namespace lyap
