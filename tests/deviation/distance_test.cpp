#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "numerics/contract_violation.hpp"
#include "tests/deviation/block_values.hpp"
#include "tests/deviation/random_deviation_blocks.hpp"
#include "tests/verify/trajectory_ordinary_blocks.hpp"
#include "verify/deviation/deviation_run.hpp"

namespace lyap::deviation {
namespace {

using lyap::testing::block_values;
using lyap::testing::BlockValues;
using lyap::testing::check_property;
using lyap::testing::OrdinaryBlocks;
using lyap::testing::real_chunks;
using theory::BlockWeights;
using theory::Mamba1Weights;
using theory::Matrix;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

BlockChunk scalar_chunk(double lower, double upper) {
  BlockChunk chunk;
  chunk.end = 1;
  chunk.h = IntervalMatrix(2, 1);
  chunk.y = IntervalMatrix(1, 1);
  chunk.output = IntervalMatrix(1, 1);
  for (IntervalMatrix* m : {&chunk.h, &chunk.y, &chunk.output}) {
    m->lower.setConstant(lower);
    m->upper.setConstant(upper);
  }
  return chunk;
}

double scalar_distance(double lower, double upper, double other_lower, double other_upper) {
  const ChunkDeviation d = distance(scalar_chunk(lower, upper), scalar_chunk(other_lower, other_upper));
  EXPECT_EQ(d.state(0, 0), d.output(0, 0));
  EXPECT_GE(d.block_output[0], d.state(0, 0));
  return d.state(0, 0);
}

TEST(Distance, IsTheLargestOfAllPairsOfPoints) {
  EXPECT_EQ(scalar_distance(1.0, 2.0, 5.0, 8.0), 7.0);
  EXPECT_EQ(scalar_distance(5.0, 8.0, 1.0, 2.0), 7.0);
  EXPECT_EQ(scalar_distance(-1.0, 1.0, -1.0, 1.0), 2.0);
  EXPECT_EQ(scalar_distance(3.0, 3.0, 3.0, 3.0), 0.0);
}

TEST(Distance, IsRoundedUpward) {
  EXPECT_GT(scalar_distance(-0x1p-80, -0x1p-80, 1.0, 1.0), 1.0);
  EXPECT_GT(scalar_distance(1.0, 1.0, -0x1p-80, -0x1p-80), 1.0);
}

TEST(Distance, IsInfiniteAndNeverNaNWhereAnEndIs) {
  EXPECT_EQ(scalar_distance(0.0, kInfinity, 0.0, kInfinity), kInfinity);
  EXPECT_EQ(scalar_distance(kInfinity, kInfinity, kInfinity, kInfinity), kInfinity);
  EXPECT_EQ(scalar_distance(0.0, 1.0, -kInfinity, 1.0), kInfinity);
}

TEST(Distance, OfTheBlocksOutputIsOptionalAndShapesMustAgree) {
  const BlockChunk reference = scalar_chunk(0.0, 1.0);
  BlockChunk other = reference;
  other.output = IntervalMatrix();
  EXPECT_TRUE(distance(reference, other).block_output.empty());
  other.h = IntervalMatrix(3, 1);
  EXPECT_THROW(static_cast<void>(distance(reference, other)), ContractViolation);
  other = reference;
  other.begin = 1;
  EXPECT_THROW(static_cast<void>(distance(reference, other)), ContractViolation);
}

MpfrReal difference(const MpfrReal& x, const MpfrReal& y) { return x < y ? y - x : x - y; }

/// How often a true deviation exceeds `share` of its bound; in everything the bounds count.
std::size_t count_above(const ChunkDeviation& bounds, const BlockValues<MpfrReal>& x, const BlockValues<MpfrReal>& y,
                        const MpfrReal& share) {
  std::size_t count = 0;
  for (std::size_t t = 0; t < x.steps.size(); ++t) {
    const Eigen::Index row = Eigen::Index(t);
    for (std::size_t i = 0; i < x.states[t + 1].size(); ++i) {
      const MpfrReal bound = share * MpfrReal::from_exact(bounds.state(row, Eigen::Index(i)));
      count += difference(x.states[t + 1][i], y.states[t + 1][i]) > bound;
    }
    for (std::size_t i = 0; i < x.steps[t].y.size(); ++i) {
      const MpfrReal bound = share * MpfrReal::from_exact(bounds.output(row, Eigen::Index(i)));
      count += difference(x.steps[t].y[i], y.steps[t].y[i]) > bound;
    }
    MpfrReal sum = MpfrReal::from_exact(0.0);
    for (std::size_t i = 0; i < x.steps[t].output.size(); ++i) {
      const MpfrReal d = difference(x.steps[t].output[i], y.steps[t].output[i]);
      sum += d * d;
    }
    count += sqrt(sum) > share * MpfrReal::from_exact(bounds.block_output[t]);
  }
  return count;
}

TEST(Distance, BoundsTheDeviationOfEveryQuantityOfTwoRandomBlocksAt256Bits) {
  check_property("distance of two blocks", 300, [] {
    const Mamba1Weights block = lyap::testing::draw_whole_mamba1();
    Mamba1Weights other = block;
    const double factor = *rc::gen::element(1.0, 1.0 + 0x1p-20, 0.75);
    for (double& entry : other.x_proj.entries) entry *= factor;
    const Matrix inputs = lyap::testing::draw_inputs(lyap::testing::draw_size(5), block.d_model);
    const BlockWeights first = block, second = other;
    const ChunkDeviation bounds =
        distance(real_chunks(first, inputs, {5}).front(), real_chunks(second, inputs, {5}).front());
    RC_ASSERT(count_above(bounds, block_values<MpfrReal>(block, inputs), block_values<MpfrReal>(other, inputs),
                          MpfrReal::from_exact(1.0)) == 0);
  });
}

TEST(Distance, IsTightAndTheContainmentTestWouldSeeABoundThatIsALittleTooSmall) {
  OrdinaryBlocks random(31);
  const Mamba1Weights block = random.mamba1(7, 6, 4, 2);
  Mamba1Weights other = block;
  for (double& entry : other.in_proj.entries) entry *= 1.0 + 0x1p-10;
  const Matrix inputs = random.matrix(12, 7, 3.0);
  const BlockWeights first = block, second = other;
  const ChunkDeviation bounds =
      distance(real_chunks(first, inputs, {12}).front(), real_chunks(second, inputs, {12}).front());
  const auto x = block_values<MpfrReal>(block, inputs), y = block_values<MpfrReal>(other, inputs);
  const std::size_t all = 12 * (24 + 6 + 1);
  EXPECT_EQ(count_above(bounds, x, y, MpfrReal::from_exact(1.0)), 0u);
  EXPECT_GT(count_above(bounds, x, y, MpfrReal::from_exact(1.0 - 1e-8)), all * 9 / 10);
}

}  // namespace
}  // namespace lyap::deviation
