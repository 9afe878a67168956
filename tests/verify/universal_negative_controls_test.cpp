#include <gtest/gtest.h>

#include <cmath>

#include "tests/verify/beaten_bounds.hpp"
#include "verify/certify/quadratic_relaxation.hpp"
#include "verify/certify/sustained_relaxation.hpp"
#include "verify/certify/universal.hpp"

namespace lyap {
namespace {

using testing::beaten_bound;
using testing::beats_exponent;

// Negative controls. One channel, one token dimension, so that each number can be followed by hand: q = 3 + e with |e|
// <= 0.1 and f = -silu(q), least -silu(3.1).
theory::Mamba1Weights one_channel(std::size_t taps) {
  theory::Mamba1Weights block;
  block.d_model = block.d_inner = block.d_state = block.dt_rank = 1;
  block.d_conv = taps;
  block.norm_epsilon = 1e-5;
  block.norm_weight = {1.0};
  block.in_proj = theory::Matrix(2, 1);
  block.in_proj.entries = {0.125, 0.0};
  block.conv_weight = theory::Matrix(1, taps);
  std::fill(block.conv_weight.entries.begin(), block.conv_weight.entries.end(), 1.0);
  block.conv_bias = {3.0};
  block.x_proj = theory::Matrix(3, 1);
  block.x_proj.entries = {1.0, 1.0, 1.0};
  block.dt_proj = theory::Matrix(1, 1);
  block.dt_proj.entries = {-1.0};
  block.dt_bias = {0.0};
  block.A_log = theory::Matrix(1, 1);
  block.D = {1.0};
  block.out_proj = theory::Matrix(1, 1);
  return block;
}

double silu(double q) { return q / (1.0 + std::exp(-q)); }

TEST(UniversalNegativeControls, WithoutAnyTermOfTheOffsetAnInputBeatsTheQuadraticBound) {
  const theory::Mamba1Weights block = one_channel(1);
  const TokenFunctionals tokens = token_functionals(rows_of(block.in_proj, 0, 1), block.norm_weight);
  const QuadraticRelaxation relaxation(block, tokens);
  RowMajorMatrix worst(1, 1);
  worst << 1.0;
  const double bound = relaxation.lower_bound({{-1.0}, {0.0}}, worst, 1);
  const double reached = -silu(3.125);
  EXPECT_LE(bound, reached);
  EXPECT_GE(bound, reached - 1e-6);
  // What the page calls f0: omega beta/2 + w beta^2 + kappa, by hand for omega = -1, beta = 3 and the tangent at 3.125.
  const double y = 0.5 * 3.125;
  const double slope = (std::tanh(y) + y * (1.0 - std::tanh(y) * std::tanh(y))) / (8.0 * y);
  const double half = -0.5 * 3.0;
  const double square = -slope * 9.0;
  const double kappa = -(y * std::tanh(y) - slope * 3.125 * 3.125);
  for (const double term : {half, square, kappa}) {
    EXPECT_LT(term, -1e-3);
    EXPECT_GT(bound - term, reached) << "the bound without this term would still hold";
  }
}

TEST(UniversalNegativeControls, WithoutTheErrorOfOmegaATrueFunctionalBeatsTheQuadraticBound) {
  const theory::Mamba1Weights block = one_channel(1);
  const TokenFunctionals tokens = token_functionals(rows_of(block.in_proj, 0, 1), block.norm_weight);
  const QuadraticRelaxation relaxation(block, tokens);
  RowMajorMatrix worst(1, 1);
  worst << 1.0;
  const double true_omega = -1.01;
  const double reached = true_omega * silu(3.125);
  EXPECT_LE(relaxation.lower_bound({{-1.0}, {0.01}}, worst, 1), reached);
  EXPECT_LE(relaxation.tapwise_lower_bound({{-1.0}, {0.01}}, worst, 1), reached);
  EXPECT_LE(relaxation.sustained_lower_bound({{-1.0}, {0.01}}, worst.row(0)), reached);
  EXPECT_GT(relaxation.lower_bound({{-1.0}, {0.0}}, worst, 1), reached);
  EXPECT_GT(relaxation.tapwise_lower_bound({{-1.0}, {0.0}}, worst, 1), reached);
  EXPECT_GT(relaxation.sustained_lower_bound({{-1.0}, {0.0}}, worst.row(0)), reached);
}

/// The block with in_proj's bias folded into the convolution's, as if every tap were always there: equal from step J
/// on, different before.
theory::Mamba1Weights without_start(theory::Mamba1Weights block) {
  for (std::size_t k = 0; k < block.d_inner; ++k) {
    for (std::size_t j = 0; j < block.d_conv; ++j)
      block.conv_bias[k] += block.in_proj_bias[k] * block.conv_weight(k, j);
  }
  block.in_proj_bias.clear();
  return block;
}

TEST(UniversalNegativeControls, WithoutTheSequencesStartAFirstTokenBeatsEveryOneStepBound) {
  theory::Mamba1Weights block = one_channel(4);
  block.in_proj_bias = {-3.0, 0.0};
  block.conv_bias = {4.0};  // one tap: q near 1; all four: near -8
  theory::Matrix first(1, 1);
  first.entries = {1e4};
  for (const bool thorough : {false, true}) {
    UniversalOptions options;
    options.thorough = thorough;
    EXPECT_EQ(beaten_bound(block, first, certify_universal(block, options)), "");
    const UniversalBounds wrong = certify_universal(without_start(block), options);
    EXPECT_NE(beaten_bound(block, first, wrong), "");
    EXPECT_LT(theory::run<double>(block, first).steps[0].p[0], wrong.preactivation_lower[0]);
    theory::Matrix later(8, 1);
    std::fill(later.entries.begin(), later.entries.end(), 1e4);
    EXPECT_FALSE(beats_exponent(block, later, wrong));  // the exponent forgets the start
  }
}

TEST(UniversalNegativeControls, TheSustainedBoundIsItsMultiplierTermWhereNothingIsLinear) {
  const theory::Mamba1Weights block = one_channel(2);
  const TokenFunctionals tokens = token_functionals(rows_of(block.in_proj, 0, 1), block.norm_weight);
  std::vector<Interval> linear{Interval()};
  const MovingQuadratic quadratic{tokens.weights, block.conv_weight.entries, 2, linear, {-1.0}};
  // phi = -(e_t + e_{t-1})^2, e = n/8: a constant n = 1 has the mean -1/16, and with no linear term the bound is -mu
  // alone.
  const double bound = sustained_lower_bound(quadratic, Eigen::RowVectorXd::Constant(1, 1.0));
  EXPECT_LE(bound, -1.0 / 16.0);
  EXPECT_GE(bound, -1.2 / 16.0);
}

}  // namespace
}  // namespace lyap
