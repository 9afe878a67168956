#include "verify/checkpoint/strict_json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/checkpoint/crafted_model.hpp"

namespace lyap {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

std::string refusal(const std::string& text, BareNonFinite words = BareNonFinite::kRefused) {
  return testing::refusal_of("x.json", [&] { static_cast<void>(parse_strict_json(text, "x.json", words)); });
}

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST(StrictJson, OrdinaryDocumentsAreReadAsWritten) {
  const json value = parse_strict_json(R"( {"a": [1, -2, 0.1, true, null, "\u00e9\n"], "b": {"a": {}}} )", "x.json");
  EXPECT_EQ(value["a"][0], 1);
  EXPECT_EQ(value["a"][2].get<double>(), 0.1);
  EXPECT_EQ(value["a"][5], "\u00e9\n");
  EXPECT_TRUE(value["b"]["a"].is_object());
}

TEST(StrictJson, AKeyMayAppearOncePerObjectAndAgainInAnother) {
  EXPECT_EQ(refusal(R"({"a": {"a": 1}, "b": {"a": 2}})"), "accepted");
  EXPECT_THAT(refusal(R"({"a": 1, "b": 2, "a": 1})"), HasSubstr("'a' appears twice"));
  EXPECT_THAT(refusal(R"({"b": [{"k": 1, "\u006b": 2}]})"), HasSubstr("'k' appears twice"));
}

TEST(StrictJson, DepthIsLimitedAndCostsNoStack) {
  EXPECT_EQ(refusal(nested(kMaxJsonDepth)), "accepted");
  EXPECT_THAT(refusal(nested(kMaxJsonDepth + 1)), HasSubstr("nested deeper than 64"));
  EXPECT_THAT(refusal(std::string(50'000'000, '[')), HasSubstr("nested deeper"));
  std::string objects;
  for (int i = 0; i < 1'000'000; ++i) objects += R"({"a":)";
  EXPECT_THAT(refusal(objects), HasSubstr("nested deeper"));
}

TEST(StrictJson, WhatIsNotJsonIsRefusedWithItsPlace) {
  for (const std::string text :
       {"",       " ",       "{",           "[1",      "[1,]",     "{\"a\"}", "{a: 1}",     "nul",
        "01",     "1.",      "+1",          "'a'",     "[1] 2",    "{} x",    "// c\n1",    "\"a",
        "\"\t\"", "\"\\x\"", "\"\\ud800\"", "[1e999]", "[-1e999]", "NaN",     "[Infinity]", "-Infinity"}) {
    EXPECT_THAT(refusal(text), HasSubstr("is not valid JSON, byte")) << text;
  }
  EXPECT_THAT(refusal(std::string("{}\0", 3)), HasSubstr("a zero byte"));
  EXPECT_THAT(refusal("\xef\xbb\xbf{}"), HasSubstr("byte order mark"));
}

TEST(StrictJson, TextMustBeUtf8) {
  for (const std::string bytes : {"\xff", "\xc0\xaf", "\xed\xa0\x80", "\xe2\x82", "\xf5\x80\x80\x80", "\x80"}) {
    EXPECT_THAT(refusal("{\"" + bytes + "\": 1}"), HasSubstr("is not valid JSON")) << bytes;
  }
  EXPECT_EQ(refusal("{\"\xf0\x9f\x90\x8d\": 1}"), "accepted");
}

TEST(StrictJson, BareNonFiniteWordsAreReadOnlyWhereAskedFor) {
  const json value =
      parse_strict_json(R"([Infinity, -Infinity,NaN, "Infinity \" NaN"])", "x.json", BareNonFinite::kRead);
  EXPECT_EQ(value[0]["__float__"], "Infinity");
  EXPECT_EQ(value[1]["__float__"], "-Infinity");
  EXPECT_EQ(value[2]["__float__"], "NaN");
  EXPECT_EQ(value[3], "Infinity \" NaN");
  EXPECT_THAT(refusal("[Infinity]"), HasSubstr("not valid JSON"));
  for (const char* text : {"[Infinity1]", "[aNaN]", "[1Infinity]", "[--Infinity]", "[Infinit]", "{Infinity: 1}"}) {
    EXPECT_NE(refusal(text, BareNonFinite::kRead), "accepted") << text;
  }
}

TEST(StrictJson, TheNumberOfValuesIsLimited) {
  std::string many = "[";
  for (std::size_t i = 0; i < kMaxJsonValues; ++i) many += "1,";
  EXPECT_THAT(refusal(many + "1]"), HasSubstr("JSON values"));
}

TEST(StrictJson, AFileOverItsSizeLimitIsNotRead) {
  const testing::TemporaryFolder folder;
  const auto path = folder.write("x.json", "[1, 2, 3]");
  EXPECT_EQ(read_strict_json(path, 9).size(), 3u);
  EXPECT_THAT(testing::refusal_of("x.json", [&] { static_cast<void>(read_strict_json(path, 8)); }),
              HasSubstr("9 bytes"));
  EXPECT_THAT(testing::refusal_of("y.json", [&] { static_cast<void>(read_strict_json(folder.path() / "y.json", 8)); }),
              HasSubstr("no such file"));
}

TEST(StrictJson, ComplaintsStayOnOneShortLineWhateverTheKeyHolds) {
  const std::string key(100'000, 'k');
  const std::string text = refusal("{\"\\n\\u0007" + key + "\": 1, \"\\n\\u0007" + key + "\": 2}");
  EXPECT_LT(text.size(), 500u);
  EXPECT_THAT(text, HasSubstr("\\n\\x07kkk"));
}

}  // namespace
}  // namespace lyap
