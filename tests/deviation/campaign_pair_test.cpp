#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <variant>
#include <vector>

#include "numerics/parallel.hpp"
#include "tests/deviation/campaign_cases.hpp"
#include "tests/deviation/campaign_judge.hpp"
#include "verify/deviation/universal_deviation.hpp"

// Bounds of pairs and adapters against both real runs on random blocks: perturbed weights, low-rank updates, the same
// and own inputs.

namespace lyap::testing {
namespace {

using deviation::RealRun;
using theory::BlockWeights;

/// Multiples of 2^-20: what exact low-rank updates are added to.
void shorten(theory::Matrix& m) {
  for (double& entry : m.entries) entry = std::round(entry * 0x1p20) * 0x1p-20;
}
void shorten(BlockWeights& block) {
  std::visit(
      [](auto& w) {
        shorten(w.in_proj);
        shorten(w.out_proj);
        if constexpr (std::is_same_v<std::decay_t<decltype(w)>, theory::Mamba1Weights>) {
          shorten(w.x_proj);
          shorten(w.dt_proj);
        }
      },
      block);
}

/// One second model, how it is run by the library and what it really is.
struct SecondModel {
  std::string method;
  BlockWeights weights;  // what the judge runs
  std::vector<LowRankUpdate> updates;
  theory::Matrix inputs;
};

SecondModel drawn_second(Campaign& draw, CampaignCase& c) {
  SecondModel second;
  second.inputs = c.inputs;
  if (draw.chance(0.35)) {
    second.method = "adapter";
    c.is_extreme = false;
    shorten(c.block);
    second.updates = drawn_updates(draw, c.block);
    second.weights = approx_merged_block(c.block, second.updates);  // exact: all entries are short
    return second;
  }
  second.method = "pair local";
  second.weights = drawn_change(draw, c.block);
  if (draw.chance(0.3)) {
    second.method = "pair own";
    const double size = std::exp(draw.uniform(-12.0, 0.0));
    for (double& entry : second.inputs.entries) entry = float(entry * (1.0 + size * draw.normal()));
  }
  return second;
}

/// Largest |difference| per head.
std::vector<double> suprema(const RowMajorMatrix& x, const RowMajorMatrix& y, std::size_t heads) {
  std::vector<double> result(heads);
  const Eigen::Index per_head = x.cols() / Eigen::Index(heads);
  for (Eigen::Index t = 0; t < x.rows(); ++t) {
    for (Eigen::Index i = 0; i < x.cols(); ++i) {
      const double d = std::fabs(x(t, i) - y(t, i));
      const double noise = 0x1p-40 * (std::fabs(x(t, i)) + std::fabs(y(t, i)));  // binary64 runs
      double& largest = result[std::size_t(i / per_head)];
      if (std::isfinite(d)) largest = std::max(largest, d - noise);
    }
  }
  return result;
}

void judge_universal(Judge& judge, const CampaignCase& c, const SecondModel& second, const SecondRun& x,
                     const SecondRun& y) {
  const bool adapter = second.method == "adapter";
  const DeviationBounds bounds = adapter ? deviation::universal_adapter_deviation(c.block, second.updates)
                                         : deviation::universal_pair_deviation(c.block, second.weights);
  const std::size_t heads = bounds.state.upper.size();
  const auto h = suprema(x.h, y.h, heads), output = suprema(x.y, y.y, heads);
  for (std::size_t k = 0; k < heads; ++k) {
    judge.judge_supremum("universal", adapter ? "adapter" : "pair", "h", h[k], bounds.state.upper[k]);
    judge.judge_supremum("universal", adapter ? "adapter" : "pair", "y", output[k], bounds.output.upper[k]);
  }
}

void run_pair(Campaign& draw, Ledger& ledger, int index) {
  CampaignCase c = drawn_case(draw);
  const SecondModel second = drawn_second(draw, c);
  Judge judge(ledger, c.block, c.inputs, "pair " + std::to_string(index) + ", T = " + std::to_string(c.inputs.rows));
  RealRun first(c.block), other(second.method == "adapter" ? c.block : second.weights, second.updates);
  const SecondRun x = approx_real_run(c.block, c.inputs), y = approx_real_run(second.weights, second.inputs);
  ledger.add_trajectories(std::size_t(x.h.cols()), c.inputs.rows);
  const std::size_t length = draw.size(5, 400);
  for (std::size_t begin = 0; begin < c.inputs.rows; begin += length) {
    const std::size_t end = std::min(c.inputs.rows, begin + length);
    const auto bound = distance(first.advance(c.inputs, begin, end), other.advance(second.inputs, begin, end));
    judge.judge_pair(second.method, begin, bound, x, y, second.weights, second.inputs);
  }
  if (second.method != "pair own" && draw.chance(0.1)) judge_universal(judge, c, second, x, y);
}

TEST(Campaign, NoPairOfRealRunsLeavesABound) {
  set_thread_count(1);
  Ledger ledger;
  Campaign draw(702);
  for (int i = 0; i < scaled(400); ++i) run_pair(draw, ledger, i);
  ledger.print("pairs");
  EXPECT_EQ(ledger.violations(), 0u);
}

}  // namespace
}  // namespace lyap::testing
