#include "numerics/vector_functions.hpp"

#include <benchmark/benchmark.h>
#include <hwy/highway.h>
#include <hwy/targets.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "numerics/softplus.hpp"

namespace {

using Enclose = void (*)(lyap::ConstIntervalSpan, lyap::IntervalSpan);

struct Arguments {
  std::vector<double> lower = std::vector<double>(4096);
  std::vector<double> upper = std::vector<double>(4096);
  Arguments() {
    for (std::size_t i = 0; i < lower.size(); ++i) {
      lower[i] = 24.0 * static_cast<double>(i) / static_cast<double>(lower.size()) - 12.0;
      upper[i] = lower[i] + 1e-12;
    }
  }
};

void report(benchmark::State& state, std::size_t count) {
  state.counters["per_interval"] =
      benchmark::Counter(static_cast<double>(count) * static_cast<double>(state.iterations()),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

/// One interval costs two evaluations, one at each end.
void enclose(benchmark::State& state, Enclose function, std::int64_t target) {
  hwy::SetSupportedTargetsForTest(target);
  hwy::GetChosenTarget().Update(target);
  const Arguments x;
  Arguments result;
  for (auto _ : state) {
    function({x.lower, x.upper}, {result.lower, result.upper});
    benchmark::ClobberMemory();
  }
  report(state, x.lower.size());
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().DeInit();
}

void scalar_mpfr_softplus(benchmark::State& state) {
  const Arguments x;
  for (auto _ : state) {
    for (std::size_t i = 0; i < 64; ++i)
      benchmark::DoNotOptimize(lyap::softplus(lyap::Interval::from_bounds(x.lower[64 * i], x.upper[64 * i])));
  }
  report(state, 64);
}
BENCHMARK(scalar_mpfr_softplus);

void plain_libm_softplus(benchmark::State& state) {
  const Arguments x;
  std::vector<double> result(x.lower.size());
  for (auto _ : state) {
    for (std::size_t i = 0; i < result.size(); ++i) result[i] = std::log1p(std::exp(x.lower[i]));
    benchmark::DoNotOptimize(result.data());
    benchmark::ClobberMemory();
  }
  report(state, result.size());
}
BENCHMARK(plain_libm_softplus);

[[maybe_unused]] const bool kRegistered = [] {
  const std::pair<const char*, Enclose> functions[] = {{"exp", lyap::enclose_exp},
                                                       {"expm1", lyap::enclose_expm1},
                                                       {"softplus", lyap::enclose_softplus},
                                                       {"sigmoid", lyap::enclose_sigmoid},
                                                       {"silu", lyap::enclose_silu}};
  for (std::int64_t rest = (hwy::SupportedTargets() & HWY_TARGETS) | HWY_SCALAR; rest != 0; rest &= rest - 1) {
    const std::int64_t target = rest & ~(rest - 1);
    for (const auto& [name, function] : functions) {
      benchmark::RegisterBenchmark((std::string(name) + "/" + hwy::TargetName(target)).c_str(), enclose, function,
                                   target);
    }
  }
  return true;
}();

}  // namespace
