#include "verify/checkpoint/model_tensors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "numerics/contract_violation.hpp"
#include "tests/checkpoint/crafted_model.hpp"

// Reading through views, as torch archives have them: offsets and strides of any kind.
namespace lyap {
namespace {

using ::testing::HasSubstr;

// The numbers 0, 1, 2, .. 23 in one tensor 't' at an odd address, seen as `shape` with `strides` from element `offset`.
ModelTensors numbers_seen_as(const std::vector<std::size_t>& shape, const std::vector<std::size_t>& strides,
                             std::size_t offset = 0) {
  std::vector<float> numbers(24);
  std::iota(numbers.begin(), numbers.end(), 0.0f);
  const std::map<std::string, testing::CraftedTensor> tensors = {{"a", {"U8", {1}, "x"}},
                                                                 {"t", testing::float_tensor({24}, numbers)}};
  const testing::TemporaryFolder folder;
  ModelFiles files;
  files.weights.push_back(open_safetensors(folder.write("w", testing::safetensors_bytes(tensors)), "w"));
  StoredTensor& view = files.weights[0].tensors[1];
  view.shape = shape;
  view.strides = strides;
  view.begin += 4 * offset;
  return ModelTensors(std::move(files));
}

TEST(ModelTensors, ATransposedViewIsReadByItsOwnIndices) {
  const ModelTensors tensors = numbers_seen_as({4, 6}, {1, 4});
  const theory::Matrix matrix = tensors.read_matrix("t");
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t j = 0; j < 6; ++j) EXPECT_EQ(matrix(i, j), static_cast<double>(i + 4 * j));
  }
  EXPECT_EQ(tensors.read_rows("t", 2, 3).entries, (theory::Vector{2, 6, 10, 14, 18, 22}));
}

TEST(ModelTensors, AViewIntoTheMiddleIsReadFromThere) {
  EXPECT_EQ(numbers_seen_as({2, 3}, {10, 2}, 3).read("t"), (theory::Vector{3, 5, 7, 13, 15, 17}));
  EXPECT_EQ(numbers_seen_as({2, 3}, {3, 1}, 5).read_rows("t", 1, 2).entries, (theory::Vector{8, 9, 10}));
  EXPECT_EQ(numbers_seen_as({2, 2}, {0, 1}, 1).read("t"), (theory::Vector{1, 2, 1, 2}));
  EXPECT_TRUE(numbers_seen_as({0, 6}, {6, 1}).read("t").empty());
}

TEST(ModelTensors, AViewThatMultipliesItsStorageIsRefusedBeforeItFillsTheMemory) {
  const auto refusal = [](const std::vector<std::size_t>& shape) {
    const ModelTensors tensors = numbers_seen_as(shape, std::vector<std::size_t>(shape.size(), 0));
    return testing::refusal_of("w", [&] { tensors.require("t", shape, "config.json"); });
  };
  EXPECT_EQ(refusal({3, 8}), "accepted");
  EXPECT_THAT(refusal({1'000'000, 1'000'000}), HasSubstr("repeats its storage"));
  EXPECT_THAT(refusal({std::size_t{1} << 40, std::size_t{1} << 40}), HasSubstr("repeats its storage"));
}

TEST(ModelTensors, RowsThatDoNotExistAreAContractViolation) {
  const ModelTensors tensors = numbers_seen_as({4, 6}, {6, 1});
  EXPECT_THROW((void)tensors.read_rows("t", 3, 5), ContractViolation);
  EXPECT_THROW((void)tensors.read_rows("t", 3, 2), ContractViolation);
  EXPECT_TRUE(tensors.read_rows("t", 4, 4).entries.empty());
  EXPECT_THROW((void)numbers_seen_as({24}, {1}).read_rows("t", 0, 1), ContractViolation);
}

}  // namespace
}  // namespace lyap
