#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <span>
#include <variant>

#include "tests/checkpoint/crafted_model.hpp"
#include "verify/checkpoint/array_file.hpp"

// Every layout of the fixtures that transformers wrote, against the float32 numbers of the plainest one, which are read
// here by other code.
namespace lyap {
namespace {

using testing::CraftedTensor;
using testing::fixture;
using Values = theory::Vector;

struct FixtureCase {
  std::string name;
  std::string base;  ///< the folder whose single safetensors file holds the same weights in float32
  std::string family;
  std::string layout;
  std::size_t vocabulary;
  bool tied;
  std::string dtype = "F32";
};

void PrintTo(const FixtureCase& fixture_case, std::ostream* stream) { *stream << fixture_case.name; }

class Fixture : public ::testing::TestWithParam<FixtureCase> {
 protected:
  // The nearest number with this many fraction bits, ties to even; subnormal below 2^smallest.
  static double rounded(double value, int fraction_bits, int smallest) {
    const int exponent = value == 0 ? smallest : std::max(std::ilogb(value), smallest);
    const double unit = std::ldexp(1.0, exponent - fraction_bits);
    return std::nearbyint(value / unit) * unit;
  }

  [[nodiscard]] static double as_stored(double value) {
    if (GetParam().dtype == "BF16") return rounded(value, 7, -126);
    if (GetParam().dtype == "F16") return rounded(value, 10, -14);
    return value;
  }

  // Values of the base's tensor in the type of the fixture; empty where the base has none.
  [[nodiscard]] Values expected(const std::string& name) const {
    const auto found = base_.find(name);
    if (found == base_.end()) return {};
    Values values = testing::plain_values(found->second);
    std::transform(values.begin(), values.end(), values.begin(), as_stored);
    return values;
  }

  void expect_matrix(const theory::Matrix& matrix, const std::string& name) const {
    const CraftedTensor& tensor = base_.at(name);
    EXPECT_EQ(matrix.rows, tensor.shape.front()) << name;
    EXPECT_EQ(matrix.columns, tensor.shape.back()) << name;
    EXPECT_EQ(matrix.entries, expected(name)) << name;
  }

  void expect_mamba1(const theory::Mamba1Weights& block, const std::string& prefix) const {
    const std::string mixer = prefix + "mixer.";
    EXPECT_EQ(block.norm_weight, expected(prefix + "norm.weight"));
    expect_matrix(block.in_proj, mixer + "in_proj.weight");
    expect_matrix(block.conv_weight, mixer + "conv1d.weight");
    expect_matrix(block.x_proj, mixer + "x_proj.weight");
    expect_matrix(block.dt_proj, mixer + "dt_proj.weight");
    expect_matrix(block.A_log, mixer + "A_log");
    expect_matrix(block.out_proj, mixer + "out_proj.weight");
    EXPECT_EQ(block.in_proj_bias, expected(mixer + "in_proj.bias"));
    EXPECT_EQ(block.conv_bias, expected(mixer + "conv1d.bias"));
    EXPECT_EQ(block.dt_bias, expected(mixer + "dt_proj.bias"));
    EXPECT_EQ(block.D, expected(mixer + "D"));
    EXPECT_EQ(block.out_proj_bias, expected(mixer + "out_proj.bias"));
    EXPECT_EQ(block.d_model, 48u);
    EXPECT_EQ(block.d_inner, 96u);
    EXPECT_EQ(block.d_conv, 4u);
    EXPECT_EQ(block.d_state, block.A_log.columns);
    EXPECT_EQ(block.dt_rank, block.dt_proj.columns);
    EXPECT_EQ(block.x_proj.rows, block.dt_rank + 2 * block.d_state);
    EXPECT_EQ(block.norm_epsilon, 1e-5);
  }

