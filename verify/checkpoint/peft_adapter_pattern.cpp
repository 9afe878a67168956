#include "verify/checkpoint/peft_adapter_pattern.hpp"

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

#include "verify/checkpoint/bad_input.hpp"

namespace lyap {
namespace {

using CharacterSet = ModulePattern::CharacterSet;
using State = ModulePattern::State;
using Step = ModulePattern::Step;

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxPatternBytes = 4096;
constexpr std::size_t kUnbounded = std::numeric_limits<std::size_t>::max();

enum class NodeKind { kCharacter, kSequence, kAlternatives, kRepetition, kBegin, kEnd };

struct Node {
  NodeKind kind = NodeKind::kSequence;
  CharacterSet set;
  std::vector<Node> children;
  std::size_t least = 0, most = 0;
};

CharacterSet range(char first, char last) {
  CharacterSet set;
  for (auto c = static_cast<std::size_t>(first); c <= static_cast<std::size_t>(last); ++c) set.set(c);
  return set;
}

CharacterSet single(char c) { return range(c, c); }

// The set that \c stands for, or nothing where \c is a plain character or not understood.
std::optional<CharacterSet> class_escape(char c) {
  CharacterSet set;
  switch (std::tolower(static_cast<unsigned char>(c))) {
    case 'd':
      set = range('0', '9');
      break;
    case 'w':
      set = range('0', '9') | range('a', 'z') | range('A', 'Z') | single('_');
      break;
    case 's':
      set = single(' ') | range('\t', '\r') | range('\x1c', '\x1f');
      break;
    default:
      return std::nullopt;
  }
  return std::isupper(static_cast<unsigned char>(c)) ? ~set : set;
}

// Recursive descent over the pattern; depth is bounded.
class PatternParser {
 public:
  PatternParser(const std::string& pattern, const std::string& file, const std::string& place)
      : pattern_(pattern), file_(file), place_(place) {}

  Node parse() {
    if (pattern_.size() > kMaxPatternBytes) refuse("is longer than " + std::to_string(kMaxPatternBytes) + " bytes");
    const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 128; };
    if (!std::all_of(pattern_.begin(), pattern_.end(), is_ascii)) refuse("has characters that are not ASCII");
    Node node = alternatives(0);
    if (at_ < pattern_.size()) refuse("has a ) too many");
    return node;
  }

  [[noreturn]] void refuse(const std::string& problem) const {
    throw BadInput(file_, place_ + ": the regular expression " + quoted_name(pattern_) + " " + problem);
  }

 private:
  [[nodiscard]] bool is_next(char c) const { return at_ < pattern_.size() && pattern_[at_] == c; }

  bool take(char c) {
    if (!is_next(c)) return false;
    ++at_;
    return true;
  }

  char take_any(const char* expected) {
    if (at_ >= pattern_.size()) refuse(std::string("ends where ") + expected + " was expected");
    return pattern_[at_++];
  }

  Node alternatives(std::size_t depth) {
    if (depth > kMaxDepth) refuse("is nested deeper than " + std::to_string(kMaxDepth) + " levels");
    Node node;
    node.kind = NodeKind::kAlternatives;
    do {
      node.children.push_back(sequence(depth));
    } while (take('|'));
    return node;
  }

  Node sequence(std::size_t depth) {
    Node node;
    while (at_ < pattern_.size() && !is_next('|') && !is_next(')')) node.children.push_back(piece(depth));
    return node;
  }

  Node piece(std::size_t depth) {
    Node inner = atom(depth);
    Node node;
    node.kind = NodeKind::kRepetition;
    if (take('*')) {
      node.most = kUnbounded;
    } else if (take('+')) {
      node.least = 1;
      node.most = kUnbounded;
    } else if (take('?')) {
      node.most = 1;
    } else if (take('{')) {
      counts(node);
    } else {
      return inner;
    }
    if (inner.kind == NodeKind::kBegin || inner.kind == NodeKind::kEnd) refuse("repeats a ^ or $");
    if (is_next('+')) refuse("has a possessive quantifier, which is not supported");
    static_cast<void>(take('?'));  // lazy: the same language
    if (is_next('*') || is_next('+') || is_next('?') || is_next('{')) refuse("has two quantifiers in a row");
    node.children.push_back(std::move(inner));
    return node;
  }

