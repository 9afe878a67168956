#include "verify/checkpoint/token_sequence.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "verify/checkpoint/bad_input.hpp"
#include "verify/checkpoint/checkpoint.hpp"

namespace lyap {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const std::filesystem::path kExamples = LYAP_SOURCE_DIR "/verify/examples";

struct TensorToWrite {
  std::string name;
  std::string dtype;
  std::vector<std::size_t> shape;
  std::string data;
};

template <typename T>
std::string bytes_of(const std::vector<T>& numbers) {
  std::string data(numbers.size() * sizeof(T), '\0');
  if (!numbers.empty()) std::memcpy(data.data(), numbers.data(), data.size());
  return data;
}

class TokenSequence : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) /
              (std::string("lyap_token_sequence_") + testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path file(const std::string& name, const std::string& content) {
    std::ofstream(folder_ / name, std::ios::binary) << content;
    return folder_ / name;
  }

  std::filesystem::path safetensors(const std::vector<TensorToWrite>& tensors,
                                    const std::string& name = "in.safetensors") {
    nlohmann::json header = nlohmann::json::object();
    std::string data;
    for (const TensorToWrite& tensor : tensors) {
      header[tensor.name] = {{"dtype", tensor.dtype},
                             {"shape", tensor.shape},
                             {"data_offsets", {data.size(), data.size() + tensor.data.size()}}};
      data += tensor.data;
    }
    const std::string text = header.dump();
    const std::uint64_t length = text.size();
    return file(name, bytes_of(std::vector<std::uint64_t>{length}) + text + data);
  }

  std::string complaint(const std::function<void()>& read) {
    try {
      read();
    } catch (const BadInput& error) {
      EXPECT_THAT(error.what(), HasSubstr(folder_.string()));
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
      return error.what();
    }
    return "";
  }

  std::string ids_complaint(const std::filesystem::path& path) {
    return complaint([&] { (void)read_token_ids(path, 100); });
  }
  std::string text_complaint(const std::string& text) {
    return complaint([&] { (void)tokenize_text(file("t.txt", text), kExamples / "mamba-tiny", 2048); });
  }
  std::string activations_complaint(const std::vector<TensorToWrite>& tensors) {
    return complaint([&] { (void)read_activations(safetensors(tensors), 3, 2); });
  }

  std::filesystem::path folder_;
};

TEST_F(TokenSequence, IdsAreReadFromTextJsonAndSafetensors) {
  EXPECT_THAT(read_token_ids(file("a.txt", "1 2\t3\r\n99\n"), 100), ElementsAre(1, 2, 3, 99));
  EXPECT_THAT(read_token_ids(file("b", "7"), 100), ElementsAre(7));
  EXPECT_THAT(read_token_ids(file("c.json", " [1, 2,\n 99]\n"), 100), ElementsAre(1, 2, 99));
  EXPECT_THAT(read_token_ids(safetensors({{"input_ids", "I64", {3}, bytes_of<std::int64_t>({4, 5, 6})}}), 100),
              ElementsAre(4, 5, 6));
  EXPECT_THAT(read_token_ids(safetensors({{"input_ids", "I32", {2, 2}, bytes_of<std::int32_t>({4, 5, 6, 7})}}), 100),
              ElementsAre(4, 5));
  EXPECT_THAT(
      read_token_ids(safetensors({{"input_ids", "I64", {1}, bytes_of<std::int64_t>({4})}}, "no_extension"), 100),
      ElementsAre(4));
}

TEST_F(TokenSequence, TheOraclesIdsAreRead) {
  EXPECT_EQ(read_token_ids(LYAP_SOURCE_DIR "/tests/data/checkpoints/mamba-tiny/oracle.safetensors", 2048).size(), 96U);
}

TEST_F(TokenSequence, AnIdOutsideTheVocabularyIsNamedWithItsPosition) {
  EXPECT_THAT(ids_complaint(file("a", "1 2 100")),
              AllOf(HasSubstr("token id 100 at position 2"), HasSubstr("vocabulary of 100")));
  EXPECT_THAT(ids_complaint(file("a", "-1")), HasSubstr("token id -1 at position 0"));
  EXPECT_THAT(ids_complaint(file("a", "[0, 9223372036854775807]")),
              HasSubstr("token id 9223372036854775807 at position 1"));
  EXPECT_EQ(ids_complaint(file("a", "0 99")), "");
}

