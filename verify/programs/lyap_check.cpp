#include <algorithm>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "verify/certify/exit_code.hpp"
#include "verify/certify/sibling_program.hpp"

/// `lyap check NAME.json MODEL [--engine proved|native|both] ...` runs the engines' programs beside this one. Without
/// --engine it is the proved one where this build has it.
namespace {

constexpr const char* kHelp =
    "Checks a certificate against its model.\n\n"
    "Usage: lyap check NAME.json MODEL [--engine proved|native|both] [OPTIONS]\n\n"
    "  --engine proved   the checker whose soundness is a theorem (exact integers, extracted from Coq)\n"
    "  --engine native   an independent engine in C++ (MPFR, exact integers), not proved\n"
    "  --engine both     one after the other; accepted where both accept\n"
    "  Default: proved where this build has it, else native.\n\n"
    "Other options go to the engine: lyap check --engine native --help\n"
    "Exit codes: 0 accepted, 1 rejected, 2 usage, 65 a file is missing or malformed, 70 memory or disk\n";

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

int run(std::vector<std::string> words) {
  const auto asked = take_engine(words);
  if (!asked) return refuse("--engine: proved, native or both was expected");
  const bool asks_for_help = std::find(words.begin(), words.end(), "--help") != words.end();
  if (asked->empty() && asks_for_help) {
    std::cout << kHelp;
    return lyap::kDone;
  }
  std::vector<std::string> engines{*asked};
  if (asked->empty()) engines = {lyap::sibling_program(program_of("proved")) ? "proved" : "native"};
  if (*asked == "both") engines = {"proved", "native"};
  int worst = lyap::kDone;
  for (const std::string& engine : engines) {
    const auto program = lyap::sibling_program(program_of(engine));
    if (!program) return refuse("this build has no " + program_of(engine) + " in " + lyap::program_folder().string());
    worst = std::max(worst, lyap::run_program(*program, words, false));
  }
  return worst;
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
