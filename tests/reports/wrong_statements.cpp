#include "tests/reports/wrong_statements.hpp"

#include <algorithm>
#include <map>
#include <regex>
#include <set>

namespace lyap::testing {
namespace {

/// A pattern that no sentence may match, unless it matches `unless` too.
struct WrongWords {
  const char* why;
  const char* pattern;
  const char* unless;
};

const WrongWords kWrongWords[] = {
    {"a theorem certifies a precision", "theorem [34][^.]*(certif|guarantee)", ""},
    {"certifies a precision", "(certif\\w*|guarantees?) (for )?(amp|all|plain|bf16|fp16|tf32)", ""},
    {"a universal mixed-precision bound", "universal mixed[- ]precision", ""},
    {"a loose bound told as instability", "unstable|instabil|diverg|blow[s]? up|dangerous|unsafe", ""},
    {"a model bound out of block bounds", "end[- ]to[- ]end|whole model|entire model|chain(ed|ing)", ""},
    {"layers' bounds are added up", "add(s|ed)? up", "says nothing about how|need not add up"},
    {"logits or answers are bounded", "(logits?|answers?)[^.]*(bound|at most|within)", "nothing|compare the models"},
    {"precisions compared by a factor", "(times|x|×) (more|worse|larger|looser|better|less) than", ""},
    {"one precision called tighter", "tighter|(tf32|fp16|bf16) is (better|worse|sharper)", ""},
    {"an estimate told as proof",
     "(proved|proven|certif\\w*|guarantee\\w*|bound\\w*)[^.]*(estimate|sigma|first[- ]order)|"
     "(estimate|sigma|first[- ]order)[^.]*(proved|proven|certif|guarantee|bound)",
     "not an estimate"},
    {"a measurement told as proof", "measured[^.]*(guarantee|certif)", "certify recorded"},
    {"a measured bound", "measured bound", ""},
    {"low rank or composite radii inside the interval run", "interval run[^.]*(low[- ]rank|composite)", ""},
    {"an interval run told of any kernel", "interval run[^.]*(any|every|all) (kernel|program|implementation)",
     "exactly"},
    {"safety is promised", "\\b(is|are) safe\\b|safely|lossless|without loss|no loss", ""},
    {"a deviation said to vanish", "(deviation|difference|change|error)s?[^.]*(vanish|fade|disappear|die out)",
     "initial|same inputs"},
    {"something else than the initial part said to decay", "\\bdecay(s|ing)?\\b",
     "initial|does not decay|decay (rate|factor|and state)|decay[s]? (is |are )?(stored|kept)|stored decay|"
     "decay (may round|or state)|strict[ _]decay|natural-log|rate|on ordinary text"},
};

std::string without(std::string text, const std::string& open, const std::string& close) {
  for (std::size_t begin = text.find(open); begin != std::string::npos; begin = text.find(open, begin)) {
    const std::size_t end = text.find(close, begin);
    if (end == std::string::npos) break;
    text.erase(begin, end + close.size() - begin);
  }
  return text;
}

/// Whether a tag leaves its sentence going on.
bool is_inline(const std::string& tag) {
  const std::size_t begin = tag.find_first_not_of('/'), end = std::min(tag.find_first_of(" />", begin), tag.size());
  const std::string name = tag.substr(begin, end - begin);
  for (const char* inside : {"strong", "em", "code", "a", "sup", "br", "span"}) {
    if (name == inside) return true;
  }
  return false;
}

/// The text of `page`, a line per element; aria-labels are lines, too.
std::string visible_lines(const std::string& page) {
  std::string text;
  for (std::size_t at = 0; at < page.size(); ++at) {
    if (page[at] != '<') {
      text += page[at];
      if ((page[at] == '.' || page[at] == ';') && at + 1 < page.size() && page[at + 1] == ' ') text += '\n';
      continue;
    }
    const std::size_t end = std::min(page.find('>', at), page.size());
    const std::string tag = page.substr(at + 1, end - at - 1), label = "aria-label=\"";
    if (const std::size_t begin = tag.find(label); begin != std::string::npos) {
      const std::size_t first = begin + label.size();
      std::string said = tag.substr(first, tag.find('"', first) - first);
      for (std::size_t stop = said.find(". "); stop != std::string::npos; stop = said.find(". ")) said[stop + 1] = '\n';
      text += "\n" + said;
    }
    text += is_inline(tag) ? ' ' : '\n';
    at = end;
  }
  return text;
}

bool matches(const std::string& text, const std::string& pattern) {
  static std::map<std::string, std::regex> known;
  if (pattern.empty()) return false;
  const auto found = known.find(pattern);
  const std::regex& regex =
      found != known.end()
          ? found->second
          : known.emplace(pattern, std::regex(pattern, std::regex::icase | std::regex::optimize)).first->second;
  return std::regex_search(text, regex);
}

}  // namespace

std::vector<std::string> sentences_of(const std::string& page) {
  std::string text = without(without(page, "<script", "</script>"), "<style", "</style>");
  text = without(text, "<pre>", "</pre>");
  text = visible_lines(text);
  std::vector<std::string> sentences;
  std::set<std::string> seen;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::size_t first = text.find_first_not_of(" \t", begin);
    if (first < end) {
      std::string sentence = text.substr(first, end - first);
      if (seen.insert(sentence).second) sentences.push_back(std::move(sentence));
    }
    begin = end + 1;
  }
  return sentences;
}

std::vector<std::string> wrong_statements(const std::vector<std::string>& sentences) {
  std::vector<std::string> found;
  for (const std::string& sentence : sentences) {
    for (const auto& [why, pattern, unless] : kWrongWords) {
      if (matches(sentence, pattern) && !matches(sentence, unless)) found.push_back(why + (": " + sentence));
    }
  }
  return found;
}

}  // namespace lyap::testing
