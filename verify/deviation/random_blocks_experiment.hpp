#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "verify/deviation/random_blocks_trial.hpp"

namespace lyap {

/// What `lyap certify --random-blocks` was asked to do; the defaults are the paper's experiment.
struct RandomBlockOptions {
  std::size_t blocks = 100;
  RandomBlockShape shape;
  std::vector<double> epsilons{0.1, 0.01, 0.001};
  std::vector<const RandomBlockDistribution*> distributions;  ///< empty: all of random_block_distributions()
  std::uint64_t seed = 1;
};

/// A deviation over the recorded times, over all trials. Measured numbers are rounded to nearest, bounds upward.
struct RandomBlockStatistics {
  std::vector<double> mean, standard_deviation;  ///< of the trials' largest deviations; n - 1 in the deviation
  std::vector<double> largest;                   ///< of any trial
  std::vector<double> envelope;                  ///< at least every trial's deviation, under every perturbation
  std::vector<double> mean_envelope;             ///< mean of the trials' envelopes: at least `mean`
};

struct RandomBlockEpsilonResult {
  double epsilon = 0;
  RandomBlockStatistics state, output;
  std::vector<double> rate_envelope;  ///< of the state: the paper's closed form, largest over the trials
  std::size_t violations = 0;         ///< steps of trials above their envelopes; anything but 0 is an internal error
};

struct RandomBlockVariantResult {
  RandomBlockVariant variant = RandomBlockVariant::kGiven;
  std::vector<RandomBlockEpsilonResult> results;
  double zeta = 0;           ///< of the trial with the slowest step
  double largest_width = 0;  ///< relative width of the enclosures of what was measured
};

struct RandomBlockDistributionResult {
  const RandomBlockDistribution* distribution = nullptr;
  std::vector<RandomBlockVariantResult> variants;  ///< given, selective
};

struct RandomBlockExperiment {
  RandomBlockOptions options;
  std::vector<std::size_t> times;
  std::vector<RandomBlockDistributionResult> distributions;

  [[nodiscard]] std::size_t violations() const;
};

/// Most times that are recorded.
inline constexpr std::size_t kRecordedTimes = 256;

/// The times that are recorded of `steps` steps: all of them where they are few, else 1 to 32, every power of two, the
/// last one, and equal distances between. Increasing, at most kRecordedTimes.
[[nodiscard]] std::vector<std::size_t> recorded_times(std::size_t steps);

/// Runs every block of every distribution in both variants, blocks in parallel. The result depends on `options` alone,
/// not on the number of threads. `announce` is called with a few words before each part. Throws Interrupted-like
/// exceptions of `announce` unchanged, and ContractViolation where an envelope lies below a deviation.
[[nodiscard]] RandomBlockExperiment run_random_block_experiment(
    const RandomBlockOptions& options, const std::function<void(const std::string&)>& announce);

}  // namespace lyap
