#include "verify/deviation/adjoint_estimate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <iostream>
#include <random>

#include "numerics/contract_violation.hpp"
#include "numerics/rounded_formats.hpp"
#include "tests/verify/trajectory_ordinary_blocks.hpp"
#include "theory/selective_recurrence.hpp"
#include "verify/certify/float_forward.hpp"
#include "verify/checkpoint/token_sequence.hpp"
#include "verify/deviation/stored_block_run.hpp"

namespace lyap {
namespace {

using deviation::DenseBlock;
using deviation::Functional;
using deviation::Index;
using deviation::Quantity;
using deviation::StoredBlockRun;
using deviation::Tensor;
using lyap::testing::OrdinaryBlocks;
using theory::BlockWeights;
using theory::find_policy;
using theory::Matrix;
using theory::PrecisionPolicy;

/// Far above binary64's roundoff in runs of this size, far below what any other formula would give.
constexpr double kRoundoffSlack = 1e-11;

RowMajorMatrix dense(const Matrix& matrix) {
  return Eigen::Map<const RowMajorMatrix>(matrix.entries.data(), static_cast<Index>(matrix.rows),
                                          static_cast<Index>(matrix.columns));
}

RowMajorMatrix random_like(const RowMajorMatrix& shape, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  RowMajorMatrix result(shape.rows(), shape.cols());
  for (double& entry : result.reshaped()) entry = normal(random);
  return result;
}

/// Reads every output at every token: no derivative is zero for want of a reader.
Functional random_functional(const StoredBlockRun& run, std::mt19937_64& random) {
  return {random_like(run.values()[Quantity::kOutput], random), random_like(run.values()[Quantity::kY], random),
          random_like(run.final_state(), random)};
}

std::vector<BlockWeights> random_blocks(unsigned seed) {
  OrdinaryBlocks random(seed);
  return {random.mamba1(6, 7, 3, 2), random.mamba2(6, 4, 3, 5, 2), random.mamba2(5, 3, 2, 4, 1)};
}

Matrix random_inputs(const BlockWeights& block, std::size_t tokens, unsigned seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  Matrix inputs(tokens, std::visit([](const auto& w) { return w.d_model; }, block));
  for (double& entry : inputs.entries) entry = normal(random);
  return inputs;
}

// ---- the run and its derivatives ----------------------------------------------------------------------------------

TEST(StoredBlockRun, IsTheBlockOfTheory) {
  for (unsigned seed = 1; seed <= 5; ++seed) {
    for (const BlockWeights& weights : random_blocks(seed)) {
      const Matrix inputs = random_inputs(weights, 70, seed);  // beyond one stored stretch
      const DenseBlock block = deviation::dense_block(weights);
      const StoredBlockRun run(block, dense(inputs));
      const auto expected = std::visit([&](const auto& w) { return theory::run<double>(w, inputs); }, weights);
      for (std::size_t t = 0; t < inputs.rows; ++t) {
        const auto row = static_cast<Index>(t);
        for (Index i = 0; i < run.values()[Quantity::kOutput].cols(); ++i) {
          const double value = expected.steps[t].output[static_cast<std::size_t>(i)];
          EXPECT_NEAR(run.values()[Quantity::kOutput](row, i), value, kRoundoffSlack * (1.0 + std::fabs(value)));
        }
      }
    }
  }
}

/// A central difference of f at 0 and how far it may be off: the difference that halving the step made, several times,
/// and what binary64 leaves of f.
struct CentralDifference {
  double slope, error;

