#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>
#include <variant>

#include "numerics/exponential.hpp"
#include "numerics/mpfr_real.hpp"
#include "numerics/sigmoid.hpp"
#include "numerics/silu.hpp"
#include "numerics/softplus.hpp"
#include "numerics/square_root.hpp"
#include "tests/verify/trajectory_random_blocks.hpp"
#include "theory/selective_recurrence.hpp"
#include "verify/certify/norm_domain.hpp"
#include "verify/certify/universal.hpp"
#include "verify/certify/witness_mamba1.hpp"
#include "verify/checkpoint/checkpoint.hpp"

namespace lyap {
namespace {

const std::filesystem::path kModels = std::filesystem::path(LYAP_SOURCE_DIR) / "verify/examples";

MpfrReal exact(double x) { return MpfrReal::from_exact(x); }

struct Counted {
  std::size_t channels, inner_per_channel, states;
};
Counted sizes(const theory::Mamba1Weights& block) { return {block.d_inner, 1, block.d_state}; }
Counted sizes(const theory::Mamba2Weights& block) { return {block.heads, block.head_dim, block.d_state}; }
double A_log_of(const theory::Mamba1Weights& block, std::size_t c, std::size_t n) { return block.A_log(c, n); }
double A_log_of(const theory::Mamba2Weights& block, std::size_t c, std::size_t) { return block.A_log[c]; }
std::size_t group_of(const theory::Mamba1Weights&, std::size_t) { return 0; }
std::size_t group_of(const theory::Mamba2Weights& block, std::size_t c) { return c / (block.heads / block.groups); }

// The first bound that the exact block breaks on these inputs, in words; empty where it keeps all.
template <class Weights>
std::string violated_bound(const Weights& block, const theory::Matrix& inputs, const UniversalBounds& bounds) {
  const Counted size = sizes(block);
  auto state = theory::initial_state<MpfrReal>(block);
  for (std::size_t t = 0; t < inputs.rows; ++t) {
    theory::Array<MpfrReal> r;
    for (std::size_t k = 0; k < inputs.columns; ++k) r.push_back(exact(inputs(t, k)));
    const theory::BlockStep<MpfrReal> step = theory::step(block, r, state);
    for (std::size_t c = 0; c < size.channels; ++c) {
      const std::string where = " of channel " + std::to_string(c) + " at step " + std::to_string(t);
      if (step.p[c] < exact(bounds.preactivation_lower[c]) || step.p[c] > exact(bounds.preactivation_upper[c]))
        return "p" + where;
      if (step.Delta[c] < exact(bounds.step_size_lower[c]) || step.Delta[c] > exact(bounds.step_size_upper[c]))
        return "Delta" + where;
      MpfrReal C_sum;
      for (std::size_t n = 0; n < size.states; ++n) {
        const MpfrReal rate = -(exp(exact(A_log_of(block, c, n))) * step.Delta[c]);
        if (rate < exact(bounds.zeta_lower[c]) || rate > exact(bounds.zeta_upper[c])) return "zeta" + where;
        C_sum += abs(step.C[group_of(block, c) * size.states + n]);
      }
      if (C_sum > exact(bounds.output_gain_upper[c])) return "sum |C|" + where;
      for (std::size_t i = 0; i < size.inner_per_channel * size.states; ++i) {
        const MpfrReal h = abs(state.scan.h()[c * size.inner_per_channel * size.states + i]);
        if (h > exact(bounds.state_bound_upper[c])) return "h" + where;
      }
    }
  }
  return {};
}

template <class Weights>
void check_random_block(const Weights& block) {
  const UniversalBounds bounds = certify_universal(block);
  require_consistent(bounds);
  const std::size_t steps = testing::draw_size(2 * int(block.d_conv) + 1);
  const theory::Matrix inputs = testing::draw_inputs(steps, block.d_model);
  RC_ASSERT(violated_bound(block, inputs, bounds) == "");
  RC_ASSERT(violated_bound(block, bounds.witness_input, bounds) == "");
}

TEST(UniversalBounds, NoInputOfARandomMamba1BlockBreaksOne) {
  testing::check_property("universal bounds of random Mamba-1 blocks", 300,
                          [] { check_random_block(testing::draw_mamba1()); });
}

TEST(UniversalBounds, NoInputOfARandomMamba2BlockBreaksOne) {
  testing::check_property("universal bounds of random Mamba-2 blocks", 300,
                          [] { check_random_block(testing::draw_mamba2()); });
}

// Far more inputs of well-conditioned blocks, in binary64: the slack covers its rounding (small sizes, entries of order
// one).
TEST(UniversalBounds, ManySampledAndAttackedInputsStayInside) {
  constexpr double kRounding = 1e-9;
  testing::check_property("attacked Mamba-1 blocks", 60, [] {
    theory::Mamba1Weights block = testing::draw_mamba1();
    for (double& bias : block.dt_bias) bias = std::fmod(bias, 8.0);
    const UniversalBounds bounds = certify_universal(block);
    const TokenFunctionals tokens = token_functionals(rows_of(block.in_proj, 0, block.d_inner), block.norm_weight);
    const WitnessSearch search{block, tokens.weights};
    for (std::size_t c = 0; c < block.d_inner; ++c) {
      for (const bool constant : {false, true}) {
        const std::vector<Interval> p = preactivation_at(block, approx_worst_residual(search, c, constant));
        for (std::size_t i = 0; i < block.d_inner; ++i) {
          RC_ASSERT(p[i].upper() >= bounds.preactivation_lower[i] && p[i].lower() <= bounds.preactivation_upper[i]);
        }
      }
    }
    for (int sample = 0; sample < 50; ++sample) {
      const theory::Matrix inputs = testing::draw_inputs(block.d_conv, block.d_model);
      const auto run = theory::run<double>(block, inputs);
      for (std::size_t i = 0; i < block.d_inner; ++i) {
        const double slack =
            kRounding * (1.0 + std::fabs(bounds.preactivation_lower[i]) + std::fabs(bounds.preactivation_upper[i]));
        RC_ASSERT(run.steps.back().p[i] >= bounds.preactivation_lower[i] - slack);
        RC_ASSERT(run.steps.back().p[i] <= bounds.preactivation_upper[i] + slack);
      }
    }
  });
}

// Without in_proj's bias a missing tap is a zero token; with one it is not, and the range for all taps present is wrong
// at the start.
TEST(UniversalBounds, TheStartOfASequenceLeavesTheRangeOfFullWindowsWhereInProjHasABias) {
  theory::Matrix conv(1, 4);
  conv.entries = {1.0, 1.0, 1.0, 1.0};
  const std::vector<double> in_bias{10.0};
  const std::vector<Interval> token{Interval::from_bounds(-1.0, 1.0)};
  const Interval full = convolution_range(conv, {}, in_bias, 0, token, 4)[0];
  EXPECT_FALSE(full.contains(10.0));  // one tap present, zero token
  EXPECT_TRUE(convolution_range(conv, {}, in_bias, 0, token, 1)[0].contains(10.0));
  EXPECT_EQ(tap_counts(4, true).size(), 4u);
}

theory::Mamba2Weights one_head(double dt_bias, double A_log) {
  theory::Mamba2Weights block;
  block.d_model = block.d_inner = block.heads = block.head_dim = block.d_state = block.groups = block.d_conv = 1;
  block.norm_epsilon = 1e-5;
  block.norm_weight = {1.0};
  block.in_proj = theory::Matrix(5, 1);
  block.in_proj.entries = {1.0, 1.0, 1.0, 1.0, 0.5};
  block.conv_weight = theory::Matrix(3, 1);
  block.conv_weight.entries = {1.0, 1.0, 1.0};
  block.dt_bias = {dt_bias};
  block.A_log = {A_log};
  block.D = {1.0};
  block.gated_norm_weight = {1.0};
  block.gated_norm_epsilon = 1e-5;
  block.out_proj = theory::Matrix(1, 1);
  return block;
}

TEST(UniversalBounds, ByHandForOneHead) {
  const UniversalBounds bounds = certify_universal(one_head(1.0, 0.0));
  EXPECT_NEAR(bounds.preactivation_lower[0], 0.5, 1e-14);
  EXPECT_NEAR(bounds.preactivation_upper[0], 1.5, 1e-14);
  EXPECT_NEAR(bounds.zeta_upper[0], -std::log1p(std::exp(0.5)), 1e-14);
  const double x = 1.0 / (1.0 + std::exp(-1.0));
  const double Delta = std::log1p(std::exp(1.5));
  EXPECT_NEAR(bounds.state_bound_upper[0], Delta / -std::expm1(-Delta) * x * x, 1e-13);
  EXPECT_EQ(bounds.gain_step_upper[0], 2.0 * bounds.state_bound_upper[0]);
}

TEST(UniversalBounds, AZeroIsCalledZeroAndInfinityOnlyWhatExceedsBinary64) {
  const UniversalBounds tiny = certify_universal(one_head(-750.0, 0.0));
  EXPECT_EQ(tiny.zeta_upper[0], 0.0);
  EXPECT_FALSE(std::signbit(tiny.zeta_upper[0]));
  const UniversalBounds fast = certify_universal(one_head(-750.0, 700.0));
  EXPECT_LT(fast.zeta_upper[0], 0.0);
  EXPECT_TRUE(std::isfinite(fast.zeta_lower[0]));
  const UniversalBounds slow = certify_universal(one_head(80.0, -745.0));
  EXPECT_TRUE(std::isinf(slow.state_bound_upper[0]));
  EXPECT_LE(slow.zeta_upper[0], 0.0);
  theory::Mamba2Weights silent = one_head(0.0, -745.0);
  silent.norm_weight = {0.0};
  EXPECT_EQ(certify_universal(silent).state_bound_upper[0], 0.0);
}

// Theory page "universal domain": the bound is approached to eps/(2 mean r^2).
TEST(UniversalBounds, MambaTwosWitnessReachesItsBound) {
  const Checkpoint model = Checkpoint::open(kModels / "mamba2-tiny");
  for (std::size_t layer = 0; layer < model.description().layers; ++layer) {
    const auto block = std::get<theory::Mamba2Weights>(model.read_block(layer));
    const UniversalBounds bounds = certify_universal(block);
    require_consistent(bounds);
    for (std::size_t h = 0; h < block.heads; ++h) {
      // softplus' <= 1: a gap in p of 1e-6 of its size is at most that relative to Delta times d log softplus/dp <= 1.
      const double size =
          std::fabs(block.dt_bias[h]) + 0.5 * (bounds.preactivation_upper[h] - bounds.preactivation_lower[h]);
      EXPECT_LE(bounds.zeta_witness[h], bounds.zeta_upper[h]);
      EXPECT_LE(std::log(bounds.zeta_witness[h] / bounds.zeta_upper[h]), 1e-6 * size)
          << "layer " << layer << " head " << h;
    }
  }
}

// Lowest and median channel of column (c) of the study on these weights (linear relaxation, chord slope): no looser, on
// any channel, than what it printed to three digits.
TEST(UniversalBounds, MambaTinysLinearBoundIsAtLeastAsTightAsTheStudy) {
  const double lowest[] = {-94.8, -91.5, -158, -151, -180, -164};
  const double median[] = {-35.9, -47.7, -47.1, -69.5, -80.2, -64.1};
  const Checkpoint model = Checkpoint::open(kModels / "mamba-tiny");
  for (std::size_t layer = 0; layer < model.description().layers; ++layer) {
    const UniversalBounds bounds = certify_universal(std::get<theory::Mamba1Weights>(model.read_block(layer)));
    require_consistent(bounds);
    std::vector<double> p = bounds.preactivation_lower_by_relaxation[static_cast<std::size_t>(Relaxation::kLinear)];
    std::sort(p.begin(), p.end());
    EXPECT_GE(p.front(), lowest[layer] * 1.005);
    EXPECT_GE(p[p.size() / 2], median[layer] * 1.005);
    for (std::size_t i = 0; i < p.size(); ++i) EXPECT_LE(bounds.zeta_witness[i], bounds.zeta_upper[i]);
  }
}

TEST(UniversalBounds, TheVocabularyOnlyTightensTheFirstLayer) {
  const Checkpoint model = Checkpoint::open(kModels / "mamba-tiny");
  const auto block = std::get<theory::Mamba1Weights>(model.read_block(0));
  const Vocabulary vocabulary{model.description().vocabulary, [&](std::size_t begin, std::size_t end) {
                                return model.read_embedding_rows(begin, end);
                              }};
  const UniversalBounds ball = certify_universal(block);
  UniversalOptions options;
  options.vocabulary = &vocabulary;
  const UniversalBounds tokens = certify_universal(block, options);
  require_consistent(tokens);
  std::size_t wins = 0;
  for (std::size_t i = 0; i < block.d_inner; ++i) {
    EXPECT_GE(tokens.preactivation_lower[i], ball.preactivation_lower[i]);
    EXPECT_LE(tokens.zeta_witness[i], tokens.zeta_upper[i]);
    wins += tokens.relaxation[i] == static_cast<std::uint8_t>(Relaxation::kVocabulary);
  }
  EXPECT_GT(wins, block.d_inner / 2);
  // Real token windows stay inside, in exact arithmetic.
  theory::Matrix inputs(6, block.d_model);
  for (std::size_t t = 0; t < inputs.rows; ++t) {
    const theory::Vector row = model.read_embedding_row(97 * t + 5);
    std::copy(row.begin(), row.end(), inputs.entries.begin() + static_cast<std::ptrdiff_t>(t * block.d_model));
  }
  EXPECT_EQ(violated_bound(block, inputs, tokens), "");
}

}  // namespace
}  // namespace lyap
