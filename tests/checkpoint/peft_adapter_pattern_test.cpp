#include "verify/checkpoint/peft_adapter_pattern.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <regex>
#include <string>
#include <vector>

#include "tests/checkpoint/crafted_model.hpp"
#include "verify/checkpoint/bad_input.hpp"

namespace lyap {
namespace {

using ::testing::HasSubstr;

bool matches(const std::string& pattern, const std::string& name) {
  return ModulePattern::compile(pattern, "adapter_config.json", "target_modules").matches_whole(name);
}

std::string refusal(const std::string& pattern) {
  return testing::refusal_of("adapter_config.json", [&] {
    static_cast<void>(ModulePattern::compile(pattern, "adapter_config.json", "target_modules"));
  });
}

// What Python's re.fullmatch says.
TEST(ModulePattern, MatchesWholeNamesAsPythonDoes) {
  const std::string name = "backbone.layers.12.mixer.in_proj";
  for (const char* pattern : {"backbone.layers.12.mixer.in_proj",
                              R"(.*\.in_proj)",
                              R"(.*\.(in|out)_proj)",
                              R"(.*layers\.1[0-3]\..*)",
                              R"(.*layers\.\d+\.mixer\.[a-z_]+)",
                              R"(.*layers\.\d{2}\..*)",
                              R"(^.*in_proj$)",
                              R"((?:.*\.)?in_proj)",
                              R"((?P<where>.*)\.in_proj)",
                              R"(.*?in_proj)",
                              R"([^q]*proj)",
                              R"([\w.]+)",
                              R"(\S*)",
                              R"(.*\.layers\.(\d|1\d)\..*)",
                              R"(.{32})",
                              R"(.{,32})",
                              R"(.{32,})",
                              R"(.{1,40}?)",
                              R"([]a-z\d._]+)",
                              R"(.*_proj|x)",
                              R"((a|)backbone.*)"})
    EXPECT_TRUE(matches(pattern, name)) << pattern;
  for (const char* pattern : {"in_proj", R"(.*\.out_proj)", R"(backbone)", R"(.*layers\.\d\..*)", R"(.*\.in_proj\.)",
                              R"(.*layers\.1[0-1]\..*)", R"([^_]*)", R"(.{31})", R"(.{,31})", R"(.{33,})", "",
                              R"(.*$x)", R"(x^.*)", R"(\D*)", R"(BACKBONE.*)"})
    EXPECT_FALSE(matches(pattern, name)) << pattern;
  EXPECT_TRUE(matches("", ""));
  EXPECT_TRUE(matches("(a*)*b", "aaab"));
  EXPECT_TRUE(matches("((a{0})*){3}", ""));
  EXPECT_TRUE(matches("a-[a-]", "a--"));
  EXPECT_FALSE(matches(".", "\xc3"));
}

TEST(ModulePattern, RefusesByNameWhatItWouldGetWrong) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"(", "without its )"},      {"(a", "without its )"},         {"a)", "a ) too many"},
      {"[a", "ends where ]"},      {"[", "ends where ]"},           {"*", "repeats nothing"},
      {"a**", "two quantifiers"},  {"a++", "possessive"},           {"a*+", "possessive"},
      {"^*", "repeats a ^ or $"},  {"(?=a)", "look-around"},        {"(?!a)", "look-around"},
      {"(?i)a", "look-around"},    {"(?<=a)b", "look-around"},      {"(?P=x)", "(?P"},
      {R"((a)\1)", R"(has \1)"},   {R"(\b)", R"(has \b)"},          {R"(a\Z)", R"(has \Z)"},
      {"a{x}", "begins no {m,n}"}, {"a{3,2}", "m above n"},         {"a{2", "begins no {m,n}"},
      {"[b-a]", "ends before"},    {R"([\d-a])", "a class"},        {"\xc3\xa9*", "not ASCII"},
      {"\\", "ends where"},        {"a{99999999999}", "too often"}, {"(?P<x", "ends where"}};
  for (const auto& [pattern, reason] : cases) {
    EXPECT_THAT(refusal(pattern), HasSubstr(reason)) << pattern;
  }
}

TEST(ModulePattern, BoundsSizeDepthAndTimeOfHostilePatterns) {
  EXPECT_THAT(refusal(std::string(5000, 'a')), HasSubstr("longer than"));
  EXPECT_THAT(refusal(std::string(1000, '(') + std::string(1000, ')')), HasSubstr("nested deeper"));
  EXPECT_THAT(refusal("(((a{100}){100}){100}){100}"), HasSubstr("states"));
  EXPECT_THAT(refusal("((((a?){99}){99}){99}){99}"), HasSubstr("states"));
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(matches("(((a{0}){9999}){9999}){9999}", ""));
  EXPECT_FALSE(matches("(a*)*(a*)*(a*)*(a|aa)+b", std::string(2000, 'a')));
  EXPECT_FALSE(matches("(a?){400}a{400}", std::string(399, 'a')));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

std::string random_pattern(std::mt19937_64& random, int depth) {
  switch (random() % (depth > 0 ? 9 : 4)) {
    case 0:
    case 1:
      return std::string(1, static_cast<char>('a' + random() % 2));
    case 2:
      return random() % 2 == 0 ? "." : R"(\.)";
    case 3:
      return random() % 2 == 0 ? "[ab]" : "[^a]";
    case 4:
      return "(" + random_pattern(random, depth - 1) + "|" + random_pattern(random, depth - 1) + ")";
    case 5: {
      static constexpr const char* kQuantifiers[] = {"*", "+", "?", "*?", "{2}", "{1,2}", "{0,3}", "{1,}"};
      return "(" + random_pattern(random, depth - 1) + ")" + kQuantifiers[random() % std::size(kQuantifiers)];
    }
    default:
      return random_pattern(random, depth - 1) + random_pattern(random, depth - 1);
  }
}

TEST(ModulePattern, AgreesWithTheStandardLibraryOnRandomPatterns) {
  std::mt19937_64 random(5);
  std::size_t matched = 0;
  const std::size_t cases = testing::scaled(2000);
  for (std::size_t i = 0; i < cases; ++i) {
    const std::string pattern = random_pattern(random, 4);
    const std::regex judge(pattern);
    const ModulePattern compiled = ModulePattern::compile(pattern, "file", "place");
    for (int names = 0; names < 10; ++names) {
      std::string name;
      for (std::size_t length = random() % 7; name.size() < length;) name += "ab."[random() % 3];
      const bool expected = std::regex_match(name, judge);
      matched += expected ? 1 : 0;
      ASSERT_EQ(compiled.matches_whole(name), expected) << pattern << " on " << name;
    }
  }
  EXPECT_GT(matched, cases / 20);  // both answers occur
  EXPECT_LT(matched, cases * 9);
}

}  // namespace
}  // namespace lyap
