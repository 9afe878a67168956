#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <iostream>

#include "tests/deviation/universal_search.hpp"
#include "verify/certify/universal.hpp"
#include "verify/deviation/deployed_program.hpp"
#include "verify/deviation/kappa_over_ball.hpp"
#include "verify/deviation/universal_deviation.hpp"

// Universal bounds against runs of the worst programs and inputs that a search finds.

namespace lyap::testing {
namespace {

/// H of certify_universal.
std::vector<double> state_bounds(const theory::BlockWeights& block) {
  return std::visit([](const auto& weights) { return certify_universal(weights).state_bound_upper; }, block);
}

/// Some or all tensors changed, by relative or absolute amounts.
template <class Weights>
Weights changed(Campaign& draw, Weights block) {
  const double size = std::exp(draw.uniform(-14.0, 0.0));
  const auto change = [&](theory::Vector& v, bool relative) {
    if (draw.chance(0.5)) return;
    for (double& entry : v) entry += static_cast<float>(size * draw.normal()) * (relative ? entry : 1.0);
  };
  change(block.norm_weight, true);
  change(block.in_proj.entries, draw.chance(0.5));
  change(block.in_proj_bias, true);
  change(block.conv_weight.entries, true);
  change(block.conv_bias, true);
  change(block.dt_bias, false);
  change(block.D, true);
  if (draw.chance(0.2)) block.norm_epsilon *= std::exp(size);
  if constexpr (std::is_same_v<Weights, theory::Mamba1Weights>) {
    change(block.x_proj.entries, true);
    change(block.dt_proj.entries, true);
    change(block.A_log.entries, false);
  } else {
    change(block.A_log, false);
    if (draw.chance(0.3)) block.step_limits = {0.002, draw.chance(0.5) ? 0.05 : 30.0};
  }
  return block;
}

theory::BlockWeights changed_block(Campaign& draw, const theory::BlockWeights& block) {
  return std::visit([&](const auto& weights) { return theory::BlockWeights(changed(draw, weights)); }, block);
}

/// Weights as programs read them that round to tf32 instead of truncating.
void read_tf32_to_nearest(theory::PrecisionPolicy& policy) {
  for (auto* layer : {&policy.in_proj, &policy.convolution, &policy.x_proj, &policy.dt_proj}) {
    if (layer->weight == theory::kTruncatedTf32Type) layer->weight = theory::kTf32Type;
  }
}

TEST(UniversalPolicyDeviation, ContainsEveryProgramThatASearchFinds) {
  Campaign draw(501);
  double worst = 0.0;
  for (int i = 0; i < scaled(120); ++i) {
    const theory::BlockWeights block = drawn_block(draw);
    const theory::PrecisionPolicy& policy = theory::kPrecisionPolicies[draw.size(0, 9)];
    const bool pair = draw.chance(0.3);  // base in real numbers, the other block under the policy
    const theory::BlockWeights other = pair ? changed_block(draw, block) : block;
    const DeviationBounds bounds = pair ? deviation::universal_pair_deviation(block, other, policy)
                                        : deviation::universal_policy_deviation(block, policy);
    if (!bounds.may_overflow.empty()) continue;
    std::vector<OverflowFinding> findings;
    theory::PrecisionPolicy reading = policy;
    if (draw.chance(0.5)) read_tf32_to_nearest(reading);
    const theory::BlockWeights rounded = deviation::rounded_weights(other, reading, findings);
    const double ratio = searched_ratio(draw, block, rounded, &policy, bounds, 40);
    worst = std::max(worst, ratio);
    ASSERT_LE(ratio, 1.0) << "block " << i << ", " << policy.name;
  }
  std::cout << "largest deviation/bound " << worst << '\n';
  EXPECT_GT(worst, 0.2);
}

TEST(UniversalPairDeviation, ContainsEveryInputThatASearchFindsAndNeverExceedsHPlusHPrime) {
  Campaign draw(502);
  double worst = 0.0;
  for (int i = 0; i < scaled(160); ++i) {
    const theory::BlockWeights block = drawn_block(draw);
    const theory::BlockWeights other = changed_block(draw, block);
    const DeviationBounds bounds = deviation::universal_pair_deviation(block, other);
    const double ratio = searched_ratio(draw, block, other, nullptr, bounds, 40);
    worst = std::max(worst, ratio);
    ASSERT_LE(ratio, 1.0) << "block " << i;
  }
  std::cout << "largest deviation/bound " << worst << '\n';
  EXPECT_GT(worst, 0.4);
}

TEST(UniversalPairDeviation, VanishesForEqualBlocksAndAttributesASingleTensor) {
  Campaign draw(503);
  for (int i = 0; i < scaled(20); ++i) {
    theory::Mamba2Weights block = drawn_mamba2(draw);
    for (double& bias : block.dt_bias) bias = draw.uniform(-6.0, -1.0);
    block.step_limits = {0.0, 10.0};
    const DeviationBounds equal = deviation::universal_pair_deviation(block, block);
    EXPECT_LE(equal.state.relative_median, 2.1e-10);  // the softplus cut-off alone
    EXPECT_TRUE(equal.attribution.empty());
    theory::Mamba2Weights other = block;
    for (double& entry : other.A_log) entry += 0x1p-10;
    const DeviationBounds bounds = deviation::universal_pair_deviation(block, other);
    ASSERT_EQ(bounds.attribution.size(), 1u);
    EXPECT_EQ(bounds.attribution[0].tensor, "A_log");
    EXPECT_EQ(bounds.attribution[0].state_upper, bounds.state.staying);
  }
}

LowRankUpdate drawn_update(Campaign& draw, AdapterTarget target, const theory::Matrix& W) {
  LowRankUpdate update;
  const std::size_t r = draw.size(1, 3);
  update.target = target;
  update.A = stored(draw, r, W.columns, 0.1);
  update.B = stored(draw, W.rows, r, 0.1);
  update.scale = adapter_scale(draw.uniform(0.01, 2.0), r, false);
  return update;
}

TEST(UniversalAdapterDeviation, ContainsTheMergedModelOnEveryInputThatASearchFinds) {
  Campaign draw(504);
  double worst = 0.0;
  for (int i = 0; i < scaled(80); ++i) {
    const theory::BlockWeights block = drawn_block(draw);
    std::vector<LowRankUpdate> updates;
    updates.push_back(drawn_update(draw, AdapterTarget::kInProj, deviation::front_view(block).in_proj));
    if (const auto* mamba1 = std::get_if<theory::Mamba1Weights>(&block)) {
      if (draw.chance(0.6)) updates.push_back(drawn_update(draw, AdapterTarget::kXProj, mamba1->x_proj));
      if (draw.chance(0.6)) updates.push_back(drawn_update(draw, AdapterTarget::kDtProj, mamba1->dt_proj));
      if (draw.chance(0.2)) updates.push_back(drawn_update(draw, AdapterTarget::kXProj, mamba1->x_proj));
    }
    const DeviationBounds bounds = deviation::universal_adapter_deviation(block, updates);
    const double ratio = searched_ratio(draw, block, approx_merged_block(block, updates), nullptr, bounds, 40);
    worst = std::max(worst, ratio);
    ASSERT_LE(ratio, 1.0) << "block " << i;
  }
  std::cout << "largest deviation/bound " << worst << '\n';
  EXPECT_GT(worst, 0.3);
}

TEST(UniversalAdapterDeviation, IsThatOfThePairWhereTheMergedWeightsAreExact) {
  Campaign draw(505);
  for (int i = 0; i < scaled(20); ++i) {
    theory::Mamba1Weights block = drawn_mamba1(draw);
    for (double& bias : block.dt_bias) bias = draw.uniform(-6.0, 0.0);
    for (auto* m : {&block.in_proj, &block.x_proj, &block.dt_proj}) {
      for (double& entry : m->entries) entry = std::ldexp(std::round(std::ldexp(entry, 10)), -10);
    }
    LowRankUpdate update = drawn_update(draw, AdapterTarget::kXProj, block.x_proj);
    for (auto* m : {&update.A, &update.B}) {
      for (double& entry : m->entries) entry = std::ldexp(std::round(std::ldexp(entry, 8)), -8);
    }
    update.scale = {0.5, 0.5, 0.5};
    const DeviationBounds adapter = deviation::universal_adapter_deviation(block, std::span(&update, 1));
    const theory::BlockWeights merged = approx_merged_block(block, std::span(&update, 1));
    const DeviationBounds pair = deviation::universal_pair_deviation(block, merged);
    for (std::size_t k = 0; k < pair.state.upper.size(); ++k)
      EXPECT_NEAR(adapter.state.upper[k], pair.state.upper[k], 1e-9 * pair.state.upper[k]);
  }
}

TEST(UniversalDeviation, NeverExceedsWhatBothBlocksCanReach) {
  Campaign draw(506);
  for (int i = 0; i < scaled(60); ++i) {
    const theory::BlockWeights block = drawn_block(draw);
    theory::BlockWeights other = block;  // huge changes: K alone would be far above
    std::visit(
        [&](auto& weights) { weights.in_proj = stored(draw, weights.in_proj.rows, weights.in_proj.columns, 1.0); },
        other);
    const deviation::BallDomain domain = deviation::ball_domain(block);
    const auto radii = deviation::weight_radii(domain, deviation::change_between(block, other));
    const deviation::BallKappa states =
        deviation::kappa_over_ball({domain, radii, deviation::step_limits(block), deviation::step_limits(other),
                                    deviation::log_rates(block), deviation::log_rates(other), theory::kUnrounded});
    const std::vector<double> H = state_bounds(block), H_prime = state_bounds(other);
    const std::size_t entries = states.kappa.size() / H.size();
    for (std::size_t s = 0; s < states.kappa.size(); ++s) {
      EXPECT_LE(states.kappa[s], (states.H[s] + states.H_prime[s]) * (1.0 + 0x1p-50));
      EXPECT_LE(states.H[s], H[s / entries] * (1.0 + 0x1p-40));
      EXPECT_LE(states.H_prime[s], std::numeric_limits<double>::infinity());
    }
  }
}

/// One rounding site of a policy.
struct Site {
  const char* name;
  std::function<void(theory::PrecisionPolicy&)> add;
  int family;  ///< 0: both, else Mamba-1 or Mamba-2 alone
};

const theory::NumberType& coarse() { return theory::kBfloat16Type; }

std::vector<Site> rounding_sites() {
  const theory::Accumulation sums{"coarse sums", 0x1p-8, 0.0, false, 0, 0};
  return {{"block input", [](auto& p) { p.block_input = coarse(); }, 0},
          {"norm, normalised", [](auto& p) { p.norm_normalised = coarse(); }, 0},
          {"norm output", [](auto& p) { p.norm_output = coarse(); }, 0},
          {"in_proj input", [](auto& p) { p.in_proj.input = coarse(); }, 0},
          {"in_proj sums", [=](auto& p) { p.in_proj.accumulation = sums; }, 0},
          {"in_proj output", [](auto& p) { p.in_proj.output = coarse(); }, 0},
          {"convolution input", [](auto& p) { p.convolution.input = coarse(); }, 0},
          {"convolution sums", [=](auto& p) { p.convolution.accumulation = sums; }, 0},
          {"convolution output", [](auto& p) { p.convolution.output = coarse(); }, 0},
          {"silu", [](auto& p) { p.conv_silu = coarse(); }, 0},
          {"x_proj input", [](auto& p) { p.x_proj.input = coarse(); }, 1},
          {"x_proj sums", [=](auto& p) { p.x_proj.accumulation = sums; }, 1},
          {"x_proj output", [](auto& p) { p.x_proj.output = coarse(); }, 1},
          {"dt_proj input", [](auto& p) { p.dt_proj.input = coarse(); }, 1},
          {"dt_proj sums", [=](auto& p) { p.dt_proj.accumulation = sums; }, 1},
          {"dt_proj output", [](auto& p) { p.dt_proj.output = coarse(); }, 1},
          {"step bias sum, Mamba-1", [](auto& p) { p.dt_proj.sum = coarse(); }, 1},
          {"step bias sum, Mamba-2", [](auto& p) { p.mamba2.step_bias_sum = coarse(); }, 2},
          {"step size", [](auto& p) { p.mamba1.step_size = p.mamba2.step_size = coarse(); }, 0}};
}

TEST(UniversalPolicyDeviation, NeedsTheTermOfEachRoundingSite) {
  const theory::PrecisionPolicy& bare = *theory::find_policy("fp32");
  for (const Site& site : rounding_sites()) {
    theory::PrecisionPolicy policy = bare;
    site.add(policy);
    Campaign draw(508);
    double without = 0.0, with = 0.0;
    for (int i = 0; i < 60; ++i) {
      theory::BlockWeights block = drawn_mamba1(draw);
      if (site.family == 2 || (site.family == 0 && draw.chance(0.5))) block = drawn_mamba2(draw);
      std::vector<OverflowFinding> findings;
      const theory::BlockWeights rounded = deviation::rounded_weights(block, policy, findings);
      with = std::max(
          with, searched_ratio(draw, block, rounded, &policy, deviation::universal_policy_deviation(block, policy), 4));
      if (without > 1.0) continue;
      without = searched_ratio(draw, block, rounded, &policy, deviation::universal_policy_deviation(block, bare), 4);
    }
    EXPECT_LE(with, 1.0) << site.name;
    EXPECT_GT(without, 1.0) << site.name;
  }
}

/// The bound of the states with some radii left out.
DeviationBounds bounds_with(const theory::BlockWeights& block, const theory::BlockWeights& other,
                            const std::function<void(deviation::ScanInputRadii&)>& leave_out) {
  const deviation::BallDomain domain = deviation::ball_domain(block);
  deviation::ScanInputRadii radii = deviation::weight_radii(domain, deviation::change_between(block, other));
  leave_out(radii);
  const deviation::BallKappa states =
      deviation::kappa_over_ball({domain, radii, deviation::step_limits(block), deviation::step_limits(other),
                                  deviation::log_rates(block), deviation::log_rates(other), theory::kUnrounded});
  DeviationBounds bounds = deviation::universal_pair_deviation(block, other);
  const std::size_t entries = states.kappa.size() / bounds.state.upper.size();
  std::fill(bounds.state.upper.begin(), bounds.state.upper.end(), 0.0);
  for (std::size_t s = 0; s < states.kappa.size(); ++s)
    bounds.state.upper[s / entries] = std::max(bounds.state.upper[s / entries], states.kappa[s]);
  return bounds;
}

TEST(UniversalDeviation, FailsWithoutAnyOneOfTheRadii) {
  const auto zero = [](std::vector<double>& radii) { std::fill(radii.begin(), radii.end(), 0.0); };
  const std::function<void(deviation::ScanInputRadii&)> omissions[] = {
      [&](auto& radii) { zero(radii.p); }, [&](auto& radii) { zero(radii.x); }, [&](auto& radii) { zero(radii.B); }};
  for (std::size_t k = 0; k < 3; ++k) {
    Campaign draw(507);
    double worst = 0.0;
    for (int i = 0; i < 200 && worst <= 1.0; ++i) {
      const theory::BlockWeights block = drawn_block(draw);
      const theory::BlockWeights other = changed_block(draw, block);
      worst = searched_ratio(draw, block, other, nullptr, bounds_with(block, other, omissions[k]), 20);
    }
    EXPECT_GT(worst, 1.0) << "radii " << k << " are not needed";
  }
}

}  // namespace
}  // namespace lyap::testing
