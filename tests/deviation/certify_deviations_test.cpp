#include "verify/deviation/certify_deviations.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <variant>
#include <vector>

#include "numerics/contract_violation.hpp"
#include "tests/deviation/block_values.hpp"
#include "tests/verify/trajectory_ordinary_blocks.hpp"
#include "verify/certify/float_forward.hpp"
#include "verify/checkpoint/checkpoint.hpp"
#include "verify/checkpoint/token_sequence.hpp"
#include "verify/deviation/deployed_program.hpp"
#include "verify/deviation/deviation_run.hpp"

namespace lyap {
namespace {

using deviation::BlockChunk;
using deviation::ChunkDeviation;
using deviation::FrontChunk;
using testing::OrdinaryBlocks;
using theory::BlockWeights;
using theory::Mamba1Weights;
using theory::Mamba2Weights;
using theory::Matrix;
using theory::PrecisionPolicy;

constexpr DeviationMethod kAll[] = {DeviationMethod::kIntervalRun, DeviationMethod::kTrace, DeviationMethod::kApriori,
                                    DeviationMethod::kKappa};

/// Scan inputs of the whole sequence as the emulated program's scan gets them.
FrontChunk recorded_trace(const BlockWeights& block, const Matrix& inputs, const PrecisionPolicy& policy) {
  return deviation::EmulatedProgram(block, policy).advance(inputs, 0, inputs.rows).front;
}

DeviationRequest policy_request(const PrecisionPolicy& policy, std::vector<DeviationMethod> methods,
                                const FrontChunk* trace = nullptr) {
  DeviationRequest request;
  request.policies = {&policy};
  request.methods = std::move(methods);
  request.trace = trace;
  return request;
}

void expect_complete(const DeviationBounds& result, std::size_t heads, std::size_t steps) {
  EXPECT_EQ(result.steps, steps);
  EXPECT_EQ(result.state.upper.size(), heads);
  EXPECT_EQ(result.output.upper.size(), heads);
  ASSERT_TRUE(result.block_output);
  EXPECT_EQ(result.block_output->upper.size(), 1u);
  EXPECT_EQ(result.state.decaying, 0.0);
  for (const QuantityDeviation* quantity : {&result.state, &result.output, &*result.block_output}) {
    EXPECT_TRUE(std::isfinite(quantity->staying));
    ASSERT_TRUE(quantity->measured && quantity->ratio_median && quantity->measured_relative_median);
    EXPECT_LE(*quantity->measured, quantity->staying);
    EXPECT_GE(*quantity->ratio_median, 1.0);
  }
  EXPECT_EQ(result.envelope.back().end, steps);
  EXPECT_LE(result.envelope.size(), 128u);
  EXPECT_EQ(result.lost_contraction.size(), 3u);
}

TEST(CertifyDeviations, EveryMethodOfEveryPolicyHoldsWhatIsMeasured) {
  OrdinaryBlocks random(3);
  const BlockWeights blocks[] = {random.mamba1(16, 12, 4, 3), random.mamba2(16, 4, 3, 5, 2)};
  for (const BlockWeights& block : blocks) {
    const Matrix inputs = random.matrix(70, 16, 4.0);
    for (const PrecisionPolicy& policy : theory::kPrecisionPolicies) {
      const FrontChunk trace = recorded_trace(block, inputs, policy);
      const auto results =
          certify_deviations(block, inputs, policy_request(policy, {std::begin(kAll), std::end(kAll)}, &trace));
      ASSERT_EQ(results.size(), 4u);
      for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_EQ(results[i].method, kAll[i]);
        EXPECT_EQ(results[i].policy, policy.name);
        EXPECT_EQ(results[i].comparison, Comparison::kPolicy);
        if (results[i].method == DeviationMethod::kKappa) continue;  // says less
        SCOPED_TRACE(std::string(policy.name) + ' ' + name_of(results[i].method));
        expect_complete(results[i], deviation::state_shape(block).heads, 70);
      }
    }
  }
}

TEST(CertifyDeviations, TheIntervalRunIsTheDistanceOfTheProgramWhateverTheChunks) {
  OrdinaryBlocks random(5);
  const BlockWeights block = random.mamba1(9, 7, 4, 2);
  const Matrix inputs = random.matrix(300, 9, 4.0);  // more than one chunk
  const PrecisionPolicy& policy = *theory::find_policy("amp-bf16");
  const auto results = certify_deviations(block, inputs, policy_request(policy, {DeviationMethod::kIntervalRun}));
  deviation::RealRun real(block);
  deviation::DeployedProgram program(block, policy);
  const ChunkDeviation whole = deviation::distance(real.advance(inputs, 0, 300), program.advance(inputs, 0, 300));
  for (std::size_t c = 0; c < 7; ++c) {
    EXPECT_EQ(results[0].state.upper[c], whole.state.middleCols(Eigen::Index(4 * c), 4).maxCoeff());
    EXPECT_EQ(results[0].output.upper[c], whole.output.col(Eigen::Index(c)).maxCoeff());
  }
  EXPECT_EQ(results[0].block_output->staying, *std::max_element(whole.block_output.begin(), whole.block_output.end()));
}

TEST(CertifyDeviations, BoundsForEveryProgramAreTheSameTogetherAndAlone) {
  OrdinaryBlocks random(19);
  for (const BlockWeights& block :
       {BlockWeights(random.mamba1(9, 7, 4, 2)), BlockWeights(random.mamba2(9, 2, 3, 4, 1))}) {
    const Matrix inputs = random.matrix(30, 9, 4.0);
    for (const PrecisionPolicy& policy : theory::kPrecisionPolicies) {
      const auto together = certify_deviations(
          block, inputs, policy_request(policy, {DeviationMethod::kKappa, DeviationMethod::kApriori}));
      for (const DeviationBounds& result : together) {
        const DeviationBounds alone =
            certify_deviations(block, inputs, policy_request(policy, {result.method})).front();
        EXPECT_EQ(result.method, alone.method);
        EXPECT_EQ(result.state.upper, alone.state.upper) << policy.name << ' ' << name_of(result.method);
        EXPECT_EQ(result.output.upper, alone.output.upper) << policy.name << ' ' << name_of(result.method);
        EXPECT_EQ(result.block_output->upper, alone.block_output->upper)
            << policy.name << ' ' << name_of(result.method);
        EXPECT_EQ(result.may_overflow.size(), alone.may_overflow.size());
      }
    }
  }
}

TEST(CertifyDeviations, ReportProgressUpToOne) {
  OrdinaryBlocks random(7);
  const BlockWeights block = random.mamba1(9, 7, 4, 2);
  std::vector<double> fractions;
  auto request = policy_request(*theory::find_policy("fp32"), {DeviationMethod::kIntervalRun});
  request.progress = [&](double fraction) { fractions.push_back(fraction); };
  static_cast<void>(certify_deviations(block, random.matrix(600, 9, 1.0), request));
  ASSERT_GE(fractions.size(), 2u);
  EXPECT_TRUE(std::is_sorted(fractions.begin(), fractions.end()));
  EXPECT_EQ(fractions.back(), 1.0);
}

TEST(CertifyDeviations, APairWithPoliciesComparesTheOtherBlocksProgramWithTheRealReference) {
  OrdinaryBlocks random(11);
  const Mamba2Weights first = random.mamba2(16, 4, 3, 5, 2);
  Mamba2Weights second = first;
  for (double& entry : second.in_proj.entries) entry *= 1.0 + 0x1p-6;
  const BlockWeights block = first, other = second;
  const Matrix inputs = random.matrix(40, 16, 4.0), own = random.matrix(40, 16, 4.0);
  DeviationRequest request = policy_request(*theory::find_policy("all-bf16"), {});
  request.other.emplace();
  request.other->block = &other;
  request.other->own_inputs = &own;
  const auto results = certify_deviations(block, inputs, request);
  ASSERT_EQ(results.size(), 4u);
  const DeviationQuestion questions[] = {DeviationQuestion::kLocal, DeviationQuestion::kOwn, DeviationQuestion::kLocal,
                                         DeviationQuestion::kOwn};
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(results[i].comparison, Comparison::kPair);
    EXPECT_EQ(results[i].question, questions[i]);
    EXPECT_EQ(results[i].method, i < 2 ? DeviationMethod::kTwoTrajectories : DeviationMethod::kIntervalRun);
    EXPECT_EQ(results[i].policy, i < 2 ? "" : "all-bf16");
  }
  // fine-tuning and precision together: at most the sum of both, each measured alone, and not less than the difference
  const double precision =
      *certify_deviations(other, inputs, policy_request(*request.policies[0], {DeviationMethod::kIntervalRun}))[0]
           .state.measured;
  EXPECT_LE(*results[2].state.measured, (*results[0].state.measured + precision) * (1.0 + 1e-9));
  EXPECT_GE(*results[1].state.measured, 10.0 * *results[0].state.measured);  // other inputs weigh more here
}

