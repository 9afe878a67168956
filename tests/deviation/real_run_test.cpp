#include "verify/deviation/real_run.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "numerics/contract_violation.hpp"
#include "tests/deviation/block_values.hpp"
#include "tests/deviation/random_deviation_blocks.hpp"
#include "tests/verify/trajectory_ordinary_blocks.hpp"

namespace lyap::deviation {
namespace {

using lyap::testing::block_values;
using lyap::testing::BlockValues;
using lyap::testing::check_property;
using lyap::testing::first_outside;
using lyap::testing::OrdinaryBlocks;
using lyap::testing::real_chunks;
using theory::BlockWeights;
using theory::Mamba1Weights;
using theory::Mamba2Weights;
using theory::Matrix;

std::optional<std::string> first_outside_any(const BlockValues<MpfrReal>& values,
                                             const std::vector<BlockChunk>& chunks) {
  for (const BlockChunk& chunk : chunks) {
    if (auto outside = first_outside(values, chunk)) return outside;
  }
  return std::nullopt;
}

void expect_enclosed(const BlockWeights& block) {
  const std::size_t width = std::visit([](const auto& w) { return w.d_model; }, block);
  const Matrix inputs = lyap::testing::draw_inputs(lyap::testing::draw_size(7), width);
  const auto chunks = real_chunks(block, inputs, {lyap::testing::draw_size(4), lyap::testing::draw_size(4)});
  for (const theory::Softplus softplus : {theory::Softplus::kTextbook, theory::Softplus::kDeployed}) {
    const auto outside = first_outside_any(block_values<MpfrReal>(block, inputs, softplus), chunks);
    if (outside) RC_FAIL(*outside);
  }
}

TEST(RealRun, EveryQuantityOfRandomMamba1BlocksLiesInItsEnclosureAt256Bits) {
  check_property("Mamba-1 containment", 600, [] { expect_enclosed(lyap::testing::draw_whole_mamba1()); });
}

TEST(RealRun, EveryQuantityOfRandomMamba2BlocksLiesInItsEnclosureAt256Bits) {
  check_property("Mamba-2 containment", 600, [] { expect_enclosed(lyap::testing::draw_whole_mamba2()); });
}

TEST(RealRun, ChunksBehindTheFirstAreTheSameSequence) {
  OrdinaryBlocks random(5);
  const BlockWeights block = random.mamba2(7, 4, 3, 5, 2);
  const Matrix inputs = random.matrix(20, 7, 3.0);
  const BlockChunk whole = real_chunks(block, inputs, {20}).front();
  const auto parts = real_chunks(block, inputs, {3, 1, 9, 7});
  for (const BlockChunk& part : parts) {
    const Eigen::Index first = Eigen::Index(part.begin), count = Eigen::Index(part.end - part.begin);
    EXPECT_EQ(part.h.lower, whole.h.lower.middleRows(first, count + 1));
    EXPECT_EQ(part.y.upper, whole.y.upper.middleRows(first, count));
    EXPECT_EQ(part.output.lower, whole.output.lower.middleRows(first, count));
  }
}

/// Largest ratio of widths, this run over theory's template in Interval.
double widest_ratio(const BlockWeights& block, const Matrix& inputs) {
  const auto chunks = real_chunks(block, inputs, {inputs.rows});
  const auto slow = block_values<Interval>(block, inputs, theory::Softplus::kDeployed);
  double ratio = 0.0;
  lyap::testing::visit_rows(slow, chunks.front(),
                            [&](const char*, const IntervalMatrix& set, Eigen::Index row, const auto& values) {
                              for (Eigen::Index i = 0; i < set.columns(); ++i) {
                                const double width = values[std::size_t(i)].upper() - values[std::size_t(i)].lower();
                                if (width > 0.0)
                                  ratio = std::max(ratio, (set.upper(row, i) - set.lower(row, i)) / width);
                              }
                            });
  return ratio;
}

TEST(RealRun, EnclosuresAreWiderThanThoseOfThePlainIntervalRunByNoMoreThanTheStatedFactor) {
  OrdinaryBlocks random(11);
  double ratio = 0.0;
  for (int repetition = 0; repetition < 10; ++repetition) {
    const Matrix inputs = random.matrix(20, 31, 5.0);
    ratio = std::max(ratio, widest_ratio(random.mamba1(31, 17, 5, 3), inputs));
    ratio = std::max(ratio, widest_ratio(random.mamba2(31, 4, 3, 5, 2), inputs));
  }
  std::cout << "largest ratio of widths " << ratio << " of " << kRealRunWidthFactor << " allowed\n";
  EXPECT_LE(ratio, kRealRunWidthFactor);
}

TEST(RealRun, ContainmentTestsCatchADroppedPartOfTheBlock) {
  OrdinaryBlocks random(13);
  const Mamba1Weights block = random.mamba1(5, 4, 3, 2);
  const Matrix inputs = random.matrix(6, 5, 3.0);
  const auto values = block_values<MpfrReal>(block, inputs);
  const auto caught = [&](const auto& wrong) {
    return first_outside_any(values, real_chunks(BlockWeights(wrong), inputs, {4})).has_value();
  };
  EXPECT_FALSE(caught(block));
  Mamba1Weights wrong = block;
  wrong.out_proj(0, 0) = std::nextafter(wrong.out_proj(0, 0), 2.0) + 1e-12;
  EXPECT_TRUE(caught(wrong));
  wrong = block;
  wrong.in_proj_bias[block.d_inner] += 1e-10;  // of the gate only
  EXPECT_TRUE(caught(wrong));
  wrong = block;
  wrong.D[1] += 1e-10;
  EXPECT_TRUE(caught(wrong));
  wrong = block;
  wrong.out_proj_bias.assign(5, 1e-10);
  EXPECT_TRUE(caught(wrong));
}

TEST(RealRun, TheGatedNormIsCappedWhereTheStateIsUnbounded) {
  OrdinaryBlocks random(17);
  Mamba2Weights block = random.mamba2(5, 2, 3, 4, 1);
  for (double& entry : block.in_proj.entries) entry = std::ldexp(entry, 1000);
  for (double& entry : block.conv_weight.entries) entry = std::ldexp(entry, 1000);
  const BlockWeights variant = block;
  const BlockChunk chunk = real_chunks(variant, random.matrix(4, 5, 3.0), {4}).front();
  const double cap = std::nextafter(std::sqrt(6.0), 9.0);  // gains are 1
  EXPECT_EQ(chunk.y.upper(3, 0), std::numeric_limits<double>::infinity());
  EXPECT_LE(chunk.gated.upper.maxCoeff(), cap);
  EXPECT_GE(chunk.gated.lower.minCoeff(), -cap);
  EXPECT_TRUE(chunk.output.upper.allFinite());
}

TEST(RealRun, RefusesGapsOtherWidthsAndNonFiniteInputs) {
  OrdinaryBlocks random(19);
  const BlockWeights block = random.mamba1(5, 4, 3, 2);
  Matrix inputs = random.matrix(6, 5, 3.0);
  RealRun run(block);
  EXPECT_THROW(static_cast<void>(run.advance(inputs, 1, 2)), ContractViolation);
  EXPECT_THROW(static_cast<void>(run.advance(inputs, 0, 7)), ContractViolation);
  EXPECT_THROW(static_cast<void>(run.advance(random.matrix(6, 4, 1.0), 0, 2)), ContractViolation);
  inputs(0, 0) = std::numeric_limits<double>::infinity();
  EXPECT_THROW(static_cast<void>(run.advance(inputs, 0, 1)), ContractViolation);
}

TEST(RealRun, ChunksOfStatesFitIntoTheStatedMemory) {
  EXPECT_EQ(chunk_tokens({48, 1, 16, 1, true}), 256u);
  EXPECT_EQ(chunk_tokens({64, 64, 128, 1, false}), 16u);
  const std::size_t tokens = chunk_tokens({3, 64, 64, 1, false});
  EXPECT_GE(tokens, 16u);
  EXPECT_LE(tokens * 3 * 64 * 64 * 16, std::size_t(8) << 20);
}

/// Weights and factors of one matrix whose sum W + scale B A is a binary64 number.
LowRankUpdate draw_update(AdapterTarget target, const Matrix& W, double low_scale, double high_scale) {
  const std::size_t rank = lyap::testing::draw_size(3);
  LowRankUpdate update{target,
                       lyap::testing::draw_matrix(rank, W.columns, lyap::testing::dyadic()),
                       lyap::testing::draw_matrix(W.rows, rank, lyap::testing::dyadic()),
                       {}};
  update.scale = {low_scale, low_scale, high_scale};
  return update;
}

void add_exactly(Matrix& W, const LowRankUpdate& update, double scale) {
  for (std::size_t i = 0; i < W.rows; ++i) {
    for (std::size_t j = 0; j < W.columns; ++j) {
      for (std::size_t k = 0; k < update.rank(); ++k) W(i, j) += scale * update.B(i, k) * update.A(k, j);
    }
  }
}

Matrix dyadic_matrix(const Matrix& shape) {
  return lyap::testing::draw_matrix(shape.rows, shape.columns, lyap::testing::dyadic());
}

using Target = std::pair<AdapterTarget, Matrix*>;
std::vector<Target> targets_of(Mamba1Weights& w) {
  return {{AdapterTarget::kInProj, &w.in_proj},
          {AdapterTarget::kXProj, &w.x_proj},
          {AdapterTarget::kDtProj, &w.dt_proj},
          {AdapterTarget::kOutProj, &w.out_proj}};
}
std::vector<Target> targets_of(Mamba2Weights& w) {
  return {{AdapterTarget::kInProj, &w.in_proj}, {AdapterTarget::kOutProj, &w.out_proj}};
}

/// The adapted run encloses the run of each merged matrix with a scale of the interval; without the updates it does
/// not.
template <class Weights>
void expect_adapter_enclosed(Weights block) {
  std::vector<LowRankUpdate> updates;
  const double low = *rc::gen::element(0.25, 1.0, -0.5), high = low + *rc::gen::element(0.0, 0.125);
  for (const auto& [target, matrix] : targets_of(block)) {
    *matrix = dyadic_matrix(*matrix);
    updates.push_back(draw_update(target, *matrix, low, high));
  }
  const Matrix inputs = lyap::testing::draw_inputs(lyap::testing::draw_size(4), block.d_model);
  const BlockWeights base = block;
  const auto chunks = real_chunks(base, inputs, {3}, updates);
  for (const double scale : {low, high, 0.5 * (low + high)}) {
    Weights merged = block;
    const auto targets = targets_of(merged);
    for (std::size_t i = 0; i < targets.size(); ++i) add_exactly(*targets[i].second, updates[i], scale);
    const auto outside = first_outside_any(block_values<MpfrReal>(merged, inputs), chunks);
    if (outside) RC_FAIL(*outside);
  }
}

TEST(RealRun, AnAdaptedBlockLiesInItsEnclosureForEveryScaleOfTheInterval) {
  check_property("adapted Mamba-1", 200, [] { expect_adapter_enclosed(lyap::testing::draw_whole_mamba1()); });
  check_property("adapted Mamba-2", 200, [] { expect_adapter_enclosed(lyap::testing::draw_whole_mamba2()); });
}

TEST(RealRun, ContainmentTestsCatchAnUpdateThatIsLeftOutOrOneThatIsScaledTwice) {
  OrdinaryBlocks random(23);
  Mamba1Weights block = random.mamba1(5, 4, 3, 2);
  const Matrix inputs = random.matrix(6, 5, 3.0);
  for (const auto& [target, matrix] : targets_of(block)) {
    for (double& entry : matrix->entries) entry = std::ldexp(std::nearbyint(std::ldexp(entry, 10)), -10);
    LowRankUpdate update{target, Matrix(1, matrix->columns), Matrix(matrix->rows, 1), {0.5, 0.5, 0.5}};
    for (double& entry : update.A.entries) entry = 0.25;
    for (double& entry : update.B.entries) entry = 0x1p-20;
    Mamba1Weights merged = block;
    for (const auto& [other, changed] : targets_of(merged)) {
      if (other == target) add_exactly(*changed, update, 0.5);
    }
    const auto values = block_values<MpfrReal>(merged, inputs);
    const BlockWeights base = block;
    const std::vector<LowRankUpdate> once{update}, twice{update, update};
    EXPECT_FALSE(first_outside_any(values, real_chunks(base, inputs, {6}, once)).has_value());
    EXPECT_TRUE(first_outside_any(values, real_chunks(base, inputs, {6})).has_value()) << target_name(target);
    EXPECT_TRUE(first_outside_any(values, real_chunks(base, inputs, {6}, twice)).has_value()) << target_name(target);
  }
}

TEST(RealRun, RefusesUpdatesThatDoNotFitTheBlock) {
  OrdinaryBlocks random(29);
  const BlockWeights block = random.mamba2(5, 2, 3, 4, 1);
  const Matrix& W = std::get<Mamba2Weights>(block).out_proj;
  const auto refuses = [&](AdapterTarget target, std::size_t columns, std::size_t rows) {
    const std::vector<LowRankUpdate> updates{{target, Matrix(2, columns), Matrix(rows, 2), {1.0, 1.0, 1.0}}};
    try {
      const RealRun run(block, updates);
      return false;
    } catch (const ContractViolation&) {
      return true;
    }
  };
  EXPECT_FALSE(refuses(AdapterTarget::kOutProj, W.columns, W.rows));
  EXPECT_TRUE(refuses(AdapterTarget::kOutProj, W.columns + 1, W.rows));
  EXPECT_TRUE(refuses(AdapterTarget::kOutProj, W.columns, W.rows + 1));
  EXPECT_TRUE(refuses(AdapterTarget::kDtProj, W.columns, W.rows));
  EXPECT_TRUE(refuses(AdapterTarget::kEmbeddings, W.columns, W.rows));
}

}  // namespace
}  // namespace lyap::deviation
