#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "numerics/contract_violation.hpp"
#include "tests/deviation/block_values.hpp"
#include "tests/deviation/random_deviation_blocks.hpp"
#include "tests/theory/oracle_model.hpp"
#include "tests/verify/trajectory_ordinary_blocks.hpp"
#include "verify/certify/float_forward.hpp"
#include "verify/checkpoint/peft_adapter.hpp"
#include "verify/checkpoint/token_sequence.hpp"
#include "verify/deviation/pair_comparison.hpp"
#include "verify/deviation/pair_tensors.hpp"

namespace lyap::deviation {
namespace {

using lyap::testing::block_values;
using lyap::testing::BlockValues;
using lyap::testing::check_property;
using lyap::testing::OrdinaryBlocks;
using lyap::testing::real_chunks;
using theory::BlockWeights;
using theory::Mamba1Weights;
using theory::Mamba2Weights;
using theory::Matrix;
using theory::Vector;

/// The pair's results on `inputs`, in chunks of `length`.
std::vector<DeviationBounds> pair_results(const BlockWeights& block, const OtherBlock& other, const Matrix& inputs,
                                          std::size_t length = 7) {
  PairComparison pair(block, other, inputs.rows);
  RealRun reference(block);
  DeviationMaxima size(state_shape(block), inputs.rows);
  for (std::size_t begin = 0; begin < inputs.rows; begin += length) {
    const BlockChunk chunk = reference.advance(inputs, begin, std::min(inputs.rows, begin + length));
    size.add_size(chunk);
    pair.advance(chunk, inputs);
  }
  return pair.results(size);
}

OtherBlock second_block(const BlockWeights& other, const Matrix* own_inputs = nullptr) {
  OtherBlock result;
  result.block = &other;
  result.own_inputs = own_inputs;
  return result;
}

MpfrReal difference(const MpfrReal& x, const MpfrReal& y) { return x < y ? y - x : x - y; }

/// Largest true |h' - h| per head.
std::vector<MpfrReal> true_state_deviations(const BlockValues<MpfrReal>& x, const BlockValues<MpfrReal>& y,
                                            std::size_t heads) {
  std::vector<MpfrReal> largest(heads, MpfrReal::from_exact(0.0));
  for (std::size_t t = 1; t < x.states.size(); ++t) {
    const std::size_t entries = x.states[t].size() / heads;
    for (std::size_t i = 0; i < x.states[t].size(); ++i) {
      const MpfrReal d = difference(x.states[t][i], y.states[t][i]);
      if (d > largest[i / entries]) largest[i / entries] = d;
    }
  }
  return largest;
}

/// Multiplies every number of a block by 1 + relative noise, float32 again.
class Perturbation {
 public:
  Perturbation(std::uint64_t seed, double size) : random_(seed), size_(size) {}
  void operator()(Vector& values) {
    for (double& x : values) x = static_cast<float>(x * (1.0 + size_ * normal_(random_)));
  }
  void operator()(Matrix& m) { (*this)(m.entries); }
  void operator()(Mamba1Weights& w) {
    (*this)(w.norm_weight), (*this)(w.in_proj), (*this)(w.conv_weight), (*this)(w.conv_bias), (*this)(w.x_proj);
    (*this)(w.dt_proj), (*this)(w.dt_bias), (*this)(w.A_log), (*this)(w.D), (*this)(w.out_proj);
  }
  void operator()(Mamba2Weights& w) {
    (*this)(w.norm_weight), (*this)(w.in_proj), (*this)(w.conv_weight), (*this)(w.conv_bias), (*this)(w.dt_bias);
    (*this)(w.A_log), (*this)(w.D), (*this)(w.gated_norm_weight), (*this)(w.out_proj);
  }
  void operator()(BlockWeights& block) {
    std::visit([this](auto& w) { (*this)(w); }, block);
  }

