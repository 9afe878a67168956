#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>

#include "tests/verify/campaign_blocks.hpp"
#include "verify/deviation/apriori.hpp"
#include "verify/deviation/deployed_program.hpp"
#include "verify/deviation/universal_deviation_domain.hpp"

namespace lyap::testing {
namespace {

using deviation::BlockChunk;
using deviation::ChunkDeviation;
using Eigen::Index;

template <class Weights>
theory::BlockWeights with_out_proj(Campaign& draw, Weights block) {
  block.out_proj = stored(draw, block.d_model, block.d_inner, 1.0);
  for (double& bias : block.dt_bias) bias = draw.uniform(-6.0, 1.0);
  return block;
}

theory::BlockWeights drawn_block(Campaign& draw) {
  if (draw.chance(0.5)) return with_out_proj(draw, drawn_mamba1(draw));
  return with_out_proj(draw, drawn_mamba2(draw));
}

theory::Matrix drawn_inputs(Campaign& draw, std::size_t steps, std::size_t d) {
  theory::Matrix inputs(steps, d);
  for (double& entry : inputs.entries) entry = static_cast<float>(draw.normal());
  return inputs;
}

/// What the set leaves between itself and x, at least.
double apart(const deviation::IntervalMatrix& x, Index t, const deviation::IntervalMatrix& set, Index row, Index i) {
  return std::max({0.0, x.lower(t, i) - set.upper(row, i), set.lower(row, i) - x.upper(t, i)});
}

TEST(KappaRun, ContainsTheEmulatedProgramOfEveryPolicy) {
  Campaign draw(801);
  double worst = 0.0;
  for (int i = 0; i < scaled(150); ++i) {
    const theory::BlockWeights block = drawn_block(draw);
    const theory::PrecisionPolicy& policy = theory::kPrecisionPolicies[draw.size(0, 9)];
    const std::size_t steps = draw.size(64, 128);
    const theory::Matrix inputs = drawn_inputs(draw, steps, deviation::front_view(block).gain.size());
    deviation::RealRun reference(block);
    deviation::EmulatedProgram program(block, policy);
    const auto kappa = deviation::kappa_run(block, policy);
    for (std::size_t begin = 0; begin < steps;) {
      const std::size_t end = std::min(steps, begin + draw.size(1, 60));
      const BlockChunk real = reference.advance(inputs, begin, end), other = program.advance(inputs, begin, end);
      const ChunkDeviation bound = kappa->advance(real, inputs);
      if (!kappa->findings().empty()) break;  // numbers that leave their type's range
      for (Index t = 0; t < bound.state.rows(); ++t) {
        for (Index s = 0; s < bound.state.cols(); ++s) {
          const double d = apart(other.h, t + 1, real.h, t + 1, s);
          ASSERT_LE(d, bound.state(t, s))
              << "block " << i << ", " << policy.name << ", token " << begin + std::size_t(t);
          if (bound.state(t, s) > 0.0) worst = std::max(worst, d / bound.state(t, s));
        }
        for (Index r = 0; r < bound.output.cols(); ++r)
          ASSERT_LE(apart(other.y, t, real.y, t, r), bound.output(t, r)) << "block " << i << ", " << policy.name;
        double norm = 0.0;
        for (Index j = 0; j < real.output.columns(); ++j)
          norm = std::hypot(norm, apart(other.output, t, real.output, t, j));
        ASSERT_LE(norm, bound.block_output[std::size_t(t)] * (1.0 + 1e-12)) << "block " << i << ", " << policy.name;
      }
      begin = end;
    }
  }
  std::cout << "largest deviation/bound " << worst << '\n';
}

TEST(KappaRun, DoesNotDependOnTheChunks) {
  Campaign draw(802);
  for (int i = 0; i < scaled(10); ++i) {
    const theory::BlockWeights block = drawn_block(draw);
    const theory::PrecisionPolicy& policy = *theory::find_policy("amp-bf16");
    const theory::Matrix inputs = drawn_inputs(draw, 50, deviation::front_view(block).gain.size());
    const auto at_once = deviation::kappa_run(block, policy), in_parts = deviation::kappa_run(block, policy);
    const ChunkDeviation all = at_once->advance(deviation::RealRun(block).advance(inputs, 0, 50), inputs);
    deviation::RealRun reference(block);
    for (std::size_t begin = 0; begin < 50; begin += 10) {
      const ChunkDeviation part = in_parts->advance(reference.advance(inputs, begin, begin + 10), inputs);
      for (Index t = 0; t < 10; ++t) {
        for (Index s = 0; s < part.state.cols(); ++s) {
          const double one = all.state(Index(begin) + t, s);
          if (!std::isfinite(one)) continue;  // a rate beyond binary32
          EXPECT_LE(std::fabs(part.state(t, s) - one), 1e-6 * one);
        }
      }
    }
  }
}

}  // namespace
}  // namespace lyap::testing
