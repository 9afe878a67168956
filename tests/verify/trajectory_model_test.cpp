#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <limits>
#include <string>
#include <variant>
#include <vector>

#include "tests/verify/trajectory_containment.hpp"
#include "theory/language_model.hpp"
#include "verify/certify/float_forward.hpp"
#include "verify/certify/trajectory.hpp"
#include "verify/checkpoint/array_file.hpp"
#include "verify/checkpoint/checkpoint.hpp"
#include "verify/checkpoint/token_sequence.hpp"

namespace lyap {
namespace {

constexpr double kOracleError = 1e-11;           // stated by the makers of the fixtures
constexpr double kExponentRelativeWidth = 1e-9;  // what the trajectory tier promises on the sample
constexpr std::size_t kSampleTokens = 2048;

const std::string kExamples = std::string(LYAP_SOURCE_DIR) + "/verify/examples/";
const std::string kFixtures = std::string(LYAP_SOURCE_DIR) + "/tests/data/fixtures/";

TrajectoryBounds certify(const theory::BlockWeights& block, const theory::Matrix& input,
                         const TrajectoryOptions& options = {}) {
  return std::visit([&](const auto& weights) { return certify_trajectory(weights, input, options); }, block);
}

class TrainedModel : public ::testing::TestWithParam<const char*> {
 protected:
  [[nodiscard]] Checkpoint model() const { return Checkpoint::open(kExamples + GetParam()); }
  [[nodiscard]] std::vector<std::int64_t> sample(std::size_t length) const {
    std::vector<std::int64_t> tokens =
        tokenize_text(kExamples + "sample.txt", kExamples + GetParam(), model().description().vocabulary);
    tokens.resize(std::min(length, tokens.size()));
    return tokens;
  }
};

TEST_P(TrainedModel, ExponentsOnTheSampleAreEnclosedToTheStatedRelativeWidth) {
  const std::vector<std::int64_t> tokens = sample(kSampleTokens);
  ASSERT_EQ(tokens.size(), kSampleTokens);
  approx_forward(
      model(), tokens, [](std::size_t layer, const theory::BlockWeights& block, const theory::Matrix& input) {
        const TrajectoryBounds bounds = certify(block, input);
        double widest = 0.0;
        for (std::size_t i = 0; i < bounds.exponent_lower.size(); ++i) {
          ASSERT_LT(bounds.exponent_upper[i], 0.0);
          widest = std::max(widest, (bounds.exponent_upper[i] - bounds.exponent_lower[i]) / -bounds.exponent_upper[i]);
        }
        std::cout << "layer " << layer << ": largest relative width " << widest << '\n';
        EXPECT_LE(widest, kExponentRelativeWidth) << "layer " << layer;
      });
}

TEST_P(TrainedModel, TheFirstLayersRunAt256BitsLiesInItsEnclosure) {
  approx_forward(
      model(), sample(12), [](std::size_t layer, const theory::BlockWeights& block, const theory::Matrix& input) {
        if (layer != 0) return;
        std::visit(
            [&](const auto& weights) {
              const auto outside =
                  testing::first_outside(weights, input, certify_trajectory(weights, input, testing::with_outputs()));
              EXPECT_EQ(outside, std::nullopt);
            },
            block);
      });
}

INSTANTIATE_TEST_SUITE_P(Examples, TrainedModel, ::testing::Values("mamba-tiny", "mamba2-tiny"));

const LoadedTensor* find(const std::vector<LoadedTensor>& tensors, const std::string& name) {
  const auto found =
      std::find_if(tensors.begin(), tensors.end(), [&](const LoadedTensor& entry) { return entry.name == name; });
  return found == tensors.end() ? nullptr : &*found;
}

/// Largest distance of an oracle's value from its enclosure; infinite where the sizes differ.
double distance_outside(const LoadedTensor& oracle, const std::vector<double>& lower,
                        const std::vector<double>& upper) {
  if (oracle.values.size() != lower.size()) return std::numeric_limits<double>::infinity();
  double distance = 0.0;
  for (std::size_t i = 0; i < lower.size(); ++i)
    distance = std::max({distance, lower[i] - oracle.values[i], oracle.values[i] - upper[i]});
  return distance;
}

/// The residual stream before each block, in float64: the fixtures' oracles are float64 throughout, so their block
/// inputs differ from these by no more than the oracle's stated error.
std::vector<theory::Matrix> block_inputs(const Checkpoint& model, const std::vector<std::int64_t>& tokens) {
  std::vector<theory::Array<double>> residuals;
  for (const std::int64_t token : tokens) residuals.push_back(model.read_embedding_row(std::size_t(token)));
  std::vector<theory::Matrix> inputs;
  for (std::size_t layer = 0; layer < model.description().layers; ++layer) {
    theory::Matrix input(residuals.size(), model.description().d_model);
    for (std::size_t t = 0; t < residuals.size(); ++t)
      std::copy(residuals[t].begin(), residuals[t].end(), &input(t, 0));
    inputs.push_back(std::move(input));
    theory::apply_block(model.read_block(layer), residuals,
                        {theory::Discretization::kEuler, theory::Softplus::kDeployed});
  }
  return inputs;
}

class Fixture : public ::testing::TestWithParam<const char*> {};

TEST_P(Fixture, OracleExponentsAndFinalStatesLieInTheEnclosuresWidenedByTheOraclesError) {
  const std::string folder = kFixtures + GetParam();
  const Checkpoint model = Checkpoint::open(folder);
  const std::vector<LoadedTensor> oracle = load_tensors(folder + "/oracle.safetensors");
  const LoadedTensor* ids = find(oracle, "input_ids");
  ASSERT_NE(ids, nullptr);
  const std::vector<std::int64_t> tokens(ids->integers.begin(), ids->integers.begin() + std::ptrdiff_t(ids->shape[1]));
  const std::vector<theory::Matrix> inputs = block_inputs(model, tokens);
  for (std::size_t layer = 0; layer < inputs.size(); ++layer) {
    const TrajectoryBounds bounds = certify(model.read_block(layer), inputs[layer]);
    const std::string prefix = "layer." + std::to_string(layer) + ".";
    const LoadedTensor* exponents = find(oracle, prefix + "exponents");
    const LoadedTensor* final_state = find(oracle, prefix + "final_state");
    ASSERT_TRUE(exponents != nullptr && final_state != nullptr);
    EXPECT_LE(distance_outside(*exponents, bounds.exponent_lower, bounds.exponent_upper), kOracleError) << prefix;
    EXPECT_LE(distance_outside(*final_state, bounds.final_state_lower, bounds.final_state_upper), kOracleError)
        << prefix;

    std::vector<theory::Matrix> shifted{inputs[layer]};  // a block that sees its tokens one step late must be noticed
    std::rotate(shifted[0].entries.begin(), shifted[0].entries.begin() + std::ptrdiff_t(shifted[0].columns),
                shifted[0].entries.end());
    const TrajectoryBounds wrong = certify(model.read_block(layer), shifted[0]);
    EXPECT_GT(distance_outside(*final_state, wrong.final_state_lower, wrong.final_state_upper), 1000 * kOracleError)
        << prefix;
  }
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, Fixture,
                         ::testing::Values("mamba", "mamba-sharded", "mamba-bf16", "mamba-fp16", "mamba-bin",
                                           "mamba-original", "mamba-untied", "mamba-untied-original", "mamba2",
                                           "mamba2-sharded", "mamba2-bf16", "mamba2-fp16", "mamba2-bin",
                                           "mamba2-original", "mamba2-codestral", "mamba2-limit"));

}  // namespace
}  // namespace lyap
