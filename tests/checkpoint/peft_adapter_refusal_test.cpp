#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "tests/checkpoint/crafted_adapter.hpp"

// Adapters that are not what they should be: refused as bad input in one line that names the file.
namespace lyap {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::AllOf;
using testing::CraftedAdapter;
using testing::fixture;
using ::testing::HasSubstr;

class AdapterRefusal : public ::testing::Test {
 protected:
  Checkpoint base = Checkpoint::open(fixture("mamba"));

  [[nodiscard]] std::string refusal_with(const std::string& key, const json& value) const {
    CraftedAdapter adapter("mamba-lora");
    adapter.config[key] = value;
    return adapter.refusal(base);
  }
};

TEST_F(AdapterRefusal, NamesTheOptionThatIsNotSupported) {
  const std::vector<std::pair<std::string, json>> cases = {{"peft_type", "ADALORA"},
                                                           {"peft_type", nullptr},
                                                           {"peft_type", 3},
                                                           {"use_dora", true},
                                                           {"bias", "all"},
                                                           {"bias", "lora_only"},
                                                           {"lora_bias", true},
                                                           {"modules_to_save", {"lm_head"}},
                                                           {"init_lora_weights", "pissa"},
                                                           {"init_lora_weights", "pissa_niter_16"},
                                                           {"init_lora_weights", "olora"},
                                                           {"init_lora_weights", "loftq"},
                                                           {"init_lora_weights", 1},
                                                           {"layer_replication", {{0, 1}, {0, 2}}},
                                                           {"trainable_token_indices", {1}},
                                                           {"target_parameters", {"A_log"}},
                                                           {"alora_invocation_tokens", {1}},
                                                           {"ensure_weight_tying", true},
                                                           {"use_qalora", true},
                                                           {"use_bdlora", {{"blocks", 2}}},
                                                           {"kasa_config", {{"beta", 1}}},
                                                           {"some_new_option", "yes"},
                                                           {"some_new_option", 0},
                                                           {"some\nnew option", true}};
  for (const auto& [key, value] : cases) {
    const std::string refused = refusal_with(key, value);
    EXPECT_THAT(refused, AllOf(HasSubstr("adapter_config.json"), HasSubstr(key.substr(0, 4)))) << key;
    EXPECT_NE(refused, "accepted");
  }
  EXPECT_THAT(refusal_with("peft_type", "IA3"), HasSubstr("'IA3'"));
  EXPECT_THAT(refusal_with("use_dora", true), HasSubstr("DoRA"));
  EXPECT_THAT(refusal_with("modules_to_save", {"lm_head"}), HasSubstr("lm_head"));
}

TEST_F(AdapterRefusal, DoesNotMindOptionsThatSayNothing) {
  for (const json& value : {json(), json(false), json::array(), json::object(), json("")})
    EXPECT_EQ(refusal_with("some_new_option", value), "accepted") << value;
  for (const char* initialisation : {"gaussian", "eva", "orthogonal"})
    EXPECT_EQ(refusal_with("init_lora_weights", initialisation), "accepted");
}

TEST_F(AdapterRefusal, NamesTheKeyWhoseValueIsWrong) {
  const std::vector<std::pair<std::string, json>> cases = {{"r", 0},
                                                           {"r", -4},
                                                           {"r", 4.0},
                                                           {"r", "4"},
                                                           {"r", 4294967296},
                                                           {"lora_alpha", "8"},
                                                           {"lora_alpha", 9007199254740994},
                                                           {"lora_alpha", {{"__float__", "Infinity"}}},
                                                           {"use_rslora", 1},
                                                           {"use_rslora", "true"},
                                                           {"fan_in_fan_out", 0},
                                                           {"rank_pattern", {4}},
                                                           {"rank_pattern", {{"in_proj", 0}}},
                                                           {"rank_pattern", {{"in_proj", "x"}}},
                                                           {"rank_pattern", {{"(in_proj", 4}}},
                                                           {"rank_pattern", {{"in_proj)|(x", 4}}},
                                                           {"alpha_pattern", "in_proj"},
                                                           {"alpha_pattern", {{"in_proj", true}}},
                                                           {"target_modules", nullptr},
                                                           {"target_modules", json::array()},
                                                           {"target_modules", ""},
                                                           {"target_modules", 3},
                                                           {"target_modules", {"in_proj", 3}},
                                                           {"target_modules", {"in_proj", ""}},
                                                           {"target_modules", "(?!x).*"},
                                                           {"target_modules", "in_proj"},
                                                           {"exclude_modules", 3},
                                                           {"exclude_modules", "["},
                                                           {"layers_to_transform", -1},
                                                           {"layers_to_transform", 2},
                                                           {"layers_to_transform", {0, 7}},
                                                           {"layers_to_transform", {"0"}}};
  for (const auto& [key, value] : cases) {
    EXPECT_THAT(refusal_with(key, value), AllOf(HasSubstr("adapter_config.json"), HasSubstr(key))) << key << value;
  }
  CraftedAdapter adapter("mamba-lora");
  adapter.config["layers_to_transform"] = {0, 1};
  adapter.config["layers_pattern"] = "blocks";
  EXPECT_THAT(adapter.refusal(base), HasSubstr("layers_pattern"));
  adapter.config["layers_pattern"] = nullptr;
  adapter.config["target_modules"] = ".*in_proj";
  EXPECT_THAT(adapter.refusal(base), HasSubstr("layers_to_transform"));
}

TEST_F(AdapterRefusal, BoundsTheSizeOfPatternsAndFile) {
  json patterns = json::object();
  for (int i = 0; i < 100; ++i) patterns[std::to_string(i) + "(a{99}){99}"] = 4;
  EXPECT_THAT(refusal_with("rank_pattern", patterns), HasSubstr("rank_pattern: has too many"));
  EXPECT_THAT(refusal_with("revision", std::string(1'000'000, 'x')), HasSubstr("bytes"));
}

TEST_F(AdapterRefusal, NamesATargetThatTheBaseDoesNotHave) {
  CraftedAdapter adapter("mamba-lora");
  adapter.config["target_modules"].push_back("q_proj");
  EXPECT_THAT(adapter.refusal(base), AllOf(HasSubstr("target_modules"), HasSubstr("'q_proj'")));
  for (const char* name : {"conv1d", "lm_head", "norm_f", "mixer"}) {
    adapter.config["target_modules"].back() = name;
    EXPECT_THAT(adapter.refusal(base), AllOf(HasSubstr("target_modules"), HasSubstr(name))) << name;
  }
  CraftedAdapter second("mamba2-lora");
  second.config["target_modules"].push_back("x_proj");
  EXPECT_THAT(second.refusal(Checkpoint::open(fixture("mamba2"))), HasSubstr("'x_proj'"));
}

TEST_F(AdapterRefusal, NamesATensorThatIsMissingMisshapenOrUnexpected) {
  const std::string A = CraftedAdapter::block_tensor(0, "x_proj.lora_A.weight");
  CraftedAdapter adapter("mamba-lora");
  const auto good = adapter.tensors;
  adapter.tensors.erase(A);
  EXPECT_THAT(adapter.refusal(base), AllOf(HasSubstr("adapter_model.safetensors"), HasSubstr(A), HasSubstr("missing")));
  adapter.tensors = good;
  adapter.tensors[A].shape = {96, 4};
  EXPECT_THAT(adapter.refusal(base), AllOf(HasSubstr(A), HasSubstr("[96, 4]"), HasSubstr("[4, 96]")));
  adapter.tensors = good;
  adapter.tensors[A].dtype = "I32";
  EXPECT_THAT(adapter.refusal(base), AllOf(HasSubstr(A), HasSubstr("I32")));
  adapter.tensors = good;
  for (const char* extra : {"x_proj.lora_magnitude_vector", "dt_proj.lora_A.weight", "dt_proj.bias",
                            "x_proj.lora_A.default.weight", "conv1d.lora_A.weight"}) {
    adapter.tensors = good;
    adapter.tensors[CraftedAdapter::block_tensor(0, extra)] = testing::float_tensor({1}, {0});
    EXPECT_THAT(adapter.refusal(base), AllOf(HasSubstr(extra), HasSubstr("unexpected")));
  }
  adapter.tensors = good;
  adapter.tensors[CraftedAdapter::block_tensor(2, "x_proj.lora_A.weight")] = good.at(A);
  EXPECT_THAT(adapter.refusal(base), AllOf(HasSubstr("layers.2"), HasSubstr("unexpected")));
  adapter.tensors.clear();
  EXPECT_THAT(adapter.refusal(base), HasSubstr("missing"));
}

TEST_F(AdapterRefusal, NamesTheFirstNumberThatIsNotFinite) {
  const std::string B = CraftedAdapter::block_tensor(1, "out_proj.lora_B.weight");
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    CraftedAdapter adapter("mamba-lora");
    std::memcpy(adapter.tensors[B].bytes.data() + 4 * 9, &bad, sizeof bad);
    EXPECT_THAT(adapter.refusal(base),
                AllOf(HasSubstr("adapter_model.safetensors"), HasSubstr(B), HasSubstr("[2, 1]")));
  }
}

