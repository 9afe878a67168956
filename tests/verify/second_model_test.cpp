#include "verify/certify/second_model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/checkpoint/crafted_model.hpp"
#include "verify/certify/float_forward.hpp"

// The second model of a comparison: its blocks, its own float32 run, and what is refused.
namespace lyap {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using testing::CraftedModel;
using testing::CraftedTensor;
using testing::fixture;
using ::testing::HasSubstr;
using testing::refusal_of;
using testing::TemporaryFolder;

const std::vector<std::int64_t> kTokens{5, 17, 3, 80, 41, 2, 9, 33, 60, 12, 7};

CertifyCommand against(const fs::path& folder) {
  CertifyCommand command;
  command.deviations.against = folder;
  return command;
}

CertifyCommand with_adapter(const fs::path& folder) {
  CertifyCommand command;
  command.deviations.adapter = folder;
  return command;
}

std::vector<float> all_values(const CraftedTensor& tensor) {
  const std::vector<double> values = testing::plain_values(tensor);
  return {values.begin(), values.end()};
}

/// Adds 2^-8 to every number of a tensor.
void shift(CraftedModel& model, const std::string& name) {
  std::vector<float> values = all_values(model.tensors.at(name));
  for (float& value : values) value += 0x1p-8F;
  model.tensors.at(name) = testing::float_tensor(model.tensors.at(name).shape, values);
}

/// W + scale B A in place of the tensor W, in binary64, rounded to float32 at the end.
void merge(CraftedModel& model, const std::string& name, const LowRankUpdate& update) {
  CraftedTensor& tensor = model.tensors.at(name);
  theory::Matrix weights(tensor.shape[0], tensor.shape[1]);
  weights.entries = testing::plain_values(tensor);
  approx_add_update(weights, update);
  tensor = testing::float_tensor(tensor.shape, {weights.entries.begin(), weights.entries.end()});
}

std::vector<theory::Matrix> inputs_of_stream(const SecondModel& second, const Checkpoint& base) {
  SecondStream stream(second, base, kTokens);
  std::vector<theory::Matrix> inputs;
  for (std::size_t layer = 0; layer < base.description().layers; ++layer) {
    inputs.push_back(stream.input());
    stream.advance(base.read_block(layer), second.read_block(layer));
  }
  return inputs;
}

std::vector<theory::Matrix> inputs_of_forward(const Checkpoint& model) {
  std::vector<theory::Matrix> inputs;
  approx_forward(model, kTokens, [&](std::size_t, const theory::BlockWeights&, const theory::Matrix& input) {
    inputs.push_back(input);
  });
  return inputs;
}

void expect_same(const std::vector<theory::Matrix>& a, const std::vector<theory::Matrix>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t layer = 0; layer < a.size(); ++layer) EXPECT_EQ(a[layer].entries, b[layer].entries) << layer;
}

TEST(SecondModel, ThereIsNoneWhereNoneIsNamed) {
  EXPECT_FALSE(SecondModel::open({}, Checkpoint::open(fixture("mamba"))).has_value());
}

TEST(SecondModel, ACheckpointsOwnRunIsItsForwardPassBitForBit) {
  for (const char* name : {"mamba", "mamba2"}) {
    const TemporaryFolder folder;
    CraftedModel model(name);
    shift(model, "backbone.layers.0.mixer.out_proj.weight");
    shift(model, "backbone.embeddings.weight");
    model.write(folder.path());
    const Checkpoint base = Checkpoint::open(fixture(name));
    const auto second = SecondModel::open(against(folder.path()), base);
    ASSERT_TRUE(second.has_value());
    const auto inputs = inputs_of_stream(*second, base);
    expect_same(inputs, inputs_of_forward(Checkpoint::open(folder.path())));
    EXPECT_NE(inputs[1].entries, inputs_of_forward(base)[1].entries);
    EXPECT_EQ(second->description().comparison, Comparison::kPair);
    EXPECT_EQ(second->description().files.size(), 2u);
  }
}

TEST(SecondModel, AnAdaptersOwnRunIsThatOfTheMergedModelEmbeddingIncluded) {
  const std::map<std::string, std::string> bases{
      {"mamba-lora", "mamba"}, {"mamba-lora-dt", "mamba"}, {"mamba2-lora", "mamba2"}};
  for (const auto& [adapter_name, base_name] : bases) {
    const Checkpoint base = Checkpoint::open(fixture(base_name));
    const PeftAdapter adapter = PeftAdapter::open(fixture(adapter_name), base);
    CraftedModel merged(base_name);
    for (std::size_t layer = 0; layer < base.description().layers; ++layer) {
      for (const LowRankUpdate& update : adapter.read_block_updates(layer)) {
        merge(merged,
              "backbone.layers." + std::to_string(layer) + ".mixer." + std::string(target_name(update.target)) +
                  ".weight",
              update);
      }
    }
    const auto embedding = adapter.read_embedding_update();
    EXPECT_EQ(embedding.has_value(), adapter_name == "mamba-lora");
    if (embedding) merge(merged, "backbone.embeddings.weight", *embedding);
    const TemporaryFolder folder;
    merged.write(folder.path());
    const auto second = SecondModel::open(with_adapter(fixture(adapter_name)), base);
    ASSERT_TRUE(second.has_value());
    const auto inputs = inputs_of_stream(*second, base);
    expect_same(inputs, inputs_of_forward(Checkpoint::open(folder.path())));
    EXPECT_NE(inputs[1].entries, inputs_of_forward(base)[1].entries) << adapter_name;
  }
}

