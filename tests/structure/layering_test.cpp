#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

// The written dependency rules (layers.txt) against what the sources include, and the naming rules of files.
namespace {

namespace fs = std::filesystem;
const fs::path kRoot = LYAP_SOURCE_DIR;

using Rules = std::map<std::string, std::vector<std::string>>;

Rules read_rules(std::istream& in) {
  Rules rules;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    const std::size_t colon = line.find(':');
    std::istringstream words(line.substr(colon + 1));
    std::vector<std::string>& allowed = rules[line.substr(0, colon)];
    for (std::string word; words >> word;) allowed.push_back(word);
  }
  return rules;
}

bool starts_with(const std::string& text, const std::string& prefix) { return text.rfind(prefix, 0) == 0; }

std::string layer_of(const std::string& path, const Rules& rules) {
  std::string best;
  for (const auto& [folder, allowed] : rules) {
    if (starts_with(path, folder + "/") && folder.size() > best.size()) best = folder;
  }
  return best;
}

struct Include {
  std::string file, target;
  bool angled;
};

std::vector<Include> includes_of(const std::string& name, std::istream& in) {
  static const std::regex pattern(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
  std::vector<Include> found;
  for (std::string line; std::getline(in, line);) {
    std::smatch match;
    if (std::regex_search(line, match, pattern)) found.push_back({name, match[2], match[1] == "<"});
  }
  return found;
}

bool is_standard(const std::string& header) {
  return header.find('/') == std::string::npos && header.find('.') == std::string::npos;
}

bool is_allowed(const Include& include, const Rules& rules) {
  const std::string layer = layer_of(include.file, rules);
  if (include.angled && is_standard(include.target)) return true;
  if (!include.angled && layer_of(include.target, rules) == layer) return true;
  const std::vector<std::string>& allowed = rules.at(layer);
  return std::any_of(allowed.begin(), allowed.end(), [&](const std::string& entry) {
    if (include.angled)
      return entry[0] == '<' && starts_with("<" + include.target + ">", entry.substr(0, entry.size() - 1));
    return include.target == entry || starts_with(include.target, entry + "/");
  });
}

std::vector<fs::path> sources() {
  std::vector<fs::path> files;
  for (const char* module : {"theory", "numerics", "verify", "reports"}) {
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / module)) {
      const std::string extension = entry.path().extension();
      if (extension == ".hpp" || extension == ".cpp") files.push_back(fs::relative(entry.path(), kRoot));
    }
  }
  return files;
}

bool is_benchmark(const fs::path& file) { return file.string().find("/bench/") != std::string::npos; }

Rules rules_of_the_repository() {
  std::ifstream in(kRoot / "tests/structure/layers.txt");
  return read_rules(in);
}

TEST(Layering, EveryIncludeIsAllowedByTheWrittenRules) {
  const Rules rules = rules_of_the_repository();
  ASSERT_FALSE(rules.empty());
  for (const fs::path& file : sources()) {
    if (is_benchmark(file)) continue;
    std::ifstream in(kRoot / file);
    for (const Include& include : includes_of(file.string(), in)) {
      EXPECT_TRUE(is_allowed(include, rules)) << file << " includes " << include.target;
    }
  }
}

TEST(Layering, AForbiddenIncludeIsFound) {
  const Rules rules = rules_of_the_repository();
  std::istringstream source("#include \"numerics/interval.hpp\"\n#include <mpfr.h>\n#include <vector>\n");
  const std::vector<Include> includes = includes_of("theory/x.hpp", source);
  ASSERT_EQ(includes.size(), 3u);
  EXPECT_FALSE(is_allowed(includes[0], rules));
  EXPECT_FALSE(is_allowed(includes[1], rules));
  EXPECT_TRUE(is_allowed(includes[2], rules));
  EXPECT_FALSE(is_allowed({"verify/checkpoint/x.hpp", "verify/certify/universal.hpp", false}, rules));
  EXPECT_TRUE(is_allowed({"verify/certify/x.hpp", "verify/checkpoint/checkpoint.hpp", false}, rules));
}

TEST(Naming, FilesAreSnakeCaseAndNamedForAnIdea) {
  const std::regex snake_case("[a-z0-9_]+\\.(hpp|cpp)");
  const std::regex vague("(utils?|common|helpers?|misc)");
  for (const fs::path& file : sources()) {
    EXPECT_TRUE(std::regex_match(file.filename().string(), snake_case)) << file;
    EXPECT_FALSE(std::regex_match(file.stem().string(), vague)) << file;
  }
}

TEST(Naming, EveryModuleSaysWhatItIsForAndWhatItDoesNotDo) {
  for (const char* module : {"theory", "numerics", "verify", "reports"}) {
    EXPECT_TRUE(fs::exists(kRoot / module / "README.md")) << module;
  }
}

}  // namespace
