#include "numerics/interval_scan.hpp"

#include <benchmark/benchmark.h>
#include <hwy/highway.h>
#include <hwy/targets.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace {

constexpr std::size_t kChannels = 384;
constexpr std::size_t kStates = 16;

struct Arrays {
  std::vector<double> lower;
  std::vector<double> upper;
  Arrays(std::size_t count, double first, double last) : lower(count), upper(count) {
    for (std::size_t i = 0; i < count; ++i) {
      lower[i] = first + (last - first) * static_cast<double>(i) / static_cast<double>(count);
      upper[i] = lower[i] + std::fabs(lower[i]) * 1e-14;
    }
  }
  [[nodiscard]] lyap::ConstIntervalSpan view() const { return {lower, upper}; }
  [[nodiscard]] lyap::IntervalSpan span() { return {lower, upper}; }
};

void report(benchmark::State& state) {
  state.counters["per_state"] =
      benchmark::Counter(static_cast<double>(kChannels * kStates) * static_cast<double>(state.iterations()),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

/// One step of mamba-tiny's block, one thread. A layer of 2,048 steps is 2,048 of these.
void interval_step(benchmark::State& state, std::int64_t target) {
  hwy::SetSupportedTargetsForTest(target);
  hwy::GetChosenTarget().Update(target);
  const Arrays rate(kChannels * kStates, 0.5, 16.0);
  const Arrays step_size(kChannels, 0.001, 0.5);
  const Arrays scaled_input(kChannels, -0.3, 0.3);
  const Arrays input_map(kStates, -2.0, 2.0);
  const Arrays output_map(kStates, -2.0, 2.0);
  Arrays h(kChannels * kStates, 0.0, 0.0);
  Arrays y(kChannels, 0.0, 0.0);
  for (auto _ : state) {
    lyap::advance_selective_scan(
        {rate.view(), step_size.view(), scaled_input.view(), input_map.view(), output_map.view()}, h.span(), y.span());
    benchmark::ClobberMemory();
  }
  report(state);
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().DeInit();
}

/// The same step in ordinary double precision, as a compiler makes it from plain loops.
void plain_step(benchmark::State& state) {
  const Arrays rate(kChannels * kStates, 0.5, 16.0);
  const Arrays step_size(kChannels, 0.001, 0.5);
  const Arrays scaled_input(kChannels, -0.3, 0.3);
  const Arrays input_map(kStates, -2.0, 2.0);
  const Arrays output_map(kStates, -2.0, 2.0);
  std::vector<double> h(kChannels * kStates, 0.0);
  std::vector<double> y(kChannels, 0.0);
  for (auto _ : state) {
    for (std::size_t c = 0; c < kChannels; ++c) {
      double sum = 0.0;
      for (std::size_t n = 0; n < kStates; ++n) {
        double& value = h[c * kStates + n];
        value = std::exp(-rate.lower[c * kStates + n] * step_size.lower[c]) * value +
                scaled_input.lower[c] * input_map.lower[n];
        sum += output_map.lower[n] * value;
      }
      y[c] = sum;
    }
    benchmark::DoNotOptimize(y.data());
    benchmark::ClobberMemory();
  }
  report(state);
}
BENCHMARK(plain_step);

[[maybe_unused]] const bool kRegistered = [] {
  for (std::int64_t rest = (hwy::SupportedTargets() & HWY_TARGETS) | HWY_SCALAR; rest != 0; rest &= rest - 1) {
    const std::int64_t target = rest & ~(rest - 1);
    benchmark::RegisterBenchmark((std::string("interval_step/") + hwy::TargetName(target)).c_str(), interval_step,
                                 target);
  }
  return true;
}();

}  // namespace