TEST_F(AdapterRefusal, NamesTheBasesThatItDoesNotFit) {
  for (const char* other : {"mamba-untied", "mamba2", "mamba2-codestral"}) {
    const Checkpoint wrong = Checkpoint::open(fixture(other));
    EXPECT_THAT(CraftedAdapter("mamba-lora").refusal(wrong), HasSubstr("adapter_")) << other;
    EXPECT_NE(CraftedAdapter("mamba-lora").refusal(wrong), "accepted") << other;
  }
  EXPECT_NE(CraftedAdapter("mamba2-lora").refusal(base), "accepted");
}

TEST_F(AdapterRefusal, NamesTheFileThatIsNotThere) {
  const testing::TemporaryFolder folder;
  const auto open = [&] { static_cast<void>(PeftAdapter::open(folder.path(), base)); };
  EXPECT_THAT(testing::refusal_of("adapter_config.json", open), HasSubstr("no such file"));
  folder.write("adapter_config.json", CraftedAdapter("mamba-lora").config.dump());
  EXPECT_THAT(testing::refusal_of(folder.path().string(), open), HasSubstr("adapter_model.safetensors"));
  folder.write("adapter_config.json", "[1]");
  EXPECT_NE(testing::refusal_of("adapter_config.json", open), "accepted");
  EXPECT_NE(testing::refusal_of("adapter_config.json",
                                [&] { static_cast<void>(PeftAdapter::open(folder.path() / "nowhere", base)); }),
            "accepted");
}

