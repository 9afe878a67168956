#include "numerics/interval_scan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "numerics/contract_violation.hpp"
#include "numerics/exponential.hpp"
#include "numerics/interval.hpp"
#include "numerics/mpfr_real.hpp"
#include "vector_targets.hpp"

namespace lyap {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kLargest = std::numeric_limits<double>::max();
constexpr double kSmallest = std::numeric_limits<double>::denorm_min();
constexpr unsigned kSeed = 4711;
/// Units of 2^-52 by which one step widens a state beyond the plain Interval loop, relatively to |a h| + |b|.
constexpr double kStepWidth = kVectorDecayWidth + 4.0;

struct Arrays {
  std::vector<double> lower;
  std::vector<double> upper;
  [[nodiscard]] ConstIntervalSpan view() const { return {lower, upper}; }
  [[nodiscard]] IntervalSpan span() { return {lower, upper}; }
  [[nodiscard]] Interval at(std::size_t i) const { return Interval::from_bounds(lower[i], upper[i]); }
  [[nodiscard]] std::size_t size() const { return lower.size(); }
  void push(double a, double b) {
    lower.push_back(std::min(a, b));
    upper.push_back(std::max(a, b));
  }
  static Arrays zeros(std::size_t count) { return {std::vector<double>(count), std::vector<double>(count)}; }
};

/// Random intervals; narrow ones are a few ulps wide, wide ones contain zero now and then.
class RandomIntervals {
 public:
  explicit RandomIntervals(unsigned seed) : random_(seed) {}
  Arrays intervals(std::size_t count, double least, double greatest, double relative_width) {
    Arrays result;
    std::uniform_real_distribution<double> value(least, greatest);
    for (std::size_t i = 0; i < count; ++i) {
      const double x = value(random_);
      const double y = x + std::fabs(x) * relative_width * unit();
      result.push(std::clamp(x, least, greatest), std::clamp(y, least, greatest));
    }
    return result;
  }
  double unit() { return std::uniform_real_distribution<double>(0.0, 1.0)(random_); }
  /// A point of interval i, an end half of the time.
  double point(const Arrays& x, std::size_t i) {
    const double a = std::max(x.lower[i], -kLargest);
    const double b = std::min(x.upper[i], kLargest);
    switch (random_() % 4) {
      case 0:
        return a;
      case 1:
        return b;
      default:
        return std::clamp(a + (b - a) * unit(), a, b);
    }
  }
  std::vector<double> points(const Arrays& x) {
    std::vector<double> result;
    for (std::size_t i = 0; i < x.size(); ++i) result.push_back(point(x, i));
    return result;
  }

