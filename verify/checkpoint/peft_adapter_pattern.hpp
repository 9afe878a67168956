#pragma once

#include <bitset>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace lyap {

/// A regular expression over module names, in the part of Python's syntax that needs no look-around: characters, `.`,
/// classes, \d \w \s and their complements, groups (plain, (?:..) and (?P<name>..)), `|`, `* + ?`, {m,n}, lazy forms,
/// `^` and `$`. Backtracking never happens: patterns come out of users' files, and matching costs at most
/// states * length of the name, whatever the pattern.
class ModulePattern {
 public:
  /// Throws BadInput "file: place: ..." for syntax errors, characters that are not ASCII, whatever is outside the part
  /// above (by name), and patterns that need more than kMaxStates states.
  static ModulePattern compile(const std::string& pattern, const std::string& file, const std::string& place);

  /// True where the whole name is in the pattern's language: re.fullmatch, and re.match for patterns that end in `$`.
  [[nodiscard]] bool matches_whole(std::string_view name) const;

  [[nodiscard]] std::size_t states() const { return states_.size(); }

  static constexpr std::size_t kMaxStates = 10'000;

  using CharacterSet = std::bitset<128>;

  enum class Step { kCharacter, kSplit, kBegin, kEnd, kAccept };

  /// One state of the automaton: consumes a character of `set`, goes on to `next` and `other`, or looks at the place.
  struct State {
    Step step = Step::kAccept;
    CharacterSet set;
    std::size_t next = 0;
    std::size_t other = 0;
  };

 private:
  explicit ModulePattern(std::vector<State> states) : states_(std::move(states)) {}

  std::vector<State> states_;
};

}  // namespace lyap