  template <class Function>
  explicit CentralDifference(const Function& f) {
    constexpr double kStep = 1e-4;
    const auto at = [&](double step) { return (f(step) - f(-step)) / (2.0 * step); };
    const double wide = at(kStep);
    slope = at(kStep / 2.0);
    error = 4.0 * std::fabs(wide - slope) + 1e-9 * (std::fabs(f(0.0)) + std::fabs(slope));
  }
};

TEST(BlockGradient, ByTheInputIsTheSlopeOfCentralDifferences) {
  const PrecisionPolicy& fp32 = *find_policy("fp32");
  for (unsigned seed = 1; seed <= 5; ++seed) {
    for (const BlockWeights& weights : random_blocks(seed)) {
      std::mt19937_64 random(seed);
      const RowMajorMatrix inputs = dense(random_inputs(weights, 70, seed));
      const DenseBlock block = deviation::dense_block(weights);
      const StoredBlockRun run(block, inputs);
      const Functional functional = random_functional(run, random);
      const RowMajorMatrix direction = random_like(inputs, random);
      const auto gradient = run.gradient(functional, fp32, deviation::change_of(block, block));
      const CentralDifference expected(
          [&](double step) { return StoredBlockRun(block, inputs + step * direction).value(functional); });
      EXPECT_NEAR(gradient.by[Quantity::kInput].cwiseProduct(direction).sum(), expected.slope, expected.error);
      EXPECT_GT(std::fabs(expected.slope), 100.0 * expected.error);  // or nothing is checked
    }
  }
}

/// Each tensor enters through another quantity, so that together they check the derivatives by all of them.
TEST(BlockGradient, GivesTheSlopeOfCentralDifferencesByEveryTensor) {
  const PrecisionPolicy& fp32 = *find_policy("fp32");
  for (unsigned seed = 1; seed <= 4; ++seed) {
    for (const BlockWeights& weights : random_blocks(seed)) {
      std::mt19937_64 random(seed);
      const RowMajorMatrix inputs = dense(random_inputs(weights, 70, seed));
      const DenseBlock block = deviation::dense_block(weights);
      const StoredBlockRun run(block, inputs);
      const Functional functional = random_functional(run, random);
      for (std::size_t i = 0; i < deviation::kTensors; ++i) {
        if (block.tensors[i].size() == 0) continue;
        DenseBlock change = deviation::change_of(block, block);
        change.tensors[i] = random_like(block.tensors[i], random).cwiseProduct(block.tensors[i].cwiseAbs());
        const auto sum = deviation::first_order(run.gradient(functional, fp32, change),
                                                deviation::local_deviations(block, run, fp32, change));
        const CentralDifference expected([&](double step) {
          DenseBlock moved = block;
          moved.tensors[i] += step * change.tensors[i];
          return StoredBlockRun(moved, inputs).value(functional);
        });
        EXPECT_NEAR(sum.signed_part, expected.slope, expected.error) << "tensor " << i;
        EXPECT_EQ(sum.variance, 0.0);
      }
    }
  }
}

/// A functional of one kind alone leaves whole matrices empty; they stand for zeros.
TEST(BlockGradient, OfOneKindOfFunctionalIsThatOfAllWithZerosForTheOthers) {
  const PrecisionPolicy& policy = *find_policy("plain-amp-bf16");
  for (const BlockWeights& weights : random_blocks(7)) {
    std::mt19937_64 random(7);
    const DenseBlock block = deviation::dense_block(weights);
    const DenseBlock change = deviation::change_of(block, deviation::approx_rounded_block(weights, policy));
    const StoredBlockRun run(block, dense(random_inputs(weights, 70, 7)));
    const auto local = deviation::local_deviations(block, run, policy, change);
    for (int kind = 0; kind < 3; ++kind) {
      Functional full = random_functional(run, random), sparse = full;
      if (kind != 0) full.output.setZero(), sparse.output.resize(0, 0);
      if (kind != 1) full.y.setZero(), sparse.y.resize(0, 0);
      if (kind != 2) full.final_state.setZero(), sparse.final_state.resize(0, 0);
      const auto of_full = deviation::first_order(run.gradient(full, policy, change), local);
      const auto of_sparse = deviation::first_order(run.gradient(sparse, policy, change), local);
      EXPECT_NEAR(of_sparse.variance, of_full.variance, kRoundoffSlack * of_full.variance);
      EXPECT_NEAR(of_sparse.signed_part, of_full.signed_part, kRoundoffSlack * (1.0 + std::fabs(of_full.signed_part)));
    }
  }
}

// ---- roundings ----------------------------------------------------------------------------------------------------

TEST(ApproxRounded, IsTheFormatsOwnNumber) {
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> exponent(-20.0, 15.0), sign(-1.0, 1.0);
  for (int i = 0; i < 20000; ++i) {
    const double x = std::copysign(std::exp2(exponent(random)), sign(random));
    EXPECT_EQ(deviation::approx_rounded(x, theory::kBfloat16Type), round_to_format(x, kBfloat16).value);
    EXPECT_EQ(deviation::approx_rounded(x, theory::kFloat16Type), round_to_format(x, kFloat16).value);
    EXPECT_EQ(deviation::approx_rounded(x, theory::kTruncatedTf32Type),
              round_to_format(x, kTf32, RoundingRule::kTowardZero).value);
    EXPECT_EQ(deviation::approx_rounded(x, theory::kUnrounded), x);
  }
  EXPECT_EQ(deviation::approx_rounded(0.0, theory::kFloat16Type), 0.0);
}

TEST(RoundingSites, AreThoseOfThePolicy) {
  const DenseBlock mamba1 = deviation::dense_block(random_blocks(1)[0]);
  const DenseBlock mamba2 = deviation::dense_block(random_blocks(1)[1]);
  const auto quantities = [](const DenseBlock& block, const char* policy) {
    std::vector<Quantity> result;
    for (const auto& site : deviation::rounding_sites(block, *find_policy(policy))) result.push_back(site.quantity);
    return result;
  };
  using enum Quantity;
  EXPECT_THAT(quantities(mamba1, "fp32"), ::testing::IsEmpty());
  EXPECT_THAT(quantities(mamba1, "tf32"),
              ::testing::ElementsAre(kNormed, kProjected, kActivatedRead, kMixed, kScanned));
  EXPECT_THAT(quantities(mamba1, "amp-bf16"),
              ::testing::ElementsAre(kNormed, kProjected, kActivated, kMixed, kStepProjection, kScanned, kOutput));
  EXPECT_THAT(quantities(mamba1, "plain-amp-bf16"),
              ::testing::ElementsAre(kNormed, kProjected, kConvolved, kActivated, kMixed, kStepProjection,
                                     kPreactivation, kStepSize, kReadOut, kGate, kScanned, kOutput));
  EXPECT_THAT(quantities(mamba2, "all-bf16"),
              ::testing::ElementsAre(kInput, kNormalised, kNormed, kProjected, kActivated, kY, kScanned, kOutput));
  EXPECT_THAT(quantities(mamba2, "plain-amp-bf16"),
              ::testing::ElementsAre(kNormed, kProjected, kConvolved, kActivated, kPreactivation, kStepSize, kScanned,
                                     kOutput));
}

// ---- against simulated roundings on trained blocks ----------------------------------------------------------------

struct Example {
  explicit Example(const std::string& name, std::size_t count)
      : model(Checkpoint::open(std::filesystem::path(LYAP_SOURCE_DIR) / "verify/examples" / name)) {
    tokens = tokenize_text(std::filesystem::path(LYAP_SOURCE_DIR) / "verify/examples/sample.txt", model.folder(),
                           model.description().vocabulary);
    tokens.resize(count);
  }

