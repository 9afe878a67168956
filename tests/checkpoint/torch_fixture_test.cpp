#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <variant>

#include "tests/checkpoint/crafted_model.hpp"
#include "verify/checkpoint/checkpoint.hpp"
#include "verify/checkpoint/weight_file.hpp"

// The fixtures that torch.save wrote, against their siblings in safetensors.
namespace lyap {
namespace {

using testing::fixture;

constexpr char kName[] = "pytorch_model.bin";
const std::vector<std::pair<std::string, std::string>> kSiblings{
    {"mamba-bin", "mamba"}, {"mamba-original", "mamba"}, {"mamba2-bin", "mamba2"}, {"mamba2-original", "mamba2"}};

class TorchFixture : public ::testing::TestWithParam<std::pair<std::string, std::string>> {};

TEST_P(TorchFixture, HoldsItsSafetensorsSiblingsBytes) {
  const WeightFile file = open_torch_archive(fixture(GetParam().first) / kName, kName);
  const auto plain = testing::plain_tensors(fixture(GetParam().second) / "model.safetensors");
  std::size_t compared = 0;
  for (const StoredTensor& tensor : file.tensors) {
    std::string name = tensor.name;
    if (name == "backbone.embedding.weight") name = "backbone.embeddings.weight";
    if (name == "lm_head.weight") name = "backbone.embeddings.weight";  // tied
    ASSERT_TRUE(plain.contains(name)) << name;
    EXPECT_EQ(element_name(tensor.type), plain.at(name).dtype) << name;
    EXPECT_EQ(tensor.shape, plain.at(name).shape) << name;
    EXPECT_TRUE(tensor.is_row_major());
    EXPECT_EQ(
        std::memcmp(file.map.bytes().data() + tensor.begin, plain.at(name).bytes.data(), plain.at(name).bytes.size()),
        0)
        << name;
    ++compared;
  }
  EXPECT_GE(compared, plain.size());
}

TEST_P(TorchFixture, SharesOneRunBetweenEmbeddingAndHead) {
  const WeightFile file = open_torch_archive(fixture(GetParam().first) / kName, kName);
  std::set<std::size_t> begins;
  for (const StoredTensor& tensor : file.tensors) begins.insert(tensor.begin);
  EXPECT_EQ(file.runs.size(), begins.size());
  const bool has_head =
      std::any_of(file.tensors.begin(), file.tensors.end(), [](const auto& t) { return t.name == "lm_head.weight"; });
  EXPECT_EQ(file.tensors.size(), file.runs.size() + (has_head ? 1 : 0));
  const Checkpoint checkpoint = Checkpoint::open(fixture(GetParam().first));
  EXPECT_TRUE(checkpoint.description().tied_head);
  EXPECT_EQ(checkpoint.read_head_rows(3, 9).entries, checkpoint.read_embedding_rows(3, 9).entries);
}

TEST_P(TorchFixture, HasTheSameBlocksAsItsSibling) {
  const Checkpoint pickled = Checkpoint::open(fixture(GetParam().first));
  const Checkpoint plain = Checkpoint::open(fixture(GetParam().second));
  ASSERT_EQ(pickled.description().layers, plain.description().layers);
  const auto same = [](const auto& x, const auto& y) {
    if constexpr (std::is_same_v<decltype(x), decltype(y)>) {
      return x.in_proj.entries == y.in_proj.entries && x.conv_weight.entries == y.conv_weight.entries &&
             x.conv_bias == y.conv_bias && x.dt_bias == y.dt_bias && x.D == y.D &&
             x.out_proj.entries == y.out_proj.entries && x.norm_weight == y.norm_weight;
    } else {
      return false;
    }
  };
  for (std::size_t layer = 0; layer < plain.description().layers; ++layer) {
    EXPECT_TRUE(std::visit(same, pickled.read_block(layer), plain.read_block(layer))) << layer;
  }
  EXPECT_EQ(pickled.read_final_norm(), plain.read_final_norm());
}

INSTANTIATE_TEST_SUITE_P(EachLayout, TorchFixture, ::testing::ValuesIn(kSiblings), [](const auto& parameter) {
  std::string name = parameter.param.first;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace lyap
