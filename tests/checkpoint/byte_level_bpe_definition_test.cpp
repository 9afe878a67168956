#include "verify/checkpoint/byte_level_bpe_definition.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "verify/checkpoint/bad_input.hpp"

namespace lyap {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json smallest_definition() {
  return json::parse(R"({
    "normalizer": {"type": "NFC"},
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true},
    "post_processor": null,
    "added_tokens": [{"id": 0, "content": "<|end|>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}],
    "model": {"type": "BPE", "vocab": {"<|end|>": 0, "a": 1, "b": 2, "ab": 3}, "merges": [["a", "b"]]}
  })");
}

class Definition : public testing::Test {
 protected:
  TokenizerDefinition read(const json& document) { return read_text(document.dump()); }

  TokenizerDefinition read_text(const std::string& text) {
    std::ofstream(path_, std::ios::binary) << text;
    return read_tokenizer_definition(path_);
  }

  /// What reading the changed definition complains about; empty where it is read.
  std::string complaint(const std::function<void(json&)>& change) {
    json document = smallest_definition();
    change(document);
    return complaint_about(document.dump());
  }

  std::string complaint_about(const std::string& text) {
    try {
      (void)read_text(text);
    } catch (const BadInput& error) {
      EXPECT_THAT(error.what(), HasSubstr(path_.string()));
      return error.what();
    }
    return "";
  }

  void TearDown() override { std::filesystem::remove(path_); }

  std::filesystem::path path_ =
      std::filesystem::path(testing::TempDir()) /
      (std::string("lyap_") + testing::UnitTest::GetInstance()->current_test_info()->name() + ".json");
};

TEST_F(Definition, TheSmallestOneIsReadWithItsDefaults) {
  const TokenizerDefinition definition = read(smallest_definition());
  EXPECT_TRUE(definition.nfc);
  EXPECT_TRUE(definition.use_regex);
  EXPECT_FALSE(definition.add_prefix_space);
  EXPECT_FALSE(definition.ignore_merges);
  EXPECT_EQ(definition.vocabulary.size(), 4U);
  EXPECT_EQ(definition.merges.size(), 1U);
  ASSERT_EQ(definition.added_tokens.size(), 1U);
  EXPECT_EQ(definition.added_tokens.front().content, "<|end|>");
}

TEST_F(Definition, MergesMayBeStringsOrPairsAndAVersionLineIsAComment) {
  json document = smallest_definition();
  document["model"]["merges"] = {"#version: 0.2", "a b"};
  EXPECT_EQ(read(document).merges, read(smallest_definition()).merges);
}

TEST_F(Definition, EachUnsupportedPartIsRefusedByName) {
  EXPECT_THAT(complaint([](json& d) { d["model"]["type"] = "Unigram"; }), HasSubstr("'Unigram'"));
  EXPECT_THAT(complaint([](json& d) { d["model"]["byte_fallback"] = true; }), HasSubstr("byte_fallback"));
  EXPECT_THAT(complaint([](json& d) { d["model"]["dropout"] = 0.1; }), HasSubstr("dropout"));
  EXPECT_THAT(complaint([](json& d) { d["model"]["continuing_subword_prefix"] = "##"; }),
              HasSubstr("continuing_subword_prefix"));
  EXPECT_THAT(complaint([](json& d) { d["model"]["end_of_word_suffix"] = "</w>"; }), HasSubstr("end_of_word_suffix"));
  EXPECT_THAT(complaint([](json& d) { d["normalizer"] = {{"type", "Lowercase"}}; }), HasSubstr("'Lowercase'"));
  EXPECT_THAT(complaint([](json& d) {
                d["normalizer"] = {{"type", "Sequence"}, {"normalizers", {{{"type", "NFKC"}}}}};
              }),
              HasSubstr("'NFKC'"));
  EXPECT_THAT(complaint([](json& d) { d["pre_tokenizer"]["type"] = "Metaspace"; }), HasSubstr("'Metaspace'"));
  EXPECT_THAT(complaint([](json& d) { d["pre_tokenizer"] = nullptr; }), HasSubstr("pre_tokenizer"));
  EXPECT_THAT(
      complaint([](json& d) {
        d["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {{{"type", "Digits"}}, d["pre_tokenizer"]}}};
      }),
      HasSubstr("'Digits'"));
  EXPECT_THAT(complaint([](json& d) {
                d["post_processor"] = {{"type", "TemplateProcessing"}};
              }),
              HasSubstr("'TemplateProcessing'"));
  for (const char* name : {"single_word", "lstrip", "rstrip"}) {
    EXPECT_THAT(complaint([name](json& d) { d["added_tokens"][0][name] = true; }), HasSubstr(name));
  }
}

TEST_F(Definition, AMalformedOneIsRefused) {
  EXPECT_THAT(complaint_about("[]"), HasSubstr("not a JSON object"));
  EXPECT_NE(complaint_about("{\"model\": "), "");
  EXPECT_THAT(complaint_about(R"({"model": {}, "model": {}})"), HasSubstr("twice"));
  EXPECT_THAT(complaint([](json& d) { d.erase("model"); }), HasSubstr("model"));
  EXPECT_THAT(complaint([](json& d) { d["model"].erase("vocab"); }), HasSubstr("vocab"));
  EXPECT_THAT(complaint([](json& d) { d["model"].erase("merges"); }), HasSubstr("merges"));
  EXPECT_THAT(complaint([](json& d) { d["model"]["vocab"]["a"] = -1; }), HasSubstr("model.vocab['a']"));
  EXPECT_THAT(complaint([](json& d) { d["model"]["vocab"]["a"] = 1.5; }), HasSubstr("model.vocab['a']"));
  EXPECT_THAT(complaint([](json& d) { d["model"]["vocab"]["a"] = 2; }), HasSubstr("id 2"));
  for (const json& merge : {json("ab"), json("a b c"), json(" b"), json("a "), json(3), json({"a"}), json({"a", 3})}) {
    EXPECT_THAT(complaint([&merge](json& d) { d["model"]["merges"][0] = merge; }), HasSubstr("model.merges[0]"))
        << merge;
  }
  EXPECT_THAT(complaint([](json& d) { d["pre_tokenizer"].erase("add_prefix_space"); }), HasSubstr("add_prefix_space"));
  EXPECT_THAT(complaint([](json& d) { d["added_tokens"][0].erase("normalized"); }), HasSubstr("normalized"));
  EXPECT_THAT(complaint([](json& d) { d["added_tokens"][0]["id"] = 3; }), HasSubstr("expected 0 as in model.vocab"));
  EXPECT_THAT(complaint([](json& d) {
                d["added_tokens"].push_back(d["added_tokens"][0]);
                d["added_tokens"][1]["content"] = "new";
                d["added_tokens"][1]["id"] = 9;
              }),
              HasSubstr("expected 4, the next after those before it"));
  EXPECT_EQ(complaint([](json&) {}), "");
}

TEST_F(Definition, AMissingFileIsNamed) {
  EXPECT_THROW((void)read_tokenizer_definition("/nonexistent/tokenizer.json"), BadInput);
}

}  // namespace
}  // namespace lyap