TEST_F(TokenSequence, WhatIsNoListOfIdsIsRefused) {
  EXPECT_THAT(ids_complaint(file("a", "")), HasSubstr("no token"));
  EXPECT_THAT(ids_complaint(file("a", " \n")), HasSubstr("no token"));
  EXPECT_THAT(ids_complaint(file("a", "[]")), HasSubstr("no token"));
  EXPECT_THAT(ids_complaint(file("a", "1 2 three")), AllOf(HasSubstr("position 2"), HasSubstr("byte 4")));
  for (const char* word :
       {"1,2", "1.0", "0x1", "+1", "99999999999999999999", "{\"input_ids\": [1]}", "In the beginning"}) {
    EXPECT_THAT(ids_complaint(file("a", word)), HasSubstr("position 0")) << word;
  }
  for (const char* list :
       {"[1.0]", "[\"1\"]", "[null]", "[true]", "[[1, 2]]", "[18446744073709551615]", "[99999999999999999999]"}) {
    EXPECT_THAT(ids_complaint(file("a", list)), HasSubstr("position 0")) << list;
  }
  EXPECT_NE(ids_complaint(file("a", "[1, 2")), "");
  EXPECT_NE(ids_complaint(file("a", "[1, 2] 3")), "");
  EXPECT_THAT(ids_complaint(folder_ / "missing"), HasSubstr("no such file"));
  EXPECT_THAT(ids_complaint(folder_), HasSubstr("folder"));
}

TEST_F(TokenSequence, ASafetensorsFileWithoutUsableIdsIsRefused) {
  EXPECT_THAT(ids_complaint(safetensors({{"ids", "I64", {1}, bytes_of<std::int64_t>({4})}})), HasSubstr("input_ids"));
  EXPECT_THAT(ids_complaint(safetensors({{"input_ids", "F32", {1}, bytes_of<float>({4})}})), HasSubstr("F32"));
  EXPECT_THAT(ids_complaint(safetensors({{"input_ids", "I64", {}, bytes_of<std::int64_t>({4})}})),
              HasSubstr("shape ()"));
  EXPECT_THAT(ids_complaint(safetensors({{"input_ids", "I64", {1, 1, 1}, bytes_of<std::int64_t>({4})}})),
              HasSubstr("shape (1, 1, 1)"));
  EXPECT_THAT(ids_complaint(safetensors({{"input_ids", "I64", {0}, ""}})), HasSubstr("no token"));
  EXPECT_THAT(ids_complaint(safetensors({{"input_ids", "I64", {0, 5}, ""}})), HasSubstr("no token"));
  EXPECT_THAT(ids_complaint(safetensors({{"input_ids", "I64", {1}, bytes_of<std::int64_t>({100})}})),
              HasSubstr("position 0"));
}

TEST_F(TokenSequence, TheSampleIsTokenisedWithTheModelsTokenizer) {
  const auto ids = tokenize_text(kExamples / "sample.txt", kExamples / "mamba2-tiny", 2048);
  EXPECT_EQ(ids.size(), 7100U);
}

TEST_F(TokenSequence, TextThatCannotBeTokenisedIsRefused) {
  EXPECT_THAT(text_complaint("In the \xFF"), AllOf(HasSubstr("t.txt"), HasSubstr("not UTF-8"), HasSubstr("offset 7")));
  EXPECT_THAT(text_complaint(""), HasSubstr("no token"));
  EXPECT_THAT(complaint([&] { (void)tokenize_text(folder_ / "missing.txt", kExamples / "mamba-tiny", 2048); }),
              HasSubstr("missing.txt"));
  EXPECT_THAT(complaint([&] { (void)tokenize_text(file("t.txt", "a"), folder_, 2048); }), HasSubstr("tokenizer.json"));
  EXPECT_THAT(complaint([&] { (void)tokenize_text(file("t.txt", "the God"), kExamples / "mamba-tiny", 100); }),
              AllOf(HasSubstr("tokenizer.json"), HasSubstr("vocabulary of 100")));
}

