#include "verify/checkpoint/byte_level_bpe.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "verify/checkpoint/bad_input.hpp"
#include "verify/checkpoint/byte_level_bpe_split.hpp"

namespace lyap {
namespace {

const std::string kData = LYAP_SOURCE_DIR "/tests/data/tokenizers/";
const std::string kExample = LYAP_SOURCE_DIR "/verify/examples/mamba-tiny/tokenizer.json";

nlohmann::json read_json(const std::string& path) {
  std::ifstream file(path);
  return nlohmann::json::parse(file);
}

void expect_the_packages_ids(const std::string& definition, const std::string& name) {
  const ByteLevelBpe tokenizer = ByteLevelBpe::read(definition);
  const auto cases = read_json(kData + name + "/expected_ids.json");
  ASSERT_GT(cases.size(), 200U);
  for (const auto& expected : cases) {
    const auto text = expected.at("text").get<std::string>();
    EXPECT_EQ(tokenizer.encode(text), expected.at("ids").get<std::vector<std::int64_t>>())
        << nlohmann::json(text).dump(-1, ' ', true);
  }
}

TEST(ByteLevelBpe, GivesTheIdsOfTheTokenizersPackageForTheExampleCheckpoints) {
  expect_the_packages_ids(kExample, "mamba-tiny");
}

TEST(ByteLevelBpe, GivesTheIdsOfTheTokenizersPackageWithRunsOfSpacesAsAddedTokens) {
  expect_the_packages_ids(kData + "neox-like/tokenizer.json", "neox-like");
}

TEST(ByteLevelBpe, GivesTheIdsOfTheTokenizersPackageWithAPrefixSpaceAndIgnoredMerges) {
  expect_the_packages_ids(kData + "prefixed/tokenizer.json", "prefixed");
}

TEST(ByteLevelBpe, GivesTheIdsOfTheTokenizersPackageWithoutThePattern) {
  expect_the_packages_ids(kData + "unsplit/tokenizer.json", "unsplit");
}

TEST(ByteLevelBpe, TheExpectedIdsTellTheTokenizersApart) {
  // Negative control: with another definition at least a quarter of the texts come out differently.
  const ByteLevelBpe other = ByteLevelBpe::read(kData + "unsplit/tokenizer.json");
  const auto cases = read_json(kData + "neox-like/expected_ids.json");
  std::size_t different = 0;
  for (const auto& expected : cases) {
    different +=
        other.encode(expected.at("text").get<std::string>()) != expected.at("ids").get<std::vector<std::int64_t>>();
  }
  EXPECT_GT(4 * different, cases.size());
}

TEST(ByteLevelBpe, WordsAreThoseOfTheTokenizersPackage) {
  for (const char* name : {"mamba-tiny", "neox-like", "prefixed", "unsplit"}) {
    for (const auto& expected : read_json(kData + name + "/expected_ids.json")) {
      const auto text = expected.at("text").get<std::string>();
      std::vector<std::size_t> lengths;
      for (const std::string_view word : split_into_words(text)) lengths.push_back(word.size());
      EXPECT_EQ(lengths, expected.at("words").get<std::vector<std::size_t>>())
          << nlohmann::json(text).dump(-1, ' ', true);
    }
  }
}

TEST(ByteLevelBpe, TheSampleHasAtLeast2048Tokens) {
  std::ifstream file(LYAP_SOURCE_DIR "/verify/examples/sample.txt", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  EXPECT_EQ(ByteLevelBpe::read(kExample).encode(text).size(), 7100U);
}

TEST(ByteLevelBpe, BothExamplesHaveTheSameTokenizer) {
  EXPECT_EQ(read_json(kExample), read_json(LYAP_SOURCE_DIR "/verify/examples/mamba2-tiny/tokenizer.json"));
}

/// The definition of merging, word for word: join the leftmost pair of lowest rank until there is none.
std::vector<std::string> merged_plainly(std::vector<std::string> parts,
                                        const std::map<std::pair<std::string, std::string>, std::size_t>& ranks) {
  while (true) {
    std::size_t best_rank = std::numeric_limits<std::size_t>::max();
    std::size_t best = 0;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      const auto found = ranks.find({parts[i], parts[i + 1]});
      if (found != ranks.end() && found->second < best_rank) {
        best_rank = found->second;
        best = i;
      }
    }
    if (best_rank == std::numeric_limits<std::size_t>::max()) return parts;
    parts[best] += parts[best + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

RC_GTEST_PROP(ByteLevelBpeMerges, JoinTheLeftmostPairOfLowestRankFirst, ()) {
  const std::string letters = "abc";
  TokenVocabulary vocabulary;
  std::vector<std::string> tokens;
  for (const char letter : letters) tokens.emplace_back(1, letter);
  std::vector<std::pair<std::string, std::string>> merges;
  std::map<std::pair<std::string, std::string>, std::size_t> ranks;
  const auto count = *rc::gen::inRange<std::size_t>(0, 20);
  for (std::size_t i = 0; i < count; ++i) {
    const auto left = *rc::gen::elementOf(tokens);
    const auto right = *rc::gen::elementOf(tokens);
    if (left.size() + right.size() > 8) continue;
    ranks[{left, right}] = merges.size();
    merges.emplace_back(left, right);
    tokens.push_back(left + right);
  }
  for (const std::string& token : tokens) vocabulary.emplace(token, static_cast<std::int32_t>(vocabulary.size()));
  const BytePairMerges table("test", vocabulary, merges, false);
  const auto word = *rc::gen::container<std::string>(rc::gen::elementOf(letters));
  std::vector<std::string> parts;
  for (const char letter : word) parts.emplace_back(1, letter);
  std::vector<std::int64_t> expected;
  for (const std::string& part : merged_plainly(parts, ranks)) expected.push_back(vocabulary.at(part));
  std::vector<std::int64_t> found;
  table.append_tokens(word, found);
  RC_ASSERT(found == expected);
}

TEST(ByteLevelBpeMerges, AByteWithoutATokenIsBadInput) {
  const BytePairMerges table("some/tokenizer.json", {{"a", 0}}, {}, false);
  std::vector<std::int64_t> tokens;
  table.append_tokens("aa", tokens);
  EXPECT_EQ(tokens, (std::vector<std::int64_t>{0, 0}));
  try {
    table.append_tokens("ab", tokens);
    FAIL() << "expected BadInput";
  } catch (const BadInput& error) {
    EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("some/tokenizer.json"), testing::HasSubstr("byte 98")));
  }
}

TEST(ByteLevelBpeMerges, TheByteAlphabetIsOneToOneAndPrintable) {
  std::map<std::string, unsigned> bytes;
  for (unsigned byte = 0; byte < 256; ++byte) {
    EXPECT_TRUE(bytes.emplace(byte_alphabet(static_cast<unsigned char>(byte)), byte).second);
  }
  EXPECT_EQ(byte_alphabet(' '), "\u0120");
  EXPECT_EQ(byte_alphabet('\n'), "\u010a");
  EXPECT_EQ(byte_alphabet(0xAD), "\u0143");
  EXPECT_EQ(byte_alphabet(0xFF), "\u00ff");
  EXPECT_EQ(byte_alphabet('a'), "a");
}

TEST(ByteLevelBpe, LongWordsAndLongTextsTakeTimeInProportion) {
  // One word of a million letters, and two megabytes of different words; a quadratic merge would take hours.
  const ByteLevelBpe tokenizer = ByteLevelBpe::read(kExample);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_GT(tokenizer.encode(std::string(1'000'000, 'a')).size(), 100'000U);
  std::string words;
  for (unsigned i = 0; words.size() < 2'000'000; ++i) words += "the w" + std::to_string(i * 2654435761U) + ", ";
  EXPECT_GT(tokenizer.encode(words).size(), 100'000U);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
}

}  // namespace
}  // namespace lyap
