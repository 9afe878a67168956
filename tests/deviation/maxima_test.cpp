#include "verify/deviation/deviation_maxima.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "numerics/contract_violation.hpp"
#include "numerics/rounded_formats.hpp"
#include "verify/deviation/lost_contraction.hpp"

namespace lyap::deviation {
namespace {

using Eigen::Index;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
const StateShape kShape{3, 2, 4, 1, false};  // 6 rows, 24 states

class Random {
 public:
  double unit() { return std::uniform_real_distribution<double>(0.0, 1.0)(random_); }
  RowMajorMatrix matrix(Index rows, Index columns) {
    RowMajorMatrix m(rows, columns);
    for (Index i = 0; i < m.size(); ++i) m.data()[i] = unit();
    return m;
  }
  IntervalMatrix intervals(Index rows, Index columns) {
    IntervalMatrix m(rows, columns);
    for (Index i = 0; i < m.lower.size(); ++i) {
      const double x = 4.0 * unit() - 2.0, y = x + (unit() < 0.3 ? 0.0 : unit());
      m.lower.data()[i] = x;
      m.upper.data()[i] = y;
    }
    return m;
  }
  BlockChunk chunk(std::size_t begin, std::size_t end, Index rows = 6, Index states = 24, Index width = 5) {
    const Index tokens = Index(end - begin);
    BlockChunk result;
    result.begin = begin, result.end = end;
    result.h = intervals(tokens + 1, states);
    result.y = intervals(tokens, rows);
    result.output = intervals(tokens, width);
    return result;
  }