  void for_each_layer(const std::function<void(std::size_t, const BlockWeights&, const Matrix&)>& visit) const {
    approx_forward(model, tokens, visit);
  }

  Checkpoint model;
  std::vector<std::int64_t> tokens;
};

constexpr FunctionalKind kBlockKinds[] = {FunctionalKind::kState, FunctionalKind::kScanOutput,
                                          FunctionalKind::kBlockOutput};

/// Collects the ratios of estimated to simulated root mean squares.
class Ratios {
 public:
  void expect_within_factor(const std::vector<DeviationEstimate>& estimates, FunctionalKind kind,
                            const std::string& where) {
    const double ratio = approx_sigma_ratio(estimates, kind);
    EXPECT_LE(ratio, kEstimateFactor) << where << " " << name_of(kind);
    EXPECT_GE(ratio, 1.0 / kEstimateFactor) << where << " " << name_of(kind);
    least_ = std::min(least_, ratio);
    largest_ = std::max(largest_, ratio);
    ++count_;
  }
  ~Ratios() {
    std::cout << "  sigma / simulated in " << count_ << " cases: " << std::setprecision(3) << least_ << " to "
              << largest_ << '\n';
  }

 private:
  double least_ = HUGE_VAL, largest_ = 0.0;
  int count_ = 0;
};

class EstimateOfExample : public ::testing::TestWithParam<const char*> {};

TEST_P(EstimateOfExample, IsWithinItsFactorOfSimulatedDeviationsForEveryPolicyAndKind) {
  const Example example(GetParam(), 64);
  Ratios ratios;
  example.for_each_layer([&](std::size_t layer, const BlockWeights& block, const Matrix& inputs) {
    if (layer % 3 != 0) return;
    for (const PrecisionPolicy& policy : theory::kPrecisionPolicies) {
      if (std::string(policy.name) == "fp32") continue;
      const auto estimates = estimate_deviations(block, inputs, policy, {16, 1});
      for (const auto kind : kBlockKinds)
        ratios.expect_within_factor(estimates, kind, std::string(policy.name) + " layer " + std::to_string(layer));
    }
  });
}

/// sigma of a type eight times finer would not pass the same test.
TEST_P(EstimateOfExample, OfAnotherPolicyIsNotWithinTheFactor) {
  const Example example(GetParam(), 64);
  example.for_each_layer([&](std::size_t layer, const BlockWeights& block, const Matrix& inputs) {
    if (layer != 2) return;
    auto coarse = estimate_deviations(block, inputs, *find_policy("amp-bf16"));
    const auto fine = estimate_deviations(block, inputs, *find_policy("amp-fp16"));
    for (std::size_t i = 0; i < coarse.size(); ++i) coarse[i].approx_sigma = fine[i].approx_sigma;
    for (const auto kind : kBlockKinds) EXPECT_LT(approx_sigma_ratio(coarse, kind), 1.0 / kEstimateFactor);
  });
}

TEST_P(EstimateOfExample, OfLogitsThroughTheWholeModelIsWithinItsFactor) {
  const Example example(GetParam(), 64);
  Ratios ratios;
  for (const char* policy : {"amp-bf16", "all-fp16", "tf32"}) {
    const auto estimates = estimate_logit_deviations(example.model, example.tokens, *find_policy(policy));
    ratios.expect_within_factor(estimates, FunctionalKind::kLogitGap, policy);
  }
}

TEST_P(EstimateOfExample, ValuesLogitsAsTheModelDoes) {
  const Example example(GetParam(), 20);
  const Matrix logits = approx_logits(example.model, example.tokens);
  for (const auto& estimate : estimate_logit_deviations(example.model, example.tokens, *find_policy("amp-bf16"))) {
    std::size_t first = 0, second = 0;
    ASSERT_EQ(std::sscanf(estimate.functional.c_str(), "logit %zu - logit %zu", &first, &second), 2);
    const double gap = logits(19, first) - logits(19, second);
    EXPECT_NEAR(estimate.approx_value, gap, 1e-3);  // that run is in binary32
  }
}

TEST_P(EstimateOfExample, ForBinary32IsZeroAsNothingCoarserIsRounded) {
  const Example example(GetParam(), 8);
  example.for_each_layer([&](std::size_t layer, const BlockWeights& block, const Matrix& inputs) {
    if (layer > 0) return;
    for (const auto& estimate : estimate_deviations(block, inputs, *find_policy("fp32"), {2, 1})) {
      EXPECT_EQ(estimate.approx_sigma, 0.0);
      EXPECT_EQ(estimate.approx_simulated, 0.0);
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Models, EstimateOfExample, ::testing::Values("mamba-tiny", "mamba2-tiny"),
                         [](const auto& model) {
                           return std::string(model.param) == "mamba-tiny" ? "Mamba" : "Mamba2";
                         });

TEST(Estimates, NeedAStepAndInputsOfTheBlocksWidth) {
  const BlockWeights block = random_blocks(1)[0];
  const PrecisionPolicy& policy = *find_policy("amp-bf16");
  EXPECT_THROW(static_cast<void>(estimate_deviations(block, Matrix(0, 6), policy)), ContractViolation);
  EXPECT_THROW(static_cast<void>(estimate_deviations(block, Matrix(3, 5), policy)), ContractViolation);
}

}  // namespace
}  // namespace lyap