TEST(CertifyDeviations, AnAdapterWithAPolicyRunsTheMergedBlocksProgram) {
  OrdinaryBlocks random(13);
  const BlockWeights block = random.mamba1(9, 7, 4, 2);
  const Matrix inputs = random.matrix(40, 9, 4.0);
  const std::vector<LowRankUpdate> updates{
      {AdapterTarget::kInProj, random.matrix(2, 9, 0.3), random.matrix(14, 2, 0.3), {0.5, 0.5, 0.5}}};
  DeviationRequest request = policy_request(*theory::find_policy("amp-fp16"), {});
  request.other = OtherBlock{Comparison::kAdapter, &block, updates, nullptr};
  const auto results = certify_deviations(block, inputs, request);
  ASSERT_EQ(results.size(), 2u);
  const BlockWeights merged = approx_merged_block(block, updates);
  request.other = OtherBlock{Comparison::kPair, &merged, {}, nullptr};
  const auto pair = certify_deviations(block, inputs, request);
  EXPECT_EQ(results[1].comparison, Comparison::kAdapter);
  EXPECT_EQ(results[1].state.upper, pair[1].state.upper);
  EXPECT_GT(*results[1].state.measured, 0.5 * *results[0].state.measured);
}

Matrix first_input(const Checkpoint& model, const std::string& folder, std::size_t count, BlockWeights& block) {
  auto tokens = tokenize_text(std::string(LYAP_SOURCE_DIR) + "/verify/examples/sample.txt", folder,
                              model.description().vocabulary);
  tokens.resize(count);
  Matrix result;
  approx_forward(model, tokens, [&](std::size_t layer, const BlockWeights& weights, const Matrix& inputs) {
    if (layer == 1) result = inputs, block = weights;
  });
  return result;
}

