#include "verify/checkpoint/byte_level_bpe_merges.hpp"

#include <queue>
#include <tuple>

#include "verify/checkpoint/bad_input.hpp"

namespace lyap {
namespace {

constexpr std::int32_t kNone = -1;

std::string utf8_below_0x800(unsigned code_point) {
  if (code_point < 0x80) return std::string(1, static_cast<char>(code_point));
  return {static_cast<char>(0xC0 | (code_point >> 6)), static_cast<char>(0x80 | (code_point & 0x3F))};
}

std::array<std::string, 256> make_byte_alphabet() {
  std::array<std::string, 256> alphabet;
  unsigned next_substitute = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    alphabet[byte] = utf8_below_0x800(printable ? byte : next_substitute++);
  }
  return alphabet;
}

std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32) | static_cast<std::uint32_t>(right);
}

/// A token of the word under work, in a list linked by positions; a joined one keeps the position of its left part.
struct Symbol {
  std::int32_t token = kNone;  ///< kNone once it has been joined to its left neighbour
  std::int32_t previous = kNone;
  std::int32_t next = kNone;
};

/// A pair that may be joined when it was queued; stale where the symbols at its place have changed since.
struct Candidate {
  std::int32_t rank;
  std::int32_t position;
  std::int32_t left;
  std::int32_t right;
  std::int32_t joined;
  bool operator>(const Candidate& other) const {
    return std::tie(rank, position) > std::tie(other.rank, other.position);
  }
};

std::int32_t id_of(const TokenVocabulary& vocabulary, const std::string& token, std::size_t rank,
                   const std::string& file) {
  const auto found = vocabulary.find(token);
  if (found == vocabulary.end()) {
    throw BadInput(file, "model.merges[" + std::to_string(rank) + "] needs the token '" + token +
                             "', which model.vocab does not have");
  }
  return found->second;
}

}  // namespace

const std::string& byte_alphabet(unsigned char byte) {
  static const std::array<std::string, 256> kAlphabet = make_byte_alphabet();
  return kAlphabet[byte];
}

BytePairMerges::BytePairMerges(const std::string& file, TokenVocabulary vocabulary,
                               const std::vector<std::pair<std::string, std::string>>& merges, bool ignore_merges)
    : file_(file), vocabulary_(std::move(vocabulary)), ignore_merges_(ignore_merges) {
  for (unsigned byte = 0; byte < 256; ++byte) {
    const auto found = vocabulary_.find(byte_alphabet(static_cast<unsigned char>(byte)));
    byte_tokens_[byte] = found == vocabulary_.end() ? kNone : found->second;
  }
  merges_.reserve(merges.size());
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    const std::int32_t left_id = id_of(vocabulary_, left, rank, file_);
    const std::int32_t right_id = id_of(vocabulary_, right, rank, file_);
    merges_[pair_key(left_id, right_id)] = {static_cast<std::int32_t>(rank),
                                            id_of(vocabulary_, left + right, rank, file_)};
  }
}

void BytePairMerges::append_tokens(std::string_view word, std::vector<std::int64_t>& tokens) const {
  if (word.empty()) return;
  if (ignore_merges_) {
    std::string spelled;
    for (const char c : word) spelled += byte_alphabet(static_cast<unsigned char>(c));
    if (const auto found = vocabulary_.find(spelled); found != vocabulary_.end()) {
      tokens.push_back(found->second);
      return;
    }
  }
  append_merged(tokens_of_bytes(word), tokens);
}

std::vector<std::int32_t> BytePairMerges::tokens_of_bytes(std::string_view word) const {
  std::vector<std::int32_t> tokens;
  tokens.reserve(word.size());
  for (const char c : word) {
    const std::int32_t token = byte_tokens_[static_cast<unsigned char>(c)];
    if (token == kNone) {
      throw BadInput(file_, "model.vocab has no token for byte " + std::to_string(static_cast<unsigned char>(c)) +
                                ", which the text contains");
    }
    tokens.push_back(token);
  }
  return tokens;
}

const BytePairMerges::Merge* BytePairMerges::find_merge(std::int32_t left, std::int32_t right) const {
  const auto found = merges_.find(pair_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

void BytePairMerges::append_merged(const std::vector<std::int32_t>& start, std::vector<std::int64_t>& tokens) const {
  const auto count = static_cast<std::int32_t>(start.size());
  std::vector<Symbol> symbols(start.size());
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto offer = [&](std::int32_t position) {
    if (position == kNone || symbols[position].next == kNone) return;
    const std::int32_t left = symbols[position].token;
    const std::int32_t right = symbols[symbols[position].next].token;
    if (const Merge* merge = find_merge(left, right)) queue.push({merge->rank, position, left, right, merge->token});
  };
  for (std::int32_t i = 0; i < count; ++i) symbols[i] = {start[i], i - 1, i + 1 < count ? i + 1 : kNone};
  for (std::int32_t i = 0; i < count; ++i) offer(i);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = symbols[best.position];
    if (left.token != best.left || left.next == kNone || symbols[left.next].token != best.right) continue;
    Symbol& right = symbols[left.next];
    left.token = best.joined;
    left.next = right.next;
    right.token = kNone;
    if (left.next != kNone) symbols[left.next].previous = best.position;
    offer(left.previous);
    offer(best.position);
  }
  for (std::int32_t i = 0; i != kNone; i = symbols[i].next) tokens.push_back(symbols[i].token);
}

}  // namespace lyap
