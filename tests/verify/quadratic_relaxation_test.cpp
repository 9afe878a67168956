#include "verify/certify/quadratic_relaxation.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>

#include "numerics/mpfr_real.hpp"
#include "numerics/silu.hpp"
#include "numerics/vector_functions.hpp"
#include "tests/verify/trajectory_random_blocks.hpp"
#include "verify/certify/ball_quadratic.hpp"
#include "verify/certify/even_part_relaxation.hpp"

namespace lyap {
namespace {

MpfrReal exact(double x) { return MpfrReal::from_exact(x); }
double uniform(double from, double to) { return from + (to - from) * (*rc::gen::inRange(0, 1 << 30)) * 0x1p-30; }
double normal_like() { return uniform(-1, 1) + uniform(-1, 1) + uniform(-1, 1); }

TEST(EvenPartRelaxation, EveryPointLiesAboveItForAnyTouchingPoint) {
  testing::check_property("one term from below", 400, [] {
    const double omega = normal_like() * std::exp(uniform(-20, 3));
    const double reach = std::exp(uniform(-8, 6));
    const double touch = uniform(-1.5, 1.5) * reach;
    const double chord_share = *rc::gen::element(0.0, 0.25, 0.5, 1.0, uniform(0, 1));
    const EvenPartRelaxation part = relax_even_parts(std::vector<double>{omega}, std::vector<double>{reach},
                                                     std::vector<double>{touch}, chord_share)[0];
    RC_ASSERT(part.curvature * omega >= 0.0);
    for (int i = 0; i < 30; ++i) {
      const double spread = *rc::gen::element(1.0, 0.1, 3.0 / reach);  // near 0, too, where parabolas touch
      const double q = std::clamp(spread * uniform(-reach, reach), -reach, reach);
      const MpfrReal below = (exact(omega) / exact(2.0) + exact(part.slope)) * exact(q) +
                             exact(part.curvature) * exact(q) * exact(q) + exact(part.constant);
      RC_ASSERT(exact(omega) * silu(exact(q)) >= below);
    }
  });
}

// A touching point in range is touched, up to the width of the sigmoid's enclosure: it enters G(o^2) times |omega| o,
// and G'(o^2) over 4 o, which counts over the whole range of q^2; all ends together take it at most four times.
TEST(EvenPartRelaxation, TheTangentTouches) {
  for (const double touch : {0.02, 0.7, 3.0, 9.0}) {
    const EvenPartRelaxation part =
        relax_even_parts(std::vector<double>{-2.0}, std::vector<double>{10.0}, std::vector<double>{touch})[0];
    const double value = -2.0 * touch / (1 + std::exp(-touch));
    EXPECT_NEAR(value, -touch + part.curvature * touch * touch + part.constant,
                4.0 * 2.0 * (touch + 100.0 / touch) * kVectorSigmoidWidth * 0x1p-52);
  }
}

// Where a parabola of that curvature can touch at all, it does, up to the width of the sigmoid's enclosure: it enters
// G(o^2) times omega o/2 and the slope's error times 4.8.
TEST(EvenPartRelaxation, AParabolaTouchesOnTheOtherSide) {
  for (const double touch : {-1.1, 0.3, 0.9, 1.2}) {
    const EvenPartRelaxation part =
        relax_even_parts(std::vector<double>{2.0}, std::vector<double>{10.0}, std::vector<double>{touch}, 0.0)[0];
    EXPECT_NE(part.slope, 0.0);
    const double value = 2.0 * touch / (1 + std::exp(-touch));
    EXPECT_NEAR(value, (1.0 + part.slope) * touch + part.curvature * touch * touch + part.constant,
                2.0 * 8.0 * 4.8 * kVectorSigmoidWidth * 0x1p-52);
  }
}

TEST(EvenPartRelaxation, LessCurvatureIsNearerAtTheTouchedPoint) {
  const auto relaxed = [](double touch, double share) {
    const EvenPartRelaxation part =
        relax_even_parts(std::vector<double>{1.0}, std::vector<double>{20.0}, std::vector<double>{touch}, share)[0];
    return (0.5 + part.slope) * touch + part.curvature * touch * touch + part.constant;
  };
  for (const double touch : {0.5, 1.0, 2.0, 4.0, 8.0}) {
    EXPECT_GT(relaxed(touch, 0.0), relaxed(touch, 0.5));
    EXPECT_GT(relaxed(touch, 0.5), relaxed(touch, 1.0));
  }
}

TEST(EvenPartRelaxation, DroppingTheSlopesConstantIsCaught) {
  const EvenPartRelaxation part =
      relax_even_parts(std::vector<double>{2.0}, std::vector<double>{10.0}, std::vector<double>{1.0}, 0.0)[0];
  EXPECT_LT(2.0 * 1.0 / (1 + std::exp(-1.0)), 1.0 + part.slope + part.curvature);
}

TEST(EvenPartRelaxation, DroppingTheConstantIsCaught) {
  const EvenPartRelaxation part =
      relax_even_parts(std::vector<double>{-2.0}, std::vector<double>{10.0}, std::vector<double>{5.0})[0];
  const double q = 0.1;
  EXPECT_LT(-2.0 * q / (1 + std::exp(-q)),
            -q + part.curvature * q * q);  // without the constant the bound is above the value
}

// Small blocks: sizes for which samples and a local search come close to the true minimum.
theory::Mamba1Weights small_block() {
  theory::Mamba1Weights block;
  block.d_model = 1 + testing::draw_size(3);
  block.d_inner = block.d_model * testing::draw_size(3);
  block.d_state = 1;
  block.d_conv = 1 + testing::draw_size(3);
  block.dt_rank = 1;
  block.norm_epsilon = 1e-5;
  const auto fill = [](theory::Vector& v, double scale) {
    for (double& entry : v) entry = static_cast<float>(scale * normal_like());
  };
  block.norm_weight.assign(block.d_model, 1.0);
  fill(block.norm_weight, 1.0);
  block.in_proj = theory::Matrix(2 * block.d_inner, block.d_model);
  fill(block.in_proj.entries, 1.0);
  if (*rc::gen::inRange(0, 3) == 0) {
    block.in_proj_bias.assign(2 * block.d_inner, 0.0);
    fill(block.in_proj_bias, *rc::gen::inRange(0, 2) == 0 ? 0.5 : 10.0);
  }
  block.conv_weight = theory::Matrix(block.d_inner, block.d_conv);
  fill(block.conv_weight.entries, 1.0);
  block.conv_bias.assign(block.d_inner, 0.0);
  fill(block.conv_bias, 0.5);
  block.x_proj = theory::Matrix(3, block.d_inner);
  fill(block.x_proj.entries, 1.0);
  block.dt_proj = theory::Matrix(block.d_inner, 1);
  fill(block.dt_proj.entries, 1.0);
  block.dt_bias.assign(block.d_inner, 0.0);
  block.A_log = theory::Matrix(block.d_inner, 1);
  block.D.assign(block.d_inner, 1.0);
  block.out_proj = theory::Matrix(block.d_model, block.d_inner);
  return block;
}

SiluFunctional random_functional(const theory::Mamba1Weights& block) {
  SiluFunctional f;
  for (std::size_t k = 0; k < block.d_inner; ++k) f.omega.push_back(static_cast<float>(normal_like()));
  f.error.assign(block.d_inner, 0.0);
  return f;
}

RowMajorMatrix random_window(const theory::Mamba1Weights& block) {
  RowMajorMatrix window(static_cast<Eigen::Index>(block.d_conv), static_cast<Eigen::Index>(block.d_model));
  for (Eigen::Index k = 0; k < window.size(); ++k) window.data()[k] = normal_like();
  for (Eigen::Index j = 0; j < window.rows(); ++j) {
    const double radius = std::sqrt(double(block.d_model)) * (*rc::gen::inRange(0, 2) == 0 ? 1.0 : uniform(0, 1));
    if (window.row(j).norm() > 0) window.row(j) *= radius * (1.0 - 1e-15) / window.row(j).norm();
  }
  return window;
}

// f at the last `present` tokens of a window, plain binary64; tokens missing where present < J.
double value_of(const theory::Mamba1Weights& block, const SiluFunctional& f, const RowMajorMatrix& window,
                std::size_t present) {
  double sum = 0.0;
  for (std::size_t k = 0; k < block.d_inner; ++k) {
    double q = block.conv_bias[k];
    for (std::size_t j = block.d_conv - present; j < block.d_conv; ++j) {
      double u = block.in_proj_bias.empty() ? 0.0 : block.in_proj_bias[k];
      for (std::size_t i = 0; i < block.d_model; ++i) {
        u += block.in_proj(k, i) * block.norm_weight[i] *
             window(static_cast<Eigen::Index>(j), static_cast<Eigen::Index>(i));
      }
      q += block.conv_weight(k, j) * u;
    }
    sum += f.omega[k] * q / (1.0 + std::exp(-q));
  }
  return sum;
}

constexpr double kSampleRounding = 1e-9;  // far above binary64's rounding of these small sums, far below their spread

struct Prepared {
  theory::Mamba1Weights block;
  TokenFunctionals tokens;
};

Prepared prepared() {
  Prepared p{small_block(), {}};
  p.tokens = token_functionals(rows_of(p.block.in_proj, 0, p.block.d_inner), p.block.norm_weight);
  return p;
}

TEST(QuadraticRelaxation, NoSampledWindowBeatsAnyOfItsBounds) {
  testing::check_property("windows against the quadratic bounds", 150, [] {
    const Prepared p = prepared();
    const SiluFunctional f = random_functional(p.block);
    const QuadraticRelaxation relaxation(p.block, p.tokens);
    for (std::size_t present = 1; present <= p.block.d_conv; ++present) {
      // Any window may suggest touching points and multipliers: random ones too.
      const RowMajorMatrix suggestion = random_window(p.block);
      const double share = *rc::gen::element(0.0, 0.3, 1.0);
      const double raised = relaxation.lower_bound(f, suggestion, present, share);
      const double optimised = relaxation.lower_bound(f, suggestion, present, share, Multipliers::kOptimised);
      RC_ASSERT(optimised > -HUGE_VAL || raised == -HUGE_VAL);
      const double bound = std::max(raised, optimised);
      const double tapwise = relaxation.tapwise_lower_bound(f, suggestion, present);
      for (int sample = 0; sample < 60; ++sample) {
        const double value = value_of(p.block, f, random_window(p.block), present);
        RC_ASSERT(value >= bound - kSampleRounding * (1.0 + std::fabs(bound)));
        RC_ASSERT(value >= tapwise - kSampleRounding * (1.0 + std::fabs(tapwise)));
      }
    }
  });
}

TEST(QuadraticRelaxation, AnyMultipliersThatPassAreSound) {
  testing::check_property("random multipliers", 150, [] {
    const Prepared p = prepared();
    std::vector<Interval> taps;
    BallQuadratic quadratic{
        WindowMap(p.tokens.weights, std::vector<Interval>(p.block.d_inner, Interval::from_exact(1.0)), 1), {}, {}};
    for (std::size_t k = 0; k < p.block.d_inner; ++k) {
      quadratic.linear.push_back(Interval::from_exact(normal_like()));
      quadratic.curvature.push_back(normal_like());
    }
    const double bound = quadratic_lower_bound_at(quadratic, {std::exp(uniform(-3, 4))});
    for (int sample = 0; sample < 40; ++sample) {
      const RowMajorMatrix n = random_window(p.block).topRows(1);
      double value = 0.0;
      const std::vector<Interval> e = quadratic.map.apply(n);
      for (std::size_t k = 0; k < e.size(); ++k)
        value += quadratic.linear[k].midpoint() * e[k].midpoint() +
                 quadratic.curvature[k] * e[k].midpoint() * e[k].midpoint();
      RC_ASSERT(value >= bound - kSampleRounding * (1.0 + std::fabs(value)));
    }
  });
}

// One input dimension: the minimum over [-1, 1]^J is found on a dense grid, and the bound from the best grid point
// comes close.
TEST(QuadraticRelaxation, OnTinyBlocksTheBoundIsBelowTheTrueMinimum) {
  testing::check_property("dense search", 40, [] {
    Prepared p = prepared();
    p.block.d_model = 1;
    p.block.d_conv = 2;
    p.block.in_proj.columns = 1;
    p.block.in_proj.entries.resize(2 * p.block.d_inner);
    p.block.norm_weight.resize(1);
    p.block.conv_weight.columns = 2;
    p.block.conv_weight.entries.resize(2 * p.block.d_inner);
    p.tokens = token_functionals(rows_of(p.block.in_proj, 0, p.block.d_inner), p.block.norm_weight);
    const SiluFunctional f = random_functional(p.block);
    RowMajorMatrix best = RowMajorMatrix::Zero(2, 1);
    double least = HUGE_VAL;
    for (int i = -60; i <= 60; ++i) {
      for (int j = -60; j <= 60; ++j) {
        RowMajorMatrix window(2, 1);
        window << i / 60.0, j / 60.0;
        const double value = value_of(p.block, f, window, 2);
        if (value < least) least = value, best = window;
      }
    }
    const QuadraticRelaxation relaxation(p.block, p.tokens);
    RC_ASSERT(relaxation.lower_bound(f, best, 2) <= least + kSampleRounding * (1.0 + std::fabs(least)));
    RC_ASSERT(relaxation.tapwise_lower_bound(f, best, 2) <= least + kSampleRounding * (1.0 + std::fabs(least)));
  });
}

// Each term matters: without it the bound is beaten by some input of some block.
TEST(QuadraticRelaxation, WithoutTheMultipliersOrTheOffsetSomeInputBeatsTheBound) {
  int beaten_without_multipliers = 0;
  testing::check_property("the multiplier term", 60, [&] {
    const Prepared p = prepared();
    BallQuadratic quadratic{
        WindowMap(p.tokens.weights, std::vector<Interval>(p.block.d_inner, Interval::from_exact(1.0)), 1), {}, {}};
    for (std::size_t k = 0; k < p.block.d_inner; ++k) {
      quadratic.linear.push_back(Interval::from_exact(normal_like()));
      quadratic.curvature.push_back(-std::fabs(normal_like()));
    }
    const double mu = 1e3;
    const double bound = quadratic_lower_bound_at(quadratic, {mu});
    if (!(bound > -HUGE_VAL)) return;
    const double without = bound + double(p.block.d_model) * mu;
    for (int sample = 0; sample < 40; ++sample) {
      const std::vector<Interval> e = quadratic.map.apply(random_window(p.block).topRows(1));
      double value = 0.0;
      for (std::size_t k = 0; k < e.size(); ++k)
        value += quadratic.linear[k].midpoint() * e[k].midpoint() +
                 quadratic.curvature[k] * e[k].midpoint() * e[k].midpoint();
      beaten_without_multipliers += value < without;
    }
  });
  EXPECT_GT(beaten_without_multipliers, 0);
}

TEST(QuadraticRelaxation, WithoutTheResidualTermABadSolutionBeatsTheBound) {
  const theory::Vector gain{1.0};
  RowMajorMatrix weights(1, 1);
  weights << 1.0;
  const TokenFunctionals tokens = token_functionals(weights, gain);
  const BallQuadratic quadratic{
      WindowMap(tokens.weights, {Interval::from_exact(1.0)}, 1), {Interval::from_exact(2.0)}, {-1.0}};
  // phi(n) = 2 n - n^2 on [-1, 1], least -3 at n = -1; mu = 2: R = 1, R^-1 l = 2, bound -2 - 1 = -3.
  const std::vector<double> mu{2.0};
  RowMajorMatrix good(1, 1), bad(1, 1);
  good << 2.0;
  bad << 0.0;
  EXPECT_NEAR(dual_lower_bound(quadratic, mu, good, 1.0), -3.0, 1e-12);
  EXPECT_LE(dual_lower_bound(quadratic, mu, bad, 1.0), -3.0 + 1e-12);  // e = 2, |e|^2 / 1 = 4
  EXPECT_GT(dual_lower_bound(quadratic, mu, bad, 1e300), -3.0 + 0.5);  // the residual term switched off: wrong
  EXPECT_EQ(dual_lower_bound(quadratic, mu, good, 0.0), -HUGE_VAL);
}

double log_mean_exp_free_mean(const theory::Mamba1Weights& block, const SiluFunctional& f,
                              const RowMajorMatrix& period) {
  double sum = 0.0;
  for (Eigen::Index t = 0; t < period.rows(); ++t) {
    RowMajorMatrix window(static_cast<Eigen::Index>(block.d_conv), period.cols());
    for (Eigen::Index j = 0; j < window.rows(); ++j)
      window.row(j) = period.row((t + j + 8 * period.rows() - window.rows() + 1) % period.rows());
    sum += value_of(block, f, window, block.d_conv);
  }
  return sum / double(period.rows());
}

TEST(SustainedBound, NoPeriodicInputsMeanIsBelowIt) {
  testing::check_property("periodic inputs against the sustained bound", 60, [] {
    Prepared p = prepared();
    const SiluFunctional f = random_functional(p.block);
    const QuadraticRelaxation relaxation(p.block, p.tokens);
    const double bound =
        relaxation.sustained_lower_bound(f, random_window(p.block).row(0), *rc::gen::element(0.0, 0.5, 1.0));
    RC_ASSERT(!std::isnan(bound));
    for (int sample = 0; sample < 40; ++sample) {
      const Eigen::Index period = 1 + *rc::gen::inRange(0, 8);
      RowMajorMatrix tokens(period, static_cast<Eigen::Index>(p.block.d_model));
      for (Eigen::Index t = 0; t < period; ++t) tokens.row(t) = random_window(p.block).row(0);
      const double mean = log_mean_exp_free_mean(p.block, f, tokens);
      RC_ASSERT(mean >= bound - kSampleRounding * (1.0 + std::fabs(bound)));
    }
  });
}

// A difference filter: every constant input gives 0, an alternating one -4 per step. A bound that looked at the
// frequency 0 alone would say about 0.
TEST(SustainedBound, FrequenciesOtherThanZeroCount) {
  theory::Mamba1Weights block;
  block.d_model = block.d_inner = block.d_state = block.dt_rank = 1;
  block.d_conv = 2;
  block.norm_epsilon = 1e-5;
  block.norm_weight = {1.0};
  block.in_proj = theory::Matrix(2, 1);
  block.in_proj.entries = {1.0, 0.0};
  block.conv_weight = theory::Matrix(1, 2);
  block.conv_weight.entries = {1.0, -1.0};
  block.conv_bias = {0.0};
  block.x_proj = theory::Matrix(3, 1);
  block.dt_proj = theory::Matrix(1, 1);
  block.dt_bias = {0.0};
  block.A_log = theory::Matrix(1, 1);
  block.D = {1.0};
  block.out_proj = theory::Matrix(1, 1);
  const TokenFunctionals tokens = token_functionals(rows_of(block.in_proj, 0, 1), block.norm_weight);
  const SiluFunctional f{{-1.0}, {0.0}};
  RowMajorMatrix alternating(2, 1);
  alternating << 1.0, -1.0;
  const double mean = log_mean_exp_free_mean(block, f, alternating);  // -(silu(2) + silu(-2))/2 = -G(4) = -0.7616
  const double bound =
      QuadraticRelaxation(block, tokens).sustained_lower_bound(f, Eigen::RowVectorXd::Constant(1, 0.5));
  EXPECT_LE(bound, mean);
  EXPECT_GE(bound, 2.0 * mean);
}

}  // namespace
}  // namespace lyap
