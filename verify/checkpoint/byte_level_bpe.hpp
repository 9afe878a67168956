#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "verify/checkpoint/byte_level_bpe_added_tokens.hpp"
#include "verify/checkpoint/byte_level_bpe_definition.hpp"
#include "verify/checkpoint/byte_level_bpe_merges.hpp"

namespace lyap {

/// The byte-level BPE tokenizer of a tokenizer.json (GPT-2's kind, as in GPT-NeoX, Pythia, Mamba and Mamba-2).
///
/// The ids of a text come about in this order: added tokens that are not normalised are cut out; what is between them
/// is composed (NFC) where the file says so; normalised added tokens are cut out; the rest is cut into words by GPT-2's
/// pattern; the bytes of each word are joined by ranked merges. Nothing is put before or after the text.
///
/// Equal to the ids of the `tokenizers` package, version 0.23 (asserted in tests/oracles/compare_tokenizers.py), except
/// for texts with combining marks that Unicode 10 or later introduced next to other marks: that package normalises them
/// by Unicode 9, this class by utf8proc's version.
class ByteLevelBpe {
 public:
  /// Throws BadInput as read_tokenizer_definition does.
  [[nodiscard]] static ByteLevelBpe read(const std::filesystem::path& tokenizer_json);

  /// The token ids of UTF-8 text, empty for empty text. Throws BadInput for a byte of the text that the vocabulary
  /// cannot express. Requires text that is UTF-8. Cost: O(n log m) for n bytes in words of at most m; frequent words
  /// are remembered during the call.
  [[nodiscard]] std::vector<std::int64_t> encode(std::string_view text) const;

 private:
  class Encoding;

  ByteLevelBpe(const std::filesystem::path& file, TokenizerDefinition definition);

  AddedTokens raw_tokens_;
  AddedTokens normalized_tokens_;
  BytePairMerges merges_;
  bool nfc_ = false;
  bool add_prefix_space_ = false;
  bool use_regex_ = true;
};

}  // namespace lyap
