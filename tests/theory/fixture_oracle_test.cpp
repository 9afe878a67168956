#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "tests/theory/oracle_model.hpp"
#include "theory/lyapunov_exponent.hpp"

// The double-precision forward pass against what an independent implementation found on small models of every layout
// (tests/data/fixtures).

namespace lyap::theory::testing {
namespace {

/// The oracle's own stated accuracy, relative to the largest entry of an array.
constexpr double kOracleAccuracy = 1e-11;

std::filesystem::path fixture(const std::string& name) { return source_folder() / "tests/data/fixtures" / name; }

class Fixture : public ::testing::TestWithParam<const char*> {};

TEST_P(Fixture, LogitsAreReproducedInDouble) {
  const Oracle oracle(fixture(GetParam()) / "oracle.safetensors");
  EXPECT_LE(compare_logits<double>(read_whole_model(fixture(GetParam())), oracle, "logits_fp64").relative(),
            kOracleAccuracy);
}

/// One layer: runs it on the residual stream, compares everything that the oracle has about it, and adds its output to
/// the stream.
void check_layer(const LanguageModelWeights& model, std::size_t layer, const Oracle& oracle, Matrix& residuals) {
  const BlockRun<double> block =
      std::visit([&](const auto& w) { return run<double>(w, residuals); }, model.blocks[layer]);
  const std::string prefix = "layer." + std::to_string(layer) + ".";
  std::vector<double> step_sizes;
  std::vector<double> outputs;
  for (const BlockStep<double>& t : block.steps) {
    step_sizes.insert(step_sizes.end(), t.Delta.begin(), t.Delta.end());
    outputs.insert(outputs.end(), t.output.begin(), t.output.end());
  }
  const Array<double> exponents = finite_time_exponents(block.alpha, block.sum_of_steps, residuals.rows);
  EXPECT_LE(compare(step_sizes, oracle[prefix + "dt"]).relative(), kOracleAccuracy) << prefix;
  EXPECT_LE(compare(exponents, oracle[prefix + "exponents"]).relative(), kOracleAccuracy) << prefix;
  EXPECT_LE(compare(block.h, oracle[prefix + "final_state"]).relative(), kOracleAccuracy) << prefix;
  EXPECT_LE(compare(outputs, oracle[prefix + "mixer_output"]).relative(), kOracleAccuracy) << prefix;
  for (std::size_t i = 0; i < outputs.size(); ++i) residuals.entries[i] += outputs[i];
}

TEST_P(Fixture, StepSizesExponentsStatesAndBlockOutputsAreReproducedInDouble) {
  const Oracle oracle(fixture(GetParam()) / "oracle.safetensors");
  const LanguageModelWeights model = read_whole_model(fixture(GetParam()));
  const std::vector<std::int64_t> tokens = oracle.tokens(0);
  Matrix residuals(tokens.size(), model.embedding.columns);
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    for (std::size_t i = 0; i < residuals.columns; ++i)
      residuals(t, i) = model.embedding(static_cast<std::size_t>(tokens[t]), i);
  }
  for (std::size_t layer = 0; layer < model.blocks.size(); ++layer) check_layer(model, layer, oracle, residuals);
}

TEST_P(Fixture, ReproductionInFloatIsThatOfFloatAndNotOfDouble) {
  const Oracle oracle(fixture(GetParam()) / "oracle.safetensors");
  const double relative =
      compare_logits<float>(read_whole_model(fixture(GetParam())), oracle, "logits_fp64").relative();
  EXPECT_GT(relative, kOracleAccuracy);  // the comparison can fail
  EXPECT_LT(relative, 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Models, Fixture,
                         ::testing::Values("mamba", "mamba-sharded", "mamba-bf16", "mamba-fp16", "mamba-bin",
                                           "mamba-original", "mamba-untied", "mamba-untied-original", "mamba2",
                                           "mamba2-sharded", "mamba2-bf16", "mamba2-fp16", "mamba2-bin",
                                           "mamba2-original", "mamba2-codestral", "mamba2-limit"),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(FixtureMamba2Limit, HasClampsThatMatterAtBothEnds) {
  const Oracle oracle(fixture("mamba2-limit") / "oracle.safetensors");
  LanguageModelWeights model = read_whole_model(fixture("mamba2-limit"));
  const StepSizeLimits limits = std::get<Mamba2Weights>(model.blocks.front()).step_limits;
  const std::vector<double>& dt = oracle["layer.0.dt"].values;
  EXPECT_EQ(*std::min_element(dt.begin(), dt.end()), limits.lower);
  EXPECT_EQ(*std::max_element(dt.begin(), dt.end()), limits.upper);
  for (BlockWeights& block : model.blocks) std::get<Mamba2Weights>(block).step_limits = {};
  EXPECT_GT(compare_logits<double>(model, oracle, "logits_fp64").difference, 0.1);
}

TEST(FixtureMamba2Codestral, NeedsTheGatedNormWithinItsGroups) {
  const Oracle oracle(fixture("mamba2-codestral") / "oracle.safetensors");
  LanguageModelWeights model = read_whole_model(fixture("mamba2-codestral"));
  for (BlockWeights& block : model.blocks) std::get<Mamba2Weights>(block).gated_norm_groups = 1;
  EXPECT_GT(compare_logits<double>(model, oracle, "logits_fp64").relative(), 1e-3);
}

}  // namespace
}  // namespace lyap::theory::testing
