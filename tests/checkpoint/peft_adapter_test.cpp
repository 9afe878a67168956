#include "verify/checkpoint/peft_adapter.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "numerics/contract_violation.hpp"
#include "tests/checkpoint/crafted_adapter.hpp"
#include "tests/theory/oracle_model.hpp"
#include "theory/lyapunov_exponent.hpp"

// Adapters against what PEFT and transformers computed with them (tests/data/fixtures).
namespace lyap {
namespace {

using testing::CraftedAdapter;
using ::testing::ElementsAre;
using testing::fixture;
using ::testing::HasSubstr;
using theory::LanguageModelWeights;
using theory::testing::compare;
using theory::testing::compare_logits;
using theory::testing::Oracle;
using theory::testing::read_whole_model;

/// The oracle's own stated accuracy, relative to the largest entry of an array.
constexpr double kOracleAccuracy = 1e-11;

enum class Form { kMerged, kMergedInFloat, kAttached };

theory::Matrix& matrix_of(theory::BlockWeights& block, AdapterTarget target) {
  if (auto* first = std::get_if<theory::Mamba1Weights>(&block)) {
    if (target == AdapterTarget::kXProj) return first->x_proj;
    if (target == AdapterTarget::kDtProj) return first->dt_proj;
    return target == AdapterTarget::kInProj ? first->in_proj : first->out_proj;
  }
  auto& second = std::get<theory::Mamba2Weights>(block);
  return target == AdapterTarget::kInProj ? second.in_proj : second.out_proj;
}

/// W + scale B A as PEFT computes it for float32 weights on a CPU: every operation rounds to float, products are fused
/// into the sum over the rank.
void add_update_in_float(theory::Matrix& W, const LowRankUpdate& update) {
  for (std::size_t i = 0; i < W.rows; ++i) {
    for (std::size_t j = 0; j < W.columns; ++j) {
      float sum = 0.0F;
      for (std::size_t k = 0; k < update.rank(); ++k)
        sum = std::fma(static_cast<float>(update.B(i, k)), static_cast<float>(update.A(k, j)), sum);
      const float change = sum * static_cast<float>(update.scale.nearest);
      W(i, j) = static_cast<float>(W(i, j)) + change;
    }
  }
}

LanguageModelWeights with_adapter(const std::string& base_name, const PeftAdapter& adapter, Form form,
                                  std::optional<AdapterTarget> left_out = std::nullopt) {
  LanguageModelWeights model = read_whole_model(fixture(base_name));
  for (std::size_t layer = 0; layer < model.blocks.size(); ++layer) {
    std::vector<LowRankUpdate> updates = adapter.read_block_updates(layer);
    std::erase_if(updates, [&](const LowRankUpdate& update) { return update.target == left_out; });
    if (form == Form::kMergedInFloat) {
      for (const LowRankUpdate& update : updates)
        add_update_in_float(matrix_of(model.blocks[layer], update.target), update);
    } else {
      model.blocks[layer] = form == Form::kMerged ? approx_merged_block(model.blocks[layer], updates)
                                                  : approx_adapted_block(model.blocks[layer], updates);
    }
  }
  const auto embedding = adapter.read_embedding_update();
  if (embedding && left_out != AdapterTarget::kEmbeddings) {
    form == Form::kMergedInFloat ? add_update_in_float(model.embedding, *embedding)
                                 : approx_add_update(model.embedding, *embedding);
    if (adapter.description().merging_changes_tied_head && form != Form::kAttached) model.head = model.embedding;
  }
  return model;
}

struct AdapterCase {
  std::string adapter, base;
};

void PrintTo(const AdapterCase& c, std::ostream* out) { *out << c.adapter << " on " << c.base; }

class AdapterOracle : public ::testing::TestWithParam<AdapterCase> {
 protected:
  Checkpoint base = Checkpoint::open(fixture(GetParam().base));
  PeftAdapter adapter = PeftAdapter::open(fixture(GetParam().adapter), base);
  Oracle oracle{fixture(GetParam().adapter) / "oracle.safetensors"};

