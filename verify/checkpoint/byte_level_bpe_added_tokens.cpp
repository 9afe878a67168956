#include "verify/checkpoint/byte_level_bpe_added_tokens.hpp"

#include <cstddef>

namespace lyap {

void AddedTokens::insert(std::string_view text, std::int32_t token) {
  if (text.empty()) return;
  std::size_t node = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (nodes_[node].children[byte] == 0) {
      nodes_[node].children[byte] = static_cast<std::int32_t>(nodes_.size());
      nodes_.emplace_back();
    }
    node = static_cast<std::size_t>(nodes_[node].children[byte]);
  }
  if (nodes_[node].token == TextPart::kNoToken) nodes_[node].token = token;
}

TextPart AddedTokens::longest_at_start(std::string_view rest) const {
  TextPart longest;
  std::size_t node = 0;
  for (std::size_t length = 0; length < rest.size();) {
    node = static_cast<std::size_t>(nodes_[node].children[static_cast<unsigned char>(rest[length])]);
    if (node == 0) break;
    ++length;
    if (nodes_[node].token != TextPart::kNoToken) longest = {rest.substr(0, length), nodes_[node].token};
  }
  return longest;
}

std::vector<TextPart> AddedTokens::split(std::string_view text) const {
  std::vector<TextPart> parts;
  std::size_t begin = 0;
  for (std::size_t position = 0; position < text.size();) {
    const TextPart added = longest_at_start(text.substr(position));
    if (added.text.empty()) {
      ++position;
      continue;
    }
    if (begin < position) parts.push_back({text.substr(begin, position - begin), TextPart::kNoToken});
    parts.push_back(added);
    position += added.text.size();
    begin = position;
  }
  if (begin < text.size()) parts.push_back({text.substr(begin), TextPart::kNoToken});
  return parts;
}

}  // namespace lyap
