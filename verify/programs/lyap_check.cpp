#include <algorithm>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "verify/certify/exit_code.hpp"
#include "verify/certify/sibling_program.hpp"

/// `lyap check NAME.json MODEL [--engine proved|native|both] ...` runs the engines' programs beside this one. Without
/// --engine, every engine that this build has.
namespace {

constexpr const char* kHelp =
    "Checks a certificate against its model.\n\n"
    "Usage: lyap check NAME.json MODEL [--engine proved|native|both] [OPTIONS]\n\n"
    "  --engine proved   the checker whose soundness is a theorem (exact integers, extracted from Coq)\n"
    "  --engine native   an independent engine in C++ (MPFR, exact integers), not proved\n"
    "  --engine both     one after the other\n"
    "  Default: both where this build has the proved engine, else native.\n\n"
    "Other options go to the engines: lyap check --engine native --help\n"
    "Exit codes: 0 every claim was checked by an engine, 1 rejected, 2 usage, 3 nothing was refuted but some claims "
    "were\n"
    "not checked, 65 a file is missing or malformed, 70 memory or disk\n";

std::string program_of(const std::string& engine) { return "lyap-check-" + engine; }

int refuse(const std::string& problem) {
  std::cerr << "lyap check: " << problem << " (see lyap check --help)" << std::endl;
  return lyap::kUsage;
}

/// The engine that was asked for; the words lose --engine and its value.
std::optional<std::string> take_engine(std::vector<std::string>& words) {
  const std::string flag = "--engine";
  std::string engine;
  for (std::size_t i = 0; i < words.size();) {
    const bool joined = words[i].rfind(flag + "=", 0) == 0;
    if (!joined && words[i] != flag) {
      ++i;
      continue;
    }
    if (!joined && i + 1 == words.size()) return std::nullopt;
    engine = joined ? words[i].substr(flag.size() + 1) : words[i + 1];
    const auto at = words.begin() + static_cast<std::ptrdiff_t>(i);
    words.erase(at, at + (joined ? 1 : 2));
    if (engine != "proved" && engine != "native" && engine != "both") return std::nullopt;
  }
  return engine;
}

/// What both engines said together. One that refutes outweighs one that accepts.
int combined(const std::vector<int>& codes) {
  const int worst = *std::max_element(codes.begin(), codes.end());
  const bool rejected = std::find(codes.begin(), codes.end(), lyap::kConditionHolds) != codes.end();
  if (worst >= lyap::kBadInput || worst == lyap::kUsage) return worst;
  if (rejected) {
    const bool unanimous = std::all_of(codes.begin(), codes.end(), [](int c) { return c == lyap::kConditionHolds; });
    if (!unanimous) std::cerr << "lyap check: the engines disagree: please report this certificate and model\n";
    return lyap::kConditionHolds;
  }
  return *std::min_element(codes.begin(), codes.end());  // checked by one engine, or by none
}

int run(std::vector<std::string> words) {
  const auto asked = take_engine(words);
  if (!asked) return refuse("--engine: proved, native or both was expected");
  const bool asks_for_help = std::find(words.begin(), words.end(), "--help") != words.end();
  if (asked->empty() && asks_for_help) {
    std::cout << kHelp;
    return lyap::kDone;
  }
  std::vector<std::string> engines{*asked};
  const bool has_proved = lyap::sibling_program(program_of("proved")).has_value();
  if (asked->empty())
    engines = has_proved ? std::vector<std::string>{"proved", "native"} : std::vector<std::string>{"native"};
  if (*asked == "both") engines = {"proved", "native"};
  if (asked->empty() && !has_proved)
    std::cerr << "lyap check: this build has no proved engine; the native one checks\n";
  const bool as_list = engines.size() > 1 && std::find(words.begin(), words.end(), "--json") != words.end();
  std::vector<int> codes;
  for (const std::string& engine : engines) {
    const auto program = lyap::sibling_program(program_of(engine));
    if (!program) return refuse("this build has no " + program_of(engine) + " in " + lyap::program_folder().string());
    if (as_list) std::cout << (codes.empty() ? "[\n" : ",\n") << std::flush;
    codes.push_back(lyap::run_program(*program, words, false));
  }
  if (as_list) std::cout << "]\n" << std::flush;
  return combined(codes);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::cerr << "lyap check: " << error.what() << std::endl;
    return lyap::kResource;
  }
}
