#include "verify/deviation/random_blocks_experiment.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "numerics/parallel.hpp"
#include "verify/deviation/random_blocks_record.hpp"

namespace lyap {
namespace {

RandomBlockOptions small_options() {
  RandomBlockOptions options;
  options.blocks = 6;
  options.shape = {3, 2, 70};
  options.epsilons = {0.1, 1e-4};
  return options;
}

std::string record_of(const RandomBlockOptions& options) {
  return random_blocks_json(run_random_block_experiment(options, [](const std::string&) {}), {"command", "date"});
}

struct Moments {
  double mean = 0, variance = 0, least = 1e300, most = -1e300;
};

template <class Number>
Moments moments_of(std::size_t count, const Number& number) {
  Moments m;
  for (std::size_t i = 0; i < count; ++i) m.mean += number(i) / static_cast<double>(count);
  for (std::size_t i = 0; i < count; ++i) {
    m.variance += std::pow(number(i) - m.mean, 2) / static_cast<double>(count);
    m.least = std::min(m.least, number(i));
    m.most = std::max(m.most, number(i));
  }
  return m;
}

TEST(RandomBlocksGenerator, NumbersHaveTheMomentsOfTheirLaws) {
  constexpr std::size_t kCount = 200000;  // five standard errors below
  const RandomStream stream = RandomStream(7).stream(3);
  const Moments uniform = moments_of(kCount, [&](std::size_t i) { return stream.uniform(i); });
  EXPECT_NEAR(uniform.mean, 0.5, 5 * std::sqrt(1 / 12.0 / kCount));
  EXPECT_NEAR(uniform.variance, 1 / 12.0, 5 * std::sqrt(1 / 180.0 / kCount));
  EXPECT_GT(uniform.least, 0);
  EXPECT_LT(uniform.most, 1);
  const Moments normal = moments_of(kCount, [&](std::size_t i) { return stream.normal(i); });
  EXPECT_NEAR(normal.mean, 0, 5 * std::sqrt(1.0 / kCount));
  EXPECT_NEAR(normal.variance, 1, 5 * std::sqrt(2.0 / kCount));
  const Moments neighbours = moments_of(kCount, [&](std::size_t i) { return stream.normal(i) * stream.normal(i + 1); });
  EXPECT_NEAR(neighbours.mean, 0, 5 * std::sqrt(1.0 / kCount));
}

TEST(RandomBlocksGenerator, IsSplitMix64) {
  // The first outputs of the reference implementation for the state that the seed's key is: mixed(seed) + steps.
  const RandomStream stream(0);  // mixed(0) = 0, so the reference's seed is 0
  EXPECT_EQ(stream.word(0), 0xe220a8397b1dcdafU);
  EXPECT_EQ(stream.word(1), 0x6e789e6aa1b965f4U);
  EXPECT_EQ(stream.word(2), 0x06c45d188009454fU);
}

TEST(RandomBlocksDistribution, AreWhatTheirWordsSay) {
  const RandomBlockShape shape{64, 3, 50};
  const auto draw = [&](const char* name) {
    return draw_random_block(*find_random_block_distribution(name), shape, 9, 4);
  };
  const auto step_size = [](double bias) { return std::log1p(std::exp(bias)); };

  const RandomBlock mamba = draw("mamba");
  for (std::size_t i = 0; i < shape.state_count(); ++i) EXPECT_EQ(mamba.alpha[i], static_cast<double>(i % 3 + 1));
  const Moments Delta = moments_of(64, [&](std::size_t d) { return step_size(mamba.bias[d]); });
  EXPECT_GT(Delta.least, 0.999e-3);
  EXPECT_LT(Delta.most, 1.001e-1);
  EXPECT_LT(Delta.least, 3e-3);
  EXPECT_GT(Delta.most, 3e-2);
  for (std::size_t k = 0; k < 64; ++k) {
    for (std::size_t j = 64; j < shape.selected(); ++j)
      EXPECT_LE(std::abs(mamba.weights[k * shape.selected() + j]), 0.125);
  }

  const RandomBlock normal = draw("normal");
  const Moments weights = moments_of(normal.weights.size(), [&](std::size_t i) { return normal.weights[i]; });
  EXPECT_NEAR(weights.variance * 64, 1, 5 * std::sqrt(2.0 / static_cast<double>(normal.weights.size())));

  const RandomBlock uniform = draw("uniform");
  for (const auto* array : {&uniform.alpha, &uniform.bias, &uniform.initial_state, &uniform.input, &uniform.other}) {
    for (const double value : *array) EXPECT_LE(std::abs(value), 1);
  }
  const RandomBlock spread = draw("log-uniform");
  const Moments rates = moments_of(spread.alpha.size(), [&](std::size_t i) { return std::log10(spread.alpha[i]); });
  EXPECT_GT(rates.most - rates.least, 3);
  EXPECT_EQ(find_random_block_distribution("gaussian"), nullptr);
}

TEST(RandomBlocksDistribution, HoldBinary32NumbersAndPositiveRates) {
  for (const auto& distribution : random_block_distributions()) {
    const RandomBlock block = draw_random_block(distribution, {17, 2, 9}, 1, 0);
    for (const double rate : block.alpha) EXPECT_GT(rate, 0);
    for (const auto* array :
         {&block.alpha, &block.bias, &block.weights, &block.initial_state, &block.input, &block.other}) {
      for (const double value : *array) EXPECT_EQ(value, static_cast<double>(static_cast<float>(value)));
    }
  }
}

TEST(RandomBlocksExperiment, IsAFunctionOfItsOptionsAlone) {
  const RandomBlockOptions options = small_options();
  set_thread_count(1);
  const std::string alone = record_of(options);
  set_thread_count(3);
  EXPECT_EQ(alone, record_of(options));
  set_thread_count(0);
  RandomBlockOptions other = options;
  other.seed = 2;
  EXPECT_NE(alone, record_of(other));
}

TEST(RandomBlocksExperiment, ADistributionsBlocksDoNotDependOnTheOthers) {
  RandomBlockOptions options = small_options();
  options.distributions = {find_random_block_distribution("uniform")};
  const auto alone = run_random_block_experiment(options, [](const std::string&) {});
  options.distributions = {find_random_block_distribution("normal"), find_random_block_distribution("uniform")};
  const auto both = run_random_block_experiment(options, [](const std::string&) {});
  EXPECT_EQ(alone.distributions[0].variants[1].results[0].output.mean,
            both.distributions[1].variants[1].results[0].output.mean);
}

TEST(RandomBlocksExperiment, StatisticsAreThoseOfItsTrials) {
  RandomBlockOptions options = small_options();
  options.distributions = {find_random_block_distribution("normal")};
  const auto experiment = run_random_block_experiment(options, [](const std::string&) {});
  const auto& result = experiment.distributions[0].variants[1].results[1];
  for (std::size_t k = 0; k < experiment.times.size(); ++k) {
    std::vector<double> measured;
    double largest_bound = 0, sum_of_bounds = 0;
    for (std::size_t i = 0; i < options.blocks; ++i) {
      const RandomBlock block = draw_random_block(*options.distributions[0], options.shape, options.seed, i);
      const auto trial = run_random_block(block, RandomBlockVariant::kSelective, options.epsilons, experiment.times);
      measured.push_back(trial.curves[1].output[k]);
      largest_bound = std::max(largest_bound, trial.curves[1].output_envelope[k]);
      sum_of_bounds += trial.curves[1].output_envelope[k];
    }
    const Moments m = moments_of(measured.size(), [&](std::size_t i) { return measured[i]; });
    EXPECT_NEAR(result.output.mean[k], m.mean, 1e-12 * m.mean);
    EXPECT_NEAR(result.output.standard_deviation[k], std::sqrt(m.variance * 6 / 5), 1e-9 * m.mean);
    EXPECT_EQ(result.output.largest[k], m.most);
    EXPECT_EQ(result.output.envelope[k], largest_bound);
    EXPECT_NEAR(result.output.mean_envelope[k], sum_of_bounds / 6, 1e-12 * sum_of_bounds);
    EXPECT_LE(result.output.mean[k], result.output.mean_envelope[k]);
    EXPECT_LE(result.output.largest[k],
              result.output.envelope[k] * (1 + experiment.distributions[0].variants[1].largest_width));
  }
}

TEST(RandomBlocksExperiment, ThePictureDoesNotHingeOnTheDistribution) {
  RandomBlockOptions options;
  options.blocks = 4;
  options.shape = {16, 1, 512};
  options.epsilons = {0.01};
  const auto experiment = run_random_block_experiment(options, [](const std::string&) {});
  EXPECT_EQ(experiment.distributions.size(), 4u);
  EXPECT_EQ(experiment.violations(), 0u);
  for (const auto& distribution : experiment.distributions) {
    for (const auto& variant : distribution.variants) {
      const auto& mean = variant.results[0].state.mean;
      for (std::size_t k = 1; k < mean.size(); ++k) EXPECT_LE(mean[k], mean[k - 1] * (1 + 1e-9));
      EXPECT_LT(mean.back(), mean.front());
    }
  }
}

TEST(RandomBlocksExperiment, RecordedTimesHoldThePowersOfTwoTheFirstAndTheLast) {
  for (const std::size_t steps : {1u, 2u, 3u, 31u, 32u, 33u, 255u, 256u, 257u, 300u, 2048u, 4097u, 4194304u}) {
    const auto times = recorded_times(steps);
    EXPECT_EQ(times.front(), 1u);
    EXPECT_EQ(times.back(), steps);
    EXPECT_LE(times.size(), kRecordedTimes);
    EXPECT_TRUE(std::is_sorted(times.begin(), times.end()));
    EXPECT_EQ(std::adjacent_find(times.begin(), times.end()), times.end());
    for (std::size_t t = 1; t <= steps; t *= 2) EXPECT_TRUE(std::binary_search(times.begin(), times.end(), t));
    if (steps <= kRecordedTimes) {
      EXPECT_EQ(times.size(), steps);
    }
  }
  EXPECT_GT(recorded_times(2048).size(), 240u);
}

}  // namespace
}  // namespace lyap