 private:
  std::mt19937_64 random_;
};

struct Step {
  Arrays rate, step_size, scaled_input, input_map, output_map;
  [[nodiscard]] SelectiveScanStep view() const {
    return {rate.view(), step_size.view(), scaled_input.view(), input_map.view(), output_map.view()};
  }
};

Step random_step(RandomIntervals& random, std::size_t channels, std::size_t states, double width, const Arrays& rate) {
  return {rate, random.intervals(channels, 0.0, 3.0, width), random.intervals(channels, -2.0, 2.0, width),
          random.intervals(states, -2.0, 2.0, width), random.intervals(states, -1.0, 1.0, width)};
}

/// The slow reference: the same step by a plain loop over Interval.
void reference_step(const Step& step, Arrays& state, Arrays& output) {
  const std::size_t states = step.input_map.size();
  for (std::size_t c = 0; c < output.size(); ++c) {
    Interval y;
    for (std::size_t n = 0; n < states; ++n) {
      const std::size_t i = c * states + n;
      const Interval a = exp(-(step.rate.at(i) * step.step_size.at(c)));
      const Interval h = a * state.at(i) + step.scaled_input.at(c) * step.input_map.at(n);
      state.lower[i] = h.lower();
      state.upper[i] = h.upper();
      y += step.output_map.at(n) * h;
    }
    output.lower[c] = y.lower();
    output.upper[c] = y.upper();
  }
}

bool holds(const Arrays& x, std::size_t i, const MpfrReal& value) { return value >= x.lower[i] && value <= x.upper[i]; }

TEST(SelectiveScan, HoldsEveryRealTrajectoryOnEveryTargetInEveryRoundingDirection) {
  for (const std::int64_t target : vector_targets::supported()) {
    const vector_targets::OnlyTarget only(target);
    for (const std::size_t states : {1, 4, 16, 19}) {
      for (const double width : {0.0, 1e-15, 1e-9, 0.5}) {
        const std::size_t channels = 3;
        RandomIntervals random(kSeed + static_cast<unsigned>(states));
        const Arrays rate = random.intervals(channels * states, 0.0, 20.0, width);
        Arrays state = Arrays::zeros(channels * states);
        Arrays output = Arrays::zeros(channels);
        std::vector<MpfrReal> h(channels * states);
        for (int t = 0; t < 12; ++t) {
          const Step step = random_step(random, channels, states, width, rate);
          {
            const vector_targets::Rounding rounding(vector_targets::kDirections[t % 4]);
            advance_selective_scan(step.view(), state.span(), output.span());
            EXPECT_EQ(std::fegetround(), vector_targets::kDirections[t % 4]);
          }
          const std::vector<double> alpha = random.points(rate);
          const std::vector<double> delta = random.points(step.step_size);
          const std::vector<double> dx = random.points(step.scaled_input);
          const std::vector<double> b = random.points(step.input_map);
          const std::vector<double> c = random.points(step.output_map);
          for (std::size_t channel = 0; channel < channels; ++channel) {
            MpfrReal y;
            for (std::size_t n = 0; n < states; ++n) {
              const std::size_t i = channel * states + n;
              const auto real = [](double x) { return MpfrReal::from_exact(x); };
              h[i] = exp(-(real(alpha[i]) * real(delta[channel]))) * h[i] + real(dx[channel]) * real(b[n]);
              y += real(c[n]) * h[i];
              ASSERT_TRUE(holds(state, i, h[i]))
                  << hwy::TargetName(target) << " states " << states << " width " << width << " step " << t;
            }
            ASSERT_TRUE(holds(output, channel, y))
                << hwy::TargetName(target) << " states " << states << " width " << width << " step " << t;
          }
        }
      }
    }
  }
}

TEST(SelectiveScan, IsAtMostItsStatedWidthWiderThanAPlainIntervalLoop) {
  for (const std::int64_t target : vector_targets::supported()) {
    const vector_targets::OnlyTarget only(target);
    for (const double width : {0.0, 1e-15, 1e-6, 0.5}) {
      const std::size_t channels = 5;
      const std::size_t states = 16;
      RandomIntervals random(kSeed);
      const Arrays rate = random.intervals(channels * states, 0.0, 20.0, width);
      Arrays state = random.intervals(channels * states, -3.0, 3.0, width);
      double widest = 0.0;
      for (int t = 0; t < 10; ++t) {
        const Step step = random_step(random, channels, states, width, rate);
        Arrays reference = state;
        Arrays reference_output = Arrays::zeros(channels);
        reference_step(step, reference, reference_output);
        const Arrays before = state;
        Arrays output = Arrays::zeros(channels);
        advance_selective_scan(step.view(), state.span(), output.span());
        for (std::size_t i = 0; i < state.size(); ++i) {
          const std::size_t c = i / states;
          const Interval b = step.scaled_input.at(c) * step.input_map.at(i % states);
          const Interval a = exp(-(step.rate.at(i) * step.step_size.at(c)));
          const double size = a.upper() * before.at(i).magnitude() + b.magnitude();
          const double excess = std::max(state.upper[i] - reference.upper[i], reference.lower[i] - state.lower[i]);
          widest = std::max(widest, excess / (size * 0x1p-52 + kSmallest));
        }
        for (std::size_t c = 0; c < channels; ++c) {
          double size = 0.0;
          for (std::size_t n = 0; n < states; ++n)
            size += step.output_map.at(n).magnitude() * (before.at(c * states + n).magnitude() + 6.0);
          const double excess =
              std::max(output.upper[c] - reference_output.upper[c], reference_output.lower[c] - output.lower[c]);
          EXPECT_LE(excess, size * (kStepWidth + static_cast<double>(states) + 2.0) * 0x1p-52);
        }
      }
      EXPECT_LE(widest, kStepWidth) << hwy::TargetName(target) << " width " << width;
      if (width == 0.0) {
        EXPECT_GT(widest, 0.5);
      }
    }
  }
}

TEST(SelectiveScan, IsTrueAtExtremesAndNeverNaN) {
  const double extremes[] = {0.0, kSmallest, 1e-300, 1e-10, 1.0, 700.0, 1e304, kLargest};
  for (const std::int64_t target : vector_targets::supported()) {
    const vector_targets::OnlyTarget only(target);
    RandomIntervals random(kSeed);
    for (int repetition = 0; repetition < 300; ++repetition) {
      const auto pick = [&] { return extremes[static_cast<std::size_t>(random.unit() * 7.999)]; };
      const auto sign = [&] { return random.unit() < 0.5 ? -1.0 : 1.0; };
      const auto interval = [&](std::size_t count, bool nonnegative) {
        Arrays x;
        for (std::size_t i = 0; i < count; ++i) {
          const double a = nonnegative ? pick() : sign() * pick();
          const double b = nonnegative ? pick() : sign() * pick();
          x.push(a, random.unit() < 0.5 ? a : b);
          if (random.unit() < 0.1) x.upper.back() = kInfinity;
          if (!nonnegative && random.unit() < 0.1) x.lower.back() = -kInfinity;
        }
        return x;
      };
      const Step step{interval(10, true), interval(2, true), interval(2, false), interval(5, false),
                      interval(5, false)};
      Arrays state = interval(10, false);
      const Arrays before = state;
      Arrays output = Arrays::zeros(2);
      advance_selective_scan(step.view(), state.span(), output.span());
      for (std::size_t c = 0; c < 2; ++c) {
        MpfrReal y;
        for (std::size_t n = 0; n < 5; ++n) {
          const std::size_t i = c * 5 + n;
          const auto real = [&](const Arrays& x, std::size_t at) { return MpfrReal::from_exact(random.point(x, at)); };
          // exp by MPFR reaches far below the smallest double
          const MpfrReal h = exp(-(real(step.rate, i) * real(step.step_size, c))) * real(before, i) +
                             real(step.scaled_input, c) * real(step.input_map, n);
          y += real(step.output_map, n) * h;
          ASSERT_TRUE(state.lower[i] <= state.upper[i] && state.lower[i] < kInfinity && state.upper[i] > -kInfinity)
              << repetition;
          ASSERT_TRUE(holds(state, i, h)) << hwy::TargetName(target) << " repetition " << repetition;
        }
        ASSERT_TRUE(holds(output, c, y)) << hwy::TargetName(target) << " repetition " << repetition;
      }
    }
  }
}

TEST(SelectiveScan, WithADecayRoundedDownwardWouldLoseTheTruthSoTheContainmentTestCanFail) {
  RandomIntervals random(kSeed);
  const Arrays rate = random.intervals(64, 0.0, 1.0, 0.0);
  const Step step = random_step(random, 4, 16, 0.0, rate);
  Arrays state = random.intervals(64, 1.0, 3.0, 0.0);
  const Arrays before = state;
  Arrays output = Arrays::zeros(4);
  advance_selective_scan(step.view(), state.span(), output.span());
  int lost = 0;
  for (std::size_t i = 0; i < 64; ++i) {
    const auto real = [](double x) { return MpfrReal::from_exact(x); };
    const double upper = state.upper[i] - 4.0 * kStepWidth * 0x1p-52 * (before.upper[i] + 4.0);
    const std::size_t c = i / 16;
    const MpfrReal h = exp(-(real(rate.lower[i]) * real(step.step_size.lower[c]))) * real(before.lower[i]) +
                       real(step.scaled_input.lower[c]) * real(step.input_map.lower[i % 16]);
    lost += h <= upper ? 0 : 1;
  }
  EXPECT_EQ(lost, 64);
}

TEST(HeadScan, IsTheSelectiveScanWithOneDecayPerHead) {
  for (const std::int64_t target : vector_targets::supported()) {
    const vector_targets::OnlyTarget only(target);
    for (const double width : {0.0, 1e-12, 0.5}) {
      RandomIntervals random(kSeed);
      const std::size_t heads = 2, head_dim = 3, states = 13;
      Arrays state = Arrays::zeros(heads * head_dim * states);
      Arrays output = Arrays::zeros(heads * head_dim);
      std::vector<MpfrReal> h(state.size());
      for (int t = 0; t < 10; ++t) {
        Arrays decay = random.intervals(heads, 0.0, 1.0, width);
        if (t == 5) decay = {{0.0, 1.0}, {0.0, 1.0}};
        const Arrays dx = random.intervals(heads * head_dim, -2.0, 2.0, width);
        const Arrays b = random.intervals(states, -2.0, 2.0, width);
        const Arrays c = random.intervals(states, -2.0, 2.0, width);
        advance_head_scan({decay.view(), dx.view(), b.view(), c.view()}, state.span(), output.span());
        const std::vector<double> a = random.points(decay);
        for (std::size_t row = 0; row < output.size(); ++row) {
          MpfrReal y;
          for (std::size_t n = 0; n < states; ++n) {
            MpfrReal& value = h[row * states + n];
            value = MpfrReal::from_exact(a[row / head_dim]) * value +
                    MpfrReal::from_exact(random.point(dx, row)) * MpfrReal::from_exact(random.point(b, n));
            y += MpfrReal::from_exact(random.point(c, n)) * value;
            ASSERT_TRUE(holds(state, row * states + n, value))
                << hwy::TargetName(target) << " width " << width << " step " << t;
          }
          ASSERT_TRUE(holds(output, row, y)) << hwy::TargetName(target) << " width " << width << " step " << t;
        }
      }
    }
  }
}

TEST(AffineScan, HoldsEveryRealStepAndKeepsInfiniteEnds) {
  RandomIntervals random(kSeed);
  const Arrays decay = random.intervals(37, 0.0, 1.0, 0.3);
  const Arrays increment = random.intervals(37, -1.0, 1.0, 0.3);
  Arrays state = random.intervals(37, -5.0, 5.0, 0.3);
  const Arrays before = state;
  advance_affine_scan(decay.view(), increment.view(), state.span());
  for (std::size_t i = 0; i < 37; ++i) {
    for (int k = 0; k < 20; ++k) {
      const auto real = [&](const Arrays& x) { return MpfrReal::from_exact(random.point(x, i)); };
      ASSERT_TRUE(holds(state, i, real(decay) * real(before) + real(increment)));
    }
    const Interval reference = decay.at(i) * before.at(i) + increment.at(i);
    EXPECT_LE(state.upper[i] - reference.upper(), 0x1p-51 * 6.0);
    EXPECT_LE(reference.lower() - state.lower[i], 0x1p-51 * 6.0);
  }
  Arrays wide{{-kInfinity}, {kInfinity}};
  const Arrays zero{{0.0}, {0.0}};
  advance_affine_scan(zero.view(), zero.view(), wide.span());
  EXPECT_EQ(wide.lower[0], -kInfinity);
  EXPECT_EQ(wide.upper[0], kInfinity);
}

TEST(Decay, AndItsComplementHoldTheirValuesWithinTheirWidth) {
  RandomIntervals random(kSeed);
  for (const std::int64_t target : vector_targets::supported()) {
    const vector_targets::OnlyTarget only(target);
    Arrays s;
    for (const double extreme : {0.0, kSmallest, 1e-300, 0x1p-54, 1e-9, 0.3465, 0.3466, 0.6931471805599453, 36.0, 700.0,
                                 709.0, 740.0, 745.2, 800.0, kLargest}) {
      s.push(extreme, extreme);
      s.push(extreme, extreme * (1.0 + 1e-14));
    }
    for (int i = 0; i < 3000; ++i) {
      const double x = std::pow(10.0, 20.0 * random.unit() - 17.0);
      s.push(x, x * (random.unit() < 0.5 ? 1.0 + 1e-15 * std::floor(3.0 * random.unit()) : 1.0 + random.unit()));
    }
    s.push(1.0, 1.0);
    s.upper.back() = kInfinity;
    Arrays a = Arrays::zeros(s.size());
    Arrays rest = Arrays::zeros(s.size());
    enclose_decay(s.view(), a.span(), rest.span());
    Arrays alone = Arrays::zeros(s.size());
    enclose_decay(s.view(), alone.span());
    EXPECT_EQ(alone.lower, a.lower);
    EXPECT_EQ(alone.upper, a.upper);
    for (std::size_t i = 0; i < s.size(); ++i) {
      ASSERT_TRUE(0.0 <= a.lower[i] && a.upper[i] <= 1.0 && 0.0 <= rest.lower[i] && rest.upper[i] <= 1.0);
      const MpfrReal greatest = exp(-MpfrReal::from_exact(s.lower[i]));
      const MpfrReal least_rest = -expm1(-MpfrReal::from_exact(s.lower[i]));
      ASSERT_TRUE(greatest <= a.upper[i] && least_rest >= rest.lower[i]) << s.lower[i];
      const auto near = [](double end, const MpfrReal& value, double width) {
        return abs(MpfrReal::from_exact(end) - value) <=
               value * MpfrReal::from_exact(width * 0x1p-52) + MpfrReal::from_exact(kSmallest);
      };
      EXPECT_TRUE(near(a.upper[i], greatest, kVectorDecayWidth)) << s.lower[i];
      EXPECT_TRUE(near(rest.lower[i], least_rest, kVectorExpm1Width)) << s.lower[i];
      if (!std::isfinite(s.upper[i])) {
        EXPECT_EQ(a.lower[i], 0.0);
        EXPECT_EQ(rest.upper[i], 1.0);
        continue;
      }
      const MpfrReal least = exp(-MpfrReal::from_exact(s.upper[i]));
      const MpfrReal greatest_rest = -expm1(-MpfrReal::from_exact(s.upper[i]));
      ASSERT_TRUE(least >= a.lower[i] && greatest_rest <= rest.upper[i]) << s.upper[i];
      EXPECT_TRUE(near(a.lower[i], least, kVectorDecayWidth)) << s.lower[i] << " " << s.upper[i];
      EXPECT_TRUE(near(rest.upper[i], greatest_rest, kVectorExpm1Width)) << s.upper[i];
    }
    EXPECT_EQ(a.lower[0], 1.0 - 0x1.8p-51) << "3 units of 2^-52 below 1";
    EXPECT_EQ(a.upper[0], 1.0);
    EXPECT_EQ(rest.lower[0], 0.0);
    EXPECT_EQ(rest.upper[0], 0.0);
  }
}

TEST(IntervalScan, RefusesSpansOfTheWrongLengthAndNegativeDecayExponents) {
  RandomIntervals random(kSeed);
  Step step = random_step(random, 2, 4, 0.0, random.intervals(8, 0.0, 1.0, 0.0));
  Arrays state = Arrays::zeros(8);
  Arrays output = Arrays::zeros(2);
  EXPECT_NO_THROW(advance_selective_scan(step.view(), state.span(), output.span()));
  step.output_map = Arrays::zeros(3);
  EXPECT_THROW(advance_selective_scan(step.view(), state.span(), output.span()), ContractViolation);
  Arrays one = Arrays::zeros(1);
  Arrays other = Arrays::zeros(1);
  for (const auto& [lower, upper] :
       std::vector<std::pair<double, double>>{{-1.0, 1.0}, {2.0, 1.0}, {std::nan(""), 1.0}, {kInfinity, kInfinity}}) {
    const Arrays bad{{lower}, {upper}};
    EXPECT_THROW(enclose_decay(bad.view(), one.span(), other.span()), ContractViolation);
    EXPECT_THROW(enclose_decay(bad.view(), one.span()), ContractViolation);
  }
}

TEST(SelectiveScan, FromAnotherPlaceGivesTheSameStateAndLeavesThePreviousOneAlone) {
  RandomIntervals random(kSeed);
  const std::size_t channels = 3, states = 5;
  const Step step = random_step(random, channels, states, 1e-9, random.intervals(channels * states, 0.0, 20.0, 1e-9));
  const Arrays previous = random.intervals(channels * states, -2.0, 2.0, 1e-9);
  Arrays in_place = previous, elsewhere = Arrays::zeros(channels * states);
  Arrays y = Arrays::zeros(channels), y_elsewhere = y;
  advance_selective_scan(step.view(), in_place.span(), y.span());
  advance_selective_scan(step.view(), previous.view(), elsewhere.span(), y_elsewhere.span());
  EXPECT_EQ(in_place.lower, elsewhere.lower);
  EXPECT_EQ(in_place.upper, elsewhere.upper);
  EXPECT_EQ(y.lower, y_elsewhere.lower);
  const Arrays decay = random.intervals(1, 0.0, 1.0, 1e-9), x = random.intervals(channels, -1.0, 1.0, 0.0);
  const HeadScanStep head{decay.view(), x.view(), step.input_map.view(), step.output_map.view()};
  in_place = previous;
  advance_head_scan(head, in_place.span(), y.span());
  advance_head_scan(head, previous.view(), elsewhere.span(), y_elsewhere.span());
  EXPECT_EQ(in_place.lower, elsewhere.lower);
  EXPECT_EQ(y.upper, y_elsewhere.upper);
  EXPECT_THROW(advance_head_scan(head, x.view(), elsewhere.span(), y_elsewhere.span()), ContractViolation);
}

}  // namespace
}  // namespace lyap
