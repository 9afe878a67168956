#include "numerics/rigorous_product.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <limits>

#include "numerics/dense_product.hpp"
#include "numerics/norm_bounds.hpp"

namespace {

using Clock = std::chrono::steady_clock;

template <class Action>
double milliseconds(const Action& action) {
  const auto start = Clock::now();
  action();
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// The rigorous products beside the same library's plain product, taken in turn; counters are the best of all turns in
/// milliseconds, and their ratios to the plain product.
void products(benchmark::State& state) {
  const auto m = state.range(0);
  const auto k = state.range(1);
  const auto n = state.range(2);
  const lyap::RowMajorMatrix a = lyap::RowMajorMatrix::Random(m, k);
  const lyap::RowMajorMatrix b = lyap::RowMajorMatrix::Random(k, n);
  const lyap::BallMatrix b_ball{b, b.cwiseAbs() * 1e-12};
  const lyap::BallMatrix a_ball{a, a.cwiseAbs() * 1e-12};
  double best[5];
  std::fill(std::begin(best), std::end(best), std::numeric_limits<double>::infinity());
  for (auto _ : state) {
    const auto keep = [&](int slot, const auto& product) {
      best[slot] = std::min(best[slot], milliseconds([&] { benchmark::DoNotOptimize(product()); }));
    };
    keep(0, [&] { return lyap::approx_dense_product(a, b); });
    keep(1, [&] { return lyap::enclose_product(a, b); });
    keep(2, [&] { return lyap::enclose_product(a, b_ball); });
    keep(3, [&] { return lyap::enclose_product(a_ball, b_ball); });
    keep(4, [&] { return lyap::product_row_norms_upper_bound(a, lyap::ConstMatrixRef(b)); });
  }
  state.counters["plain_ms"] = best[0];
  state.counters["plain_GFLOP/s"] =
      2e-6 * static_cast<double>(m) * static_cast<double>(k) * static_cast<double>(n) / best[0];
  state.counters["exact"] = best[1] / best[0];
  state.counters["ball"] = best[2] / best[0];
  state.counters["ball_ball"] = best[3] / best[0];
  state.counters["row_norms"] = best[4] / best[0];
}
BENCHMARK(products)
    ->Args({256, 256, 256})
    ->Args({768, 768, 768})
    ->Args({2048, 192, 768})
    ->Args({2048, 384, 44})
    ->Args({2048, 12, 384})
    ->Args({1536, 768, 3072})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
