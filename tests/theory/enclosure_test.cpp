#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "numerics/interval_functions.hpp"
#include "tests/theory/random_block.hpp"
#include "theory/lyapunov_exponent.hpp"
#include "theory/selective_recurrence.hpp"

// The same template in intervals and in 256 bits: the second never leaves the first.

namespace lyap::theory::testing {
namespace {

bool all_contained(const Array<Interval>& enclosure, const Array<Real>& values) {
  if (enclosure.size() != values.size()) return false;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!contains(enclosure[i], values[i])) return false;
  }
  return true;
}

bool step_is_contained(const BlockStep<Interval>& enclosure, const BlockStep<Real>& t) {
  return all_contained(enclosure.z, t.z) && all_contained(enclosure.x, t.x) && all_contained(enclosure.B, t.B) &&
         all_contained(enclosure.C, t.C) && all_contained(enclosure.p, t.p) &&
         all_contained(enclosure.Delta, t.Delta) && all_contained(enclosure.y, t.y) &&
         all_contained(enclosure.output, t.output);
}

Array<Interval> exponents(const BlockRun<Interval>& run) {
  return finite_time_exponents(run.alpha, run.sum_of_steps, run.steps.size());
}
Array<Real> exponents(const BlockRun<Real>& run) {
  return finite_time_exponents(run.alpha, run.sum_of_steps, run.steps.size());
}

template <class Weights>
void expect_contained(const Weights& w, const Matrix& inputs, const Program& program) {
  const BlockRun<Interval> enclosure = run<Interval>(w, inputs, program);
  const BlockRun<Real> truth = run<Real>(w, inputs, program);
  for (std::size_t t = 0; t < inputs.rows; ++t) RC_ASSERT(step_is_contained(enclosure.steps[t], truth.steps[t]));
  RC_ASSERT(all_contained(enclosure.h, truth.h));
  RC_ASSERT(all_contained(exponents(enclosure), exponents(truth)));
}

Program random_program(Draw& draw) {
  return {draw.below(3) == 0 ? Discretization::kZoh : Discretization::kEuler,
          draw.below(2) == 0 ? Softplus::kTextbook : Softplus::kDeployed};
}

RC_GTEST_PROP(IntervalForward, OfAMamba1BlockContainsTheExactOne, (unsigned seed)) {
  Draw draw(seed);
  const Mamba1Weights w = random_mamba1(draw);
  expect_contained(w, random_inputs(draw, w.d_model), random_program(draw));
}

RC_GTEST_PROP(IntervalForward, OfAMamba2BlockContainsTheExactOne, (unsigned seed)) {
  Draw draw(seed);
  const Mamba2Weights w = random_mamba2(draw);
  expect_contained(w, random_inputs(draw, w.d_model), random_program(draw));
}

RC_GTEST_PROP(IntervalForward, OfTheDeployedProgramContainsTheTextbookOneToo, (unsigned seed)) {
  Draw draw(seed);
  Mamba1Weights w = random_mamba1(draw);
  for (double& bias : w.dt_bias) bias += 20.0;  // around the cut-off
  const Matrix inputs = random_inputs(draw, w.d_model);
  const auto enclosure = run<Interval>(w, inputs, {Discretization::kEuler, Softplus::kDeployed});
  const auto textbook = run<Real>(w, inputs);
  for (std::size_t t = 0; t < inputs.rows; ++t) RC_ASSERT(step_is_contained(enclosure.steps[t], textbook.steps[t]));
}

RC_GTEST_PROP(IntervalForward, SurvivesExtremeStepSizesAndRates, (unsigned seed)) {
  Draw draw(seed);
  Mamba1Weights w = random_mamba1(draw);
  for (double& bias : w.dt_bias) bias = draw.uniform(-750.0, 80.0);
  for (double& entry : w.A_log.entries) entry = draw.uniform(-745.0, 700.0);
  expect_contained(w, random_inputs(draw, w.d_model), {});
}

TEST(IntervalForward, IsSharp) {
  // These blocks have |p| < 48 through at most 7 products of magnitude below 2 √7: p is off by less than 48 roundings
  // of 48, and softplus's relative error is at most p's absolute one. The rest (alpha, 9 additions, two operations)
  // adds less than 16 roundings.
  constexpr double kExponentWidth = (48.0 * 48.0 + 16.0) * 0x1p-52;
  Draw draw(3);
  for (int i = 0; i < 50; ++i) {
    const Mamba2Weights w = random_mamba2(draw);
    const Matrix inputs = random_inputs(draw, w.d_model);
    const BlockRun<Interval> enclosure = run<Interval>(w, inputs);
    for (const BlockStep<Interval>& t : enclosure.steps) {
      for (const Interval& p : t.p) ASSERT_LT(p.magnitude(), 48.0);
    }
    for (const Interval& lambda : exponents(enclosure))
      EXPECT_LE(lambda.width_upper_bound(), kExponentWidth * lambda.magnitude());
  }
}

TEST(IntervalForward, OfABlockWithAWeightChangedByOnePartInAMillionDoesNotContainTheOriginal) {
  Draw draw(5);
  const Mamba1Weights w = random_mamba1(draw);
  Mamba1Weights changed = w;
  changed.dt_bias.front() += 1e-6;
  const Matrix inputs = random_inputs(draw, w.d_model);
  EXPECT_TRUE(all_contained(exponents(run<Interval>(w, inputs)), exponents(run<Real>(w, inputs))));
  EXPECT_FALSE(all_contained(exponents(run<Interval>(changed, inputs)), exponents(run<Real>(w, inputs))));
}

}  // namespace
}  // namespace lyap::theory::testing