 private:
  std::mt19937_64 random_;
  std::normal_distribution<double> normal_;
  double size_;
};

template <class Weights>
void expect_pair_contained(const Weights& block) {
  Weights other = block;
  Perturbation perturb(std::uint64_t(*rc::gen::inRange(0, 1000)), *rc::gen::element(0.0, 1e-6, 0.1));
  perturb(other);
  const std::size_t steps = lyap::testing::draw_size(6);
  const Matrix inputs = lyap::testing::draw_inputs(steps, block.d_model);
  const Matrix own = lyap::testing::draw_inputs(steps, block.d_model);
  const BlockWeights first = block, second = other;
  const auto results = pair_results(first, second_block(second, &own), inputs, 3);
  const std::size_t heads = state_shape(first).heads;
  const auto reference = block_values<MpfrReal>(first, inputs);
  for (const DeviationBounds& result : results) {
    const Matrix& seen = result.question == DeviationQuestion::kOwn ? own : inputs;
    const auto truth = true_state_deviations(reference, block_values<MpfrReal>(second, seen), heads);
    MpfrReal largest = MpfrReal::from_exact(0.0);
    for (std::size_t i = 0; i < heads; ++i) {
      RC_ASSERT(truth[i] <= result.state.upper[i]);
      if (truth[i] > largest) largest = truth[i];
    }
    RC_ASSERT(largest >= *result.state.measured);  // at most what the real runs deviate
  }
}

TEST(Pair, TheTrueDeviationOfRandomBlocksLiesBetweenMeasuredAndBoundAt256Bits) {
  check_property("Mamba-1 pairs", 250, [] { expect_pair_contained(lyap::testing::draw_whole_mamba1()); });
  check_property("Mamba-2 pairs", 250, [] { expect_pair_contained(lyap::testing::draw_whole_mamba2()); });
}

struct Layer {
  BlockWeights block;
  Matrix inputs;
};

Layer example_layer(const std::string& name, std::size_t layer, std::size_t count) {
  const std::string examples = std::string(LYAP_SOURCE_DIR) + "/verify/examples/";
  const Checkpoint model = Checkpoint::open(examples + name);
  auto tokens = tokenize_text(examples + "sample.txt", examples + name, model.description().vocabulary);
  tokens.resize(count);
  Layer result;
  approx_forward(model, tokens, [&](std::size_t i, const BlockWeights& block, const Matrix& inputs) {
    if (i == layer) result = {block, inputs};
  });
  return result;
}

TEST(Pair, AnEqualBlockDeviatesByTheWidthOfItsEnclosureOnly) {
  const Layer layer = example_layer("mamba-tiny", 3, 40);
  const BlockWeights copy = layer.block;
  const DeviationBounds result = pair_results(layer.block, second_block(copy), layer.inputs).front();
  double width = 0.0;
  for (const BlockChunk& chunk : real_chunks(layer.block, layer.inputs, {7}))
    width = std::max(width, (chunk.h.upper - chunk.h.lower).maxCoeff());
  EXPECT_LE(result.state.staying, std::nextafter(width, 1.0));
  EXPECT_LT(result.state.relative_median, 1e-9);
  EXPECT_EQ(result.state.measured, 0.0);
  EXPECT_FALSE(result.state.ratio_median);
  EXPECT_TRUE(result.attribution.empty());
  BlockWeights other = layer.block;  // negative control: the smallest change of one weight is seen
  double& weight = std::get<Mamba1Weights>(other).x_proj(0, 0);
  weight = std::nextafter(static_cast<float>(weight), 2.0F);
  const DeviationBounds changed = pair_results(layer.block, second_block(other), layer.inputs).front();
  EXPECT_GT(*changed.state.measured, result.state.staying);
}

std::vector<std::string> names_of(const DeviationBounds& bounds) {
  std::vector<std::string> names;
  for (const TensorAttribution& part : bounds.attribution) names.push_back(part.tensor);
  return names;
}

void expect_tight(const DeviationBounds& result) {
  for (const QuantityDeviation* quantity : {&result.state, &result.output, &*result.block_output}) {
    ASSERT_TRUE(quantity->ratio_p90);
    EXPECT_GE(*quantity->ratio_median, 1.0);
    EXPECT_LE(*quantity->ratio_p90, 1.0 + 1e-6);
    EXPECT_TRUE(quantity->informative);
  }
}

TEST(Pair, OfALayerOfMambaTinyAndItsPerturbedCopyIsTightAndAttributed) {
  for (const char* name : {"mamba-tiny", "mamba2-tiny"}) {
    const Layer layer = example_layer(name, 3, 64);
    BlockWeights other = layer.block;
    Perturbation(29, 1e-3)(other);
    const DeviationBounds result = pair_results(layer.block, second_block(other), layer.inputs, 20).front();
    expect_tight(result);
    const bool first = std::holds_alternative<Mamba1Weights>(layer.block);
    if (first) {
      EXPECT_THAT(names_of(result), ::testing::ElementsAre("norm", "in_proj", "conv1d", "conv1d.bias", "A_log", "D",
                                                           "x_proj", "dt_proj", "dt_proj.bias", "out_proj"));
    } else {
      EXPECT_THAT(names_of(result), ::testing::ElementsAre("norm", "in_proj", "conv1d", "conv1d.bias", "A_log", "D",
                                                           "dt_bias", "gated_norm", "out_proj"));
    }
    double sum = 0.0;
    for (const TensorAttribution& part : result.attribution) {
      std::cout << name << ' ' << part.tensor << ": h " << part.state_upper << " y " << part.output_upper << '\n';
      sum += part.state_upper;
    }
    EXPECT_GE(sum, 0.5 * result.state.staying);         // a change that is first order in each tensor
    EXPECT_EQ(result.attribution[5].state_upper, 0.0);  // D does not reach the state
    EXPECT_GT(result.attribution[5].output_upper, 0.0);
    EXPECT_EQ(result.attribution.back().output_upper, 0.0);  // out_proj reaches neither
  }
}

TEST(Pair, ATensorsPartIsTheBoundOfThePairInWhichOnlyItDiffers) {
  OrdinaryBlocks random(37);
  const BlockWeights block = random.mamba2(7, 4, 3, 5, 2);
  BlockWeights other = block;
  Perturbation(5, 1e-2)(other);
  std::get<Mamba2Weights>(other).step_limits = {1e-3, 0.1};
  const Matrix inputs = random.matrix(15, 7, 3.0);
  const DeviationBounds all = pair_results(block, second_block(other), inputs).front();
  EXPECT_THAT(names_of(all), ::testing::Contains("time_step_limit"));
  for (const OneTensorChanged& change : one_tensor_changed(block, other)) {
    if (!change.reaches_scan) continue;
    BlockWeights only = change.block;
    std::get<Mamba2Weights>(only).out_proj = std::get<Mamba2Weights>(block).out_proj;
    const DeviationBounds single = pair_results(block, second_block(only), inputs).front();
    ASSERT_EQ(single.attribution.size(), 1u);
    const auto part = std::find_if(all.attribution.begin(), all.attribution.end(),
                                   [&](const TensorAttribution& a) { return a.tensor == change.tensor; });
    EXPECT_EQ(part->state_upper, change.reaches_state ? single.state.staying : 0.0) << change.tensor;
    EXPECT_EQ(part->output_upper, single.output.staying) << change.tensor;
  }
}

TEST(Pair, BlocksOfDifferentKindOrShapeAreRefused) {
  OrdinaryBlocks random(41);
  const BlockWeights block = random.mamba1(7, 6, 4, 2);
  for (const BlockWeights& other : {BlockWeights(random.mamba1(7, 6, 5, 2)), BlockWeights(random.mamba1(7, 6, 4, 3)),
                                    BlockWeights(random.mamba2(7, 3, 2, 4, 1))}) {
    EXPECT_THROW(require_same_shape(block, other), ContractViolation);
    EXPECT_THROW(PairComparison(block, second_block(other), 3), ContractViolation);
  }
  EXPECT_THROW(PairComparison(block, OtherBlock{}, 3), ContractViolation);
}

// Adapters, on what their merged models computed independently.

using Rows = std::vector<theory::Array<double>>;

Rows embedded(const theory::LanguageModelWeights& model, const std::vector<std::int64_t>& tokens) {
  Rows rows;
  for (const std::int64_t token : tokens) {
    const double* row = model.embedding.row(std::size_t(token));
    rows.emplace_back(row, row + model.embedding.columns);
  }
  return rows;
}

Matrix matrix_of(const Rows& rows) {
  Matrix result(rows.size(), rows.front().size());
  result.entries = theory::testing::concatenated(rows);
  return result;
}

/// Merging in float32, as the oracle did, moves the state by about this much relatively (2^-24 a weight, some hundred
/// of them in a sum).
constexpr double kMergedInFloat = 0x1p-24 * 100;

void expect_oracles_within(const DeviationBounds& result, const LoadedTensor& base, const LoadedTensor& merged) {
  const std::size_t entries = base.values.size() / result.state.upper.size();
  double largest_size = 0.0, largest_difference = 0.0;
  for (const double x : base.values) largest_size = std::max(largest_size, std::abs(x));
  for (std::size_t i = 0; i < base.values.size(); ++i) {
    const double d = std::abs(merged.values[i] - base.values[i]);
    largest_difference = std::max(largest_difference, d);
    EXPECT_LE(d, result.state.upper[i / entries] + kMergedInFloat * largest_size);
  }
  EXPECT_GT(largest_difference, 100.0 * kMergedInFloat * largest_size);  // the oracles can tell the models apart
  EXPECT_LE(largest_difference, result.state.staying);
}

void expect_adapter(const std::string& base_name, const std::string& adapter_name) {
  const std::filesystem::path fixtures = theory::testing::source_folder() / "tests/data/fixtures";
  const Checkpoint base = Checkpoint::open(fixtures / base_name);
  const PeftAdapter adapter = PeftAdapter::open(fixtures / adapter_name, base);
  const theory::testing::Oracle oracle(fixtures / base_name / "oracle.safetensors");
  const theory::testing::Oracle merged_oracle(fixtures / adapter_name / "oracle.safetensors");
  ASSERT_EQ(oracle.tokens(0), merged_oracle.tokens(0));
  theory::LanguageModelWeights model = theory::testing::read_whole_model(fixtures / base_name);
  Rows rows = embedded(model, oracle.tokens(0));
  if (const auto update = adapter.read_embedding_update()) approx_add_update(model.embedding, *update);
  Rows own_rows = embedded(model, oracle.tokens(0));
  for (std::size_t layer = 0; layer < model.blocks.size(); ++layer) {
    const std::vector<LowRankUpdate> updates = adapter.read_block_updates(layer);
    const Matrix inputs = matrix_of(rows), own = matrix_of(own_rows);
    const OtherBlock other{Comparison::kAdapter, &model.blocks[layer], updates, &own};
    const auto results = pair_results(model.blocks[layer], other, inputs);
    ASSERT_EQ(results.size(), 2u);
    EXPECT_EQ(results[0].question, DeviationQuestion::kLocal);
    EXPECT_EQ(results[1].question, DeviationQuestion::kOwn);
    EXPECT_EQ(results[0].attribution.size(), updates.size());
    expect_tight(results[0]);
    expect_tight(results[1]);
    const std::string name = "layer." + std::to_string(layer) + ".final_state";
    expect_oracles_within(results[1], oracle[name], merged_oracle[name]);
    theory::apply_block(model.blocks[layer], rows);
    theory::apply_block(approx_merged_block(model.blocks[layer], updates), own_rows);
  }
}

TEST(Pair, AdaptersOfMambaAreTightAndHoldWhatTheMergedModelComputed) { expect_adapter("mamba", "mamba-lora"); }
TEST(Pair, AdaptersOfTheStepProjectionAreTightAndHoldWhatTheMergedModelComputed) {
  expect_adapter("mamba", "mamba-lora-dt");
}
TEST(Pair, AdaptersOfMamba2AreTightAndHoldWhatTheMergedModelComputed) { expect_adapter("mamba2", "mamba2-lora"); }

TEST(Pair, AnAdapterIsTheMergedPairUpToItsRoundingAndZeroFactorsAreLeftOut) {
  OrdinaryBlocks random(43);
  const BlockWeights block = random.mamba1(7, 6, 4, 2);
  const Mamba1Weights& w = std::get<Mamba1Weights>(block);
  std::vector<LowRankUpdate> updates{
      {AdapterTarget::kInProj, random.matrix(2, 7, 0.1), random.matrix(w.in_proj.rows, 2, 0.1), {0.5, 0.5, 0.5}},
      {AdapterTarget::kXProj, Matrix(1, 6), random.matrix(w.x_proj.rows, 1, 1.0), {1.0, 1.0, 1.0}},
      {AdapterTarget::kOutProj, random.matrix(1, 6, 0.1), random.matrix(7, 1, 1.0), {1.0, 1.0, 1.0}}};
  const Matrix inputs = random.matrix(15, 7, 3.0);
  const DeviationBounds adapter = pair_results(block, {Comparison::kAdapter, &block, updates, nullptr}, inputs).front();
  const BlockWeights merged = approx_merged_block(block, updates);
  const DeviationBounds pair = pair_results(block, second_block(merged), inputs).front();
  EXPECT_EQ(adapter.comparison, Comparison::kAdapter);
  EXPECT_NEAR(adapter.state.staying / pair.state.staying, 1.0, 1e-9);
  EXPECT_NEAR(adapter.block_output->staying / pair.block_output->staying, 1.0, 1e-9);
  EXPECT_THAT(names_of(adapter), ::testing::ElementsAre("in_proj", "out_proj"));
}

}  // namespace
}  // namespace lyap::deviation
