#include "verify/deviation/deployed_program.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "numerics/contract_violation.hpp"
#include "numerics/mpfr_real.hpp"
#include "tests/deviation/deployed_runs.hpp"
#include "tests/deviation/random_deviation_blocks.hpp"
#include "verify/certify/float_forward.hpp"
#include "verify/checkpoint/token_sequence.hpp"

namespace lyap::testing {
namespace {

using deviation::BlockChunk;
using deviation::DeployedProgram;
using deviation::EmulatedProgram;
using deviation::ErrorModel;
using deviation::IntervalMatrix;
using deviation::Tf32Reading;
using theory::BlockWeights;
using theory::Matrix;
using theory::PrecisionPolicy;

constexpr unsigned kSeed = 20261125;

/// What a policy's program reads tf32 by, with the way of rounding to match.
struct Reading {
  Tf32Reading set;
  RoundingRule run;
};
Reading draw_reading(std::mt19937& random) {
  if (random() % 2 == 0) return {Tf32Reading::kTruncated, RoundingRule::kTowardZero};
  return {Tf32Reading::kToNearest, random() % 2 == 0 ? RoundingRule::kNearestEven : RoundingRule::kNearestAway};
}

TEST(DeployedProgram, ContainsRandomProgramsOfEveryPolicyOnRandomBlocks) {
  std::mt19937 random(kSeed);
  std::size_t values = 0;
  for (int i = 0; i < scaled(60); ++i) {
    BlockDrawing drawing(random);
    const BlockWeights block = drawing.block();
    const Matrix inputs = drawing.inputs(1 + random() % 40, width_of(block));
    for (const PrecisionPolicy& policy : theory::kPrecisionPolicies) {
      const Reading reading = draw_reading(random);
      const SetRun set = run_set(block, policy, inputs, {}, reading.set);
      ASSERT_TRUE(set.findings.empty());
      for (int j = 0; j < 2; ++j) {
        Perturbation how = draw_perturbation(random);
        how.tf32 = reading.run;
        const RunChunk run = run_perturbed(block, policy, inputs, how, random());
        const auto outside = first_outside(set.chunk, run);
        ASSERT_FALSE(outside) << policy.name << ", case " << i << ": " << *outside;
        values += std::size_t(run.h.size() + 3 * run.y.size());
      }
    }
  }
  std::printf("seed %u, %zu values inside\n", kSeed, values);
}

TEST(DeployedProgram, ContainsRandomProgramsOnBlocksOfExtremeWeights) {
  std::mt19937 random(kSeed);
  std::size_t judged = 0;
  check_property("programs of extreme blocks", 400, [&] {
    const BlockWeights block = *rc::gen::element(0, 1) == 0 ? BlockWeights(draw_whole_mamba1()) : draw_whole_mamba2();
    const Matrix inputs = draw_inputs(draw_size(8), width_of(block));
    const PrecisionPolicy& policy = *rc::gen::elementOf(theory::kPrecisionPolicies);
    std::vector<OverflowFinding> of_weights;
    (void)deviation::rounded_weights(block, policy, of_weights);
    const Reading reading = draw_reading(random);
    const SetRun set = run_set(block, policy, inputs, {}, reading.set);
    RC_ASSERT(set.chunk.h.lower.allFinite() && set.chunk.h.upper.allFinite() && set.chunk.output.upper.allFinite());
    if (!set.findings.empty() || !of_weights.empty()) return;
    Perturbation how = draw_perturbation(random);
    how.tf32 = reading.run;
    const auto outside = first_outside(set.chunk, run_perturbed(block, policy, inputs, how, random()));
    if (outside) RC_FAIL(std::string(policy.name) + ": " + *outside);
    ++judged;
  });
  EXPECT_GT(judged, 40u);
}

/// A layer of an example checkpoint with its block inputs.
struct ExampleLayer {
  BlockWeights block;
  Matrix inputs;
};
ExampleLayer example_layer(const char* name, std::size_t layer, std::size_t count) {
  const std::filesystem::path examples = std::filesystem::path(LYAP_SOURCE_DIR) / "verify/examples";
  const Checkpoint model = Checkpoint::open(examples / name);
  auto tokens = tokenize_text(examples / "sample.txt", model.folder(), model.description().vocabulary);
  tokens.resize(count);
  ExampleLayer result;
  approx_forward(model, tokens, [&](std::size_t index, const BlockWeights& block, const Matrix& input) {
    if (index == layer) result = {block, input};
  });
  return result;
}

void expect_example_inside(const char* name, std::size_t layer, std::size_t tokens) {
  const ExampleLayer example = example_layer(name, layer, tokens);
  std::mt19937 random(kSeed);
  for (const PrecisionPolicy& policy : theory::kPrecisionPolicies) {
    const Reading reading = draw_reading(random);
    const SetRun set = run_set(example.block, policy, example.inputs, {}, reading.set);
    Perturbation how = draw_perturbation(random);
    how.tf32 = reading.run;
    const auto outside = first_outside(set.chunk, run_perturbed(example.block, policy, example.inputs, how, random()));
    EXPECT_FALSE(outside) << policy.name << ": " << *outside;
  }
}

TEST(DeployedProgram, ContainsRandomProgramsOnALayerOfMambaTiny) { expect_example_inside("mamba-tiny", 4, 64); }
TEST(DeployedProgram, ContainsRandomProgramsOnALayerOfMamba2Tiny) { expect_example_inside("mamba2-tiny", 2, 40); }

TEST(DeployedProgram, ContainsTheEmulatedOneOnLayersOfTheExamplesInChunksOfAnyLength) {
  for (const char* name : {"mamba-tiny", "mamba2-tiny"}) {
    const ExampleLayer example = example_layer(name, 3, 256);
    for (const PrecisionPolicy& policy : theory::kPrecisionPolicies) {
      DeployedProgram set(example.block, policy);
      EmulatedProgram run(example.block, policy);
      std::size_t begin = 0;
      for (const std::size_t end : {1, 2, 100, 256}) {
        const auto outside =
            first_outside(set.advance(example.inputs, begin, end), run.advance(example.inputs, begin, end));
        EXPECT_FALSE(outside) << name << ", " << policy.name << ": " << *outside;
        begin = end;
      }
      EXPECT_TRUE(set.findings().empty());
    }
  }
}

/// Sums of products come in another order where chunks are shorter: not the same bits, but the same sets.
TEST(DeployedProgram, ContainsTheEmulatedOneThatRanInOtherChunks) {
  std::mt19937 random(kSeed);
  for (int i = 0; i < 40; ++i) {
    BlockDrawing drawing(random);
    const BlockWeights block = drawing.block();
    const Matrix inputs = drawing.inputs(20, width_of(block));
    const PrecisionPolicy& policy = theory::kPrecisionPolicies[random() % theory::kPrecisionPolicies.size()];
    DeployedProgram pieces(block, policy);
    EmulatedProgram whole(block, policy);
    const BlockChunk run = whole.advance(inputs, 0, 20);
    for (std::size_t begin = 0; begin < 20; begin += 5) {
      const BlockChunk part = pieces.advance(inputs, begin, begin + 5);
      Outside outside;
      outside.look("h", part.h, run.h.lower.middleRows(Eigen::Index(begin), 6));
      outside.look("output", part.output, run.output.lower.middleRows(Eigen::Index(begin), 5));
      EXPECT_FALSE(outside.first()) << policy.name << ": " << *outside.first();
    }
  }
}

TEST(DeployedProgram, FromRecordedScanInputsContainsTheProgramThatMadeThem) {
  for (const char* name : {"mamba-tiny", "mamba2-tiny"}) {
    const ExampleLayer example = example_layer(name, 1, 192);
    for (const PrecisionPolicy& policy : theory::kPrecisionPolicies) {
      EmulatedProgram run(example.block, policy);
      const BlockChunk made = run.advance(example.inputs, 0, 192);
      deviation::FrontChunk recorded = made.front;
      recorded.scan.step_size = {};
      DeployedProgram set(example.block, policy);
      double worst = 0.0, size = 0.0;
      for (std::size_t begin = 0; begin < 192; begin += 96) {
        const BlockChunk part = set.advance_recorded(recorded, begin, begin + 96);
        Outside outside;
        outside.look("h", part.h, made.h.lower.middleRows(Eigen::Index(begin), 97));
        outside.look("y", part.y, made.y.lower.middleRows(Eigen::Index(begin), 96));
        outside.look("output", part.output, made.output.lower.middleRows(Eigen::Index(begin), 96));
        EXPECT_FALSE(outside.first()) << name << ", " << policy.name << ": " << *outside.first();
        worst = std::max(worst, (part.h.upper - part.h.lower).cwiseAbs().rowwise().sum().maxCoeff());
        size = std::max(size, part.h.upper.cwiseAbs().rowwise().sum().maxCoeff());
      }
      if (policy.mamba1.step_size.u == 0.0) {
        EXPECT_LE(worst, 2e-5 * 2.0 * size) << policy.name;
      }
      recorded.z = {};
      DeployedProgram ungated(example.block, policy);
      EXPECT_EQ(ungated.advance_recorded(recorded, 0, 10).output.rows(), 0);
      EXPECT_THROW((void)ungated.advance_recorded(recorded, 10, 193), ContractViolation);
    }
  }
}

/// Whether some random program of `policy` leaves the set that is computed with a term of the error model missing.
bool some_program_escapes(const PrecisionPolicy& policy, const ErrorModel& errors, const Perturbation& how, int cases) {
  std::mt19937 random(kSeed);
  for (int i = 0; i < cases; ++i) {
    BlockDrawing drawing(random);
    const BlockWeights block = drawing.block();
    const Matrix inputs = drawing.inputs(30, width_of(block));
    const SetRun set = run_set(block, policy, inputs, errors);
    if (first_outside(set.chunk, run_perturbed(block, policy, inputs, how, random()))) return true;
  }
  return false;
}

class NegativeControls : public ::testing::TestWithParam<const char*> {};

TEST_P(NegativeControls, AccumulationErrorsAreNeeded) {
  EXPECT_TRUE(some_program_escapes(*theory::find_policy(GetParam()), {.accumulation = 0.0}, {}, 40));
}
TEST_P(NegativeControls, ErrorsOfFunctionsAreNeeded) {
  EXPECT_TRUE(some_program_escapes(*theory::find_policy(GetParam()), {.functions = 0.0}, {.sign = 1.0}, 40));
}
TEST_P(NegativeControls, RoundingsOfTheRecurrenceAreNeeded) {
  EXPECT_TRUE(
      some_program_escapes(*theory::find_policy(GetParam()), {.scan = 0.0}, {.serial = true, .scale = 0.0}, 40));
}
INSTANTIATE_TEST_SUITE_P(Policies, NegativeControls,
                         ::testing::Values("amp-bf16", "amp-fp16", "all-bf16", "plain-amp-fp16"));

TEST(NegativeControl, SetsAreWidenedBeforeTheyAreRounded) {
  for (const char* name : {"amp-fp16", "all-fp16", "plain-amp-fp16"})
    EXPECT_TRUE(some_program_escapes(*theory::find_policy(name), {.widens_before_rounding = false}, {}, 40)) << name;
}

TEST(NegativeControl, FlushedNumbersAreNeeded) {
  theory::Mamba1Weights w;
  w.d_model = w.d_inner = w.d_state = w.d_conv = w.dt_rank = 1;
  w.norm_epsilon = 1e-5;
  w.norm_weight = {1.0};
  w.in_proj = Matrix(2, 1);
  w.in_proj.entries = {1.0, 1.0};
  w.conv_weight = Matrix(1, 1);
  w.conv_weight.entries = {1.0};
  w.x_proj = Matrix(3, 1);
  w.x_proj.entries = {1.0, 0x1p-70, 1.0};  // B = 2^-70 x
  w.dt_proj = Matrix(1, 1);
  w.dt_bias = {-40.0};  // step size near 2^-58
  w.A_log = Matrix(1, 1);
  w.D = {0.0};
  w.out_proj = Matrix(1, 1);
  w.out_proj.entries = {1.0};
  Matrix inputs(4, 1);
  inputs.entries = {1.0, 1.0, 1.0, 1.0};
  const PrecisionPolicy& policy = *theory::find_policy("fp32");
  const RunChunk run = run_perturbed(w, policy, inputs, {.flushes = true}, kSeed);
  EXPECT_FALSE(first_outside(run_set(w, policy, inputs).chunk, run));
  EXPECT_TRUE(first_outside(run_set(w, policy, inputs, {.underflow = 0.0}).chunk, run));
}

TEST(DeployedProgram, NamesTensorAndChannelOfANumberThatMayLeaveTheRange) {
  std::mt19937 random(kSeed);
  theory::Mamba1Weights w = BlockDrawing(random).mamba1();
  w.d_inner = 1;
  while (w.d_inner < 3) w = BlockDrawing(random).mamba1();
  for (std::size_t j = 0; j < w.d_model; ++j) {
    w.in_proj(2, j) = 60000.0;
    w.norm_weight[j] = 1.0;
  }
  Matrix inputs(3, w.d_model);
  std::fill(inputs.entries.begin(), inputs.entries.end(), 1.0);
  DeployedProgram program(w, *theory::find_policy("amp-fp16"));
  const BlockChunk chunk = program.advance(inputs, 0, 3);
  ASSERT_FALSE(program.findings().empty());
  const OverflowFinding finding = program.findings().front();
  if (w.d_model > 1) {
    EXPECT_EQ(finding.tensor, "in_proj output");
    EXPECT_EQ(finding.channel, 2u);
    EXPECT_EQ(finding.channels, 1u);
    EXPECT_EQ(finding.type, "float16");
    EXPECT_GT(finding.magnitude_upper, 65504.0);
  }
  EXPECT_TRUE(chunk.output.lower.allFinite() && chunk.output.upper.allFinite());
  DeployedProgram wide(w, *theory::find_policy("amp-bf16"));
  (void)wide.advance(inputs, 0, 3);
  EXPECT_TRUE(wide.findings().empty());
}

TEST(RoundedWeights, AreTheNumbersThatProgramsMultiplyWith) {
  std::mt19937 random(kSeed);
  for (int i = 0; i < 10; ++i) {
    const theory::Mamba1Weights w = BlockDrawing(random).mamba1();
    const auto check = [&](const char* name, const FloatingFormat& layers, RoundingRule rule,
                           const FloatingFormat& rest, const FloatingFormat& convolution) {
      std::vector<OverflowFinding> findings;
      const auto rounded =
          std::get<theory::Mamba1Weights>(deviation::rounded_weights(w, *theory::find_policy(name), findings));
      EXPECT_TRUE(findings.empty());
      for (std::size_t k = 0; k < w.in_proj.entries.size(); ++k)
        ASSERT_EQ(rounded.in_proj.entries[k], round_to_format(w.in_proj.entries[k], layers, rule).value) << name;
      for (std::size_t k = 0; k < w.conv_weight.entries.size(); ++k)
        ASSERT_EQ(rounded.conv_weight.entries[k], round_to_format(w.conv_weight.entries[k], convolution, rule).value);
      for (std::size_t k = 0; k < w.A_log.entries.size(); ++k)
        ASSERT_EQ(rounded.A_log.entries[k], round_to_format(w.A_log.entries[k], rest).value) << name;
      for (std::size_t k = 0; k < w.D.size(); ++k) ASSERT_EQ(rounded.D[k], round_to_format(w.D[k], rest).value);
    };
    const auto nearest = RoundingRule::kNearestEven;
    check("fp32", kFloat32, nearest, kFloat32, kFloat32);
    check("tf32", kTf32, RoundingRule::kTowardZero, kFloat32, kTf32);
    check("amp-bf16", kBfloat16, nearest, kFloat32, kFloat32);
    check("all-fp16", kFloat16, nearest, kFloat16, kFloat16);
    check("plain-amp-fp16", kFloat16, nearest, kFloat32, kFloat16);
  }
}

TEST(RoundedWeights, BeyondTheRangeAreTheLargestNumberAndAFinding) {
  std::mt19937 random(kSeed);
  theory::Mamba2Weights w = BlockDrawing(random).mamba2();
  w.out_proj.entries.back() = -1e6;
  std::vector<OverflowFinding> findings;
  const auto rounded =
      std::get<theory::Mamba2Weights>(deviation::rounded_weights(w, *theory::find_policy("amp-fp16"), findings));
  EXPECT_EQ(rounded.out_proj.entries.back(), -65504.0);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].tensor, "out_proj.weight");
  EXPECT_EQ(findings[0].channel, w.d_model - 1);
  EXPECT_EQ(findings[0].magnitude_upper, 1e6);
}

