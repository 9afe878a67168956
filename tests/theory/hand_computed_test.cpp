#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "numerics/interval_functions.hpp"
#include "tests/theory/random_block.hpp"
#include "theory/language_model.hpp"

// Cases small enough to compute on paper; the numbers in the comments are the paper's side.

namespace lyap::theory::testing {
namespace {

constexpr double kUlp = std::numeric_limits<double>::epsilon();

TEST(RmsNorm, DividesByTheRootOfTheMeanOfSquaresPlusEpsilonAndAppliesTheGain) {
  // mean((3, 4)^2) = 12.5; epsilon 3.5 makes 16
  EXPECT_EQ(rms_norm<double>({3.0, 4.0}, {1.0, 2.0}, 3.5), (Array<double>{0.75, 2.0}));
}

TEST(RmsNorm, WithGroupsNormalisesEachPartByItself) {
  EXPECT_EQ(rms_norm<double>({2.0, 2.0, 8.0, 8.0}, {1.0, 1.0, 1.0, 0.5}, 0.0, 2), (Array<double>{1.0, 1.0, 1.0, 0.5}));
}

TEST(RmsNorm, RefusesGroupsThatDoNotDivideTheWidth) {
  EXPECT_THROW((void)rms_norm<double>({1.0, 2.0, 3.0}, {1.0, 1.0, 1.0}, 0.0, 2), std::invalid_argument);
}

TEST(CausalConvolution, GivesTheLastColumnToTheCurrentTokenAndPadsWithZerosBefore) {
  Matrix weight(1, 3);
  weight.entries = {1.0, 10.0, 100.0};
  const Vector bias{0.5};
  CausalConvolution<double> convolution(weight, bias);
  EXPECT_EQ(convolution.step({1.0}).front(), 100.5);
  EXPECT_EQ(convolution.step({2.0}).front(), 210.5);  // 100 * 2 + 10 * 1
  EXPECT_EQ(convolution.step({3.0}).front(), 321.5);  // 100 * 3 + 10 * 2 + 1
  EXPECT_EQ(convolution.step({4.0}).front(), 432.5);
}

TEST(Scan, AddsWhatTheStepBringsToWhatTheDecayLeaves) {
  // alpha = (1, 2), Delta = log 2: a = (1/2, 1/4). B = (1, 3), C = (5, 7), x = 2, D = 11.
  const Vector A_log{0.0, std::log(2.0)};
  const Vector D{11.0};
  SelectiveScan<double> scan({1, 1, 2, 1}, A_log, D, Discretization::kEuler);
  const double Delta = std::log(2.0);
  const Array<double> y = scan.step({Delta}, {2.0}, {1.0, 3.0}, {5.0, 7.0});
  EXPECT_NEAR(scan.h()[0], 2.0 * Delta, 2 * kUlp);
  EXPECT_NEAR(scan.h()[1], 6.0 * Delta, 8 * kUlp);
  EXPECT_NEAR(y[0], 22.0 + (10.0 + 42.0) * Delta, 256 * kUlp);
  (void)scan.step({Delta}, {0.0}, {1.0, 3.0}, {5.0, 7.0});
  EXPECT_NEAR(scan.h()[0], Delta, 4 * kUlp);
  EXPECT_NEAR(scan.h()[1], 1.5 * Delta, 8 * kUlp);
}

TEST(Scan, ZeroOrderHoldScalesTheInputByOneMinusTheDecayOverTheRate) {
  const Vector A_log{std::log(2.0)};
  const Vector D{0.0};
  SelectiveScan<double> scan({1, 1, 1, 1}, A_log, D, Discretization::kZoh);
  (void)scan.step({std::log(2.0)}, {8.0}, {1.0}, {1.0});
  EXPECT_NEAR(scan.h()[0], 3.0, 16 * kUlp);  // (1 - 1/4)/2 * 8
}

TEST(Scan, GivesEachHeadTheVectorsOfItsGroup) {
  // 4 heads in 2 groups, head_dim 1, one state, no decay worth mentioning on the first step: h = Delta x B of the
  // group.
  const Vector A_log(4, 0.0);
  const Vector D(4, 0.0);
  SelectiveScan<double> scan({4, 1, 1, 2}, A_log, D, Discretization::kEuler);
  const Array<double> y = scan.step({1.0, 1.0, 1.0, 1.0}, {1.0, 2.0, 3.0, 4.0}, {10.0, 100.0}, {1.0, -1.0});
  EXPECT_EQ(scan.h(), (Array<double>{10.0, 20.0, 300.0, 400.0}));
  EXPECT_EQ(y, (Array<double>{10.0, 20.0, -300.0, -400.0}));
}

TEST(Scan, WithOneRatePerHeadAppliesItToEveryDimensionAndState) {
  const Vector A_log{std::log(std::log(2.0)), std::log(std::log(4.0))};  // a = 1/2 and 1/4 at Delta = 1
  const Vector D{0.0, 0.0};
  SelectiveScan<double> scan({2, 2, 2, 1}, A_log, D, Discretization::kEuler);
  for (double& h : scan.h()) h = 1.0;
  (void)scan.step({1.0, 1.0}, {0.0, 0.0, 0.0, 0.0}, {1.0, 1.0}, {1.0, 1.0});
  for (std::size_t i = 0; i < 8; ++i) EXPECT_NEAR(scan.h()[i], i < 4 ? 0.5 : 0.25, 2 * kUlp) << i;
}

TEST(StepSize, IsClampedAfterSoftplusAndOnlyWhereThereAreLimits) {
  const StepSizeLimits limits{0.5, 2.0};
  EXPECT_EQ(step_size(-10.0, limits, Softplus::kTextbook), 0.5);
  EXPECT_EQ(step_size(10.0, limits, Softplus::kTextbook), 2.0);
  EXPECT_EQ(step_size(0.0, limits, Softplus::kTextbook), std::log(2.0));
  EXPECT_GT(step_size(-700.0, StepSizeLimits{}, Softplus::kTextbook), 0.0);
}

TEST(Softplus, KeepsItsDigitsAtBothEndsInOrdinaryArithmetic) {
  for (const double p : {-745.0, -300.0, -40.0, -1.0, 0.0, 1e-3, 1.0, 19.0, 21.0, 40.0, 800.0}) {
    const double reference = softplus(real(p)).approx_to_double();
    EXPECT_LE(std::fabs(softplus(p) - reference), 2 * kUlp * reference + 0x1p-1074) << p;
    const double sigmoid_reference = sigmoid(real(p)).approx_to_double();
    EXPECT_LE(std::fabs(sigmoid(p) - sigmoid_reference), 2 * kUlp * sigmoid_reference + 0x1p-1074) << p;
    const double silu_reference = silu(real(p)).approx_to_double();
    EXPECT_LE(std::fabs(silu(p) - silu_reference), 3 * kUlp * std::fabs(silu_reference) + 0x1p-1065) << p;
  }
}

TEST(DeployedSoftplus, ReturnsThePreActivationAboveTheCutOff) {
  EXPECT_EQ(deployed_softplus(20.5), 20.5);
  EXPECT_EQ(deployed_softplus(20.5F), 20.5F);
  EXPECT_TRUE(deployed_softplus(real(20.5)) == 20.5);
  EXPECT_TRUE(deployed_softplus(real(20.0)) == softplus(real(20.0)));
}

TEST(DeployedSoftplus, OfAnIntervalContainsBothFunctions) {
  for (const auto& [low, high] :
       {std::pair{20.5, 21.0}, {19.0, 22.0}, {20.0, 20.0}, {0x1.3ffffffffffffp+4, 30.0}, {-5.0, 3.0}}) {
    const Interval range = deployed_softplus(Interval::from_bounds(low, high));
    for (const double p :
         {low, high, 0.5 * (low + high), std::min(high, std::nextafter(20.0, 21.0)), std::min(high, 20.0)}) {
      if (p < low) continue;
      EXPECT_TRUE(contains(range, softplus(real(p)))) << p;
      EXPECT_TRUE(contains(range, deployed_softplus(real(p)))) << p;
    }
  }
  EXPECT_FALSE(contains(softplus(Interval::from_exact(20.5)), real(20.5)));  // the textbook enclosure alone does not
}

/// d_model = d_inner = 2, one state, one tap, so that every intermediate can be written down.
Mamba1Weights two_channels() {
  Mamba1Weights w;
  w.d_model = w.d_inner = 2;
  w.d_state = w.d_conv = w.dt_rank = 1;
  w.norm_epsilon = 0.0;
  w.norm_weight = {1.0, 2.0};
  w.in_proj = Matrix(4, 2);
  w.in_proj.entries = {1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0};  // x1 = n1, x2 = 2 n2, z1 = n1 + 2 n2, z2 = 0
  w.conv_weight = Matrix(2, 1);
  w.conv_weight.entries = {2.0, 3.0};
  w.x_proj = Matrix(3, 2);
  w.x_proj.entries = {1.0, 0.0, 0.0, 1.0, 1.0, 1.0};  // dt = x1, B = x2, C = x1 + x2
  w.dt_proj = Matrix(2, 1);
  w.dt_proj.entries = {1.0, -1.0};
  w.dt_bias = {0.25, 0.5};
  w.A_log = Matrix(2, 1);
  w.D = {1.0, 0.0};
  w.out_proj = Matrix(2, 2);
  w.out_proj.entries = {1.0, 0.0, 1.0, 1.0};
  w.out_proj_bias = {0.0, 100.0};
  return w;
}

TEST(Mamba1Block, ComputesWhatThePaperAndPencilSay) {
  const Mamba1Weights w = two_channels();
  Matrix inputs(1, 2);
  inputs.entries = {5.0, 5.0};  // n = (1, 1)
  const BlockStep<double> t = run<double>(w, inputs).steps.front();
  const double x1 = silu(2.0);
  const double x2 = silu(6.0);
  EXPECT_EQ(t.x, (Array<double>{x1, x2}));
  EXPECT_EQ(t.z, (Array<double>{3.0, 0.0}));
  EXPECT_EQ(t.B, (Array<double>{x2}));
  EXPECT_EQ(t.C, (Array<double>{x1 + x2}));
  EXPECT_EQ(t.p, (Array<double>{0.25 + x1, 0.5 - x1}));
  EXPECT_EQ(t.Delta, (Array<double>{softplus(0.25 + x1), softplus(0.5 - x1)}));
  const double y1 = x1 + (x1 + x2) * (t.Delta[0] * x1 * x2);
  const double y2 = (x1 + x2) * (t.Delta[1] * x2 * x2);
  EXPECT_NEAR(t.y[0], y1, 8 * kUlp * y1);
  EXPECT_NEAR(t.y[1], y2, 8 * kUlp * y2);
  EXPECT_NEAR(t.output[0], y1 * silu(3.0), 16 * kUlp * t.output[0]);
  EXPECT_NEAR(t.output[1], 100.0 + y1 * silu(3.0), 16 * kUlp * t.output[1]);  // channel 2 is gated away: silu(0) = 0
}

TEST(Mamba2Block, ConvolvesXBCTogetherGatesThenNormalisesAndLeavesTheStepSizeUnconvolved) {
  Mamba2Weights w;
  w.d_model = w.d_inner = w.heads = w.head_dim = w.d_state = w.groups = 1;
  w.d_conv = 2;
  w.norm_epsilon = 0.0;
  w.norm_weight = {1.0};
  w.in_proj = Matrix(5, 1);
  w.in_proj.entries = {1.0, 2.0, 3.0, 4.0, 5.0};  // z, x, B, C, dt of n = 1
  w.conv_weight = Matrix(3, 2);
  w.conv_weight.entries = {1.0, 1.0, 0.0, 1.0, 0.0, 1.0};  // x sees two tokens, B and C one
  w.dt_bias = {0.5};
  w.step_limits = {0.0, 3.0};
  w.A_log = {0.0};
  w.D = {2.0};
  w.gated_norm_weight = {7.0};
  w.gated_norm_epsilon = 0.0;
  w.out_proj = Matrix(1, 1);
  w.out_proj.entries = {1.0};
  Matrix inputs(2, 1);
  inputs.entries = {4.0, 9.0};  // n = 1 at both steps
  const auto result = run<double>(w, inputs);
  EXPECT_EQ(result.steps[0].x.front(), silu(2.0));
  EXPECT_EQ(result.steps[1].x.front(), silu(4.0));
  EXPECT_EQ(result.steps[1].B.front(), silu(3.0));
  EXPECT_EQ(result.steps[1].C.front(), silu(4.0));
  EXPECT_EQ(result.steps[1].p.front(), 5.5);
  EXPECT_EQ(result.steps[1].Delta.front(), 3.0);  // softplus(5.5) clamped
  const double h = std::exp(-3.0) * (3.0 * silu(2.0) * silu(3.0)) + 3.0 * silu(4.0) * silu(3.0);
  EXPECT_NEAR(result.h.front(), h, 8 * kUlp * h);
  EXPECT_NEAR(result.steps[1].y.front(), silu(4.0) * h + 2.0 * silu(4.0), 16 * kUlp * result.steps[1].y.front());
  EXPECT_EQ(result.steps[1].output.front(), 7.0);  // one component: the norm leaves its sign
}

TEST(LanguageModel, AddsEachBlockToTheResidualStreamAndEndsWithNormAndHead) {
  LanguageModelWeights model;
  model.embedding = Matrix(2, 2);
  model.embedding.entries = {5.0, 5.0, 1.0, 0.0};
  model.blocks = {two_channels()};
  model.final_norm_weight = {1.0, 0.5};
  model.final_norm_epsilon = 0.0;
  model.head = Matrix(1, 2);
  model.head.entries = {1.0, 2.0};
  Matrix inputs(1, 2);
  inputs.entries = {5.0, 5.0};
  const Array<double> output = run<double>(two_channels(), inputs).steps.front().output;
  const double r1 = 5.0 + output[0];
  const double r2 = 5.0 + output[1];
  const double rms = std::sqrt((r1 * r1 + r2 * r2) / 2.0);
  EXPECT_NEAR(logits<double>(model, {0}).front().front(), (r1 + r2) / rms, 8 * kUlp * (r1 + r2) / rms);
}

TEST(Block, RefusesAnInputOfTheWrongWidth) {
  const Mamba1Weights w = two_channels();
  BlockState<double> state = initial_state<double>(w);
  EXPECT_THROW((void)step(w, Array<double>{1.0, 2.0, 3.0}, state), std::invalid_argument);
}

}  // namespace
}  // namespace lyap::theory::testing