  void expect_mamba2(const theory::Mamba2Weights& block, const std::string& prefix) const {
    const std::string mixer = prefix + "mixer.";
    EXPECT_EQ(block.norm_weight, expected(prefix + "norm.weight"));
    expect_matrix(block.in_proj, mixer + "in_proj.weight");
    expect_matrix(block.conv_weight, mixer + "conv1d.weight");
    expect_matrix(block.out_proj, mixer + "out_proj.weight");
    EXPECT_EQ(block.in_proj_bias, expected(mixer + "in_proj.bias"));
    EXPECT_EQ(block.conv_bias, expected(mixer + "conv1d.bias"));
    EXPECT_EQ(block.dt_bias, expected(mixer + "dt_bias"));
    EXPECT_EQ(block.A_log, expected(mixer + "A_log"));
    EXPECT_EQ(block.D, expected(mixer + "D"));
    EXPECT_EQ(block.gated_norm_weight, expected(mixer + "norm.weight"));
    EXPECT_EQ(block.out_proj_bias, expected(mixer + "out_proj.bias"));
    EXPECT_EQ(block.d_model, 48u);
    EXPECT_EQ(block.d_inner, 96u);
    EXPECT_EQ(block.d_conv, 4u);
    EXPECT_EQ(block.heads, block.A_log.size());
    EXPECT_EQ(block.heads * block.head_dim, 96u);
    EXPECT_EQ(block.gated_norm_groups, block.groups);
    EXPECT_EQ(block.conv_channels(), block.conv_weight.rows);
    EXPECT_EQ(block.norm_epsilon, 1e-5);
    EXPECT_EQ(block.gated_norm_epsilon, 1e-5);
  }