TEST(Float32Functions, OfTheCLibraryAreWithinTheirConstants) {
  std::mt19937 random(kSeed);
  std::uniform_real_distribution<double> anywhere(-100.0, 80.0);
  double worst_exp = 0.0, worst_softplus = 0.0, worst_silu = 0.0;
  for (int i = 0; i < scaled(20000); ++i) {
    const float x = float(anywhere(random) * (i % 3 == 0 ? 0.01 : 1.0));
    const auto error = [&](float computed, const MpfrReal& exact, double units, double absolute) {
      const double distance = abs(MpfrReal::from_exact(double(computed)) - exact).to_double(Direction::kUp);
      const double allowed = units * deviation::kFloat32Roundoff * abs(exact).to_double(Direction::kDown) + absolute;
      return distance / allowed;
    };
    const MpfrReal exact = MpfrReal::from_exact(double(x));
    const double size = std::abs(double(x));
    worst_exp =
        std::max(worst_exp, error(std::exp(x), exp(exact), deviation::kExpError + 2.4 * size, deviation::kFlushed));
    worst_silu =
        std::max(worst_silu, error(x / (1.0F + std::exp(-x)), silu(exact),
                                   deviation::kSiluError + 2.4 * std::max(-double(x), 0.0), deviation::kSiluFlushed));
    if (x > 20.0F) continue;
    worst_softplus = std::max(worst_softplus, error(std::log1p(std::exp(x)), softplus(exact),
                                                    deviation::kSoftplusError + 2.4 * size, deviation::kFlushed));
  }
  std::printf("largest part of the constant: exp %.2f, softplus %.2f, silu %.2f\n", worst_exp, worst_softplus,
              worst_silu);
  EXPECT_LE(std::max({worst_exp, worst_softplus, worst_silu}), 1.0);
}

}  // namespace
}  // namespace lyap::testing
