#include "verify/deviation/apriori.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <limits>
#include <string>

#include "numerics/parallel.hpp"
#include "numerics/rounded_formats.hpp"
#include "numerics/rounding.hpp"
#include "tests/deviation/campaign_programs.hpp"
#include "tests/verify/trajectory_ordinary_blocks.hpp"
#include "verify/deviation/apriori_silu.hpp"
#include "verify/deviation/composite_rows.hpp"
#include "verify/deviation/deployed_program.hpp"

namespace lyap::testing {
namespace {

using deviation::AprioriTerms;
using deviation::CompositeRows;
using deviation::IntervalMatrix;
using deviation::RoundingError;
using Eigen::Index;

/// Bounds of one rounding.
double bound_of(const RoundingError& error, double magnitude) {
  const RoundingUpward upward;
  return pinned(error.of_upward(pinned(magnitude)));
}

TEST(AprioriRounding, HalfAUnitOfTheBinadeIsReachedAndNeverPassed) {
  struct Kind {
    theory::NumberType type;
    FloatingFormat format;
    RoundingRule rule;
  };
  const Kind kinds[] = {{theory::kBfloat16Type, kBfloat16, RoundingRule::kNearestEven},
                        {theory::kFloat16Type, kFloat16, RoundingRule::kNearestEven},
                        {theory::kFloat32Type, kFloat32, RoundingRule::kNearestEven},
                        {theory::kTf32Type, kTf32, RoundingRule::kNearestAway},
                        {theory::kTruncatedTf32Type, kTf32, RoundingRule::kTowardZero}};
  Campaign draw(41);
  for (const Kind& kind : kinds) {
    const RoundingError error(kind.type, {});
    double worst = 0.0;
    for (int i = 0; i < scaled(20000); ++i) {
      const double x = draw.normal() * std::exp2(draw.uniform(-30.0, 14.0)),
                   most = std::fabs(x) * (1 + draw.size(0, 2));
      const double off = std::fabs(round_to_format(x, kind.format, kind.rule).value - x);
      const double bound = bound_of(error, most);
      ASSERT_LE(off, bound) << kind.type.name << ' ' << x;
      worst = std::max(worst, off / bound);
    }
    EXPECT_GE(worst, 0.99) << kind.type.name;
  }
  EXPECT_EQ(bound_of(RoundingError(theory::kBfloat16Type, {}), 0.0), 0.0);
}

TEST(AprioriSilu, TheRemainderOfTheSlopeIsBoundedAndNeedsItsCurvature) {
  Campaign draw(42);
  AprioriTerms flat;
  flat.curvature = 0.0;
  double worst = 0.0, without = 0.0;
  for (int i = 0; i < scaled(20000); ++i) {
    IntervalMatrix c(1, 1);
    const double middle = draw.normal() * std::exp(draw.uniform(-3.0, 3.0)),
                 radius = std::exp(draw.uniform(-12.0, 3.0));
    c.lower(0, 0) = c.upper(0, 0) = middle;
    const auto slopes = deviation::silu_slopes(c);
    const double slope = slopes.slope(0, 0), error = slopes.error(0, 0);
    const double delta = radius * (draw.chance(0.5) ? 1.0 : draw.uniform(-1.0, 1.0));
    const double silu = theory::silu(middle), moved = theory::silu(middle + delta);
    // What this judge itself loses in binary64.
    const double own = 0x1p-48 * (1.0 + std::fabs(middle) + radius);
    const double remainder = std::fabs(moved - silu - slope * delta) - own, change = std::fabs(moved - silu) - own;
    const RoundingUpward upward;
    const double bound = pinned(deviation::silu_remainder_upward(slope, error, radius, {}));
    ASSERT_LE(remainder, bound) << middle << ' ' << delta;
    ASSERT_LE(change, pinned(deviation::silu_change_upward(slope, error, radius, {}))) << middle << ' ' << delta;
    worst = std::max(worst, remainder / bound);
    without = std::max(without, remainder / pinned(deviation::silu_remainder_upward(slope, error, radius, flat)));
  }
  EXPECT_GE(worst, 0.9);  // silu'' is 1/2 at 0
  EXPECT_GT(without, 1.0);
}

/// The composite map itself, where its bound of W_dt times it would be without Cauchy and Schwarz, and what both are
/// layer by layer, without any sign.
struct CompositeTruth {
  RowMajorMatrix rows, steps, unsigned_rows, unsigned_steps;
};
CompositeTruth composite_truth(const theory::Mamba1Weights& w, const RowMajorMatrix& slope,
                               const RowMajorMatrix& radius) {
  const Index tokens = slope.rows(), rows = Index(w.x_proj.rows);
  const RowMajorMatrix no_rows = RowMajorMatrix::Zero(tokens, rows);
  const RowMajorMatrix no_steps = RowMajorMatrix::Zero(tokens, Index(w.d_inner));
  CompositeTruth truth{no_rows, no_steps, no_rows, no_steps};
  for (Index t = 0; t < tokens; ++t) {
    for (std::size_t j = 0; j < w.d_conv; ++j) {
      for (std::size_t k = 0; k < w.d_model; ++k) {
        const double r = radius(t + Index(j), Index(k));
        std::vector<double> column(w.x_proj.rows), sizes(w.x_proj.rows);
        for (std::size_t row = 0; row < w.x_proj.rows; ++row) {
          for (std::size_t i = 0; i < w.d_inner; ++i) {
            const double term = w.x_proj(row, i) * slope(t, Index(i)) * w.conv_weight(i, j) * w.in_proj(i, k);
            column[row] += term;
            sizes[row] += std::fabs(term);
          }
          truth.rows(t, Index(row)) += std::fabs(column[row]) * r;
          truth.unsigned_rows(t, Index(row)) += sizes[row] * r;
        }
        for (std::size_t i = 0; i < w.d_inner; ++i) {
          double step = 0.0, size = 0.0;
          for (std::size_t s = 0; s < w.dt_rank; ++s) {
            step += w.dt_proj(i, s) * column[s];
            size += std::fabs(w.dt_proj(i, s)) * sizes[s];
          }
          truth.steps(t, Index(i)) += std::fabs(step) * r;
          truth.unsigned_steps(t, Index(i)) += size * r;
        }
      }
    }
  }
  return truth;
}

TEST(CompositeRows, BoundTheMapFromTheNormToXProjAndDtProj) {
  OrdinaryBlocks blocks(43);
  Campaign draw(44);
  for (int i = 0; i < scaled(20); ++i) {
    const theory::Mamba1Weights w = blocks.mamba1(draw.size(1, 24), draw.size(1, 30), draw.size(1, 5), draw.size(1, 6));
    const Index tokens = Index(draw.size(1, 20));
    RowMajorMatrix slope(tokens, Index(w.d_inner)), radius(tokens + Index(w.d_conv) - 1, Index(w.d_model));
    for (double& f : slope.reshaped()) f = draw.uniform(-0.1, 1.1);
    for (double& r : radius.reshaped()) r = draw.chance(0.1) ? 0.0 : std::exp(draw.uniform(-12.0, 0.0));
    const CompositeRows composite(w);
    const auto bounds = composite.advance(slope, radius);
    const CompositeTruth truth = composite_truth(w, slope, radius);
    const double tiny = 1e-12 * truth.steps.maxCoeff();  // the judge's own roundings
    const RowMajorMatrix lost_rows = composite.lost() * truth.unsigned_rows;
    const RowMajorMatrix lost_steps = composite.lost() * truth.unsigned_steps;
    ASSERT_GE((bounds.rows + lost_rows - truth.rows).minCoeff(), -1e-12 * truth.rows.maxCoeff());
    ASSERT_GE((bounds.steps + lost_steps - truth.steps).minCoeff(), -tiny);
    ASSERT_LE((bounds.rows - truth.rows).maxCoeff(), 1e-5 * truth.unsigned_rows.maxCoeff());
    ASSERT_LE((bounds.steps - 3.0 * truth.steps).maxCoeff(), 1e-3 * truth.steps.maxCoeff())
        << "Cauchy and Schwarz lose too much";
  }
}

/// Largest ratio of a program's distance from the enclosed centre to the radius.
double worst_ratio(const IntervalMatrix& centre, const RowMajorMatrix& program, const RowMajorMatrix& radius) {
  double worst = 0.0;
  for (Index t = 0; t < radius.rows(); ++t) {
    for (Index i = 0; i < radius.cols(); ++i) {
      const double v = program(t, i), low = centre.lower(t, i), high = centre.upper(t, i);
      const double sure = std::max({low - v, v - high, 0.0}) - 0x1p-52 * (std::fabs(v) + std::fabs(low));
      if (sure > 0.0) worst = std::max(worst, sure / radius(t, i));
    }
  }
  return worst;
}

struct WorstRadii {
  double p = 0.0, x = 0.0, B = 0.0, C = 0.0, z = 0.0;
};

void judge(const deviation::BlockChunk& centre, const deviation::PerturbationRadii& radii, const SecondRun& run,
           WorstRadii& worst) {
  worst.p = std::max(worst.p, worst_ratio(centre.front.p, run.p, radii.p));
  worst.x = std::max(worst.x, worst_ratio(centre.front.scan.x, run.x, radii.x));
  worst.B = std::max(worst.B, worst_ratio(centre.front.scan.B, run.B, radii.B));
  worst.C = std::max(worst.C, worst_ratio(centre.front.scan.C, run.C, radii.C));
  worst.z = std::max(worst.z, worst_ratio(centre.front.z, run.z, radii.z));
}

TEST(AprioriPropagation, NoProgramOfAPolicyLeavesTheRadii) {
  set_thread_count(1);
  Campaign draw(45);
  WorstRadii worst;
  for (int i = 0; i < scaled(300); ++i) {
    CampaignCase c = drawn_case(draw);
    c.inputs.rows = std::min<std::size_t>(c.inputs.rows, 60);
    c.inputs.entries.resize(c.inputs.rows * c.inputs.columns);
    const theory::PrecisionPolicy& policy =
        theory::kPrecisionPolicies[std::size_t(i) % theory::kPrecisionPolicies.size()];
    std::vector<OverflowFinding> findings;
    const theory::BlockWeights rounded = deviation::rounded_weights(c.block, policy, findings);
    deviation::RealRun centre(rounded);
    deviation::AprioriPropagation propagation(rounded, policy);
    const auto chunk = centre.advance(c.inputs, 0, c.inputs.rows);
    const auto radii = propagation.advance(c.inputs, chunk);
    if (!findings.empty() || !propagation.findings().empty()) continue;
    judge(chunk, radii, emulated_run(c, policy), worst);
    for (int k = 0; k < 3; ++k) {
      if (const auto run = adversarial_run(c, policy, drawn_adversary(draw, k == 0))) judge(chunk, radii, *run, worst);
    }
  }
  std::cout << "largest ratios: p " << worst.p << ", x " << worst.x << ", B " << worst.B << ", C " << worst.C << ", z "
            << worst.z << '\n';
  for (const double ratio : {worst.p, worst.x, worst.B, worst.C, worst.z}) {
    EXPECT_LE(ratio, 1.0);
    EXPECT_GE(ratio, 0.5) << "the radius is not reached";
  }
}

TEST(AprioriPropagation, ChunksChangeNothingAndMustFollowOneAnother) {
  OrdinaryBlocks blocks(46);
  const theory::PrecisionPolicy& policy = *theory::find_policy("amp-bf16");
  for (const theory::BlockWeights& block :
       {theory::BlockWeights(blocks.mamba1(6, 8, 3, 2)), theory::BlockWeights(blocks.mamba2(6, 2, 4, 3, 1))}) {
    const theory::Matrix inputs = blocks.matrix(40, 6, 4.0);
    const auto radii = [&](std::size_t length) {
      deviation::RealRun centre(block);
      deviation::AprioriPropagation propagation(block, policy);
      RowMajorMatrix all(40, Index(deviation::state_shape(block).heads));
      for (std::size_t begin = 0; begin < 40; begin += length) {
        const std::size_t end = std::min<std::size_t>(begin + length, 40);
        all.middleRows(Index(begin), Index(end - begin)) =
            propagation.advance(inputs, centre.advance(inputs, begin, end)).p;
      }
      return all;
    };
    const RowMajorMatrix whole = radii(40), parts = radii(7);
    EXPECT_LE((whole - parts).cwiseAbs().maxCoeff(), 1e-5 * whole.maxCoeff());  // binary32 products
    deviation::RealRun centre(block);
    deviation::AprioriPropagation propagation(block, policy);
    const auto first = centre.advance(inputs, 0, 7);
    (void)propagation.advance(inputs, first);
    EXPECT_ANY_THROW((void)propagation.advance(inputs, first));
  }
}

}  // namespace
}  // namespace lyap::testing