  std::map<std::string, CraftedTensor> base_ = testing::plain_tensors(fixture(GetParam().base) / "model.safetensors");
};

TEST_P(Fixture, IsDescribedAsItsConfigSays) {
  const Checkpoint checkpoint = Checkpoint::open(fixture(GetParam().name));
  const ModelDescription& description = checkpoint.description();
  EXPECT_EQ(description.family, GetParam().family);
  EXPECT_EQ(description.layout, GetParam().layout);
  EXPECT_EQ(description.layers, 2u);
  EXPECT_EQ(description.d_model, 48u);
  EXPECT_EQ(description.vocabulary, GetParam().vocabulary);
  EXPECT_EQ(description.tied_head, GetParam().tied);
  EXPECT_EQ(description.final_norm_epsilon, 1e-5);
  const LayerKind kind = GetParam().family == "mamba" ? LayerKind::kMamba1 : LayerKind::kMamba2;
  EXPECT_EQ(description.kinds, (std::vector<LayerKind>{kind, kind}));
  EXPECT_EQ(description.weight_types, std::vector<std::string>{GetParam().dtype});
  EXPECT_THAT(description.remarks, ::testing::IsEmpty());
}

TEST_P(Fixture, HoldsTheWeightsOfItsSiblingExactly) {
  const Checkpoint checkpoint = Checkpoint::open(fixture(GetParam().name));
  for (std::size_t layer = 0; layer < 2; ++layer) {
    const std::string prefix = "backbone.layers." + std::to_string(layer) + ".";
    const theory::BlockWeights block = checkpoint.read_block(layer);
    if (GetParam().family == "mamba") {
      expect_mamba1(std::get<theory::Mamba1Weights>(block), prefix);
    } else {
      expect_mamba2(std::get<theory::Mamba2Weights>(block), prefix);
    }
  }
  const std::size_t rows = GetParam().vocabulary;
  const Values embedding = expected("backbone.embeddings.weight");
  EXPECT_EQ(checkpoint.read_embedding_rows(0, rows).entries, embedding);
  EXPECT_EQ(checkpoint.read_final_norm(), expected("backbone.norm_f.weight"));
  EXPECT_EQ(checkpoint.read_head_rows(0, rows).entries, GetParam().tied ? embedding : expected("lm_head.weight"));
  const Values row(embedding.begin() + 5 * 48, embedding.begin() + 6 * 48);
  EXPECT_EQ(checkpoint.read_embedding_row(5), row);
  EXPECT_EQ(checkpoint.read_embedding_rows(5, 6).entries, row);
}

TEST_P(Fixture, DigestsAreThoseOfEveryFileThatWasRead) {
  const std::filesystem::path folder = fixture(GetParam().name);
  const std::vector<FileDigest> digests = Checkpoint::open(folder).digest_and_require_finite();
  std::set<std::string> named;
  for (const FileDigest& digest : digests) {
    EXPECT_TRUE(named.insert(digest.file).second) << digest.file;
    const std::string bytes = testing::bytes_of(folder / digest.file);
    EXPECT_EQ(digest.sha256, sha256_of_bytes(std::as_bytes(std::span(bytes)))) << digest.file;
  }
  std::set<std::string> present;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) present.insert(entry.path().filename());
  present.erase("oracle.safetensors");
  EXPECT_EQ(named, present);
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, Fixture,
    ::testing::Values(FixtureCase{"mamba", "mamba", "mamba", "huggingface", 104, true},
                      FixtureCase{"mamba-sharded", "mamba", "mamba", "huggingface", 104, true},
                      FixtureCase{"mamba-bf16", "mamba", "mamba", "huggingface", 104, true, "BF16"},
                      FixtureCase{"mamba-fp16", "mamba", "mamba", "huggingface", 104, true, "F16"},
                      FixtureCase{"mamba-bin", "mamba", "mamba", "huggingface", 104, true},
                      FixtureCase{"mamba-original", "mamba", "mamba", "mamba-ssm", 104, true},
                      FixtureCase{"mamba-untied", "mamba-untied", "mamba", "huggingface", 97, false},
                      FixtureCase{"mamba-untied-original", "mamba-untied", "mamba", "mamba-ssm", 97, false},
                      FixtureCase{"mamba2", "mamba2", "mamba2", "huggingface", 112, true},
                      FixtureCase{"mamba2-sharded", "mamba2", "mamba2", "huggingface", 112, true},
                      FixtureCase{"mamba2-bf16", "mamba2", "mamba2", "huggingface", 112, true, "BF16"},
                      FixtureCase{"mamba2-fp16", "mamba2", "mamba2", "huggingface", 112, true, "F16"},
                      FixtureCase{"mamba2-bin", "mamba2", "mamba2", "huggingface", 112, true},
                      FixtureCase{"mamba2-original", "mamba2", "mamba2", "mamba-ssm", 112, true},
                      FixtureCase{"mamba2-codestral", "mamba2-codestral", "mamba2", "huggingface", 97, false},
                      FixtureCase{"mamba2-limit", "mamba2-limit", "mamba2", "huggingface", 97, true}),
    [](const auto& instance) {
      std::string name = instance.param.name;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

theory::Mamba2Weights first_block(const std::string& name, const CheckpointOptions& options = {}) {
  return std::get<theory::Mamba2Weights>(Checkpoint::open(fixture(name), options).read_block(0));
}

TEST(Fixtures, StepLimitsAreReadWithInfinityInBothSpellings) {
  const theory::StepSizeLimits limited = first_block("mamba2-limit").step_limits;
  EXPECT_EQ(limited.lower, 0.004);
  EXPECT_EQ(limited.upper, 0.04);
  for (const char* name : {"mamba2", "mamba2-codestral", "mamba2-original"}) {  // an object, a bare word, absent
    const theory::StepSizeLimits free = first_block(name).step_limits;
    EXPECT_EQ(free.lower, 0.0) << name;
    EXPECT_EQ(free.upper, std::numeric_limits<double>::infinity()) << name;
  }
}

TEST(Fixtures, TheGatedNormRunsWithinGroupsUnlessTransformersIsFollowed) {
  EXPECT_EQ(first_block("mamba2-codestral").gated_norm_groups, 8u);
  EXPECT_EQ(first_block("mamba2-codestral").groups, 8u);
  EXPECT_EQ(first_block("mamba2-codestral", {.hf_compat = true}).gated_norm_groups, 1u);
  EXPECT_EQ(first_block("mamba2-codestral", {.hf_compat = true}).groups, 8u);
  EXPECT_EQ(first_block("mamba2-limit").gated_norm_groups, 2u);
}

TEST(Fixtures, ArchitecturesThatAreNotSupportedAreRefusedByNameWithWhatIs) {
  for (const auto& [folder, type] : std::map<std::string, std::string>{{"bamba", "bamba"},
                                                                       {"falcon-h1", "falcon_h1"},
                                                                       {"falcon-mamba", "falcon_mamba"},
                                                                       {"granite-hybrid", "granitemoehybrid"},
                                                                       {"jamba", "jamba"},
                                                                       {"llama", "llama"},
                                                                       {"nemotron-h", "nemotron_h"},
                                                                       {"zamba2", "zamba2"}}) {
    const std::string text =
        testing::refusal_of(folder + "/config.json", [&] { static_cast<void>(Checkpoint::open(fixture(folder))); });
    EXPECT_THAT(text, ::testing::HasSubstr("'" + type + "'"));
    EXPECT_THAT(text, ::testing::HasSubstr("supported are mamba, mamba2"));
  }
}

TEST(Fixtures, AGatedDeltaRuleIsRefusedByNameWithTheReason) {
  const std::string text =
      testing::refusal_of("qwen3-next/config.json", [] { static_cast<void>(Checkpoint::open(fixture("qwen3-next"))); });
  EXPECT_THAT(text, ::testing::HasSubstr("'qwen3_next'"));
  EXPECT_THAT(text, ::testing::HasSubstr("gated delta rule"));
  EXPECT_THAT(text, ::testing::HasSubstr("not diagonal"));
  EXPECT_THAT(text, ::testing::HasSubstr("supported are"));
}

}  // namespace
}  // namespace lyap