  std::size_t number() {
    std::size_t value = 0;
    while (at_ < pattern_.size() && std::isdigit(static_cast<unsigned char>(pattern_[at_]))) {
      value = value * 10 + static_cast<std::size_t>(pattern_[at_++] - '0');
      if (value > ModulePattern::kMaxStates) refuse("repeats too often");
    }
    return value;
  }

  // {m}, {m,}, {,n} or {m,n}, after the brace.
  void counts(Node& node) {
    const std::size_t begin = at_;
    node.least = number();
    node.most = node.least;
    if (take(',')) {
      node.most = is_next('}') ? kUnbounded : number();
    } else if (at_ == begin) {
      refuse("has a { that begins no {m,n}; write \\{ for the character");
    }
    if (!take('}')) refuse("has a { that begins no {m,n}; write \\{ for the character");
    if (node.most < node.least) refuse("has a {m,n} with m above n");
  }

  Node atom(std::size_t depth) {
    Node node;
    node.kind = NodeKind::kCharacter;
    switch (const char c = take_any("a character")) {
      case '(':
        return group(depth);
      case '^':
        node.kind = NodeKind::kBegin;
        return node;
      case '$':
        node.kind = NodeKind::kEnd;
        return node;
      case '.':
        node.set = ~single('\n');
        return node;
      case '[':
        node.set = character_class();
        return node;
      case '\\':
        node.set = escape();
        return node;
      case '*':
      case '+':
      case '?':
      case '{':
        refuse(std::string("has a ") + c + " that repeats nothing");
      default:
        node.set = single(c);
        return node;
    }
  }

  Node group(std::size_t depth) {
    if (take('?')) {
      if (take('P')) {
        if (!take('<')) refuse("has a (?P that is not supported; (?P<name>..) is");
        while (take_any(">") != '>') {
        }
      } else if (!take(':')) {
        refuse("has a (? that is not supported, such as look-around or flags; (?:..) and (?P<name>..) are");
      }
    }
    Node node = alternatives(depth + 1);
    if (!take(')')) refuse("has a ( without its )");
    return node;
  }

  CharacterSet escape() {
    const char c = take_any("a character after \\");
    if (const auto set = class_escape(c)) return *set;
    if (std::isalnum(static_cast<unsigned char>(c))) refuse(std::string("has \\") + c + ", which is not supported");
    return single(c);
  }

  CharacterSet character_class() {
    const bool complement = take('^');
    CharacterSet set;
    for (bool first = true; first || !is_next(']'); first = false) {
      const char c = take_any("]");
      const bool escaped = c == '\\';
      const CharacterSet one = escaped ? escape() : single(c);
      const bool is_range = is_next('-') && at_ + 1 < pattern_.size() && pattern_[at_ + 1] != ']';
      if (!is_range) {
        set |= one;
        continue;
      }
      ++at_;
      const char end = take_any("]");
      const CharacterSet other = end == '\\' ? escape() : single(end);
      if (one.count() != 1 || other.count() != 1) refuse("has a range that begins or ends in a class");
      const char low = character_of(one);
      const char high = character_of(other);
      if (high < low) refuse("has a range that ends before it begins");
      set |= range(low, high);
    }
    ++at_;
    return complement ? ~set : set;
  }

  static char character_of(const CharacterSet& set) {
    std::size_t c = 0;
    while (!set.test(c)) ++c;
    return static_cast<char>(c);
  }

  const std::string& pattern_;
  const std::string& file_;
  const std::string& place_;
  std::size_t at_ = 0;
};

// Turns the tree into states; what follows a piece is appended behind it.
class StateWriter {
 public:
  explicit StateWriter(const PatternParser& parser) : parser_(parser) {}

  std::vector<State> write(const Node& node) {
    emit(node);
    push(Step::kAccept);
    return std::move(states_);
  }