TEST_F(TokenSequence, ActivationsAreReadExactlyAsStored) {
  const float tenth = 0.1F;
  const double third = 1.0 / 3.0;
  const auto inputs =
      read_activations(safetensors({{"layer.0.input", "F32", {2, 2}, bytes_of<float>({tenth, -0.0F, 1e-45F, 3e38F})},
                                    {"layer.2.input", "F64", {2, 2}, bytes_of<double>({third, 5e-324, -1e308, 0})},
                                    {"input_ids", "I64", {2}, bytes_of<std::int64_t>({1, 2})}}),
                       3, 2);
  ASSERT_EQ(inputs.size(), 2U);
  EXPECT_EQ(inputs.at(0).rows, 2U);
  EXPECT_EQ(inputs.at(0).columns, 2U);
  EXPECT_THAT(inputs.at(0).entries,
              ElementsAre(static_cast<double>(tenth), 0.0, static_cast<double>(1e-45F), static_cast<double>(3e38F)));
  EXPECT_THAT(inputs.at(2).entries, ElementsAre(third, 5e-324, -1e308, 0.0));
}

TEST_F(TokenSequence, WhatTransformersRecordsAtTheFirstLayerIsTheEmbeddingOfTheSamplesTokens) {
  for (const char* name : {"mamba-tiny", "mamba2-tiny"}) {
    const std::filesystem::path recorded =
        std::filesystem::path(LYAP_SOURCE_DIR "/tests/data/activations") / (std::string(name) + ".safetensors");
    const auto inputs = read_activations(recorded, 6, 192);
    ASSERT_EQ(inputs.size(), 6U);
    auto ids = tokenize_text(kExamples / "sample.txt", kExamples / name, 2048);
    ids.resize(48);
    EXPECT_EQ(read_token_ids(recorded, 2048), ids);
    const Checkpoint checkpoint = Checkpoint::open(kExamples / name);
    for (std::size_t t = 0; t < ids.size(); ++t) {
      const theory::Vector row = checkpoint.read_embedding_row(static_cast<std::size_t>(ids[t]));
      for (std::size_t j = 0; j < row.size(); ++j) {
        ASSERT_EQ(inputs.at(0)(t, j), row[j]) << name << ", step " << t;
        ASSERT_TRUE(std::isfinite(inputs.at(5)(t, j)));
      }
    }
    EXPECT_NE(inputs.at(0).entries, inputs.at(1).entries);
  }
}

TEST_F(TokenSequence, ActivationsThatDoNotFitTheModelAreRefused) {
  const std::string four = bytes_of<float>({1, 2, 3, 4});
  EXPECT_THAT(activations_complaint({{"hidden", "F32", {2, 2}, four}}), HasSubstr("names no layer"));
  EXPECT_THAT(activations_complaint({{"layer.00.input", "F32", {2, 2}, four}}), HasSubstr("names no layer"));
  EXPECT_THAT(activations_complaint({{"layer.-1.input", "F32", {2, 2}, four}}), HasSubstr("names no layer"));
  EXPECT_THAT(activations_complaint({{"layer..input", "F32", {2, 2}, four}}), HasSubstr("names no layer"));
  EXPECT_THAT(activations_complaint({{"layer.3.input", "F32", {2, 2}, four}}),
              AllOf(HasSubstr("layer.3.input"), HasSubstr("has 3")));
  EXPECT_THAT(activations_complaint({{"layer.0.input", "F32", {1, 4}, four}}),
              AllOf(HasSubstr("(1, 4)"), HasSubstr("(T, 2)")));
  EXPECT_THAT(activations_complaint({{"layer.0.input", "F32", {1, 2, 2}, four}}), HasSubstr("(1, 2, 2)"));
  EXPECT_THAT(activations_complaint({{"layer.0.input", "F32", {0, 2}, ""}}), HasSubstr("no time step"));
  EXPECT_THAT(activations_complaint({{"layer.0.input", "I32", {2, 2}, bytes_of<std::int32_t>({1, 2, 3, 4})}}),
              HasSubstr("I32"));
  EXPECT_THAT(activations_complaint(
                  {{"layer.0.input", "F32", {2, 2}, four}, {"layer.1.input", "F32", {1, 2}, bytes_of<float>({1, 2})}}),
              HasSubstr("different numbers of time steps"));
  for (const float wrong : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    EXPECT_THAT(activations_complaint({{"layer.1.input", "F32", {2, 2}, bytes_of<float>({1, 2, 3, wrong})}}),
                AllOf(HasSubstr("layer.1.input"), HasSubstr("step 1, channel 1")));
  }
}

}  // namespace
}  // namespace lyap