// Every value of the config in turn becomes something else.
TEST_F(AdapterRefusal, AnyValueOfTheConfigMayBeAnythingElse) {
  const std::vector<std::string> values = {"null",
                                           "true",
                                           "false",
                                           "0",
                                           "-1",
                                           "1",
                                           "4",
                                           "1.5",
                                           "1e308",
                                           "1e-320",
                                           "18446744073709551615",
                                           "1e999",
                                           "\"\"",
                                           "\"all-linear\"",
                                           "\"layers\"",
                                           "\"LORA\"",
                                           "\".*\"",
                                           "\"(\"",
                                           "\"x\"",
                                           "[]",
                                           "{}",
                                           "[1]",
                                           "[0]",
                                           "[\"in_proj\"]",
                                           "[null]",
                                           R"({"in_proj":4})",
                                           R"({"(":4})",
                                           "Infinity",
                                           "NaN",
                                           R"({"__float__":"Infinity"})",
                                           "[[[]]]"};
  std::size_t accepted = 0, refused = 0;
  for (const char* name : {"mamba-lora", "mamba2-lora"}) {
    const Checkpoint own = Checkpoint::open(fixture(name == std::string("mamba-lora") ? "mamba" : "mamba2"));
    const testing::TemporaryFolder folder;
    fs::create_symlink(fixture(name) / "adapter_model.safetensors", folder.path() / "adapter_model.safetensors");
    const json config = CraftedAdapter(name).config;
    std::vector<json::json_pointer> places;
    const json flat = config.flatten();
    for (const auto& member : flat.items()) places.emplace_back(member.key());
    for (const auto& member : config.items()) places.emplace_back("/" + member.key());
    for (const auto& place : places) {
      for (const std::string& value : values) {
        json changed = config;
        changed[place] = "@value@";
        std::string text = changed.dump();
        text.replace(text.find("\"@value@\""), 9, value);
        folder.write("adapter_config.json", text);
        const std::string answer = testing::refusal_of(
            folder.path().string(), [&] { static_cast<void>(PeftAdapter::open(folder.path(), own)); });
        (answer == "accepted" ? accepted : refused) += 1;
      }
    }
  }
  EXPECT_GT(accepted, refused / 20);
  EXPECT_GT(refused, accepted / 20);
}

std::string damaged(std::string bytes, std::mt19937_64& random) {
  static constexpr const char* kPieces[] = {"[",
                                            "]",
                                            "{",
                                            "}",
                                            ",",
                                            ":",
                                            "\"",
                                            "\\",
                                            "-",
                                            "9",
                                            "1e999",
                                            "null",
                                            "true",
                                            "Infinity",
                                            "\xff",
                                            "\\u0000",
                                            "(",
                                            ")",
                                            "*",
                                            "?",
                                            "|",
                                            "\n",
                                            "18446744073709551616"};
  for (std::size_t count = 1 + random() % 3; count > 0 && !bytes.empty(); --count) {
    const std::size_t place = random() % std::min<std::size_t>(bytes.size(), 3000);
    switch (random() % 5) {
      case 0:
        bytes[place] = static_cast<char>(bytes[place] ^ (1 << random() % 8));
        break;
      case 1:
        bytes.resize(place);
        break;
      case 2:
        bytes.insert(place, kPieces[random() % std::size(kPieces)]);
        break;
      case 3:
        bytes.erase(place, 1 + random() % 40);
        break;
      default:
        bytes.insert(place, bytes.substr(random() % bytes.size(), random() % 200));
    }
  }
  return bytes;
}

TEST_F(AdapterRefusal, WhateverTheDamageAnAdapterIsReadOrRefused) {
  std::mt19937_64 random(7);
  const testing::TemporaryFolder folder;
  const CraftedAdapter adapter("mamba-lora");
  adapter.write(folder.path());
  std::size_t refused = 0;
  const std::size_t cases = testing::scaled(4000);
  for (std::size_t i = 0; i < cases; ++i) {
    const char* name = random() % 2 == 0 ? "adapter_config.json" : "adapter_model.safetensors";
    const std::string good = testing::bytes_of(folder.path() / name);
    folder.write(name, damaged(good, random));
    const std::string answer = testing::refusal_of(folder.path().string(), [&] {
      const PeftAdapter read = PeftAdapter::open(folder.path(), base);
      for (std::size_t layer = 0; layer < 2; ++layer)
        static_cast<void>(approx_merged_block(base.read_block(layer), read.read_block_updates(layer)));
      static_cast<void>(read.read_embedding_update());
    });
    refused += answer == "accepted" ? 0 : 1;
    folder.write(name, good);
  }
  EXPECT_GT(refused, cases / 2) << refused << " of " << cases;
  EXPECT_EQ(adapter.refusal(base), "accepted");
}

}  // namespace
}  // namespace lyap