 private:
  std::size_t push(Step step) {
    if (states_.size() >= ModulePattern::kMaxStates) {
      parser_.refuse("needs more than " + std::to_string(ModulePattern::kMaxStates) + " states");
    }
    State state;
    state.step = step;
    state.next = states_.size() + 1;
    state.other = states_.size() + 1;
    states_.push_back(state);
    return states_.size() - 1;
  }

  void emit(const Node& node) {
    switch (node.kind) {
      case NodeKind::kCharacter:
        states_[push(Step::kCharacter)].set = node.set;
        break;
      case NodeKind::kBegin:
        push(Step::kBegin);
        break;
      case NodeKind::kEnd:
        push(Step::kEnd);
        break;
      case NodeKind::kSequence:
        for (const Node& child : node.children) emit(child);
        break;
      case NodeKind::kAlternatives:
        emit_alternatives(node);
        break;
      case NodeKind::kRepetition:
        emit_repetition(node);
    }
  }

  void emit_alternatives(const Node& node) {
    std::vector<std::size_t> exits;
    for (std::size_t i = 0; i + 1 < node.children.size(); ++i) {
      const std::size_t split = push(Step::kSplit);
      emit(node.children[i]);
      exits.push_back(push(Step::kSplit));
      states_[split].other = states_.size();
    }
    emit(node.children.back());
    for (const std::size_t exit : exits) states_[exit].next = states_[exit].other = states_.size();
  }

  void emit_repetition(const Node& node) {
    const Node& body = node.children.front();
    // A body without states would spin here, and repeating it changes nothing.
    const std::size_t before = states_.size();
    for (std::size_t i = 0; i < node.least; ++i) {
      emit(body);
      if (states_.size() == before) return;
    }
    if (node.most == kUnbounded) {
      const std::size_t split = push(Step::kSplit);
      emit(body);
      const std::size_t back = push(Step::kSplit);
      states_[back].next = states_[back].other = split;
      states_[split].other = states_.size();
      return;
    }
    std::vector<std::size_t> splits;
    for (std::size_t i = node.least; i < node.most; ++i) {
      splits.push_back(push(Step::kSplit));
      emit(body);
    }
    for (const std::size_t split : splits) states_[split].other = states_.size();
  }

  const PatternParser& parser_;
  std::vector<State> states_;
};

}  // namespace

ModulePattern ModulePattern::compile(const std::string& pattern, const std::string& file, const std::string& place) {
  PatternParser parser(pattern, file, place);
  const Node tree = parser.parse();
  return ModulePattern(StateWriter(parser).write(tree));
}

bool ModulePattern::matches_whole(std::string_view name) const {
  std::vector<bool> reached(states_.size());
  std::vector<std::size_t> characters;  // states that wait for a character
  std::vector<std::size_t> stack;
  bool accepted = false;
  const auto follow = [&](std::size_t place) {
    while (!stack.empty()) {
      const std::size_t current = stack.back();
      stack.pop_back();
      if (reached[current]) continue;
      reached[current] = true;
      const State& state = states_[current];
      if (state.step == Step::kCharacter) characters.push_back(current);
      if (state.step == Step::kAccept) accepted = true;
      if (state.step == Step::kSplit) stack.insert(stack.end(), {state.other, state.next});
      if (state.step == Step::kBegin && place == 0) stack.push_back(state.next);
      if (state.step == Step::kEnd && place == name.size()) stack.push_back(state.next);
    }
  };
  stack.push_back(0);
  follow(0);
  for (std::size_t place = 0; place < name.size(); ++place) {
    const auto c = static_cast<unsigned char>(name[place]);
    const std::vector<std::size_t> waiting = std::exchange(characters, {});
    std::fill(reached.begin(), reached.end(), false);
    accepted = false;
    for (const std::size_t state : waiting) {
      if (c < 128 && states_[state].set.test(c)) stack.push_back(states_[state].next);
    }
    follow(place + 1);
  }
  return accepted;
}

}  // namespace lyap
