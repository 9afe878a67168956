#include "verify/deviation/random_blocks_trial.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "numerics/contract_violation.hpp"
#include "tests/deviation/random_blocks_judge.hpp"

namespace lyap {
namespace {

using lyap::testing::drawn_perturbation;
using lyap::testing::judged_run;
using lyap::testing::JudgedRun;
using lyap::testing::largest_distance;
using lyap::testing::moved_by;
using lyap::testing::real;

constexpr RandomBlockVariant kVariants[] = {RandomBlockVariant::kGiven, RandomBlockVariant::kSelective};

std::vector<std::size_t> all_times(std::size_t steps) {
  std::vector<std::size_t> times(steps);
  std::iota(times.begin(), times.end(), std::size_t{1});
  return times;
}

/// Small blocks of every distribution, with steps around the edges of the chunks that are enclosed together.
template <class Body>
void for_each_block(std::uint64_t seed, std::size_t count, const Body& body) {
  constexpr std::size_t kSteps[] = {1, 2, 63, 64, 65, 130};
  for (const auto& distribution : random_block_distributions()) {
    for (std::size_t index = 0; index < lyap::testing::scaled(count); ++index) {
      const RandomStream stream = RandomStream(seed).stream(index);
      const RandomBlockShape shape{1 + stream.word(0) % 5, 1 + stream.word(1) % 3, kSteps[index % 6]};
      const double epsilon = std::pow(10.0, -4 * stream.uniform(2));
      for (const auto variant : kVariants)
        body(draw_random_block(distribution, shape, seed, index), variant, epsilon, stream);
    }
  }
}

TEST(RandomBlocksTrial, RecordsWhatTwoRunsIn256BitsShow) {
  constexpr double kJudgeNoise = 1e-70;  // of differences of states of about 1 in 256 bits
  double widest = 0;
  for_each_block(21, 6, [&](const RandomBlock& block, RandomBlockVariant variant, double epsilon, RandomStream) {
    const std::size_t steps = block.shape.steps;
    const auto trial = run_random_block(block, variant, {epsilon}, all_times(steps));
    const JudgedRun base = judged_run(block, variant, moved_by(block.shape, 0), steps);
    const JudgedRun moved = judged_run(block, variant, moved_by(block.shape, epsilon), steps);
    for (std::size_t t = 0; t < steps; ++t) {
      const double state = largest_distance(moved.h[t], base.h[t]).approx_to_double();
      const double output = largest_distance(moved.y[t], base.y[t]).approx_to_double();
      EXPECT_NEAR(trial.curves[0].state[t], state, trial.largest_width * state + kJudgeNoise);
      EXPECT_NEAR(trial.curves[0].output[t], output, trial.largest_width * output + kJudgeNoise);
    }
    EXPECT_EQ(trial.curves[0].violations, 0u);
    if (block.shape.states == 1) widest = std::max(widest, trial.largest_width);  // with more, outputs can cancel
  });
  EXPECT_LT(widest, 1e-9);
}

TEST(RandomBlocksTrial, EnvelopesHoldEveryPerturbationAtEveryStep) {
  double closest = 0;
  for_each_block(22, 6, [&](const RandomBlock& block, RandomBlockVariant variant, double epsilon, RandomStream stream) {
    const std::size_t steps = block.shape.steps;
    const auto curves = run_random_block(block, variant, {epsilon}, all_times(steps)).curves[0];
    const JudgedRun base = judged_run(block, variant, moved_by(block.shape, 0), steps);
    for (std::size_t kind = 0; kind < 5; ++kind) {
      const auto perturbation = drawn_perturbation(block, epsilon, kind, stream.stream(kind));
      const JudgedRun moved = judged_run(block, variant, perturbation, steps);
      for (std::size_t t = 0; t < steps; ++t) {
        const MpfrReal state = largest_distance(moved.h[t], base.h[t]);
        EXPECT_LE(state, real(curves.state_envelope[t]));
        EXPECT_LE(largest_distance(moved.y[t], base.y[t]), real(curves.output_envelope[t]));
        closest = std::max(closest, (state / real(curves.state_envelope[t])).approx_to_double());
      }
    }
  });
  EXPECT_GT(closest, 1 - 1e-9);
}

TEST(RandomBlocksTrial, EnvelopesOfStatesNeverGrowAndStayBelowTheClosedForm) {
  for_each_block(23, 6, [&](const RandomBlock& block, RandomBlockVariant variant, double epsilon, RandomStream) {
    const auto trial = run_random_block(block, variant, {epsilon}, all_times(block.shape.steps));
    const auto& curves = trial.curves[0];
    EXPECT_LE(trial.zeta, 0);
    for (std::size_t t = 0; t < block.shape.steps; ++t) {
      EXPECT_LE(curves.state_envelope[t], curves.rate_envelope[t] * (1 + 1e-12));
      if (t > 0) {
        EXPECT_LE(curves.state_envelope[t], curves.state_envelope[t - 1]);
      }
    }
  });
}

TEST(RandomBlocksTrial, AnEnvelopeForHalfThePerturbationOrWithoutOneStepsDecayIsViolated) {
  const auto& normal = *find_random_block_distribution("normal");
  const RandomBlock block = draw_random_block(normal, {3, 1, 40}, 5, 0);
  const auto trial = run_random_block(block, RandomBlockVariant::kGiven, {0.1, 0.05}, all_times(40));
  EXPECT_GT(trial.curves[0].state[39], trial.curves[1].state_envelope[39]);
  EXPECT_GT(trial.curves[0].output[39], trial.curves[1].output_envelope[39] * 0.999);
  bool ahead = true;  // E_{t+1} in place of E_t is too small at every step
  for (std::size_t t = 1; t + 1 < 40; ++t)
    ahead = ahead && trial.curves[0].state[t] > trial.curves[0].state_envelope[t + 1];
  EXPECT_TRUE(ahead);
}

TEST(RandomBlocksTrial, ReachesFarBelowTheRoundingNoiseOfTwoRuns) {
  const auto& normal = *find_random_block_distribution("normal");
  const RandomBlock block = draw_random_block(normal, {4, 1, 400}, 6, 1);
  const auto trial = run_random_block(block, RandomBlockVariant::kGiven, {0.001}, {1, 400});
  EXPECT_LT(trial.curves[0].state[1], 1e-18);
  EXPECT_GT(trial.curves[0].state[1], 0);
  EXPECT_LT(trial.largest_width, 1e-9);
}

TEST(RandomBlocksTrial, RefusesTimesThatTheBlockDoesNotHave) {
  const RandomBlock block = draw_random_block(random_block_distributions()[0], {2, 1, 4}, 1, 0);
  EXPECT_THROW((void)run_random_block(block, RandomBlockVariant::kGiven, {0.1}, {}), ContractViolation);
  EXPECT_THROW((void)run_random_block(block, RandomBlockVariant::kGiven, {0.1}, {0, 2}), ContractViolation);
  EXPECT_THROW((void)run_random_block(block, RandomBlockVariant::kGiven, {0.1}, {1, 5}), ContractViolation);
}

}  // namespace
}  // namespace lyap
