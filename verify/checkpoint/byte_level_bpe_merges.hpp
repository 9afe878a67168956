#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace lyap {

using TokenVocabulary = std::unordered_map<std::string, std::int32_t>;

/// The byte as GPT-2's byte alphabet writes it: itself where printable in Latin-1, else U+0100 and following, in order
/// (space is U+0120).
[[nodiscard]] const std::string& byte_alphabet(unsigned char byte);

/// Byte-pair encoding of one word at a time by ranked merges: the pair of neighbours with the lowest rank, leftmost
/// first, is joined until no pair can be.
class BytePairMerges {
 public:
  /// `vocabulary` and `merges` are written in the byte alphabet; the rank of a merge is its index (of a repeated one,
  /// its last index). Throws BadInput naming `file` for a merge whose parts or whole have no id.
  BytePairMerges(const std::string& file, TokenVocabulary vocabulary,
                 const std::vector<std::pair<std::string, std::string>>& merges, bool ignore_merges);

  /// Appends the ids of `word` (raw bytes). With ignore_merges a word that is itself in the vocabulary is that one
  /// token. Throws BadInput naming the file for a byte without a token. Cost: O(n log n) for n bytes.
  void append_tokens(std::string_view word, std::vector<std::int64_t>& tokens) const;

 private:
  struct Merge {
    std::int32_t rank = 0;
    std::int32_t token = 0;
  };

  [[nodiscard]] std::vector<std::int32_t> tokens_of_bytes(std::string_view word) const;
  [[nodiscard]] const Merge* find_merge(std::int32_t left, std::int32_t right) const;
  void append_merged(const std::vector<std::int32_t>& start, std::vector<std::int64_t>& tokens) const;

  std::string file_;
  TokenVocabulary vocabulary_;
  std::unordered_map<std::uint64_t, Merge> merges_;  ///< by the pair of ids
  std::array<std::int32_t, 256> byte_tokens_{};      ///< -1 where the byte has no token
  bool ignore_merges_ = false;
};

}  // namespace lyap
