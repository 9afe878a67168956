#include "verify/deviation/random_blocks_first_step.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/deviation/random_blocks_judge.hpp"

namespace lyap {
namespace {

using lyap::testing::drawn_perturbation;
using lyap::testing::judged_run;
using lyap::testing::moved_by;
using lyap::testing::Perturbation;
using lyap::testing::real;

constexpr RandomBlockVariant kVariants[] = {RandomBlockVariant::kGiven, RandomBlockVariant::kSelective};

/// One channel with one state: p = bias + p_weight s, B = B_weight s, C = C_weight s.
struct OneState {
  double alpha = 1, bias = 0, p_weight = 0, B_weight = 0, C_weight = 1, h_0 = 1, x_1 = 1, w_1 = 1;

  [[nodiscard]] RandomBlock block() const {
    RandomBlock block;
    block.shape = {1, 1, 1};
    block.alpha = {alpha};
    block.bias = {bias};
    block.weights = {p_weight, B_weight, C_weight};
    block.initial_state = {h_0};
    block.input = {x_1};
    block.other = {w_1};
    return block;
  }
};

struct Moved {
  double state, output;
};

/// What the perturbation (state, input) really does to the first step.
Moved really(const RandomBlock& block, RandomBlockVariant variant, double state, double input) {
  const auto base = judged_run(block, variant, {{0}, {0}}, 1),
             moved = judged_run(block, variant, {{state}, {input}}, 1);
  return {abs(moved.h[0][0] - base.h[0][0]).approx_to_double(), abs(moved.y[0][0] - base.y[0][0]).approx_to_double()};
}

TEST(RandomBlocksFirstStep, EnclosesTheChangeOfEveryStateAndOutputAt256Bits) {
  std::size_t cases = 0;
  double widest = 0;
  for (const auto& distribution : random_block_distributions()) {
    for (std::size_t index = 0; index < lyap::testing::scaled(60); ++index) {
      const RandomStream stream = RandomStream(17).stream(index);
      const RandomBlockShape shape{1 + stream.word(0) % 7, 1 + stream.word(1) % 3, 1};
      const RandomBlock block = draw_random_block(distribution, shape, 3, index);
      const double epsilon = std::pow(10.0, -6 * stream.uniform(2));
      for (const auto variant : kVariants) {
        const auto first = random_block_first_step(block, variant, epsilon);
        const auto base = judged_run(block, variant, moved_by(shape, 0), 1);
        const auto moved = judged_run(block, variant, moved_by(shape, epsilon), 1);
        for (std::size_t i = 0; i < shape.state_count(); ++i) {
          EXPECT_TRUE(contains(first.state_change[i], moved.h[0][i] - base.h[0][i])) << distribution.name << index;
          widest = std::max(widest, first.state_change[i].width_upper_bound() / epsilon);
        }
        for (std::size_t d = 0; d < shape.width; ++d)
          EXPECT_TRUE(contains(first.output_change[d], moved.y[0][d] - base.y[0][d])) << distribution.name << index;
        ++cases;
      }
    }
  }
  RecordProperty("cases", static_cast<int>(cases));
  EXPECT_LT(widest, 1e-10);  // nothing cancels, however small epsilon is
}

TEST(RandomBlocksFirstStep, BoundsEveryPerturbationOfThatSize) {
  double most = 0;
  for (const auto& distribution : random_block_distributions()) {
    for (std::size_t index = 0; index < lyap::testing::scaled(60); ++index) {
      const RandomStream stream = RandomStream(18).stream(index);
      const RandomBlockShape shape{1 + stream.word(0) % 5, 1 + stream.word(1) % 3, 1};
      const RandomBlock block = draw_random_block(distribution, shape, 4, index);
      const double epsilon = std::pow(10.0, -4 * stream.uniform(2));
      for (const auto variant : kVariants) {
        const auto first = random_block_first_step(block, variant, epsilon);
        const auto base = judged_run(block, variant, moved_by(shape, 0), 1);
        for (std::size_t kind = 0; kind < 10; ++kind) {
          const auto moved =
              judged_run(block, variant, drawn_perturbation(block, epsilon, kind % 5, stream.stream(kind)), 1);
          for (std::size_t i = 0; i < shape.state_count(); ++i) {
            const MpfrReal change = abs(moved.h[0][i] - base.h[0][i]);
            EXPECT_LE(change, real(first.state_bound[i])) << distribution.name << index << " kind " << kind;
            most = std::max(most, (change / real(first.state_bound[i])).approx_to_double());
          }
          for (std::size_t d = 0; d < shape.width; ++d)
            EXPECT_LE(abs(moved.y[0][d] - base.y[0][d]), real(first.output_bound[d])) << distribution.name << index;
        }
      }
    }
  }
  EXPECT_GT(most, 0.999);
}

TEST(RandomBlocksFirstStep, IsReachedWhereTheParametersAreGiven) {
  const OneState state{.bias = 0.3, .B_weight = 2, .C_weight = -3};
  const auto first = random_block_first_step(state.block(), RandomBlockVariant::kGiven, 0.1);
  const Moved moved = really(state.block(), RandomBlockVariant::kGiven, 0.1, 0.1);
  EXPECT_NEAR(moved.state / first.state_bound[0], 1.0, 1e-12);
  EXPECT_NEAR(moved.output / first.output_bound[0], 1.0, 1e-12);
}

TEST(RandomBlocksFirstStep, IsReachedToFirstOrderWhereTheParametersFollowTheInput) {
  const OneState state{.bias = 0.5, .p_weight = -2, .B_weight = 0, .h_0 = 3};
  for (const double epsilon : {1e-2, 1e-4, 1e-6}) {
    const auto first = random_block_first_step(state.block(), RandomBlockVariant::kSelective, epsilon);
    const double reached = really(state.block(), RandomBlockVariant::kSelective, epsilon, epsilon).state;
    EXPECT_LE(reached, first.state_bound[0]);
    EXPECT_GT(reached / first.state_bound[0], 0.5);  // log softplus moves less than p does
  }
}

// Negative controls: without any one of its parts the bound would be false.

TEST(RandomBlocksFirstStep, WouldBeViolatedWithoutThePartOfTheInitialState) {
  const RandomBlock block = OneState{.B_weight = 0.5}.block();
  const double a = 1 / (1 + std::exp(0.0)), epsilon = 0.1;
  const double without = (1 - a) * 0.5 * epsilon;
  EXPECT_GT(really(block, RandomBlockVariant::kGiven, epsilon, epsilon).state, without * 1.5);
}

TEST(RandomBlocksFirstStep, WouldBeViolatedWithoutThePartOfTheFirstInput) {
  const RandomBlock block = OneState{.B_weight = 0.5}.block();
  const double a = 1 / (1 + std::exp(0.0)), epsilon = 0.1;
  const double without = a * epsilon;
  EXPECT_GT(really(block, RandomBlockVariant::kGiven, epsilon, epsilon).state, without * 1.2);
}

TEST(RandomBlocksFirstStep, WouldBeViolatedWithoutTheChangeOfTheStepSize) {
  const RandomBlock block = OneState{.p_weight = 1, .B_weight = 0, .h_0 = 5}.block();
  const double epsilon = 0.1, p = 1;
  const double without = std::exp(-std::log1p(std::exp(p))) * epsilon;  // a epsilon
  EXPECT_GT(really(block, RandomBlockVariant::kSelective, epsilon, -epsilon).state, without * 2);
}

TEST(RandomBlocksFirstStep, WouldBeViolatedWithoutTheChangeOfB) {
  const RandomBlock block = OneState{.B_weight = 1, .x_1 = 4}.block();  // B x = 16, moved by 2 * 4 epsilon
  const double a = 0.5, epsilon = 0.1;
  const double without = a * epsilon + (1 - a) * (4 + epsilon) * epsilon;
  EXPECT_GT(really(block, RandomBlockVariant::kSelective, epsilon, epsilon).state, without * 1.5);
}

TEST(RandomBlocksFirstStep, WouldBeViolatedWithoutTheChangeOfC) {
  const RandomBlock block = OneState{.C_weight = 1, .h_0 = 5}.block();
  const double epsilon = 0.1;
  const auto first = random_block_first_step(block, RandomBlockVariant::kSelective, epsilon);
  const double without = (1 + epsilon) * first.state_bound[0];
  EXPECT_GT(really(block, RandomBlockVariant::kSelective, epsilon, epsilon).output, without * 2);
  EXPECT_LE(really(block, RandomBlockVariant::kSelective, epsilon, epsilon).output, first.output_bound[0]);
}

TEST(RandomBlocksFirstStep, NeverExceedsTheSizesOfBothStates) {
  const RandomBlock block = OneState{.bias = -30, .p_weight = 400, .B_weight = 1, .h_0 = 2}.block();
  const auto first = random_block_first_step(block, RandomBlockVariant::kSelective, 1.0);
  EXPECT_LE(first.state_bound[0], 2 + 2 + 1 + 1 + 4 + 1e-9);  // |h_1| <= 2, |h'_1| <= max(3, 2 * 2) and a little
}

}  // namespace
}  // namespace lyap
