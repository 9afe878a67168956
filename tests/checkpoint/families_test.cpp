#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <variant>

#include "tests/checkpoint/crafted_model.hpp"

// Defaults, options and contradictions of the supported families, on fixtures with one thing changed.
namespace lyap {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using testing::CraftedModel;
using testing::CraftedTensor;
using ::testing::HasSubstr;

constexpr char kMixer[] = "backbone.layers.0.mixer.";

// The description and the first block of a crafted model.
struct Opened {
  ModelDescription description;
  theory::BlockWeights block;
  theory::Matrix head;
};

Opened open(const CraftedModel& model, const CheckpointOptions& options = {}) {
  const testing::TemporaryFolder folder;
  model.write(folder.path());
  const Checkpoint checkpoint = Checkpoint::open(folder.path(), options);
  return {checkpoint.description(), checkpoint.read_block(0),
          checkpoint.read_head_rows(0, checkpoint.description().vocabulary)};
}

CraftedTensor zeros(const std::vector<std::size_t>& shape) {
  std::size_t elements = 1;
  for (const std::size_t extent : shape) elements *= extent;
  return testing::float_tensor(shape, std::vector<float>(elements));
}

// The fixture mamba or mamba2 with mamba-ssm's config and names.
CraftedModel original(const std::string& name, const json& ssm_cfg) {
  CraftedModel model(name);
  const std::size_t vocabulary = model.config["vocab_size"];
  model.config = {{"d_model", 48}, {"n_layer", 2}, {"vocab_size", vocabulary - 7}, {"ssm_cfg", ssm_cfg}};
  if (name == "mamba2") model.config["pad_vocab_size_multiple"] = 16;
  auto embedding = model.tensors.extract("backbone.embeddings.weight");
  embedding.key() = "backbone.embedding.weight";
  model.tensors.insert(std::move(embedding));
  return model;
}

CraftedModel original_mamba2(json changes = json::object()) {
  changes.update({{"layer", "Mamba2"}, {"d_state", 16}, {"headdim", 16}}, false);
  return original("mamba2", changes);
}

TEST(MambaOfTransformers, MissingKeysTakeTheDefaultsOfItsConfigClass) {
  CraftedModel model("mamba");
  for (const char* key : {"intermediate_size", "expand", "state_size", "conv_kernel", "time_step_rank",
                          "layer_norm_epsilon", "use_conv_bias", "hidden_act", "tie_word_embeddings"}) {
    model.config.erase(key);
  }
  const Opened opened = open(model);
  const auto& block = std::get<theory::Mamba1Weights>(opened.block);
  EXPECT_EQ(block.d_inner, 96u);
  EXPECT_EQ(block.d_state, 16u);
  EXPECT_EQ(block.dt_rank, 3u);
  EXPECT_EQ(block.norm_epsilon, 1e-5);
  EXPECT_FALSE(block.conv_bias.empty());
  EXPECT_TRUE(opened.description.tied_head);
}

TEST(MambaOfTransformers, AMissingUseBiasMeansBiases) {
  CraftedModel without("mamba");
  without.config.erase("use_bias");
  EXPECT_THAT(without.refusal(), AllOf(HasSubstr("in_proj.bias"), HasSubstr("missing")));
  CraftedModel with("mamba-untied");
  with.config.erase("use_bias");
  EXPECT_EQ(with.refusal(), "accepted");
  with.config["use_bias"] = false;
  EXPECT_THAT(with.refusal(), AllOf(HasSubstr("in_proj.bias"), HasSubstr("unexpected")));
}

TEST(MambaOfTransformers, AnAutomaticRankIsASixteenthOfTheWidthRoundedUp) {
  CraftedModel model("mamba");
  model.config["time_step_rank"] = "auto";
  EXPECT_EQ(std::get<theory::Mamba1Weights>(open(model).block).dt_rank, 3u);
  CraftedModel other("mamba-untied");  // whose rank is 6
  other.config["time_step_rank"] = "auto";
  EXPECT_THAT(other.refusal(), AllOf(HasSubstr("x_proj.weight"), HasSubstr("[30, 96]"), HasSubstr("[27, 96]")));
}

TEST(MambaOfTransformers, AnInnerSizeOfItsOwnWinsOverExpand) {
  CraftedModel model("mamba");
  model.config["expand"] = 16;
  EXPECT_EQ(open(model).description.layers, 2u);
  model.config.erase("intermediate_size");
  EXPECT_THAT(model.refusal(), AllOf(HasSubstr("[192, 48]"), HasSubstr("[1536, 48]")));
}

TEST(MambaOfTransformers, TheConvolutionMayHaveNoBias) {
  for (const char* name : {"mamba", "mamba2"}) {
    CraftedModel model(name);
    model.config["use_conv_bias"] = false;
    EXPECT_THAT(model.refusal(), HasSubstr("conv1d.bias"));
    model.tensors.erase("backbone.layers.0.mixer.conv1d.bias");
    model.tensors.erase("backbone.layers.1.mixer.conv1d.bias");
    std::visit([](const auto& block) { EXPECT_TRUE(block.conv_bias.empty()); }, open(model).block);
  }
}

TEST(MambaOfTransformers, AModelSavedWithoutItsHeadHasBareNames) {
  CraftedModel model("mamba");
  std::map<std::string, CraftedTensor> bare;
  for (const auto& [name, tensor] : model.tensors) bare[name.substr(std::string("backbone.").size())] = tensor;
  model.tensors = bare;
  EXPECT_EQ(open(model).description.vocabulary, 104u);
}

TEST(MambaOfTransformers, TheEmbeddingMayHaveItsOlderName) {
  CraftedModel model("mamba");
  model.tensors["backbone.embedding.weight"] = model.tensors.at("backbone.embeddings.weight");
  EXPECT_THAT(model.refusal(), AllOf(HasSubstr("'backbone.embeddings.weight'"), HasSubstr("unexpected")));
  model.tensors.erase("backbone.embeddings.weight");
  EXPECT_EQ(model.refusal(), "accepted");
}

TEST(Mamba2OfTransformers, MissingSizesAreThoseOfItsConfigClass) {
  CraftedModel model("mamba2");
  const auto refusal_without = [&](const std::string& key) {
    CraftedModel changed = model;
    changed.config.erase(key);
    return changed.refusal();
  };
  EXPECT_THAT(refusal_without("num_heads"), AllOf(HasSubstr("128 heads"), HasSubstr("96")));
  EXPECT_THAT(refusal_without("head_dim"), AllOf(HasSubstr("6 heads of head_dim 64"), HasSubstr("96")));
  EXPECT_THAT(refusal_without("n_groups"),
              AllOf(HasSubstr("n_groups"), HasSubstr("8 does not divide"), HasSubstr("6")));
  EXPECT_THAT(refusal_without("state_size"), HasSubstr("in_proj.weight"));
  for (const char* key :
       {"expand", "conv_kernel", "layer_norm_epsilon", "time_step_limit", "use_bias", "use_conv_bias"}) {
    EXPECT_EQ(refusal_without(key), "accepted") << key;
  }
  CraftedModel codestral("mamba2-codestral");
  codestral.config.erase("n_groups");
  EXPECT_EQ(std::get<theory::Mamba2Weights>(open(codestral).block).groups, 8u);
}

TEST(Mamba2OfTransformers, ProjectionBiasesAreRead) {
  CraftedModel model("mamba2");
  model.config["use_bias"] = true;
  EXPECT_THAT(model.refusal(), HasSubstr("in_proj.bias"));
  for (const std::string layer : {"0", "1"}) {
    const std::string mixer = "backbone.layers." + layer + ".mixer.";
    model.tensors[mixer + "in_proj.bias"] = zeros({96 + 96 + 32 + 6});
    model.tensors[mixer + "out_proj.bias"] = zeros({48});
  }
  const auto block = std::get<theory::Mamba2Weights>(open(model).block);
  EXPECT_EQ(block.in_proj_bias.size(), 230u);
  EXPECT_EQ(block.out_proj_bias.size(), 48u);
}

TEST(Mamba2OfTransformers, NormBeforeGateIsNotReadAsTransformersDoesNotReadItEither) {
  CraftedModel model("mamba2-codestral");
  model.config["norm_before_gate"] = true;
  EXPECT_EQ(model.refusal(), "accepted");
}

TEST(StepLimits, AreExactNumbersOrInfiniteInEitherSpelling) {
  CraftedModel model("mamba2");
  const auto limits = [&](const json& value) {
    model.config["time_step_limit"] = value;
    return std::get<theory::Mamba2Weights>(open(model).block).step_limits;
  };
  EXPECT_EQ(limits({0.001, 0.1}).lower, 0.001);
  EXPECT_EQ(limits({0.001, 0.1}).upper, 0.1);
  EXPECT_EQ(limits({0, 5}).upper, 5.0);
  const json minus_infinity = {{"__float__", "-Infinity"}};
  EXPECT_EQ(limits({minus_infinity, 5}).lower, 0.0);
  EXPECT_EQ(limits({-1.0, 5}).lower, 0.0);
  EXPECT_FALSE(std::signbit(limits({-1.0, -0.0}).upper));
  EXPECT_EQ(limits(nullptr).upper, std::numeric_limits<double>::infinity());
  std::string text = model.config.dump();
  text.replace(text.find("null"), 4, "[-Infinity, Infinity]");
  model.config_text = text;
  EXPECT_EQ(std::get<theory::Mamba2Weights>(open(model).block).step_limits.lower, 0.0);
  EXPECT_EQ(std::get<theory::Mamba2Weights>(open(model).block).step_limits.upper,
            std::numeric_limits<double>::infinity());
}

TEST(StepLimits, AreOrderedNumbers) {
  CraftedModel model("mamba2");
  const json infinity = {{"__float__", "Infinity"}};
  const json nan = {{"__float__", "NaN"}};
  for (const json& value : std::vector<json>{0.1,
                                             json::array(),
                                             {0.1},
                                             {0, 1, 2},
                                             {0.1, 0.01},
                                             {-2, -1},
                                             {infinity, infinity},
                                             {nan, 1},
                                             {0, nan},
                                             {"0", 1},
                                             {0, "inf"},
                                             {0, nullptr},
                                             {0, {{"__float__", "Inf"}}},
                                             "auto"}) {
    model.config["time_step_limit"] = value;
    EXPECT_THAT(model.refusal(), AllOf(HasSubstr("config.json: time_step_limit"), HasSubstr("expected"))) << value;
  }
}

TEST(Head, IsTheEmbeddingWhereTheyAreTied) {
  CraftedModel model("mamba");
  const Opened absent = open(model);
  model.tensors["lm_head.weight"] = model.tensors.at("backbone.embeddings.weight");
  const Opened equal = open(model);
  EXPECT_TRUE(absent.description.tied_head);
  EXPECT_TRUE(equal.description.tied_head);
  EXPECT_EQ(absent.head.entries, equal.head.entries);
  EXPECT_TRUE(equal.description.remarks.empty());
}

TEST(Head, ThatDiffersFromATiedEmbeddingIsUsedAndRemarkedOn) {
  CraftedModel model("mamba");
  model.tensors["lm_head.weight"] = zeros({104, 48});
  const Opened opened = open(model);
  EXPECT_FALSE(opened.description.tied_head);
  EXPECT_EQ(opened.head.entries, theory::Vector(104 * 48));
  ASSERT_EQ(opened.description.remarks.size(), 1u);
  EXPECT_THAT(opened.description.remarks[0], HasSubstr("lm_head.weight is used"));
}

TEST(Head, ThatIsSeparateMustBeStored) {
  CraftedModel model("mamba-untied");
  const Opened separate = open(model);
  EXPECT_FALSE(separate.description.tied_head);
  EXPECT_EQ(separate.head.entries, testing::plain_values(model.tensors.at("lm_head.weight")));
  model.tensors["lm_head.weight"].shape = {96, 48};
  model.tensors["lm_head.weight"].bytes.resize(96 * 48 * 4);
  EXPECT_THAT(model.refusal(), AllOf(HasSubstr("[96, 48]"), HasSubstr("[97, 48]")));
  model.tensors.erase("lm_head.weight");
  EXPECT_THAT(model.refusal(), AllOf(HasSubstr("lm_head.weight"), HasSubstr("missing")));
}

TEST(MambaSsm, DefaultsAreThoseOfItsBlocks) {
  const Opened mamba1 = open(original("mamba", json::object()));
  EXPECT_EQ(mamba1.description.family, "mamba");
  EXPECT_EQ(mamba1.description.layout, "mamba-ssm");
  EXPECT_EQ(mamba1.description.vocabulary, 104u);
  const auto& block = std::get<theory::Mamba1Weights>(mamba1.block);
  EXPECT_EQ(block.dt_rank, 3u);
  EXPECT_EQ(block.norm_epsilon, 1e-5);
  EXPECT_TRUE(block.in_proj_bias.empty());
  const Opened mamba2 = open(original_mamba2());
  EXPECT_EQ(std::get<theory::Mamba2Weights>(mamba2.block).groups, 1u);
  EXPECT_EQ(std::get<theory::Mamba2Weights>(mamba2.block).heads, 6u);
  EXPECT_THAT(original("mamba2", {{"layer", "Mamba2"}, {"headdim", 16}}).refusal(),
              HasSubstr("in_proj.weight"));  // 128 states
  EXPECT_THAT(original("mamba2", {{"layer", "Mamba2"}, {"d_state", 16}}).refusal(), HasSubstr("64 does not divide"));
}

TEST(MambaSsm, TheVocabularyIsPaddedToWholeMultiples) {
  CraftedModel model = original("mamba", json::object());
  for (const int unpadded : {97, 103, 104}) {
    model.config["vocab_size"] = unpadded;
    EXPECT_EQ(model.refusal(), "accepted") << unpadded;
  }
  for (const int wrong : {96, 105}) {
    model.config["vocab_size"] = wrong;
    EXPECT_THAT(model.refusal(), HasSubstr("embedding.weight")) << wrong;
  }
  model.config["vocab_size"] = 97;
  model.config["pad_vocab_size_multiple"] = 1;
  EXPECT_THAT(model.refusal(), AllOf(HasSubstr("[104, 48]"), HasSubstr("[97, 48]")));
}

TEST(MambaSsm, OptionsThatChangeTheRecurrenceAreReadOrRefused) {
  EXPECT_EQ(open(original_mamba2({{"dt_limit", {0.01, 0.1}}})).description.family, "mamba2");
  EXPECT_EQ(std::get<theory::Mamba2Weights>(open(original_mamba2({{"dt_limit", {0.01, 0.1}}})).block).step_limits.lower,
            0.01);
  EXPECT_THAT(original_mamba2({{"D_has_hdim", true}}).refusal(), HasSubstr("ssm_cfg.D_has_hdim"));
  EXPECT_THAT(original_mamba2({{"norm_before_gate", true}}).refusal(), HasSubstr("ssm_cfg.norm_before_gate"));
  EXPECT_THAT(original_mamba2({{"rmsnorm", false}}).refusal(), HasSubstr("ssm_cfg.rmsnorm"));
  EXPECT_THAT(original_mamba2({{"d_ssm", 48}}).refusal(),
              AllOf(HasSubstr("ssm_cfg.d_ssm"), HasSubstr("48"), HasSubstr("96")));
  EXPECT_EQ(original_mamba2({{"d_ssm", 96}}).refusal(), "accepted");
  EXPECT_THAT(original_mamba2({{"activation", "gelu"}}).refusal(), HasSubstr("'gelu'"));
  EXPECT_THAT(original_mamba2({{"ngroups", 4}}).refusal(), AllOf(HasSubstr("4 does not divide"), HasSubstr("6")));
  EXPECT_THAT(original_mamba2({{"novelty", 1}}).refusal(), HasSubstr("ssm_cfg.novelty: is an unknown option"));
  EXPECT_THAT(original("mamba", {{"layer", "Mamba3"}}).refusal(),
              AllOf(HasSubstr("'Mamba3'"), HasSubstr("Mamba1 and Mamba2 are")));
  EXPECT_THAT(original("mamba", {{"dt_limit", {0.0, 1.0}}}).refusal(), HasSubstr("unknown option"));
  EXPECT_EQ(original("mamba", {{"dt_min", 0.002}, {"dt_init", "constant"}, {"use_fast_path", false}}).refusal(),
            "accepted");
  EXPECT_THAT(original("mamba", json::array({1})).refusal(), HasSubstr("ssm_cfg"));
}

TEST(MambaSsm, OtherLayersAndNormsAreRefused) {
  const auto refusal_with = [](const std::string& key, const json& value) {
    CraftedModel model = original("mamba", json::object());
    model.config[key] = value;
    return model.refusal();
  };
  EXPECT_THAT(refusal_with("rms_norm", false), HasSubstr("config.json: rms_norm"));
  EXPECT_THAT(refusal_with("d_intermediate", 96), HasSubstr("config.json: d_intermediate"));
  EXPECT_THAT(refusal_with("attn_layer_idx", {1}), HasSubstr("config.json: attn_layer_idx"));
  EXPECT_EQ(refusal_with("d_intermediate", 0), "accepted");
  EXPECT_EQ(refusal_with("attn_layer_idx", json::array()), "accepted");
  EXPECT_EQ(refusal_with("ssm_cfg", nullptr), "accepted");
}

TEST(EveryFamily, RefusesActivationsAndNormsOfOtherKinds) {
  for (const char* name : {"mamba", "mamba2"}) {
    CraftedModel model(name);
    model.config["hidden_act"] = "gelu";
    EXPECT_THAT(model.refusal(), AllOf(HasSubstr("hidden_act"), HasSubstr("'gelu'")));
    model.config["hidden_act"] = "swish";
    EXPECT_EQ(model.refusal(), "accepted");
    model.config["rms_norm"] = false;
    EXPECT_THAT(model.refusal(), HasSubstr("config.json: rms_norm"));
  }
}

TEST(EveryFamily, NamesBothNumbersWhereConfigAndTensorsDisagree) {
  CraftedModel model("mamba");
  const auto refusal_with = [&](const std::string& key, const json& value) {
    CraftedModel changed = model;
    changed.config[key] = value;
    return changed.refusal();
  };
  EXPECT_THAT(refusal_with("num_hidden_layers", 3),
              AllOf(HasSubstr("num_hidden_layers: is 3"), HasSubstr("have 2 blocks")));
  EXPECT_THAT(refusal_with("num_hidden_layers", 1),
              AllOf(HasSubstr("num_hidden_layers: is 1"), HasSubstr("have 2 blocks")));
  EXPECT_THAT(refusal_with("num_hidden_layers", 2147483647), HasSubstr("have 2 blocks"));
  EXPECT_THAT(refusal_with("vocab_size", 97),
              AllOf(HasSubstr("[104, 48]"), HasSubstr("[97, 48]"), HasSubstr("config.json")));
  EXPECT_THAT(refusal_with("hidden_size", 47), AllOf(HasSubstr("[104, 48]"), HasSubstr("[104, 47]")));
  EXPECT_THAT(refusal_with("intermediate_size", 95), AllOf(HasSubstr("[192, 48]"), HasSubstr("[190, 48]")));
  EXPECT_THAT(refusal_with("state_size", 15), AllOf(HasSubstr("[35, 96]"), HasSubstr("[33, 96]")));
  EXPECT_THAT(refusal_with("conv_kernel", 3), AllOf(HasSubstr("[96, 1, 4]"), HasSubstr("[96, 1, 3]")));
  EXPECT_THAT(refusal_with("time_step_rank", 4), AllOf(HasSubstr("[35, 96]"), HasSubstr("[36, 96]")));
  model = CraftedModel("mamba2");
  EXPECT_THAT(refusal_with("num_heads", 5), AllOf(HasSubstr("5 heads"), HasSubstr("80"), HasSubstr("96")));
  EXPECT_THAT(refusal_with("n_groups", 2), AllOf(HasSubstr("[230, 48]"), HasSubstr("[262, 48]")));
}

TEST(EveryFamily, MissesAndRefusesTensorsByName) {
  for (const char* name : {"mamba", "mamba2", "mamba-untied"}) {
    const CraftedModel whole(name);
    for (const auto& [tensor, content] : whole.tensors) {
      CraftedModel model = whole;
      model.tensors.erase(tensor);
      EXPECT_THAT(model.refusal(), AllOf(HasSubstr("'" + tensor + "'"), HasSubstr("missing"))) << tensor;
    }
    for (const char* extra : {"backbone.layers.0.mixer.dt_layernorm.weight", "backbone.norm_f.bias", "v_head.weight",
                              "backbone.layers.0.mixer.in_proj.lora_A.weight", "backbone.layers.0.norm.bias"}) {
      CraftedModel model = whole;
      model.tensors[extra] = zeros({3});
      EXPECT_THAT(model.refusal(), AllOf(HasSubstr(extra), HasSubstr("unexpected"))) << extra;
    }
  }
}

TEST(EveryFamily, WeightsHaveOneOfFourTypesAndMayBeMixed) {
  CraftedModel model("mamba");
  CraftedTensor& weight = model.tensors[std::string(kMixer) + "D"];
  const theory::Vector values = testing::plain_values(weight);
  std::string wide(reinterpret_cast<const char*>(values.data()), values.size() * 8);
  weight = {"F64", {96}, wide};
  const Opened opened = open(model);
  EXPECT_EQ(std::get<theory::Mamba1Weights>(opened.block).D, values);
  EXPECT_EQ(opened.description.weight_types, (std::vector<std::string>{"F32", "F64"}));
  for (const auto& [dtype, bits] : std::map<std::string, std::size_t>{
           {"I8", 8}, {"F8_E4M3", 8}, {"I32", 32}, {"C64", 64}, {"F4", 4}, {"BOOL", 8}}) {
    weight = {dtype, {96}, std::string(96 * bits / 8, '\0')};
    EXPECT_THAT(model.refusal(), AllOf(HasSubstr("mixer.D'"), HasSubstr("dtype " + dtype))) << dtype;
  }
  weight = {"F32", {1, 96}, std::string(384, '\0')};
  EXPECT_THAT(model.refusal(), AllOf(HasSubstr("[1, 96]"), HasSubstr("[96]")));
}

}  // namespace
}  // namespace lyap
