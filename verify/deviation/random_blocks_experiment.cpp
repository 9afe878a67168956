#include "verify/deviation/random_blocks_experiment.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "numerics/contract_violation.hpp"
#include "numerics/parallel.hpp"
#include "numerics/rounding.hpp"

namespace lyap {
namespace {

constexpr std::size_t kFirstTimes = 32;

using Curve = std::vector<double> RandomBlockCurves::*;

/// Gathers one curve over the trials, time by time.
class Column {
 public:
  Column(const std::vector<RandomBlockTrial>& trials, std::size_t e, Curve curve)
      : trials_(trials), e_(e), curve_(curve) {}

  [[nodiscard]] double at(std::size_t trial, std::size_t time) const {
    return (trials_[trial].curves[e_].*curve_)[time];
  }
  [[nodiscard]] double largest(std::size_t time) const {
    double result = at(0, time);
    for (std::size_t i = 1; i < trials_.size(); ++i) result = std::max(result, at(i, time));
    return result;
  }
  /// The sum in the rounding direction in force.
  [[nodiscard]] double sum(std::size_t time) const {
    double result = 0;
    for (std::size_t i = 0; i < trials_.size(); ++i) result += at(i, time);
    return result;
  }
  /// By two passes over numbers scaled by the largest one, so that squares of tiny deviations do not vanish.
  [[nodiscard]] double standard_deviation(std::size_t time, double mean) const {
    const double scale = largest(time);
    if (trials_.size() < 2 || scale == 0) return 0;
    double squares = 0;
    for (std::size_t i = 0; i < trials_.size(); ++i) {
      const double part = (at(i, time) - mean) / scale;
      squares += part * part;
    }
    return scale * std::sqrt(squares / static_cast<double>(trials_.size() - 1));
  }

 private:
  const std::vector<RandomBlockTrial>& trials_;
  std::size_t e_;
  Curve curve_;
};

RandomBlockStatistics gather(const std::vector<RandomBlockTrial>& trials, std::size_t times, const Column& measured,
                             const Column& envelope) {
  RandomBlockStatistics result;
  const auto count = static_cast<double>(trials.size());
  for (std::size_t k = 0; k < times; ++k) {
    result.mean.push_back(measured.sum(k) / count);
    result.standard_deviation.push_back(measured.standard_deviation(k, result.mean.back()));
    result.largest.push_back(measured.largest(k));
    result.envelope.push_back(envelope.largest(k));
  }
  const RoundingUpward upward;
  for (std::size_t k = 0; k < times; ++k) result.mean_envelope.push_back(pinned(envelope.sum(k) / pinned(count)));
  return result;
}

RandomBlockVariantResult summarise(RandomBlockVariant variant, const RandomBlockOptions& options,
                                   const std::vector<RandomBlockTrial>& trials, std::size_t times) {
  RandomBlockVariantResult summary;
  summary.variant = variant;
  summary.zeta = trials.front().zeta;
  for (const RandomBlockTrial& trial : trials) {
    summary.zeta = std::max(summary.zeta, trial.zeta);
    summary.largest_width = std::max(summary.largest_width, trial.largest_width);
  }
  for (std::size_t e = 0; e < options.epsilons.size(); ++e) {
    const auto column = [&](Curve curve) { return Column(trials, e, curve); };
    RandomBlockEpsilonResult result;
    result.epsilon = options.epsilons[e];
    result.state = gather(trials, times, column(&RandomBlockCurves::state), column(&RandomBlockCurves::state_envelope));
    result.output =
        gather(trials, times, column(&RandomBlockCurves::output), column(&RandomBlockCurves::output_envelope));
    for (std::size_t k = 0; k < times; ++k)
      result.rate_envelope.push_back(column(&RandomBlockCurves::rate_envelope).largest(k));
    for (const RandomBlockTrial& trial : trials) result.violations += trial.curves[e].violations;
    summary.results.push_back(std::move(result));
  }
  return summary;
}

/// Both variants of every block of one distribution: a block is drawn once.
RandomBlockDistributionResult run_distribution(const RandomBlockDistribution& distribution,
                                               const RandomBlockOptions& options,
                                               const std::vector<std::size_t>& times) {
  constexpr RandomBlockVariant kVariants[] = {RandomBlockVariant::kGiven, RandomBlockVariant::kSelective};
  std::vector<std::vector<RandomBlockTrial>> trials(std::size(kVariants),
                                                    std::vector<RandomBlockTrial>(options.blocks));
  parallel_for(options.blocks, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const RandomBlock block = draw_random_block(distribution, options.shape, options.seed, i);
      for (std::size_t v = 0; v < std::size(kVariants); ++v)
        trials[v][i] = run_random_block(block, kVariants[v], options.epsilons, times);
    }
  });
  RandomBlockDistributionResult result;
  result.distribution = &distribution;
  for (std::size_t v = 0; v < std::size(kVariants); ++v)
    result.variants.push_back(summarise(kVariants[v], options, trials[v], times.size()));
  return result;
}

}  // namespace

std::size_t RandomBlockExperiment::violations() const {
  std::size_t count = 0;
  for (const auto& distribution : distributions) {
    for (const auto& variant : distribution.variants) {
      for (const auto& result : variant.results) count += result.violations;
    }
  }
  return count;
}

std::vector<std::size_t> recorded_times(std::size_t steps) {
  std::set<std::size_t> times;
  for (std::size_t t = 1; t <= std::min(steps, steps <= kRecordedTimes ? steps : kFirstTimes); ++t) times.insert(t);
  for (std::size_t t = 1; t <= steps; t *= 2) {
    times.insert(t);
    if (t > steps / 2) break;
  }
  times.insert(steps);
  const std::size_t left = kRecordedTimes - std::min(times.size(), kRecordedTimes);
  for (std::size_t k = 1; k <= left && steps > kRecordedTimes; ++k)
    times.insert(std::max<std::size_t>(1, steps / (left + 1) * k + steps % (left + 1) * k / (left + 1)));
  return {times.begin(), times.end()};
}

RandomBlockExperiment run_random_block_experiment(const RandomBlockOptions& options,
                                                  const std::function<void(const std::string&)>& announce) {
  RandomBlockExperiment experiment;
  experiment.options = options;
  if (options.distributions.empty()) {
    for (const RandomBlockDistribution& known : random_block_distributions())
      experiment.options.distributions.push_back(&known);
  }
  experiment.times = recorded_times(options.shape.steps);
  for (const RandomBlockDistribution* distribution : experiment.options.distributions) {
    announce("blocks of the distribution " + std::string(distribution->name));
    experiment.distributions.push_back(run_distribution(*distribution, experiment.options, experiment.times));
  }
  if (const std::size_t count = experiment.violations(); count > 0)
    throw ContractViolation("random blocks: " + std::to_string(count) + " deviations lie above their proved envelopes");
  return experiment;
}

}  // namespace lyap
