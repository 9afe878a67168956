#include "verify/checkpoint/peft_adapter_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/checkpoint/crafted_adapter.hpp"
#include "tests/checkpoint/pickle_pieces.hpp"
#include "tests/checkpoint/stored_zip.hpp"
#include "verify/checkpoint/weight_file.hpp"

// The ways in which a config chooses modules, ranks and scales.
namespace lyap {
namespace {

using ::testing::Contains;
using testing::CraftedAdapter;
using ::testing::ElementsAre;
using testing::fixture;
using ::testing::HasSubstr;

class AdapterConfig : public ::testing::Test {
 protected:
  Checkpoint base = Checkpoint::open(fixture("mamba"));
  CraftedAdapter adapter{"mamba-lora"};

  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> result;
    const PeftAdapter read = adapter.open(base);
    for (const AdaptedModule& module : read.description().modules) result.push_back(module.name);
    return result;
  }

  /// The fixture's modules but the embedding.
  void keep_blocks_only() {
    adapter.drop("embeddings");
    adapter.config["target_modules"] = {"in_proj", "x_proj", "out_proj"};
  }
};

const std::vector<std::string> kBlockModules = {"backbone.layers.0.mixer.in_proj",  "backbone.layers.0.mixer.x_proj",
                                                "backbone.layers.0.mixer.out_proj", "backbone.layers.1.mixer.in_proj",
                                                "backbone.layers.1.mixer.x_proj",   "backbone.layers.1.mixer.out_proj"};

TEST_F(AdapterConfig, ChoosesModulesByARegularExpression) {
  adapter.config["target_modules"] = R"(.*\.(embeddings|mixer\.(in|x|out)_proj))";
  EXPECT_EQ(names().size(), 7u);
  keep_blocks_only();
  adapter.config["target_modules"] = R"(.*layers\.\d+\.mixer\.(in|x|out)_proj)";
  EXPECT_EQ(names(), kBlockModules);
}

TEST_F(AdapterConfig, ChoosesModulesByFullNames) {
  keep_blocks_only();
  adapter.config["target_modules"] = kBlockModules;
  EXPECT_EQ(names(), kBlockModules);
  adapter.config["target_modules"] = {"0.mixer.in_proj", "layers.1.mixer.in_proj", "mixer.x_proj", "out_proj"};
  EXPECT_EQ(names(), kBlockModules);
}

TEST_F(AdapterConfig, AllLinearMeansEveryProjectionAndNotTheEmbedding) {
  keep_blocks_only();
  adapter.config["target_modules"] = "all-linear";
  EXPECT_THAT(adapter.refusal(base), HasSubstr("dt_proj.lora_A.weight' is missing"));
  for (std::size_t layer : {0u, 1u}) {
    adapter.tensors[CraftedAdapter::block_tensor(layer, "dt_proj.lora_A.weight")] =
        testing::float_tensor({4, 3}, std::vector<float>(12, 0.5F));
    adapter.tensors[CraftedAdapter::block_tensor(layer, "dt_proj.lora_B.weight")] =
        testing::float_tensor({96, 4}, std::vector<float>(384, 0.25F));
  }
  EXPECT_EQ(names().size(), 8u);
  adapter.config["target_modules"] = "ALL-linear";
  EXPECT_EQ(names().size(), 8u);
  CraftedAdapter second("mamba2-lora");
  second.config["target_modules"] = "all-linear";
  EXPECT_EQ(second.open(Checkpoint::open(fixture("mamba2"))).description().modules.size(), 4u);
}

TEST_F(AdapterConfig, LeavesOutExcludedModulesAndOtherLayers) {
  adapter.drop("layers.1");
  adapter.drop("embeddings");
  const std::vector<std::string> first(kBlockModules.begin(), kBlockModules.begin() + 3);
  adapter.config["exclude_modules"] = R"(.*(layers\.1\.|embed).*)";
  EXPECT_EQ(names(), first);
  adapter.config["exclude_modules"] = {"embeddings", "1.mixer.in_proj", "1.mixer.x_proj", "1.mixer.out_proj"};
  EXPECT_EQ(names(), first);
  adapter.config["exclude_modules"] = nullptr;
  for (const nlohmann::json& layers : {nlohmann::json(0), nlohmann::json::array({0})}) {
    for (const nlohmann::json& pattern :
         {nlohmann::json(), nlohmann::json("layers"), nlohmann::json::array({"layers"})}) {
      adapter.config["layers_to_transform"] = layers;
      adapter.config["layers_pattern"] = pattern;
      EXPECT_EQ(names(), first);
    }
  }
}

TEST_F(AdapterConfig, ScalesByAlphaOverRankOrItsRoot) {
  EXPECT_EQ(adapter.open(base).description().modules.front().scale.nearest, 2.0);
  adapter.config["use_rslora"] = true;
  EXPECT_EQ(adapter.open(base).description().modules.front().scale.nearest, 4.0);
  adapter.config["lora_alpha"] = 0.5;
  EXPECT_EQ(adapter.open(base).description().modules.front().scale.nearest, 0.25);
  adapter.config.erase("lora_alpha");  // 8 by default
  EXPECT_EQ(adapter.open(base).description().modules.front().scale.nearest, 4.0);
}

TEST_F(AdapterConfig, TakesRankAndAlphaOfAModuleFromThePatternThatMatchesIt) {
  const std::string stem = CraftedAdapter::block_tensor(0, "in_proj");
  adapter.tensors[stem + ".lora_A.weight"] = testing::float_tensor({2, 48}, std::vector<float>(96, 0.5F));
  adapter.tensors[stem + ".lora_B.weight"] = testing::float_tensor({192, 2}, std::vector<float>(384, 0.25F));
  EXPECT_THAT(adapter.refusal(base), HasSubstr("[2, 48]"));
  for (const char* key : {"0.mixer.in_proj", "backbone.layers.0.mixer.in_proj", R"(.*layers\.0\..*in_proj)"}) {
    adapter.config["rank_pattern"] = {{key, 2}};
    adapter.config["alpha_pattern"] = {{"in_proj", 6}};
    const std::vector<AdaptedModule> modules = adapter.open(base).description().modules;
    EXPECT_EQ(modules[0].rank, 2u);
    EXPECT_EQ(modules[0].scale.nearest, 3.0);
    EXPECT_EQ(modules[1].rank, 4u);
    EXPECT_EQ(modules[1].scale.nearest, 2.0);
    EXPECT_EQ(modules[3].name, kBlockModules[3]);
    EXPECT_EQ(modules[3].rank, 4u);
    EXPECT_EQ(modules[3].scale.nearest, 1.5);
    EXPECT_EQ(adapter.open(base).read_block_updates(0).front().rank(), 2u);
  }
}

TEST_F(AdapterConfig, RefusesPatternsThatDisagreeAndMentionsThoseThatMatchNothing) {
  adapter.config["alpha_pattern"] = {{"in_proj", 6}, {"0.mixer.in_proj", 7}};
  EXPECT_THAT(adapter.refusal(base), HasSubstr("alpha_pattern: '0.mixer.in_proj' and 'in_proj' both match"));
  adapter.config["alpha_pattern"] = {{"in_proj", 6}, {"0.mixer.in_proj", 6}};
  EXPECT_EQ(adapter.refusal(base), "accepted");
  adapter.config["alpha_pattern"] = {{"proj", 6}};
  EXPECT_THAT(adapter.open(base).description().remarks, Contains(HasSubstr("'proj'")));
  EXPECT_EQ(adapter.open(base).description().modules.front().scale.nearest, 2.0);
}

TEST_F(AdapterConfig, FanInFanOutChangesNothingAndIsMentioned) {
  const std::vector<LowRankUpdate> plain = adapter.open(base).read_block_updates(0);
  adapter.config["fan_in_fan_out"] = true;
  const PeftAdapter flagged = adapter.open(base);
  EXPECT_THAT(flagged.description().remarks, Contains(HasSubstr("fan_in_fan_out")));
  const std::vector<LowRankUpdate> updates = flagged.read_block_updates(0);
  for (std::size_t i = 0; i < plain.size(); ++i) {
    EXPECT_EQ(updates[i].A.entries, plain[i].A.entries);
    EXPECT_EQ(updates[i].B.entries, plain[i].B.entries);
  }
}

TEST_F(AdapterConfig, UpdatesThatAreExactlyZeroAreCounted) {
  auto& B = adapter.tensors[CraftedAdapter::block_tensor(1, "x_proj.lora_B.weight")];
  B.bytes.assign(B.bytes.size(), '\0');
  const PeftAdapter one = adapter.open(base);
  EXPECT_THAT(one.description().remarks, Contains(HasSubstr("updates of 1 of 7")));
  for (const AdaptedModule& module : one.description().modules)
    EXPECT_EQ(module.changes_nothing, module.name == "backbone.layers.1.mixer.x_proj");
  adapter.config["lora_alpha"] = 0;
  EXPECT_THAT(adapter.open(base).description().remarks, Contains(HasSubstr("updates of 7 of 7")));
}

TEST_F(AdapterConfig, ReadsWhatOldVersionsOfPeftWrote) {
  adapter.config = {{"alpha_pattern", nlohmann::json::object()},
                    {"base_model_name_or_path", "state-spaces/mamba-130m-hf"},
                    {"bias", "none"},
                    {"fan_in_fan_out", false},
                    {"init_lora_weights", "gaussian"},
                    {"layers_pattern", nullptr},
                    {"lora_alpha", 8},
                    {"lora_dropout", 0.05},
                    {"modules_to_save", nullptr},
                    {"peft_type", "LORA"},
                    {"r", 4},
                    {"target_modules", {"embeddings", "in_proj", "out_proj", "x_proj"}}};
  EXPECT_EQ(names().size(), 7u);
  adapter.config["modules_to_save"] = nlohmann::json::array();
  EXPECT_EQ(names().size(), 7u);
}

// The fixture's tensors as torch.save would write them.
TEST_F(AdapterConfig, TensorsMayLieInAdapterModelBin) {
  std::vector<testing::StoredMember> members{{"a/data.pkl", ""}};
  std::string entries;
  for (const auto& [name, tensor] : adapter.tensors) {
    const std::string key = std::to_string(members.size());
    std::vector<std::int64_t> shape(tensor.shape.begin(), tensor.shape.end());
    std::vector<std::int64_t> strides;
    for (const std::size_t stride : row_major_strides(tensor.shape))
      strides.push_back(static_cast<std::int64_t>(stride));
    const auto elements = static_cast<std::int64_t>(tensor.bytes.size() / 4);
    entries +=
        testing::unicode(name) + testing::tensor(testing::storage("FloatStorage", key, elements), 0, shape, strides);
    members.push_back({"a/data/" + key, tensor.bytes});
  }
  members.front().content = testing::state_dict(entries);
  const testing::TemporaryFolder folder;
  folder.write("adapter_config.json", adapter.config.dump());
  folder.write("adapter_model.bin", testing::stored_zip(members));
  const PeftAdapter pickled = PeftAdapter::open(folder.path(), base);
  const PeftAdapter plain = adapter.open(base);
  EXPECT_EQ(pickled.description().digests.back().file, "adapter_model.bin");
  for (std::size_t layer = 0; layer < 2; ++layer) {
    const auto left = pickled.read_block_updates(layer);
    const auto right = plain.read_block_updates(layer);
    ASSERT_EQ(left.size(), right.size());
    for (std::size_t i = 0; i < left.size(); ++i) {
      EXPECT_EQ(left[i].A.entries, right[i].A.entries);
      EXPECT_EQ(left[i].B.entries, right[i].B.entries);
    }
  }
}

}  // namespace
}  // namespace lyap