TEST(SecondModel, AnAdapterIsDescribedWithItsTargetsRanksAndRemarks) {
  const Checkpoint base = Checkpoint::open(fixture("mamba"));
  const auto second = SecondModel::open(with_adapter(fixture("mamba-lora-dt")), base);
  const SecondModelDescription& description = second->description();
  EXPECT_EQ(description.comparison, Comparison::kAdapter);
  EXPECT_EQ(description.name, "mamba-lora-dt");
  EXPECT_THAT(description.targets, ::testing::UnorderedElementsAre("in_proj", "dt_proj"));
  EXPECT_EQ(description.ranks, std::vector<std::size_t>{4});
  EXPECT_EQ(description.modules, 4u);
  EXPECT_EQ(description.files.size(), 2u);
  EXPECT_THAT(description.remarks, ::testing::Contains(HasSubstr("act only after merging")));
  const SecondBlock block = second->read_block(0);
  const theory::BlockWeights weights = base.read_block(0);
  const OtherBlock view = block.view(weights);
  EXPECT_EQ(view.block, &weights);
  EXPECT_EQ(view.updates.size(), 2u);
  EXPECT_EQ(view.own_inputs, nullptr);
}

TEST(SecondModel, AnotherFamilyOrShapeIsRefusedAndBothModelsAreNamed) {
  const Checkpoint base = Checkpoint::open(fixture("mamba"));
  const auto refusal = [&](const fs::path& folder) {
    return refusal_of(folder.string(), [&] { (void)SecondModel::open(against(folder), base); });
  };
  EXPECT_THAT(refusal(fixture("mamba2")), AllOf(HasSubstr(fixture("mamba").string()), HasSubstr("mamba2 model")));
  const fs::path tiny = fs::path(LYAP_SOURCE_DIR) / "verify/examples/mamba-tiny";
  EXPECT_THAT(refusal(tiny), AllOf(HasSubstr(fixture("mamba").string()), HasSubstr("layers 6"), HasSubstr("layers 2")));

  const TemporaryFolder folder;  // the same width with fewer states
  CraftedModel narrow("mamba");
  narrow.config["state_size"] = 8;
  for (const char* layer : {"0", "1"}) {
    const std::string prefix = std::string("backbone.layers.") + layer + ".mixer.";
    const auto keep = [&](const std::string& name, const std::vector<std::size_t>& shape) {
      std::vector<float> values = all_values(narrow.tensors.at(prefix + name));
      values.resize(shape[0] * shape[1]);
      narrow.tensors.at(prefix + name) = testing::float_tensor(shape, values);
    };
    keep("A_log", {96, 8});
    keep("x_proj.weight", {19, 96});
  }
  narrow.write(folder.path());
  EXPECT_THAT(refusal(folder.path()),
              AllOf(HasSubstr(fixture("mamba").string()), HasSubstr("d_state 8"), HasSubstr("d_state 16")));
}

TEST(SecondModel, ATokenThatOnlyTheFirstModelHasIsRefused) {
  const TemporaryFolder folder;
  CraftedModel small("mamba");
  small.config["vocab_size"] = 50;
  std::vector<float> rows = all_values(small.tensors.at("backbone.embeddings.weight"));
  rows.resize(50 * 48);
  small.tensors.at("backbone.embeddings.weight") = testing::float_tensor({50, 48}, rows);
  small.write(folder.path());
  const Checkpoint base = Checkpoint::open(fixture("mamba"));
  const auto second = SecondModel::open(against(folder.path()), base);
  EXPECT_THAT(refusal_of(folder.path().string(), [&] { SecondStream(*second, base, kTokens); }),
              AllOf(HasSubstr("token 80"), HasSubstr("position 3")));
}

TEST(SecondModel, ARunThatOverflowsIsRefused) {
  const TemporaryFolder folder;
  CraftedModel huge("mamba");
  auto& tensor = huge.tensors.at("backbone.layers.0.mixer.out_proj.weight");
  tensor = testing::float_tensor(tensor.shape, std::vector<float>(48 * 96, 3e38F));
  huge.write(folder.path());
  const Checkpoint base = Checkpoint::open(fixture("mamba"));
  const auto second = SecondModel::open(against(folder.path()), base);
  SecondStream stream(*second, base, kTokens);
  (void)stream.input();
  stream.advance(base.read_block(0), second->read_block(0));
  EXPECT_THAT(refusal_of(folder.path().string(), [&] { (void)stream.input(); }), HasSubstr("layer 1"));
}

}  // namespace
}  // namespace lyap
