#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>

#include "tests/deviation/universal_perturbed_program.hpp"
#include "tests/verify/campaign_blocks.hpp"
#include "verify/certify/universal.hpp"
#include "verify/deviation/deployed_program.hpp"
#include "verify/deviation/kappa_over_ball.hpp"
#include "verify/deviation/universal_deviation.hpp"

// Universal bounds against runs of the worst programs and inputs that a search finds. The judge computes in binary64,
// so that 2^-40 of a state's size is left to its own roundings.

namespace lyap::testing {
namespace {

constexpr double kJudge = 0x1p-40;
constexpr std::size_t kSteps = 64;

/// Two runs on one input, and their greatest distances per head.
struct Apart {
  std::vector<double> state, output, state_size, output_size;

  void add(const deviation::StateShape& shape, const std::vector<double>& h, const std::vector<double>& h_prime,
           const std::vector<double>& y, const std::vector<double>& y_prime) {
    for (auto* v : {&state, &output, &state_size, &output_size}) v->resize(shape.heads);
    raise(state, state_size, h, h_prime, h.size() / shape.heads);
    raise(output, output_size, y, y_prime, y.size() / shape.heads);
  }

 private:
  static void raise(std::vector<double>& apart, std::vector<double>& size, const std::vector<double>& a,
                    const std::vector<double>& b, std::size_t entries) {
    for (std::size_t i = 0; i < a.size(); ++i) {
      apart[i / entries] = std::max(apart[i / entries], std::fabs(b[i] - a[i]));
      size[i / entries] = std::max(size[i / entries], std::fabs(a[i]) + std::fabs(b[i]));
    }
  }
};

/// The largest distance/bound over heads; above 1 is a violation. Sizes that left binary64 are not judged.
double worst_ratio(const Apart& apart, const DeviationBounds& bounds) {
  double worst = 0.0;
  const auto judge = [&](double value, double size, double bound) {
    if (!std::isfinite(value) || !std::isfinite(size) || value <= kJudge * size + 1e-290) return;
    worst = std::max(worst, (value - kJudge * size) / bound);
  };
  for (std::size_t k = 0; k < apart.state.size(); ++k) {
    judge(apart.state[k], apart.state_size[k], bounds.state.upper[k]);
    judge(apart.output[k], apart.output_size[k], bounds.output.upper[k]);
  }
  return worst;
}

/// A sequence of few distinct tokens, each kept for a while: what drives states to their targets.
struct Sequence {
  std::vector<std::vector<double>> tokens;
  std::vector<std::size_t> order;

  static Sequence drawn(Campaign& draw, std::size_t d) {
    Sequence s;
    for (std::size_t i = 0; i < 3; ++i) s.tokens.push_back(token(draw, d));
    for (std::size_t t = 0, now = 0; t < kSteps; ++t) {
      if (draw.chance(0.1)) now = draw.size(0, 2);
      s.order.push_back(now);
    }
    return s;
  }
  static std::vector<double> token(Campaign& draw, std::size_t d) {
    const double scale = std::exp(draw.uniform(-9.0, 9.0));
    std::vector<double> r(d);
    for (double& entry : r) entry = static_cast<float>(scale * draw.normal());
    return r;
  }
  [[nodiscard]] Sequence mutated(Campaign& draw) const {
    Sequence s = *this;
    auto& chosen = s.tokens[draw.size(0, 2)];
    if (draw.chance(0.2)) {
      chosen = token(draw, chosen.size());
    } else {
      const double size = std::fabs(chosen[draw.size(0, chosen.size() - 1)]) + 1e-6;
      for (double& entry : chosen) {
        if (draw.chance(0.5)) entry = static_cast<float>(entry + 0.5 * size * draw.normal());
      }
    }
    if (draw.chance(0.3)) {
      const std::size_t from = draw.size(0, kSteps - 1), token_index = draw.size(0, 2);
      for (std::size_t t = from; t < std::min(kSteps, from + 20); ++t) s.order[t] = token_index;
    }
    return s;
  }
};

using Kind = ErrorChoice::Kind;
constexpr Kind kKinds[] = {Kind::kRandom, Kind::kPositive, Kind::kNegative, Kind::kAlternating, Kind::kSigns};
constexpr ErrorChoice kExact{Kind::kNone, 1};

/// Distances of a program of `policy` (null: the real run) of `other` from the real run of `base`.
Apart run_both(const theory::BlockWeights& base, const theory::BlockWeights& other,
               const theory::PrecisionPolicy* policy, const ErrorChoice& choice, const Sequence& sequence) {
  const theory::PrecisionPolicy& any = *theory::find_policy("fp32");
  PerturbedProgram first(base, any, kExact);
  PerturbedProgram second(other, policy == nullptr ? any : *policy, policy == nullptr ? kExact : choice);
  PlainScan scan(base), scan_prime(other);
  const bool mamba1 = std::holds_alternative<theory::Mamba1Weights>(base);
  const theory::NumberType step_type =
      policy == nullptr ? theory::kUnrounded : (mamba1 ? policy->mamba1 : policy->mamba2).step_size;
  ErrorChoice step_choice{choice.kind, choice.state + 7};
  Apart apart;
  for (const std::size_t token : sequence.order) {
    const std::vector<double> y = scan.next(first.next(sequence.tokens[token]), theory::kUnrounded, 0.0);
    const std::vector<double> y_prime =
        scan_prime.next(second.next(sequence.tokens[token]), step_type, step_choice.next());
    apart.add(deviation::state_shape(base), scan.h(), scan_prime.h(), y, y_prime);
  }
  return apart;
}

/// Hill climbing over inputs and error choices; the worst ratio found.
double searched_ratio(Campaign& draw, const theory::BlockWeights& base, const theory::BlockWeights& other,
                      const theory::PrecisionPolicy* policy, const DeviationBounds& bounds, int tries) {
  const std::size_t d = deviation::front_view(base).gain.size();
  Sequence best = Sequence::drawn(draw, d);
  ErrorChoice best_choice{Kind::kRandom, 1};
  double worst = 0.0;
  for (int i = 0; i < tries; ++i) {
    const Sequence candidate = draw.chance(0.2) ? Sequence::drawn(draw, d) : best.mutated(draw);
    const ErrorChoice choice =
        draw.chance(0.5) ? ErrorChoice{kKinds[draw.size(0, 4)], draw.size(1, 1u << 30)} : best_choice;
    const double ratio = worst_ratio(run_both(base, other, policy, choice, candidate), bounds);
    if (ratio < worst) continue;
    worst = ratio;
    best = candidate;
    best_choice = choice;
  }
  return worst;
}

theory::BlockWeights drawn_block(Campaign& draw) {
  if (draw.chance(0.5)) return drawn_mamba1(draw);
  return drawn_mamba2(draw);
}

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
    const theory::BlockWeights rounded = deviation::rounded_weights(other, policy, findings);
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

}  // namespace
}  // namespace lyap::testing