  [[nodiscard]] LanguageModelWeights model(Form form, std::optional<AdapterTarget> left_out = std::nullopt) const {
    return with_adapter(GetParam().base, adapter, form, left_out);
  }
};

TEST_P(AdapterOracle, LogitsOfTheMergedModelAreReproduced) {
  EXPECT_LE(compare_logits<double>(model(Form::kMerged), oracle, "merged_logits_fp64").relative(), kOracleAccuracy);
}

TEST_P(AdapterOracle, LogitsOfTheAttachedAdapterAreReproduced) {
  EXPECT_LE(compare_logits<double>(model(Form::kAttached), oracle, "logits_fp64").relative(), kOracleAccuracy);
}

TEST_P(AdapterOracle, MergedAndAttachedDifferExactlyWhereTheDescriptionSaysSo) {
  const AdapterDescription& description = adapter.description();
  const bool differ = description.step_projection_acts_only_merged || description.merging_changes_tied_head;
  const double merged_as_attached = compare_logits<double>(model(Form::kMerged), oracle, "logits_fp64").relative();
  if (differ) {
    EXPECT_GT(merged_as_attached, 1e3 * kOracleAccuracy);
    EXPECT_THAT(description.remarks, ElementsAre(::testing::ContainsRegex("[Mm]erging")));
  } else {
    EXPECT_LE(merged_as_attached, kOracleAccuracy);
    EXPECT_TRUE(description.remarks.empty());
  }
}

/// The largest relative difference between what a layer computes and what the oracle has about it: step sizes,
/// exponents, final state, outputs. Adds the layer's outputs to the stream.
double layer_difference(const LanguageModelWeights& model, std::size_t layer, const Oracle& oracle,
                        theory::Matrix& residuals) {
  const auto block = std::visit([&](const auto& w) { return theory::run<double>(w, residuals); }, model.blocks[layer]);
  std::vector<double> step_sizes;
  std::vector<double> outputs;
  for (const auto& t : block.steps) {
    step_sizes.insert(step_sizes.end(), t.Delta.begin(), t.Delta.end());
    outputs.insert(outputs.end(), t.output.begin(), t.output.end());
  }
  const auto exponents = theory::finite_time_exponents(block.alpha, block.sum_of_steps, residuals.rows);
  for (std::size_t i = 0; i < outputs.size(); ++i) residuals.entries[i] += outputs[i];
  const std::string prefix = "layer." + std::to_string(layer) + ".";
  return std::max({compare(step_sizes, oracle[prefix + "dt"]).relative(),
                   compare(exponents, oracle[prefix + "exponents"]).relative(),
                   compare(block.h, oracle[prefix + "final_state"]).relative(),
                   compare(outputs, oracle[prefix + "mixer_output"]).relative()});
}

/// The same for the worst of all layers, on the oracle's first sequence.
double layers_difference(const LanguageModelWeights& model, const Oracle& oracle) {
  const std::vector<std::int64_t> tokens = oracle.tokens(0);
  theory::Matrix residuals(tokens.size(), model.embedding.columns);
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    for (std::size_t i = 0; i < residuals.columns; ++i)
      residuals(t, i) = model.embedding(static_cast<std::size_t>(tokens[t]), i);
  }
  double worst = 0.0;
  for (std::size_t layer = 0; layer < model.blocks.size(); ++layer)
    worst = std::max(worst, layer_difference(model, layer, oracle, residuals));
  return worst;
}

// The oracle's layers belong to the model that was merged in float32.
TEST_P(AdapterOracle, StepSizesExponentsStatesAndOutputsOfTheModelMergedInFloatAreReproduced) {
  EXPECT_LE(layers_difference(model(Form::kMergedInFloat), oracle), kOracleAccuracy);
}

TEST_P(AdapterOracle, MergingInFloatMovesTheLayersByRoundingsOfFloat) {
  const double difference = layers_difference(model(Form::kMerged), oracle);
  EXPECT_GT(difference, kOracleAccuracy);
  EXPECT_LT(difference, 1e-5);
  EXPECT_GT(compare_logits<double>(model(Form::kMergedInFloat), oracle, "merged_logits_fp64").relative(),
            kOracleAccuracy);
}

TEST_P(AdapterOracle, NoUpdateCanBeLeftOutUnnoticed) {
  std::set<AdapterTarget> targets;
  for (const AdaptedModule& module : adapter.description().modules) targets.insert(module.target);
  for (const AdapterTarget target : targets) {
    EXPECT_GT(compare_logits<double>(model(Form::kMerged, target), oracle, "merged_logits_fp64").relative(),
              1e6 * kOracleAccuracy)
        << target_name(target);
  }
}

// The other layouts hold the weights of the bases that the adapters were made for.
INSTANTIATE_TEST_SUITE_P(Adapters, AdapterOracle,
                         ::testing::Values(AdapterCase{"mamba-lora", "mamba"}, AdapterCase{"mamba-lora", "mamba-bin"},
                                           AdapterCase{"mamba-lora", "mamba-sharded"},
                                           AdapterCase{"mamba-lora-dt", "mamba"}, AdapterCase{"mamba2-lora", "mamba2"},
                                           AdapterCase{"mamba2-lora", "mamba2-sharded"}),
                         [](const auto& instance) {
                           std::string name = instance.param.adapter + "_on_" + instance.param.base;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(PeftAdapter, DescribesItsModulesAndFiles) {
  const Checkpoint base = Checkpoint::open(fixture("mamba"));
  const PeftAdapter adapter = PeftAdapter::open(fixture("mamba-lora"), base);
  const AdapterDescription& description = adapter.description();
  EXPECT_EQ(description.base_model, "../mamba");
  ASSERT_EQ(description.modules.size(), 7u);
  EXPECT_EQ(description.modules[1].name, "backbone.layers.0.mixer.x_proj");
  EXPECT_EQ(description.modules[1].target, AdapterTarget::kXProj);
  EXPECT_EQ(description.modules[1].layer, 0u);
  EXPECT_EQ(description.modules[1].rank, 4u);
  EXPECT_EQ(description.modules[1].alpha, 8.0);
  EXPECT_EQ(description.modules[1].scale.nearest, 2.0);
  EXPECT_EQ(description.modules.back().name, "backbone.embeddings");
  EXPECT_FALSE(description.modules.back().layer.has_value());
  ASSERT_EQ(description.digests.size(), 2u);
  EXPECT_EQ(description.digests[0].file, "adapter_config.json");
  EXPECT_EQ(description.digests[0].sha256, sha256_of_file(fixture("mamba-lora") / "adapter_config.json"));
  EXPECT_EQ(description.digests[1].file, "adapter_model.safetensors");
  EXPECT_EQ(description.digests[1].sha256, sha256_of_file(fixture("mamba-lora") / "adapter_model.safetensors"));
  EXPECT_THROW(static_cast<void>(adapter.read_block_updates(2)), ContractViolation);
}

TEST(PeftAdapter, HandsOutTheFactorsAsTheyAreStored) {
  const Checkpoint base = Checkpoint::open(fixture("mamba"));
  const PeftAdapter adapter = PeftAdapter::open(fixture("mamba-lora"), base);
  const CraftedAdapter stored("mamba-lora");
  const std::vector<LowRankUpdate> updates = adapter.read_block_updates(1);
  ASSERT_EQ(updates.size(), 3u);
  for (const LowRankUpdate& update : updates) {
    const std::string stem = CraftedAdapter::block_tensor(1, std::string(target_name(update.target)));
    EXPECT_EQ(update.A.entries, testing::plain_values(stored.tensors.at(stem + ".lora_A.weight")));
    EXPECT_EQ(update.B.entries, testing::plain_values(stored.tensors.at(stem + ".lora_B.weight")));
    EXPECT_EQ(update.B.columns, update.rank());
  }
  const LowRankUpdate embedding = adapter.read_embedding_update().value();
  const auto A = testing::plain_values(stored.tensors.at("base_model.model.backbone.embeddings.lora_embedding_A"));
  const auto B = testing::plain_values(stored.tensors.at("base_model.model.backbone.embeddings.lora_embedding_B"));
  ASSERT_EQ(embedding.B.rows, 104u);
  ASSERT_EQ(embedding.A.columns, 48u);
  for (std::size_t k = 0; k < 4; ++k) {
    for (std::size_t v = 0; v < 104; ++v) EXPECT_EQ(embedding.B(v, k), A[k * 104 + v]);
    for (std::size_t i = 0; i < 48; ++i) EXPECT_EQ(embedding.A(k, i), B[i * 4 + k]);
  }
}

TEST(PeftAdapter, OnABaseInMambaSsmsLayoutIsTheSameAdapterAndSaysWhatTheFusedPathDoes) {
  const Checkpoint base = Checkpoint::open(fixture("mamba-original"));
  CraftedAdapter crafted("mamba-lora");
  const PeftAdapter same_names = crafted.open(base);
  crafted.rename("embeddings", "embedding");
  crafted.config["target_modules"] = {"embedding", "in_proj", "out_proj", "x_proj"};
  const PeftAdapter own_names = crafted.open(base);
  const Oracle oracle(fixture("mamba-lora") / "oracle.safetensors");
  for (const PeftAdapter* adapter : {&same_names, &own_names}) {
    const LanguageModelWeights merged = with_adapter("mamba-original", *adapter, Form::kMerged);
    EXPECT_LE(compare_logits<double>(merged, oracle, "merged_logits_fp64").relative(), kOracleAccuracy);
    EXPECT_THAT(adapter->description().remarks, ::testing::Contains(HasSubstr("fused path")));
  }
}

TEST(PeftAdapter, OfAModelWithoutHeadHasNamesWithoutBackbone) {
  const Checkpoint base = Checkpoint::open(fixture("mamba"));
  CraftedAdapter crafted("mamba-lora");
  crafted.rename("backbone.", "");
  const PeftAdapter adapter = crafted.open(base);
  EXPECT_EQ(adapter.description().modules.front().name, "layers.0.mixer.in_proj");
  EXPECT_EQ(adapter.description().modules.back().name, "embeddings");
}

TEST(PeftAdapter, DoesNotChangeAHeadOfItsOwn) {
  testing::CraftedModel model("mamba");
  model.config["tie_word_embeddings"] = false;
  model.tensors["lm_head.weight"] = model.tensors.at("backbone.embeddings.weight");
  const testing::TemporaryFolder folder;
  model.write(folder.path());
  const PeftAdapter adapter = PeftAdapter::open(fixture("mamba-lora"), Checkpoint::open(folder.path()));
  EXPECT_FALSE(adapter.description().merging_changes_tied_head);
  EXPECT_TRUE(adapter.description().remarks.empty());
}

TEST(PeftAdapter, UpdatesRowsOfTheEmbeddingAsItUpdatesTheWhole) {
  const Checkpoint base = Checkpoint::open(fixture("mamba"));
  const LowRankUpdate update = PeftAdapter::open(fixture("mamba-lora"), base).read_embedding_update().value();
  theory::Matrix whole = base.read_embedding_rows(0, 104);
  theory::Matrix rows = base.read_embedding_rows(17, 40);
  approx_add_update(whole, update);
  approx_add_update(rows, update, 17);
  for (std::size_t i = 0; i < rows.rows; ++i) {
    for (std::size_t j = 0; j < rows.columns; ++j) EXPECT_EQ(rows(i, j), whole(17 + i, j));
  }
  EXPECT_THROW(approx_add_update(rows, update, 90), ContractViolation);
}

TEST(PeftAdapter, CannotBeAppliedToABlockWithoutItsTargetsOrOfAnotherShape) {
  const Checkpoint base = Checkpoint::open(fixture("mamba"));
  const PeftAdapter adapter = PeftAdapter::open(fixture("mamba-lora"), base);
  const std::vector<LowRankUpdate> updates = adapter.read_block_updates(0);
  for (const char* other : {"mamba2", "mamba-untied"}) {
    const theory::BlockWeights block = Checkpoint::open(fixture(other)).read_block(0);
    EXPECT_THROW(static_cast<void>(approx_merged_block(block, updates)), ContractViolation) << other;
  }
  const std::vector<LowRankUpdate> embedding = {adapter.read_embedding_update().value()};
  EXPECT_THROW(static_cast<void>(approx_merged_block(base.read_block(0), embedding)), ContractViolation);
}

}  // namespace
}  // namespace lyap
