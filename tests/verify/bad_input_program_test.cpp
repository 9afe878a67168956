#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>

#include "tests/verify/program_run.hpp"
#include "verify/checkpoint/array_file.hpp"

// Every kind of bad input: exit code 65, one line that names the file, no certificate and no other file. What the
// reader of each format checks in detail is tested in tests/checkpoint; here it is the program's manners.
namespace lyap {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

const fs::path kModel = fs::path(LYAP_SOURCE_DIR) / "verify/examples/mamba-tiny";

void write(const fs::path& file, const std::string& content) { std::ofstream(file, std::ios::binary) << content; }

void change(const fs::path& file, const std::function<void(std::string&)>& edit) {
  std::string content = content_of(file);
  edit(content);
  write(file, content);
}

void change_config(const fs::path& model, const std::function<void(json&)>& edit) {
  json config = json::parse(content_of(model / "config.json"));
  edit(config);
  write(model / "config.json", config.dump());
}

void write_array(const fs::path& file, NamedArray array) {
  ArrayFileWriter writer(file);
  writer.add(array);
  (void)writer.finish();
  writer.rename_into_place();
}

NamedArray f64_array(const std::string& name, const std::vector<std::size_t>& shape, double value) {
  NamedArray array;
  array.name = name;
  array.shape = shape;
  std::size_t size = 1;
  for (const std::size_t extent : shape) size *= extent;
  array.f64.assign(size, value);
  return array;
}

/// The safetensors header of `content` replaced by `edit`'s version of it.
void change_header(std::string& content, const std::function<void(std::string&)>& edit) {
  std::uint64_t length = 0;
  std::memcpy(&length, content.data(), sizeof length);
  std::string header = content.substr(8, length);
  edit(header);
  const std::uint64_t new_length = header.size();
  content =
      std::string(reinterpret_cast<const char*>(&new_length), sizeof new_length) + header + content.substr(8 + length);
}

struct BadInputCase {
  std::string name;
  std::string named_file;                            ///< must appear in the line
  std::function<void(const fs::path& model)> spoil;  ///< a copy of the model; files of the user's go beside it
  std::vector<std::string> arguments{};
};

void PrintTo(const BadInputCase& bad, std::ostream* stream) { *stream << bad.name; }

std::vector<BadInputCase> cases() {
  const auto nothing = [](const fs::path&) {};
  const auto beside = [](const std::string& name, const std::string& content) {
    return [=](const fs::path& model) { write(model.parent_path() / name, content); };
  };
  const auto weights = [](const std::function<void(std::string&)>& edit) {
    return [edit](const fs::path& model) { change(model / "model.safetensors", edit); };
  };
  const auto header = [weights](const std::function<void(std::string&)>& edit) {
    return weights([edit](std::string& content) { change_header(content, edit); });
  };
  const auto config = [](const std::function<void(json&)>& edit) {
    return [edit](const fs::path& model) { change_config(model, edit); };
  };
  const auto activations = [](const NamedArray& array) {
    return [array](const fs::path& model) { write_array(model.parent_path() / "a.safetensors", array); };
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();

  return {
      {"no_folder", "model", [](const fs::path& model) { fs::remove_all(model); }},
      {"a_file_instead_of_a_folder", "model",
       [](const fs::path& model) {
         fs::remove_all(model);
         write(model, "x");
       }},
      {"no_config", "config.json", [](const fs::path& model) { fs::remove(model / "config.json"); }},
      {"no_weights", "model", [](const fs::path& model) { fs::remove(model / "model.safetensors"); }},
      {"config_is_no_json", "config.json",
       [](const fs::path& model) { write(model / "config.json", "{\"model_type\": "); }},
      {"config_repeats_a_key", "config.json",
       [](const fs::path& model) {
         change(model / "config.json",
                [](std::string& text) { text.insert(text.find('{') + 1, R"("model_type": "mamba",)"); });
       }},
      {"config_contradicts_tensors", "", config([](json& c) { c["num_hidden_layers"] = 7; })},
      {"config_with_other_width", "", config([](json& c) { c["hidden_size"] = 200; })},
      {"unknown_architecture", "config.json", config([](json& c) { c["model_type"] = "perceptron"; })},
      {"gated_delta_rule", "config.json", config([](json& c) { c["model_type"] = "qwen3_next"; })},
      {"truncated_weights", "model.safetensors",
       weights([](std::string& content) { content.resize(content.size() / 2); })},
      {"empty_weights", "model.safetensors", weights([](std::string& content) { content.clear(); })},
      {"trailing_bytes", "model.safetensors", weights([](std::string& content) { content.push_back('x'); })},
      {"header_over_the_limit", "model.safetensors", weights([](std::string& content) {
         const std::uint64_t huge = std::uint64_t{1} << 40;
         std::memcpy(content.data(), &huge, 8);
       })},
      {"header_is_no_json", "model.safetensors", header([](std::string& text) { text.front() = '['; })},
      {"infinity_in_a_weight", "model.safetensors", weights([](std::string& content) {
         const float value = std::numeric_limits<float>::infinity();
         std::memcpy(content.data() + content.size() - 4, &value, 4);
       })},
      {"shard_outside_the_folder", "model.safetensors.index.json",
       [](const fs::path& model) {
         fs::rename(model / "model.safetensors", model.parent_path() / "outside.safetensors");
         write(model / "model.safetensors.index.json",
               R"({"metadata": {}, "weight_map": {"backbone.embeddings.weight": "../outside.safetensors"}})");
       }},
      {"no_token_file", "tokens.txt", nothing, {"--tokens", "tokens.txt"}},
      {"empty_token_file", "tokens.txt", beside("tokens.txt", " \n"), {"--tokens", "tokens.txt"}},
      {"tokens_that_are_words", "tokens.txt", beside("tokens.txt", "1 2 three"), {"--tokens", "tokens.txt"}},
      {"token_out_of_range", "tokens.txt", beside("tokens.txt", "1 2 1000000"), {"--tokens", "tokens.txt"}},
      {"negative_token", "tokens.json", beside("tokens.json", "[1, -2]"), {"--tokens", "tokens.json"}},
      {"text_that_is_not_utf8", "text.txt", beside("text.txt", "abc\xff\xfe"), {"--text", "text.txt"}},
      {"text_without_a_tokenizer",
       "tokenizer.json",
       [](const fs::path& model) {
         fs::remove(model / "tokenizer.json");
         write(model.parent_path() / "text.txt", "abc");
       },
       {"--text", "text.txt"}},
      {"activations_of_no_layer",
       "a.safetensors",
       activations(f64_array("layer.9.input", {2, 192}, 1.0)),
       {"--activations", "a.safetensors"}},
      {"activations_of_other_width",
       "a.safetensors",
       activations(f64_array("layer.0.input", {2, 191}, 1.0)),
       {"--activations", "a.safetensors"}},
      {"activations_with_nan",
       "a.safetensors",
       activations(f64_array("layer.0.input", {2, 192}, nan)),
       {"--activations", "a.safetensors"}},
      {"activations_that_are_text",
       "a.safetensors",
       beside("a.safetensors", "hello"),
       {"--activations", "a.safetensors"}},
  };
}

class BadInputManners : public ::testing::TestWithParam<BadInputCase> {};

TEST_P(BadInputManners, OneLineNamesTheFileTheExitCodeIs65AndNothingIsWritten) {
  const BadInputCase& bad = GetParam();
  const TestFolder folder, output;
  const fs::path model = folder.path() / "model";
  fs::copy(kModel, model);
  bad.spoil(model);
  std::vector<std::string> arguments{"certify", "model", "--out", (output.path() / "c.json").string()};
  arguments.insert(arguments.end(), bad.arguments.begin(), bad.arguments.end());
  const std::vector<std::string> before = folder.names();
  const ProgramResult result = run_program_of_build("lyap", arguments, in_folder(folder.path()));
  EXPECT_EQ(result.exit_code, 65) << result.err;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  EXPECT_THAT(result.err, HasSubstr(bad.named_file));
  EXPECT_THAT(result.err, HasSubstr("lyap certify: "));
  EXPECT_EQ(result.out, "");
  EXPECT_TRUE(output.names().empty());
  EXPECT_EQ(folder.names(), before);
}

INSTANTIATE_TEST_SUITE_P(Files, BadInputManners, ::testing::ValuesIn(cases()),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace lyap