 private:
  std::mt19937_64 random_{17};
};

TEST(DeviationMaxima, AreThoseOfAPlainLoopForEveryLengthAndEveryCutIntoChunks) {
  Random random;
  for (const std::size_t steps : {1u, 2u, 127u, 128u, 129u, 300u}) {
    const RowMajorMatrix state = random.matrix(Index(steps), 24), output = random.matrix(Index(steps), 6);
    std::vector<double> norms(steps);
    for (double& norm : norms) norm = random.unit();
    DeviationMaxima maxima(kShape, steps);
    for (std::size_t begin = 0; begin < steps;) {
      const std::size_t end = std::min(steps, begin + 1 + std::size_t(70.0 * random.unit()));
      const Index first = Index(begin), count = Index(end - begin);
      maxima.add(begin, {state.middleRows(first, count), output.middleRows(first, count),
                         std::vector<double>(norms.begin() + first, norms.begin() + first + count)});
      begin = end;
    }
    for (Index i = 0; i < 24; ++i) EXPECT_EQ(maxima.state()[std::size_t(i)], state.col(i).maxCoeff());
    for (Index i = 0; i < 6; ++i) EXPECT_EQ(maxima.output()[std::size_t(i)], output.col(i).maxCoeff());
    EXPECT_EQ(maxima.block_output(), norms);
    const std::vector<double> envelope = maxima.envelope();
    EXPECT_LE(envelope.size(), kEnvelopePoints);
    for (std::size_t i = 0; i < envelope.size(); ++i) {
      const std::size_t begin = i * maxima.bucket_steps(), end = std::min(steps, begin + maxima.bucket_steps());
      EXPECT_EQ(envelope[i], state.middleRows(Index(begin), Index(end - begin)).maxCoeff());
    }
  }
}

TEST(DeviationMaxima, CoverStatesBeyondOneThreadsShare) {
  const StateShape shape{1300, 1, 1, 1, true};
  DeviationMaxima maxima(shape, 2);
  RowMajorMatrix state = RowMajorMatrix::Zero(2, 1300);
  state(1, 1299) = 3.0;
  state(0, 511) = 2.0;
  maxima.add(0, {state, state, {}});
  EXPECT_EQ(maxima.state()[1299], 3.0);
  EXPECT_EQ(maxima.state()[511], 2.0);
  EXPECT_EQ(maxima.output()[1299], 3.0);
  EXPECT_EQ(maxima.envelope(), (std::vector<double>{2.0, 3.0}));
  EXPECT_TRUE(maxima.block_output().empty());
}

TEST(DeviationMaxima, NaNIsInfinityAndInfinityStays) {
  DeviationMaxima maxima({1, 1, 2, 1, true}, 3);
  RowMajorMatrix state = RowMajorMatrix::Constant(3, 2, 1.0);
  state(0, 0) = kNaN;
  state(0, 1) = kInfinity;
  RowMajorMatrix output = RowMajorMatrix::Constant(3, 1, kNaN);
  maxima.add(0, {state, output, {kNaN, 1.0, 2.0}});
  EXPECT_EQ(maxima.state(), (std::vector<double>{kInfinity, kInfinity}));
  EXPECT_EQ(maxima.output(), (std::vector<double>{kInfinity}));
  EXPECT_EQ(maxima.block_output()[0], kInfinity);
}

TEST(DeviationMaxima, OfLeastDistancesNeverExceedThoseOfDistancesAndAgreeForPoints) {
  Random random;
  for (int repetition = 0; repetition < 200; ++repetition) {
    BlockChunk x = random.chunk(0, 3), y = random.chunk(0, 3);
    const bool points = repetition % 2 == 0;
    if (points) {
      for (BlockChunk* chunk : {&x, &y}) {
        for (IntervalMatrix* m : {&chunk->h, &chunk->y, &chunk->output}) {
          m->lower = m->lower.unaryExpr([](double v) { return std::nearbyint(v * 64.0) / 64.0; });
          m->upper = m->lower;
        }
      }
    }
    DeviationMaxima least(kShape, 3), most(kShape, 3), fused(kShape, 3);
    least.add_least_distance(x, y);
    DeviationMaxima middle(kShape, 3);
    middle.add_distance_of_middle(x, y);
    most.add(0, distance(x, y));
    fused.add_distance(x, y);
    EXPECT_EQ(fused.state(), most.state());
    EXPECT_EQ(fused.output(), most.output());
    EXPECT_EQ(fused.block_output(), most.block_output());
    EXPECT_EQ(fused.envelope(), most.envelope());
    for (std::size_t i = 0; i < 24; ++i) {
      EXPECT_LE(least.state()[i], middle.state()[i]);
      EXPECT_LE(middle.state()[i], most.state()[i]);
      if (points) {
        EXPECT_EQ(least.state()[i], most.state()[i]);
      }
    }
    for (std::size_t i = 0; i < 6; ++i) EXPECT_LE(least.output()[i], most.output()[i]);
    for (std::size_t t = 0; t < 3; ++t) {
      EXPECT_LE(least.block_output()[t], middle.block_output()[t]);
      EXPECT_LE(middle.block_output()[t], most.block_output()[t]);
    }
  }
}

TEST(DeviationMaxima, SizesAreTheLeastMagnitudes) {
  DeviationMaxima size({1, 1, 3, 1, true}, 1);
  BlockChunk chunk;
  chunk.end = 1;
  chunk.h = IntervalMatrix(2, 3);
  chunk.h.lower << 9, 9, 9, -2, 1, -1;
  chunk.h.upper << 9, 9, 9, -1, 3, 5;
  chunk.y = IntervalMatrix(1, 1);
  chunk.y.lower << -4;
  chunk.y.upper << -3;
  chunk.output = IntervalMatrix(1, 2);
  chunk.output.lower << 3, -5;
  chunk.output.upper << 9, -4;
  size.add_size(chunk);
  EXPECT_EQ(size.state(), (std::vector<double>{1.0, 1.0, 0.0}));  // the state before the chunk does not count
  EXPECT_EQ(size.output(), (std::vector<double>{3.0}));
  EXPECT_EQ(size.block_output(), (std::vector<double>{5.0}));
}

TEST(DeviationMaxima, RefuseChunksOfAnotherShapeAndBeyondTheSequence) {
  Random random;
  DeviationMaxima maxima(kShape, 4);
  EXPECT_THROW(maxima.add_size(random.chunk(3, 5)), ContractViolation);
  EXPECT_THROW(maxima.add_size(random.chunk(0, 2, 6, 23)), ContractViolation);
  EXPECT_THROW(maxima.add_least_distance(random.chunk(0, 2), random.chunk(1, 3)), ContractViolation);
  EXPECT_THROW(maxima.add(0, {RowMajorMatrix::Zero(2, 24), RowMajorMatrix::Zero(1, 6), {}}), ContractViolation);
  EXPECT_THROW(DeviationMaxima(kShape, 0), ContractViolation);
}

/// One step of a block of `state.size()` states in one or more heads; y has one row per head.
DeviationMaxima one_step(const StateShape& shape, const std::vector<double>& state, const std::vector<double>& output,
                         double norm) {
  DeviationMaxima maxima(shape, 1);
  maxima.add(0, {Eigen::Map<const RowMajorMatrix>(state.data(), 1, Index(state.size())),
                 Eigen::Map<const RowMajorMatrix>(output.data(), 1, Index(output.size())),
                 {norm}});
  return maxima;
}

TEST(WriteQuantities, GivesLargestBoundsPerHeadAndQuantilesOverStates) {
  const StateShape shape{2, 1, 2, 1, true};
  const auto bound = one_step(shape, {4.0, 6.0, 2.0, 8.0}, {1.0, 2.0}, 3.0);
  const auto size = one_step(shape, {8.0, 8.0, 8.0, 1.0}, {0.5, 1.0}, 6.0);
  const auto measured = one_step(shape, {2.0, 0.0, 1.0, 2.0}, {1.0, 1.0}, 1.0);
  DeviationBounds bounds;
  write_quantities(bound, size, &measured, bounds);
  require_consistent(bounds);
  EXPECT_EQ(bounds.steps, 1u);
  EXPECT_EQ(bounds.state.upper, (std::vector<double>{6.0, 8.0}));
  EXPECT_EQ(bounds.state.staying, 8.0);
  EXPECT_EQ(bounds.state.decaying, 0.0);
  EXPECT_EQ(bounds.state.measured, 2.0);
  EXPECT_EQ(bounds.state.ratio_median, 2.0);  // of 2, 2, 4: where both are positive
  EXPECT_EQ(bounds.state.ratio_p90, 4.0);
  EXPECT_EQ(bounds.state.relative_median, 0.5);  // of 1/4, 1/2, 3/4, 8
  EXPECT_TRUE(bounds.state.informative);
  EXPECT_EQ(bounds.output.relative_median, 2.0);
  EXPECT_FALSE(bounds.output.informative);
  EXPECT_EQ(bounds.block_output->upper, (std::vector<double>{3.0}));
  EXPECT_EQ(bounds.block_output->relative_median, 0.5);
  ASSERT_EQ(bounds.envelope.size(), 1u);
  EXPECT_EQ(bounds.envelope[0].bound, 8.0);
  EXPECT_EQ(bounds.envelope[0].measured, 2.0);
  EXPECT_EQ(bounds.envelope[0].size, 8.0);
}

TEST(WriteQuantities, WithoutAMeasurementLeavesItOutAndZeroOverZeroIsZero) {
  const StateShape shape{1, 1, 1, 1, true};
  const auto zero = one_step(shape, {0.0}, {0.0}, 0.0);
  DeviationBounds bounds;
  write_quantities(zero, zero, nullptr, bounds);
  require_consistent(bounds);
  EXPECT_FALSE(bounds.state.measured || bounds.state.ratio_median || bounds.state.measured_relative_median);
  EXPECT_EQ(bounds.state.relative_median, 0.0);
  EXPECT_TRUE(std::isnan(bounds.envelope[0].measured));
  const auto infinite = one_step(shape, {kInfinity}, {1.0}, 1.0);
  write_quantities(infinite, zero, &zero, bounds);
  require_consistent(bounds);
  EXPECT_EQ(bounds.state.relative_median, kInfinity);
  EXPECT_FALSE(bounds.state.informative);
}

/// How many of (step, decay) are counted for each type, one decay per head.
std::vector<LostContraction> counted(const std::vector<double>& rates, const std::vector<double>& step_sizes) {
  LostContractionCount count({rates.size(), 1, 1, 1, true}, rates);
  RowMajorMatrix delta(Index(step_sizes.size()), Index(rates.size()));
  for (Index t = 0; t < delta.rows(); ++t) delta.row(t).setConstant(step_sizes[std::size_t(t)]);
  count.add(delta.topRows(delta.rows() / 2));
  count.add(delta.bottomRows(delta.rows() - delta.rows() / 2));
  return count.counts(*theory::find_policy("amp-bf16"));
}

TEST(LostContraction, CountsStatesEverInMostStepsAndAlways) {
  const auto counts = counted({1.0, 10.0, 100.0}, {1e-9, 1e-9, 1e-4, 1e-3, 1.0});
  ASSERT_EQ(counts.size(), 3u);
  EXPECT_EQ(counts[0].type, "float32");
  EXPECT_EQ(counts[0].states, 3u);
  EXPECT_EQ(counts[0].states_ever, 3u);  // 1e-7 is within two units of binary32 of where exp rounds to 1
  EXPECT_EQ(counts[0].states_in_most_steps, 0u);
  EXPECT_EQ(counts[2].type, "bfloat16");
  EXPECT_EQ(counts[2].states_in_most_steps, 2u);  // rate 1: four steps; rate 10: three; rate 100: two
  EXPECT_EQ(counts[2].states_always, 0u);
  EXPECT_DOUBLE_EQ(counts[2].share_of_steps, 9.0 / 15.0);
  EXPECT_TRUE(counts[0].stored_so);
  EXPECT_FALSE(counts[2].stored_so);
}

/// fl(a) for a program whose exponential errs upward by as much as it may.
double worst_decay(double s, const FloatingFormat& format) {
  const double a = std::exp(-s * (1.0 - kDecayArgumentError)) * (1.0 + kDecayExpError);
  return round_to_format(a, format).value;
}

TEST(LostContraction, CountsEveryDecayThatAnAllowedProgramRoundsToOneAndFewOthers) {
  for (const bool bfloat16 : {true, false}) {
    const double threshold = bfloat16 ? 1.955e-3 : 2.4417e-4;
    std::size_t missed_without_error = 0;
    for (int k = -2000; k <= 2000; ++k) {
      const double s = threshold * (1.0 + k * 1e-6);
      const bool is_counted = counted({1.0}, {s})[bfloat16 ? 2 : 1].states_ever == 1;
      const bool can_be_one = worst_decay(s, bfloat16 ? kBfloat16 : kFloat16) == 1.0;
      EXPECT_TRUE(is_counted || !can_be_one) << k;
      const double correctly_rounded = -std::log1p(bfloat16 ? -0x1p-9 : -0x1p-12);
      missed_without_error += can_be_one && s > correctly_rounded;
    }
    EXPECT_GT(missed_without_error, 0u);  // the threshold of a correctly rounded decay would not do
    EXPECT_FALSE(counted({1.0}, {threshold * 1.003})[bfloat16 ? 2 : 1].states_ever == 1);
  }
}

}  // namespace
}  // namespace lyap::deviation
