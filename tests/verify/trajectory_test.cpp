#include "verify/certify/trajectory.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "numerics/contract_violation.hpp"
#include "numerics/interval.hpp"
#include "tests/verify/trajectory_containment.hpp"
#include "tests/verify/trajectory_ordinary_blocks.hpp"
#include "tests/verify/trajectory_random_blocks.hpp"

namespace lyap {
namespace {

using testing::check_property;
using testing::first_outside;
using testing::OrdinaryBlocks;
using testing::TrajectoryValues;
using testing::values_of;
using testing::with_outputs;
using theory::Mamba1Weights;
using theory::Mamba2Weights;
using theory::Matrix;

TEST(Trajectory, EveryQuantityOfRandomMamba1BlocksLiesInItsEnclosureAt256Bits) {
  check_property("Mamba-1 containment", 1000, [] {
    const Mamba1Weights block = testing::draw_mamba1();
    const Matrix inputs = testing::draw_inputs(testing::draw_size(7), block.d_model);
    const auto outside = first_outside(block, inputs, certify_trajectory(block, inputs, with_outputs()));
    if (outside) RC_FAIL(*outside);
  });
}

TEST(Trajectory, EveryQuantityOfRandomMamba2BlocksLiesInItsEnclosureAt256Bits) {
  check_property("Mamba-2 containment", 1000, [] {
    const Mamba2Weights block = testing::draw_mamba2();
    const Matrix inputs = testing::draw_inputs(testing::draw_size(7), block.d_model);
    const auto outside = first_outside(block, inputs, certify_trajectory(block, inputs, with_outputs()));
    if (outside) RC_FAIL(*outside);
  });
}

/// Multiplies every entry of one drawn matrix by a power of two that makes products on the way exceed binary64.
void enlarge(Matrix& weight) {
  const int exponent = *rc::gen::element(0, 120, 500, 1000);
  for (double& entry : weight.entries) entry = std::ldexp(entry, exponent);
}

TEST(Trajectory, WeightsWhoseProductsExceedBinary64WidenTheBoundsAndNeverMakeThemNaN) {
  check_property("overflow on the way", 400, [] {
    Mamba1Weights block = testing::draw_mamba1();
    for (Matrix* weight : {&block.in_proj, &block.conv_weight, &block.x_proj, &block.dt_proj}) enlarge(*weight);
    const Matrix inputs = testing::draw_inputs(testing::draw_size(7), block.d_model);
    auto outside = first_outside(block, inputs, certify_trajectory(block, inputs, with_outputs()));
    if (outside) RC_FAIL(*outside);
    Mamba2Weights block2 = testing::draw_mamba2();
    for (Matrix* weight : {&block2.in_proj, &block2.conv_weight}) enlarge(*weight);
    const Matrix inputs2 = testing::draw_inputs(testing::draw_size(7), block2.d_model);
    outside = first_outside(block2, inputs2, certify_trajectory(block2, inputs2, with_outputs()));
    if (outside) RC_FAIL(*outside);
  });
}

TEST(Trajectory, SequencesThatCrossChunksOfTokensStayEnclosed) {
  OrdinaryBlocks random(7);
  const Mamba1Weights block1 = random.mamba1(7, 5, 3, 2);
  const Mamba2Weights block2 = random.mamba2(7, 4, 3, 5, 2);
  for (const std::size_t steps : {std::size_t(255), std::size_t(256), std::size_t(257), std::size_t(521)}) {
    const Matrix inputs = random.matrix(steps, 7, 3.0);
    EXPECT_EQ(first_outside(block1, inputs, certify_trajectory(block1, inputs, with_outputs())), std::nullopt) << steps;
    EXPECT_EQ(first_outside(block2, inputs, certify_trajectory(block2, inputs, with_outputs())), std::nullopt) << steps;
  }
}

/// Largest ratio of widths, fast over slow, among entries whose slow enclosure is not a point.
double widest_ratio(const std::vector<Interval>& slow, const std::vector<double>& lower,
                    const std::vector<double>& upper) {
  double ratio = 0.0;
  for (std::size_t i = 0; i < slow.size(); ++i) {
    const double width = slow[i].upper() - slow[i].lower();
    if (width > 0.0) ratio = std::max(ratio, (upper[i] - lower[i]) / width);
  }
  return ratio;
}

template <class Weights>
double widest_ratio(const Weights& block, const Matrix& inputs) {
  const TrajectoryBounds fast = certify_trajectory(block, inputs, with_outputs());
  const TrajectoryValues<Interval> slow = values_of<Interval>(block, inputs, theory::Softplus::kDeployed);
  return std::max({widest_ratio(slow.exponents, fast.exponent_lower, fast.exponent_upper),
                   widest_ratio(slow.final_state, fast.final_state_lower, fast.final_state_upper),
                   widest_ratio(slow.outputs, fast.output_lower, fast.output_upper)});
}

TEST(Trajectory, EnclosuresAreWiderThanThoseOfThePlainIntervalRunByNoMoreThanTheStatedFactor) {
  OrdinaryBlocks random(11);
  double ratio = 0.0;
  for (int repetition = 0; repetition < 10; ++repetition) {
    const Mamba1Weights block1 = random.mamba1(31, 17, 5, 3);
    const Mamba2Weights block2 = random.mamba2(31, 4, 3, 5, 2);
    const Matrix inputs = random.matrix(20, 31, 5.0);
    ratio = std::max({ratio, widest_ratio(block1, inputs), widest_ratio(block2, inputs)});
  }
  RecordProperty("largest_ratio", std::to_string(ratio));
  std::cout << "largest ratio of widths " << ratio << " of " << kTrajectoryWidthFactor << " allowed\n";
  EXPECT_LE(ratio, kTrajectoryWidthFactor);
}

/// Containment must fail for `wrong` bounds of `block`: the test above can see the fault.
template <class Weights>
bool is_caught(const Weights& block, const Weights& wrong_block, const Matrix& inputs) {
  return first_outside(block, inputs, certify_trajectory(wrong_block, inputs, with_outputs())).has_value();
}

TEST(Trajectory, ContainmentTestsCatchADroppedBias) {
  OrdinaryBlocks random(13);
  const Mamba1Weights block = random.mamba1(5, 4, 3, 2);
  const Matrix inputs = random.matrix(6, 5, 3.0);
  Mamba1Weights wrong = block;
  wrong.in_proj_bias.clear();
  EXPECT_TRUE(is_caught(block, wrong, inputs));
  wrong = block;
  wrong.conv_bias.clear();
  EXPECT_TRUE(is_caught(block, wrong, inputs));
  wrong = block;
  wrong.dt_bias.assign(block.d_inner, 0.0);
  EXPECT_TRUE(is_caught(block, wrong, inputs));
  wrong = block;
  wrong.norm_epsilon = 0.0;
  EXPECT_TRUE(is_caught(block, wrong, inputs));
  EXPECT_FALSE(is_caught(block, block, inputs));
}

TEST(Trajectory, ContainmentTestsCatchPaddingBeforeInProjAtTheStartOfTheSequence) {
  OrdinaryBlocks random(17);
  const Mamba1Weights block = random.mamba1(5, 4, 3, 2);
  const Matrix first_token = random.matrix(1, 5, 3.0);
  Mamba1Weights wrong = block;  // padding before in_proj: the missing taps of the first token would see in_proj's bias
  for (std::size_t k = 0; k < block.d_inner; ++k) {
    for (std::size_t j = 0; j + 1 < block.d_conv; ++j)
      wrong.conv_bias[k] += block.conv_weight(k, j) * block.in_proj_bias[k];
  }
  EXPECT_TRUE(is_caught(block, wrong, first_token));
  EXPECT_FALSE(is_caught(block, block, first_token));
}

TEST(Trajectory, ContainmentTestsCatchAnUnclampedStepSize) {
  OrdinaryBlocks random(19);
  Mamba2Weights block = random.mamba2(5, 2, 3, 4, 1);
  block.step_limits = {0.004, 0.04};
  const Matrix inputs = random.matrix(6, 5, 3.0);
  Mamba2Weights wrong = block;
  wrong.step_limits = {};
  EXPECT_TRUE(is_caught(block, wrong, inputs));
  EXPECT_FALSE(is_caught(block, block, inputs));
}

TEST(Trajectory, ContainmentTestsCatchEnclosuresShrunkToASixteenth) {
  OrdinaryBlocks random(23);
  const Mamba1Weights block = random.mamba1(31, 17, 5, 3);
  const Matrix inputs = random.matrix(20, 31, 5.0);
  TrajectoryBounds shrunk = certify_trajectory(block, inputs, with_outputs());
  for (std::size_t i = 0; i < shrunk.output_lower.size(); ++i) {  // the upper sixteenth of each enclosure
    shrunk.output_lower[i] = shrunk.output_upper[i] - (shrunk.output_upper[i] - shrunk.output_lower[i]) / 16.0;
  }
  EXPECT_NE(first_outside(block, inputs, shrunk), std::nullopt);
}

TEST(Trajectory, ExtremeStepSizesAndRatesGiveFiniteBoundsAndAZeroThatIsCalledZero) {
  OrdinaryBlocks random(29);
  Mamba1Weights block = random.mamba1(5, 4, 3, 2);
  block.dt_bias = {-750.0, -750.0, 80.0, 80.0};
  for (std::size_t n = 0; n < 3; ++n)
    block.A_log(0, n) = block.A_log(2, n) = -745.0, block.A_log(1, n) = block.A_log(3, n) = 700.0;
  const Matrix inputs = random.matrix(5, 5, 3.0);
  const TrajectoryBounds bounds = certify_trajectory(block, inputs, with_outputs());
  for (const auto* ends : {&bounds.exponent_lower, &bounds.exponent_upper, &bounds.final_state_lower,
                           &bounds.final_state_upper, &bounds.output_lower, &bounds.output_upper}) {
    for (const double end : *ends) EXPECT_TRUE(std::isfinite(end));
  }
  EXPECT_EQ(bounds.exponent_upper[0], 0.0);
  EXPECT_FALSE(std::signbit(bounds.exponent_upper[0]));
  for (const double upper : bounds.exponent_upper) EXPECT_LE(upper, 0.0);
  EXPECT_EQ(first_outside(block, inputs, bounds), std::nullopt);
}

TEST(Trajectory, AZeroNormWeightMakesTheBlockBlindToItsInputs) {
  OrdinaryBlocks random(31);
  Mamba2Weights block = random.mamba2(5, 2, 3, 4, 1);
  block.norm_weight.assign(5, 0.0);
  const Matrix inputs = random.matrix(6, 5, 3.0);
  const TrajectoryBounds bounds = certify_trajectory(block, inputs, with_outputs());
  EXPECT_EQ(first_outside(block, inputs, bounds), std::nullopt);
  EXPECT_EQ(first_outside(block, Matrix(6, 5), bounds), std::nullopt);
}

TEST(Trajectory, MisuseIsAContractViolation) {
  OrdinaryBlocks random(37);
  const Mamba1Weights block = random.mamba1(5, 4, 3, 2);
  EXPECT_THROW(certify_trajectory(block, Matrix(0, 5)), ContractViolation);
  EXPECT_THROW(certify_trajectory(block, Matrix(3, 4)), ContractViolation);
  Matrix inputs(3, 5);
  inputs(1, 2) = std::numeric_limits<double>::infinity();
  EXPECT_THROW(certify_trajectory(block, inputs), ContractViolation);
}

TEST(Trajectory, OutputsAreKeptOnlyWhereAskedForAndProgressEndsAtOne) {
  OrdinaryBlocks random(41);
  const Mamba1Weights block = random.mamba1(5, 4, 3, 2);
  TrajectoryOptions options;
  double fraction = 0.0;
  options.progress = [&](double done) { fraction = done; };
  const TrajectoryBounds bounds = certify_trajectory(block, random.matrix(300, 5, 3.0), options);
  EXPECT_TRUE(bounds.output_lower.empty());
  EXPECT_EQ(bounds.steps, 300U);
  EXPECT_EQ(fraction, 1.0);
  EXPECT_EQ(bounds.exponent_shape, (std::vector<std::size_t>{4, 3}));
}

}  // namespace
}  // namespace lyap
