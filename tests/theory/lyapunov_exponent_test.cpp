#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "numerics/interval_functions.hpp"
#include "tests/theory/random_block.hpp"
#include "tests/theory/scalar_trajectory.hpp"
#include "theory/lyapunov_exponent.hpp"
#include "theory/selective_recurrence.hpp"

// theory/theorems/theorem_1_state_deviation.md

namespace lyap::theory::testing {
namespace {

constexpr double kOffset = 0.75;

/// Final states of one block on the same inputs from h_0 = 0 and from h_0 = kOffset in every entry, and exp(-α Σ Δ) for
/// every state.
template <class S>
struct Pair {
  Array<S> from_zero, from_offset, surviving;
  std::vector<Array<S>> history;  // every state of both runs
};

template <class S, class Weights>
Pair<S> run_from_two_states(const Weights& w, const Matrix& inputs) {
  BlockState<S> base = initial_state<S>(w);
  BlockState<S> moved = initial_state<S>(w);
  for (S& h : moved.scan.h()) h = exact<S>(kOffset);
  Pair<S> result;
  Array<S> sum_of_steps;
  for (std::size_t t = 0; t < inputs.rows; ++t) {
    Array<S> r;
    for (std::size_t i = 0; i < inputs.columns; ++i) r.push_back(exact<S>(inputs(t, i)));
    const Array<S> Delta = step(w, r, base).Delta;
    (void)step(w, r, moved);
    if (t == 0) sum_of_steps.assign(Delta.size(), exact<S>(0.0));
    for (std::size_t k = 0; k < Delta.size(); ++k) sum_of_steps[k] += Delta[k];
    result.history.push_back(base.scan.h());
    result.history.push_back(moved.scan.h());
  }
  result.from_zero = base.scan.h();
  result.from_offset = moved.scan.h();
  const std::size_t heads = sum_of_steps.size();
  const std::size_t states_per_head = result.from_zero.size() / heads;
  const bool one_rate_per_head = base.scan.alpha().size() == heads;
  for (std::size_t i = 0; i < result.from_zero.size(); ++i) {
    const std::size_t k = i / states_per_head;
    result.surviving.push_back(surviving_part(base.scan.alpha()[one_rate_per_head ? k : i], sum_of_steps[k]));
  }
  return result;
}

/// The largest difference that ordinary rounding can make between h' - h and the formula, for one state: a and b are
/// the same rounded numbers in both runs, a h + b rounds twice (2 u |h| each step and run), the product of the a's and
/// exp(-α Σ Δ) differ by (3 T + 4) u (exp within 1 ulp, s exp(-s) < 1/2).
double rounding_bound(const Pair<double>& pair, std::size_t i, std::size_t T) {
  double largest = kOffset;
  for (const Array<double>& h : pair.history) largest = std::max(largest, std::fabs(h[i]));
  const double steps = static_cast<double>(T);
  return 0x1p-53 * (4.0 * steps * largest + (3.0 * steps + 4.0) * kOffset) * (1.0 + 0x1p-20);
}

template <class Weights>
void expect_equality_in_every_scalar(const Weights& w, const Matrix& inputs) {
  const auto exact_pair = run_from_two_states<Real>(w, inputs);
  const auto interval_pair = run_from_two_states<Interval>(w, inputs);
  const auto double_pair = run_from_two_states<double>(w, inputs);
  for (std::size_t i = 0; i < exact_pair.from_zero.size(); ++i) {
    const Real deviation = exact_pair.from_offset[i] - exact_pair.from_zero[i];
    const Real formula = exact_pair.surviving[i] * real(kOffset);
    Real scale = real(1.0);
    for (const Array<Real>& h : exact_pair.history) scale = max(scale, abs(h[i]));
    RC_ASSERT(abs(deviation - formula) <= real(0x1p-230) * scale);

    const Interval enclosed_deviation = interval_pair.from_offset[i] - interval_pair.from_zero[i];
    const Interval enclosed_formula = interval_pair.surviving[i] * Interval::from_exact(kOffset);
    RC_ASSERT(contains(enclosed_formula, formula));
    RC_ASSERT(!are_disjoint(enclosed_deviation, enclosed_formula));

    const double difference =
        double_pair.from_offset[i] - double_pair.from_zero[i] - double_pair.surviving[i] * kOffset;
    RC_ASSERT(std::fabs(difference) <= rounding_bound(double_pair, i, inputs.rows));
  }
}

RC_GTEST_PROP(Theorem1, TheDeviationOfAMamba1StateIsExactlyTheSurvivingPart, (unsigned seed)) {
  Draw draw(seed);
  const Mamba1Weights w = random_mamba1(draw);
  expect_equality_in_every_scalar(w, random_inputs(draw, w.d_model));
}

RC_GTEST_PROP(Theorem1, TheDeviationOfAMamba2StateIsExactlyTheSurvivingPart, (unsigned seed)) {
  Draw draw(seed);
  const Mamba2Weights w = random_mamba2(draw);
  expect_equality_in_every_scalar(w, random_inputs(draw, w.d_model));
}

RC_GTEST_PROP(Theorem1, NoDeviationDecaysSlowerThanTheOneStepRateOfTheSmallestStep, (unsigned seed)) {
  Draw draw(seed);
  const Real alpha = real(draw.log_uniform(1e-3, 1e2));
  Real smallest = real(1e300);
  Real deviation = real(1.0);
  Real sum = real(0.0);
  constexpr std::size_t T = 40;
  for (std::size_t t = 0; t < T; ++t) {
    const Real Delta = real(draw.log_uniform(1e-6, 1.0));
    smallest = min(smallest, Delta);
    sum += Delta;
    deviation *= discretize(alpha, Delta, Discretization::kEuler).a;
  }
  const Real zeta = one_step_rate(alpha, smallest);
  const Real lambda = finite_time_exponent(alpha, sum, T);
  RC_ASSERT(deviation <= with_slack(exp(zeta * real(static_cast<double>(T)))));
  RC_ASSERT(abs(deviation - exp(lambda * real(static_cast<double>(T)))) <= real(0x1p-230));
  RC_ASSERT(lambda <= zeta + with_slack(abs(zeta)) - abs(zeta));
  RC_ASSERT(zeta <= real(0.0));
  RC_ASSERT(deviation >
            exp(real(1.5) * lambda * real(static_cast<double>(T))));  // a rate half as large again would be false
}

TEST(Theorem1, ExponentsOfABlockAreShapedAsItsDecayRates) {
  const Array<double> per_state = finite_time_exponents<double>({1.0, 2.0, 4.0, 8.0}, {3.0, 0.5}, 2);
  EXPECT_EQ(per_state, (Array<double>{-1.5, -3.0, -1.0, -2.0}));
  const Array<double> per_head = finite_time_exponents<double>({1.0, 2.0}, {3.0, 0.5}, 2);
  EXPECT_EQ(per_head, (Array<double>{-1.5, -0.5}));
}

TEST(Theorem1, AHalfLifeIsTheTimeAfterWhichHalfIsLeft) {
  const Real lambda = real(-0.01);
  EXPECT_LE(abs(exp(lambda * half_life(lambda)) - real(0.5)), real(0x1p-250));
}

TEST(Theorem1, ADeviationOfOneBlockInputTouchesAsManyStepsAsTheConvolutionHasTapsAndThenOnlyDecays) {
  Draw draw(7);
  Mamba1Weights w = random_mamba1(draw);
  const std::size_t T = 12;
  Matrix inputs(T, w.d_model);
  for (double& entry : inputs.entries) entry = draw.uniform(-1.0, 1.0);
  Matrix changed = inputs;
  changed(3, 0) += 1.0;
  const auto base = run<Real>(w, inputs);
  const auto other = run<Real>(w, changed);
  for (std::size_t t = 0; t < T; ++t) {
    const bool touched = t >= 3 && t < 3 + w.d_conv;
    for (std::size_t k = 0; k < w.d_inner; ++k) {
      EXPECT_EQ(base.steps[t].Delta[k] == other.steps[t].Delta[k], !touched) << "step " << t << " channel " << k;
    }
  }
}

}  // namespace
}  // namespace lyap::theory::testing