TEST(CertifyDeviations, OfTheExamplesAreInformativeByIntervalRunAndTraceAndTheTraceIsTight) {
  for (const char* name : {"mamba-tiny", "mamba2-tiny"}) {
    const std::string folder = std::string(LYAP_SOURCE_DIR) + "/verify/examples/" + name;
    BlockWeights block;
    const Matrix inputs = first_input(Checkpoint::open(folder), folder, 128, block);
    for (const char* policy_name : {"amp-bf16", "amp-fp16", "tf32"}) {
      const PrecisionPolicy& policy = *theory::find_policy(policy_name);
      const FrontChunk trace = recorded_trace(block, inputs, policy);
      const auto results = certify_deviations(
          block, inputs, policy_request(policy, {DeviationMethod::kIntervalRun, DeviationMethod::kTrace}, &trace));
      SCOPED_TRACE(std::string(name) + ' ' + policy_name);
      for (const DeviationBounds& result : results) {
        EXPECT_TRUE(result.state.informative && result.output.informative && result.block_output->informative);
        EXPECT_LE(result.state.relative_median, 0.02);
      }
      EXPECT_LE(*results[1].state.ratio_median, 1.05);
    }
  }
}

TEST(CertifyDeviations, RefuseWhatDoesNotFit) {
  OrdinaryBlocks random(17);
  const BlockWeights block = random.mamba1(9, 7, 4, 2), other_shape = random.mamba1(9, 7, 5, 2);
  const Matrix inputs = random.matrix(6, 9, 1.0);
  const PrecisionPolicy& policy = *theory::find_policy("amp-bf16");
  const auto refuses = [&](const Matrix& x, const DeviationRequest& request) {
    try {
      static_cast<void>(certify_deviations(block, x, request));
      return false;
    } catch (const ContractViolation&) {
      return true;
    }
  };
  EXPECT_FALSE(refuses(inputs, policy_request(policy, {DeviationMethod::kIntervalRun})));
  EXPECT_TRUE(refuses(Matrix(0, 9), policy_request(policy, {DeviationMethod::kIntervalRun})));
  EXPECT_TRUE(refuses(Matrix(6, 8), policy_request(policy, {DeviationMethod::kIntervalRun})));
  EXPECT_TRUE(refuses(inputs, policy_request(policy, {DeviationMethod::kTrace})));
  EXPECT_TRUE(refuses(inputs, policy_request(policy, {DeviationMethod::kTwoTrajectories})));
  const FrontChunk short_trace = recorded_trace(block, random.matrix(5, 9, 1.0), policy);
  EXPECT_TRUE(refuses(inputs, policy_request(policy, {DeviationMethod::kTrace}, &short_trace)));
  DeviationRequest request;
  request.policies = {nullptr};
  EXPECT_TRUE(refuses(inputs, request));
  request.policies.clear();
  request.other.emplace();
  EXPECT_TRUE(refuses(inputs, request));
  request.other->block = &other_shape;
  EXPECT_TRUE(refuses(inputs, request));
  const Matrix short_own = random.matrix(5, 9, 1.0);
  request.other->block = &block;
  request.other->own_inputs = &short_own;
  EXPECT_TRUE(refuses(inputs, request));
}

}  // namespace
}  // namespace lyap
