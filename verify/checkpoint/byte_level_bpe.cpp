#include "verify/checkpoint/byte_level_bpe.hpp"

#include <cstddef>
#include <string>
#include <unordered_map>
#include <utility>

#include "verify/checkpoint/byte_level_bpe_split.hpp"
#include "verify/checkpoint/unicode_text.hpp"

namespace lyap {
namespace {

/// Words longer than this, and words beyond this many different ones, are encoded afresh each time.
constexpr std::size_t kLongestRememberedWord = 64;
constexpr std::size_t kMostRememberedWords = 200'000;

}  // namespace

/// One call of encode: the ids so far and the words met so far.
class ByteLevelBpe::Encoding {
 public:
  explicit Encoding(const ByteLevelBpe& tokenizer) : tokenizer_(tokenizer) {}

  void append(std::string_view text) {
    for (const TextPart& part : tokenizer_.raw_tokens_.split(text)) {
      if (part.token != TextPart::kNoToken) {
        tokens_.push_back(part.token);
      } else if (tokenizer_.nfc_) {
        append_normalized(compose_nfc(part.text));
      } else {
        append_normalized(part.text);
      }
    }
  }

  [[nodiscard]] std::vector<std::int64_t> take() { return std::move(tokens_); }

 private:
  void append_normalized(std::string_view text) {
    for (const TextPart& part : tokenizer_.normalized_tokens_.split(text)) {
      if (part.token != TextPart::kNoToken) {
        tokens_.push_back(part.token);
      } else if (tokenizer_.add_prefix_space_ && !part.text.starts_with(' ')) {
        append_words(std::string(" ").append(part.text));
      } else {
        append_words(part.text);
      }
    }
  }

  void append_words(std::string_view text) {
    if (!tokenizer_.use_regex_) return append_word(text);
    for (const std::string_view word : split_into_words(text)) append_word(word);
  }

  void append_word(std::string_view word) {
    if (word.size() > kLongestRememberedWord) return tokenizer_.merges_.append_tokens(word, tokens_);
    if (const auto found = remembered_.find(std::string(word)); found != remembered_.end()) {
      tokens_.insert(tokens_.end(), found->second.begin(), found->second.end());
      return;
    }
    const auto begin = static_cast<std::ptrdiff_t>(tokens_.size());
    tokenizer_.merges_.append_tokens(word, tokens_);
    if (remembered_.size() < kMostRememberedWords) {
      remembered_.emplace(word, std::vector<std::int64_t>(tokens_.begin() + begin, tokens_.end()));
    }
  }

  const ByteLevelBpe& tokenizer_;
  std::vector<std::int64_t> tokens_;
  std::unordered_map<std::string, std::vector<std::int64_t>> remembered_;
};

ByteLevelBpe ByteLevelBpe::read(const std::filesystem::path& tokenizer_json) {
  return ByteLevelBpe(tokenizer_json, read_tokenizer_definition(tokenizer_json));
}

ByteLevelBpe::ByteLevelBpe(const std::filesystem::path& file, TokenizerDefinition definition)
    : merges_(file.string(), std::move(definition.vocabulary), definition.merges, definition.ignore_merges),
      nfc_(definition.nfc),
      add_prefix_space_(definition.add_prefix_space),
      use_regex_(definition.use_regex) {
  for (const TokenizerDefinition::AddedToken& token : definition.added_tokens) {
    if (!token.normalized) {
      raw_tokens_.insert(token.content, token.id);
    } else {
      normalized_tokens_.insert(nfc_ ? compose_nfc(token.content) : token.content, token.id);
    }
  }
}

std::vector<std::int64_t> ByteLevelBpe::encode(std::string_view text) const {
  Encoding encoding(*this);
  encoding.append(text);
  return encoding.take();
}

}  // namespace lyap
