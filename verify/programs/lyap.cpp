#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iostream>
#include <set>
#include <string>
#include <vector>

#include "verify/certify/build_information.hpp"
#include "verify/certify/exit_code.hpp"
#include "verify/certify/sibling_program.hpp"

/// `lyap VERB ...` runs the program lyap-VERB beside this one.
namespace {

struct Verb {
  const char* name;
  const char* purpose;
};

constexpr std::array<Verb, 7> kVerbs{{
    {"certify", "prove bounds about a trained checkpoint and write a certificate"},
    {"report", "turn certificates and run records into a page to look at"},
    {"check", "check a certificate against its model, by independent code"},
    {"train", "train a Mamba or Mamba-2 model"},
    {"evaluate", "evaluate a model on text"},
    {"experiment", "repeat the paper's experiments"},
    {"test-kernels", "test GPU kernels against their proved error bounds"},
}};

std::string program_of(const std::string& verb) { return "lyap-" + verb; }

/// Programs beside this one that are no known verb of the product, e.g. of a user's own.
std::set<std::string> other_verbs() {
  std::set<std::string> verbs;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(lyap::program_folder(), error)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind("lyap-", 0) == 0 && name.size() > 5 && lyap::sibling_program(name)) verbs.insert(name.substr(5));
  }
  for (const Verb& verb : kVerbs) verbs.erase(verb.name);
  std::erase_if(verbs, [](const std::string& name) { return name.rfind("check-", 0) == 0; });  // engines of check
  return verbs;
}

std::string padded(const std::string& text) { return text + std::string(text.size() < 14 ? 14 - text.size() : 1, ' '); }

std::string help() {
  std::string text =
      "lyap: certified stability for Mamba state-space models\n\n"
      "Usage: lyap VERB [OPTIONS]      lyap VERB --help      lyap --version\n\nVerbs:\n";
  std::string absent;
  for (const Verb& verb : kVerbs) {
    if (lyap::sibling_program(program_of(verb.name))) {
      text += "  " + padded(verb.name) + verb.purpose + "\n";
    } else {
      absent += (absent.empty() ? "" : ", ") + std::string(verb.name);
    }
  }
  for (const std::string& verb : other_verbs()) text += "  " + padded(verb) + "(" + program_of(verb) + ")\n";
  if (!absent.empty()) text += "\nNot in this build: " + absent + "\n";
  return text + "\nExample:\n  lyap certify ./mamba-130m-hf --report mamba-130m.html\n";
}

/// Levenshtein distance.
std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

int refuse(const std::string& verb) {
  const auto is_verb = [&verb](const Verb& known) { return verb == known.name; };
  if (std::any_of(kVerbs.begin(), kVerbs.end(), is_verb)) {
    std::cerr << "lyap: '" << verb << "' is a verb of lyap, but this build does not have it: there is no "
              << program_of(verb) << " in " << lyap::program_folder().string() << '\n';
    return lyap::kUsage;
  }
  const Verb* nearest = &kVerbs.front();
  for (const Verb& known : kVerbs) {
    if (edit_distance(verb, known.name) < edit_distance(verb, nearest->name)) nearest = &known;
  }
  std::cerr << "lyap: '" << verb << "' is not a verb of lyap";
  if (edit_distance(verb, nearest->name) <= 3) std::cerr << "; did you mean '" << nearest->name << "'?";
  std::cerr << " (lyap --help lists them)\n";
  return lyap::kUsage;
}

int run(int argc, char** argv) {
  const std::string verb = argc > 1 ? argv[1] : "";
  if (verb.empty()) {
    std::cerr << help();
    return lyap::kUsage;
  }
  if (verb == "--help" || verb == "-h" || verb == "help") {
    std::cout << help();
    return lyap::kDone;
  }
  if (verb == "--version") {
    std::cout << "lyap " << lyap::build_information().version << " (" << lyap::build_information().commit << ")\n";
    return lyap::kDone;
  }
  const bool plain =
      verb.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos && verb.front() != '-';
  const auto program = plain ? lyap::sibling_program(program_of(verb)) : std::nullopt;
  if (!program) return refuse(verb);
  std::vector<char*> arguments{const_cast<char*>(program->c_str())};
  arguments.insert(arguments.end(), argv + 2, argv + argc);
  arguments.push_back(nullptr);
  ::execv(program->c_str(), arguments.data());
  std::cerr << "lyap: " << program->string() << " cannot be started: " << std::strerror(errno) << '\n';
  return lyap::kResource;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "lyap: " << error.what() << '\n';
    return lyap::kResource;
  }
}
