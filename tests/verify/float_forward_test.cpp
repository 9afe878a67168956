#include "verify/certify/float_forward.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <variant>
#include <vector>

#include "tests/verify/trajectory_ordinary_blocks.hpp"
#include "theory/selective_recurrence.hpp"
#include "verify/certify/float_forward_block.hpp"
#include "verify/checkpoint/array_file.hpp"
#include "verify/checkpoint/bad_input.hpp"

namespace lyap {
namespace {

using testing::OrdinaryBlocks;

/// What the float forward may differ from an independent float64 forward by, on logits and block outputs of order one
/// to ten.
constexpr double kFloatForwardTolerance = 1e-4;

const std::string kExamples = std::string(LYAP_SOURCE_DIR) + "/verify/examples/";
const std::string kOracles = std::string(LYAP_SOURCE_DIR) + "/tests/data/checkpoints/";

const LoadedTensor& tensor(const std::vector<LoadedTensor>& tensors, const std::string& name) {
  return *std::find_if(tensors.begin(), tensors.end(), [&](const LoadedTensor& entry) { return entry.name == name; });
}

double largest_logit_error(const std::string& name) {
  const Checkpoint model = Checkpoint::open(kExamples + name);
  const std::vector<LoadedTensor> oracle = load_tensors(kOracles + name + "/oracle.safetensors");
  const LoadedTensor& ids = tensor(oracle, "input_ids");
  const LoadedTensor& expected = tensor(oracle, "logits_fp64");
  const std::size_t length = ids.shape[1];
  double error = 0.0;
  for (std::size_t sequence = 0; sequence < ids.shape[0]; ++sequence) {
    const auto first = ids.integers.begin() + std::ptrdiff_t(sequence * length);
    const theory::Matrix logits =
        approx_logits(model, std::vector<std::int64_t>(first, first + std::ptrdiff_t(length)));
    for (std::size_t i = 0; i < logits.entries.size(); ++i) {
      error = std::max(error, std::abs(logits.entries[i] - expected.values[sequence * logits.entries.size() + i]));
    }
  }
  return error;
}

TEST(FloatForward, ReproducesTheIndependentLogitsOfTheTrainedMamba) {
  EXPECT_LE(largest_logit_error("mamba-tiny"), kFloatForwardTolerance);
}

TEST(FloatForward, ReproducesTheIndependentLogitsOfTheTrainedMamba2) {
  EXPECT_LE(largest_logit_error("mamba2-tiny"), kFloatForwardTolerance);
}

/// Largest difference from theory's template run in float, over block outputs of several hundred tokens.
template <class Weights>
double difference_from_template(const Weights& block, const theory::Matrix& inputs) {
  const FloatMatrix before = Eigen::Map<const Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>(
                                 inputs.entries.data(), Eigen::Index(inputs.rows), Eigen::Index(inputs.columns))
                                 .template cast<float>();
  FloatMatrix after = before;
  approx_add_block(block, after);
  const theory::BlockRun<float> run =
      theory::run<float>(block, inputs, {theory::Discretization::kEuler, theory::Softplus::kDeployed});
  double difference = 0.0;
  for (std::size_t t = 0; t < inputs.rows; ++t) {
    for (std::size_t i = 0; i < inputs.columns; ++i) {
      const float expected = float(inputs(t, i)) + run.steps[t].output[i];
      difference = std::max(difference, std::abs(double(after(Eigen::Index(t), Eigen::Index(i))) - double(expected)));
    }
  }
  return difference;
}

TEST(FloatForward, AgreesWithTheTemplateAcrossChunksOfTokensGroupsAndOddSizes) {
  OrdinaryBlocks random(3);
  for (const std::size_t tokens : {std::size_t(1), std::size_t(511), std::size_t(513), std::size_t(1031)}) {
    const theory::Matrix inputs = random.matrix(tokens, 7, 3.0);
    EXPECT_LE(difference_from_template(random.mamba1(7, 5, 3, 2), inputs), kFloatForwardTolerance);
    theory::Mamba2Weights grouped = random.mamba2(7, 4, 3, 5, 2);
    EXPECT_LE(difference_from_template(grouped, inputs), kFloatForwardTolerance);
    grouped.gated_norm_groups = 2;
    grouped.step_limits = {0.01, 0.05};
    EXPECT_LE(difference_from_template(grouped, inputs), kFloatForwardTolerance);
  }
}

TEST(FloatForward, AgreementWithTheTemplateWouldNoticeAMissingGroupOfTheGatedNormAndAMissingBias) {
  OrdinaryBlocks random(5);
  const theory::Matrix inputs = random.matrix(20, 7, 3.0);
  theory::Mamba2Weights block = random.mamba2(7, 4, 3, 5, 2);
  block.gated_norm_groups = 2;
  theory::Mamba2Weights wrong = block;
  wrong.gated_norm_groups = 1;
  const theory::BlockRun<float> right_run = theory::run<float>(block, inputs),
                                wrong_run = theory::run<float>(wrong, inputs);
  EXPECT_GT(std::abs(right_run.steps[5].output[0] - wrong_run.steps[5].output[0]), 10 * kFloatForwardTolerance);
  wrong = block;
  wrong.conv_bias.clear();
  EXPECT_GT(std::abs(right_run.steps[5].output[0] - theory::run<float>(wrong, inputs).steps[5].output[0]),
            10 * kFloatForwardTolerance);
}

TEST(FloatForward, HandsOutEveryLayersInputInOrderStartingWithTheEmbeddings) {
  const Checkpoint model = Checkpoint::open(kExamples + "mamba-tiny");
  const std::vector<std::int64_t> tokens{5, 2047, 0, 5};
  std::vector<std::size_t> layers;
  approx_forward(model, tokens, [&](std::size_t layer, const theory::BlockWeights& block, const theory::Matrix& input) {
    layers.push_back(layer);
    EXPECT_TRUE(std::holds_alternative<theory::Mamba1Weights>(block));
    ASSERT_EQ(input.rows, tokens.size());
    for (const double entry : input.entries) EXPECT_EQ(entry, double(float(entry)));
    if (layer != 0) return;
    const theory::Vector row = model.read_embedding_row(2047);
    for (std::size_t i = 0; i < row.size(); ++i) EXPECT_EQ(input(1, i), row[i]);
  });
  EXPECT_EQ(layers, (std::vector<std::size_t>{0, 1, 2, 3, 4, 5}));
}

TEST(FloatForward, RefusesATokenOutsideTheVocabularyByPosition) {
  const Checkpoint model = Checkpoint::open(kExamples + "mamba-tiny");
  EXPECT_THROW(static_cast<void>(approx_logits(model, {1, 2048})), BadInput);
  EXPECT_THROW(static_cast<void>(approx_logits(model, {-1})), BadInput);
}

}  // namespace
}  // namespace lyap
