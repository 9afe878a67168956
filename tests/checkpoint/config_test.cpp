#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/checkpoint/crafted_model.hpp"

// What config.json may say, and what folders are models.
namespace lyap {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::AllOf;
using testing::CraftedModel;
using testing::fixture;
using ::testing::HasSubstr;

std::string refusal_of_folder(const fs::path& folder) {
  return testing::refusal_of(folder.string(), [&] { static_cast<void>(Checkpoint::open(folder)); });
}

std::string refusal_with(const std::string& key, const json& value, const char* name = "mamba2") {
  CraftedModel model(name);
  model.config[key] = value;
  return model.refusal();
}

TEST(Config, SizesArePositiveIntegersOfReasonableSize) {
  for (const char* key : {"hidden_size", "num_hidden_layers", "vocab_size", "num_heads", "head_dim", "state_size",
                          "n_groups", "conv_kernel"}) {
    for (const json& value : std::vector<json>{0,
                                               -1,
                                               1.5,
                                               48.0,
                                               "48",
                                               true,
                                               json::array({48}),
                                               json::object(),
                                               2147483648,
                                               1e300,
                                               18446744073709551615u,
                                               {{"__float__", "Infinity"}},
                                               {{"__float__", "NaN"}}}) {
      EXPECT_THAT(refusal_with(key, value),
                  AllOf(HasSubstr(std::string("config.json: ") + key + ": is "), HasSubstr("positive integer")))
          << value;
    }
  }
  EXPECT_THAT(refusal_with("time_step_rank", -3, "mamba"), HasSubstr("config.json: time_step_rank: is -3"));
  EXPECT_THAT(refusal_with("time_step_rank", "automatic", "mamba"), HasSubstr("config.json: time_step_rank"));
  EXPECT_THAT(refusal_with("intermediate_size", 96.5, "mamba"), HasSubstr("config.json: intermediate_size: is 96.5"));
}

TEST(Config, RequiredKeysAreNamedWhereTheyAreMissing) {
  for (const char* name : {"mamba", "mamba2"}) {
    for (const char* key : {"hidden_size", "num_hidden_layers", "vocab_size"}) {
      CraftedModel model(name);
      model.config[key] = nullptr;  // the same as absent
      EXPECT_THAT(model.refusal(), HasSubstr(std::string("config.json: ") + key + ": is missing"));
      model.config.erase(key);
      EXPECT_THAT(model.refusal(), HasSubstr(std::string("config.json: ") + key + ": is missing"));
    }
  }
}

TEST(Config, EpsilonIsAFinitePositiveNumber) {
  for (const json& value :
       std::vector<json>{0, 0.0, -1e-5, "1e-5", true, {{"__float__", "NaN"}}, {{"__float__", "Infinity"}}}) {
    EXPECT_THAT(refusal_with("layer_norm_epsilon", value),
                AllOf(HasSubstr("layer_norm_epsilon: is"), HasSubstr("expected")))
        << value;
  }
  EXPECT_EQ(refusal_with("layer_norm_epsilon", 1), "accepted");
  EXPECT_EQ(refusal_with("layer_norm_epsilon", 5e-324), "accepted");
}

TEST(Config, NumbersAreTheNearestBinary64) {
  CraftedModel model("mamba");
  std::string text = model.config.dump();
  const std::size_t place = text.find("1e-05");
  ASSERT_NE(place, std::string::npos);
  // Just above and just below the middle between two neighbours.
  const auto epsilon = [&](const std::string& digits) {
    model.config_text = std::string(text).replace(place, 5, digits);
    const testing::TemporaryFolder folder;
    model.write(folder.path());
    return Checkpoint::open(folder.path()).description().final_norm_epsilon;
  };
  EXPECT_EQ(epsilon("0.00001"), 1e-5);
  EXPECT_EQ(epsilon("1.00000000000000011102230246251565404236316680908203125"), 1.0);  // a tie goes to even
  EXPECT_EQ(epsilon("1.00000000000000011102230246251565404236316680908203126"), 0x1.0000000000001p0);
}

TEST(Config, FlagsAreTrueOrFalse) {
  for (const char* key : {"use_bias", "use_conv_bias", "tie_word_embeddings", "rms_norm"}) {
    for (const json& value : std::vector<json>{0, 1, "true", json::array()}) {
      EXPECT_THAT(refusal_with(key, value),
                  AllOf(HasSubstr(std::string("config.json: ") + key), HasSubstr("true or false")))
          << value;
    }
  }
}

TEST(Config, ExpandIsAPositiveFactorRoundedDownAsTransformersDoes) {
  CraftedModel model("mamba2");
  const auto refusal_by = [&](const json& factor) {
    model.config["expand"] = factor;
    return model.refusal();
  };
  EXPECT_EQ(refusal_by(2), "accepted");
  EXPECT_EQ(refusal_by(2.0), "accepted");
  EXPECT_EQ(refusal_by(2.02), "accepted");  // 96.96 channels
  EXPECT_THAT(refusal_by(3), AllOf(HasSubstr("96 channels"), HasSubstr("144")));
  for (const json& factor :
       std::vector<json>{0, -2, 1e300, 0.001, "2", {{"__float__", "Infinity"}}, {{"__float__", "NaN"}}}) {
    EXPECT_THAT(refusal_by(factor), HasSubstr("config.json: expand: is ")) << factor;
  }
}

TEST(Config, IsAStrictJsonObject) {
  CraftedModel model("mamba");
  const auto refusal_by = [&](const std::string& text) {
    model.config_text = text;
    return model.refusal();
  };
  const std::string good = model.config.dump();
  EXPECT_EQ(refusal_by(good), "accepted");
  EXPECT_EQ(refusal_by("\n" + good + " \n"), "accepted");
  EXPECT_THAT(refusal_by("[]"), HasSubstr("object"));
  EXPECT_THAT(refusal_by("{\"model_type\":\"mamba\"," + good.substr(1)), HasSubstr("'model_type' appears twice"));
  EXPECT_THAT(refusal_by(std::string(100'000, '{')), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal_by(std::string(100'000, '[')), HasSubstr("nested deeper"));
  EXPECT_THAT(refusal_by(good + "x"), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal_by(good.substr(0, good.size() / 2)), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal_by("{\"a\":\"\xc3\x28\"," + good.substr(1)), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal_by("\xef\xbb\xbf" + good), HasSubstr("byte order mark"));
  EXPECT_THAT(refusal_by(good + std::string(11'000'000, ' ')), HasSubstr("more than the 10000000"));
}

TEST(Config, NamesItsArchitecture) {
  EXPECT_THAT(refusal_with("model_type", "perceptron"),
              AllOf(HasSubstr("'perceptron'"), HasSubstr("unknown"), HasSubstr("supported are")));
  EXPECT_THAT(refusal_with("model_type", "jamba"),
              AllOf(HasSubstr("'jamba'"), HasSubstr("not supported yet"), HasSubstr("supported are")));
  EXPECT_THAT(refusal_with("model_type", "mamba3"), AllOf(HasSubstr("'mamba3'"), HasSubstr("not supported yet")));
  EXPECT_THAT(refusal_with("model_type", nullptr),
              AllOf(HasSubstr("model_type: is missing"), HasSubstr("supported are")));
  EXPECT_THAT(refusal_with("model_type", 7), HasSubstr("a string was expected"));
  EXPECT_THAT(refusal_with("model_type", "x\n\x1b[2J"), HasSubstr("x\\n\\x1b[2J"));
  for (const char* type : {"qwen3_next", "qwen3_5", "qwen3_5_moe", "qwen3_5_text", "qwen3_5_moe_text", "qwen4_exp",
                           "olmo_hybrid", "kimi_linear", "glm5_next", "bailing_hybrid"}) {
    EXPECT_THAT(refusal_with("model_type", type),
                AllOf(HasSubstr(type), HasSubstr("gated delta rule"), HasSubstr("not diagonal")));
  }
}

TEST(ModelFolder, IsAFolderWithAConfigAndWeights) {
  const testing::TemporaryFolder folder;
  EXPECT_THAT(refusal_of_folder(folder.path() / "none"), HasSubstr("no such folder"));
  EXPECT_THAT(refusal_of_folder(folder.write("file", "x")), HasSubstr("is not a folder"));
  EXPECT_THAT(refusal_of_folder(folder.path()), HasSubstr("config.json: no such file"));
  folder.write("adapter_config.json", "{}");
  EXPECT_THAT(refusal_of_folder(folder.path()), HasSubstr("holds an adapter"));
  fs::create_directory(folder.path() / "config.json");
  EXPECT_THAT(refusal_of_folder(folder.path()), HasSubstr("config.json: is not a regular file"));
  fs::remove(folder.path() / "config.json");
  fs::copy(fixture("mamba") / "config.json", folder.path());
  EXPECT_THAT(refusal_of_folder(folder.path()), HasSubstr("holds no weights"));
  fs::create_symlink("nowhere", folder.path() / "model.safetensors");
  EXPECT_THAT(refusal_of_folder(folder.path()), HasSubstr("model.safetensors: no such file"));
  EXPECT_THAT(refusal_of_folder(folder.path() / std::string(300, 'n')), HasSubstr("cannot be opened"));
}

TEST(ModelFolder, MayHaveALineBreakInItsNameWithoutBreakingTheLine) {
  const testing::TemporaryFolder folder;
  try {
    static_cast<void>(Checkpoint::open(folder.path() / "two\nlines\x9b"));
    FAIL();
  } catch (const std::exception& error) {
    EXPECT_THAT(error.what(), HasSubstr("two\\nlines\\x9b: no such folder"));
  }
}

TEST(ModelFolder, PrefersSafetensorsAndThenTheirIndex) {
  const testing::TemporaryFolder folder;
  for (const auto& entry : fs::directory_iterator(fixture("mamba-sharded"))) fs::copy(entry.path(), folder.path());
  folder.write("pytorch_model.bin", "not looked at");
  EXPECT_EQ(Checkpoint::open(folder.path()).digest_and_require_finite().size(), 7u);
  fs::copy(fixture("mamba") / "model.safetensors", folder.path());
  EXPECT_EQ(Checkpoint::open(folder.path()).digest_and_require_finite().size(), 2u);
}

}  // namespace
}  // namespace lyap
