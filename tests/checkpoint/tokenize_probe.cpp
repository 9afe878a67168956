// lyap-tokenize-probe TOKENIZER.json|--words: reads texts from standard input, each as its length in bytes on a line of
// its own followed by the bytes, and prints for each one line: its token ids, or the lengths of its words. For
// tests/oracles/compare_tokenizers.py; not installed.

#include <cstdint>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "verify/checkpoint/bad_input.hpp"
#include "verify/checkpoint/byte_level_bpe.hpp"
#include "verify/checkpoint/byte_level_bpe_split.hpp"

namespace {

using Answer = std::function<std::vector<std::int64_t>(const std::string&)>;

std::vector<std::int64_t> word_lengths(const std::string& text) {
  std::vector<std::int64_t> lengths;
  for (const std::string_view word : lyap::split_into_words(text))
    lengths.push_back(static_cast<std::int64_t>(word.size()));
  return lengths;
}

Answer answer_to(const std::string& argument) {
  if (argument == "--words") return word_lengths;
  return [tokenizer = lyap::ByteLevelBpe::read(argument)](const std::string& text) { return tokenizer.encode(text); };
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: lyap-tokenize-probe TOKENIZER.json|--words < texts\n";
    return 2;
  }
  try {
    const Answer answer = answer_to(argv[1]);
    for (std::string line; std::getline(std::cin, line);) {
      std::string text(std::stoul(line), '\0');
      std::cin.read(text.data(), static_cast<std::streamsize>(text.size()));
      const char* separator = "";
      for (const std::int64_t number : answer(text)) {
        std::cout << separator << number;
        separator = " ";
      }
      std::cout << '\n';
    }
  } catch (const lyap::BadInput& error) {
    std::cerr << error.what() << '\n';
    return 65;
  }
  return 0;
}
