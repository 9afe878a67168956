#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace lyap {

/// A part of a text: an added token, or text between such tokens (token is kNoToken).
struct TextPart {
  static constexpr std::int32_t kNoToken = -1;
  std::string_view text;
  std::int32_t token = kNoToken;
};

/// A set of literal strings that stand for one token each, wherever they occur.
class AddedTokens {
 public:
  /// Where the same text is inserted twice, its first id stays. Empty text is left out.
  void insert(std::string_view text, std::int32_t token);

  /// `text` cut at its added tokens, leftmost first and of those that start at one place the longest; parts are not
  /// empty and point into `text`. Cost: the length of the text times that of the longest added token, at worst.
  [[nodiscard]] std::vector<TextPart> split(std::string_view text) const;

 private:
  /// A node of the tree of the tokens' bytes; 0 stands for no child, as the root is nobody's child.
  struct Node {
    std::array<std::int32_t, 256> children{};
    std::int32_t token = TextPart::kNoToken;
  };

  /// The longest added token at the start of `rest`, empty text where there is none.
  [[nodiscard]] TextPart longest_at_start(std::string_view rest) const;

  std::vector<Node> nodes_ = std::vector<Node>(1);
};

}  // namespace lyap
