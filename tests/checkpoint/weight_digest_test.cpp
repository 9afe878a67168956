#include "verify/checkpoint/weight_digest.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <random>

#include "tests/checkpoint/crafted_model.hpp"
#include "verify/checkpoint/array_file.hpp"

namespace lyap {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using testing::CraftedModel;
using testing::CraftedTensor;
using ::testing::HasSubstr;

std::string digest_refusal(const fs::path& folder) {
  return testing::refusal_of(folder.string(),
                             [&] { static_cast<void>(Checkpoint::open(folder).digest_and_require_finite()); });
}

void spoil(CraftedTensor& tensor, std::size_t element, float value) {
  std::memcpy(tensor.bytes.data() + 4 * element, &value, 4);
}

TEST(Digest, NamesFileTensorAndPlaceOfANonFiniteWeight) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  // No claim needs the last norm, the head or an embedding row of a token that is never used.
  for (const auto& [tensor, element, place] : std::vector<std::tuple<std::string, std::size_t, std::string>>{
           {"backbone.layers.1.mixer.x_proj.weight", 0, "[0, 0]"},
           {"backbone.layers.1.mixer.conv1d.weight", 4 * 17 + 3, "[17, 0, 3]"},
           {"backbone.layers.0.mixer.dt_proj.bias", 95, "[95]"},
           {"backbone.norm_f.weight", 7, "[7]"},
           {"backbone.embeddings.weight", 96 * 48 + 47, "[96, 47]"},
           {"lm_head.weight", 48, "[1, 0]"}}) {
    for (const float value : {kNan, kInfinity, -kInfinity}) {
      CraftedModel model("mamba-untied");
      spoil(model.tensors.at(tensor), element, value);
      const testing::TemporaryFolder folder;
      model.write(folder.path());
      EXPECT_THAT(digest_refusal(folder.path()),
                  AllOf(HasSubstr("model.safetensors: tensor '" + tensor + "' at index " + place),
                        HasSubstr("is NaN or infinite")));
    }
  }
}

TEST(Digest, NamesABinary64WeightThatIsTooLargeForBounds) {
  CraftedModel model("mamba-untied");
  CraftedTensor& tensor = model.tensors.at("backbone.layers.1.mixer.dt_proj.bias");
  std::string wide;
  for (std::size_t i = 0; i < tensor.bytes.size() / 4; ++i) {
    const double value = i == 3 ? -1.0000001e100 : i == 4 ? 1e100 : 0.5;
    wide.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  tensor.dtype = "F64";
  tensor.bytes = wide;
  const testing::TemporaryFolder folder;
  model.write(folder.path());
  EXPECT_THAT(digest_refusal(folder.path()),
              AllOf(HasSubstr("'backbone.layers.1.mixer.dt_proj.bias' at index [3]"), HasSubstr("exceeds 1e100")));
}

TEST(Digest, NamesTheShardOfANonFiniteWeight) {
  const testing::TemporaryFolder folder;
  for (const auto& entry : fs::directory_iterator(testing::fixture("mamba2-sharded")))
    fs::copy(entry.path(), folder.path());
  const std::string shard = "model-00004-of-00005.safetensors";
  auto tensors = testing::plain_tensors(folder.path() / shard);
  const std::string name = tensors.begin()->first;
  spoil(tensors.begin()->second, 0, std::numeric_limits<float>::quiet_NaN());
  folder.write(shard, testing::safetensors_bytes(tensors));
  EXPECT_THAT(digest_refusal(folder.path()), AllOf(HasSubstr(shard), HasSubstr("'" + name + "'"), HasSubstr("[0")));
}

// Files longer than the stretch in which they are looked at, misaligned, with every floating-point type.
TEST(Digest, FindsASingleNonFiniteNumberAnywhereInALongMisalignedFile) {
  std::mt19937_64 random(3);
  const std::vector<std::pair<std::string, std::size_t>> types = {
      {"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"F8_E5M2", 1}};
  std::map<std::string, CraftedTensor> tensors;
  tensors["0"] = {"U8", {1}, "x"};
  for (const auto& [dtype, width] : types) tensors[dtype] = {dtype, {300'007}, std::string(300'007 * width, '\x11')};
  const testing::TemporaryFolder folder;
  const auto refusal = [&](const std::map<std::string, CraftedTensor>& content) {
    std::vector<WeightFile> files;
    files.push_back(open_safetensors(folder.write("w", testing::safetensors_bytes(content)), "w"));
    return testing::refusal_of("w", [&] { static_cast<void>(digest_finite_files(files)); });
  };
  EXPECT_EQ(refusal(tensors), "accepted");
  for (const auto& [dtype, width] : types) {
    const std::size_t random_place = random() % 300'007;
    for (const std::size_t element : {std::size_t{0}, std::size_t{300'006}, random_place}) {
      auto spoilt = tensors;
      std::memset(spoilt[dtype].bytes.data() + element * width, 0xff, width);  // a NaN in each of these types
      EXPECT_THAT(refusal(spoilt),
                  HasSubstr("tensor '" + dtype + "' at index [" + std::to_string(element) + "] is NaN"));
    }
  }
  // All ones are ordinary integers.
  tensors["0"].bytes = "\xff";
  EXPECT_EQ(refusal(tensors), "accepted");
}

TEST(Digest, PlacesInViewsWithForeignStridesAreFoundOrGivenUpInFiniteTime) {
  const testing::TemporaryFolder folder;
  std::map<std::string, CraftedTensor> tensors;
  std::vector<float> values(121, 1.0f);
  values[7] = std::numeric_limits<float>::quiet_NaN();
  tensors["t"] = testing::float_tensor({121}, values);
  std::vector<WeightFile> files;
  files.push_back(open_safetensors(folder.write("w", testing::safetensors_bytes(tensors)), "w"));
  const auto refusal = [&] { return testing::refusal_of("w", [&] { static_cast<void>(digest_finite_files(files)); }); };
  StoredTensor& view = files[0].tensors[0];
  view.shape = {11, 11};
  view.strides = {1, 11};  // transposed
  EXPECT_THAT(refusal(), HasSubstr("'t' at index [7, 0]"));
  view.shape.assign(60, 2);  // 2^60 elements, all at even places
  view.strides.assign(60, 2);
  EXPECT_THAT(refusal(), AllOf(HasSubstr("outside every tensor"), HasSubstr("at byte")));
}

TEST(Digest, Sha256IsThatOfThePublishedExamples) {
  const auto digest = [](const std::string& text) { return sha256_of_bytes(std::as_bytes(std::span(text))); };
  EXPECT_EQ(digest(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const std::string million(1'000'000, 'a');
  EXPECT_EQ(digest(million), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  const testing::TemporaryFolder folder;
  EXPECT_EQ(sha256_of_file(folder.write("a", million)), digest(million));
  EXPECT_EQ(sha256_of_file(folder.write("b", "")), digest(""));
  EXPECT_THAT(testing::refusal_of("none", [&] { static_cast<void>(sha256_of_file(folder.path() / "none")); }),
              HasSubstr("no such file"));
}

}  // namespace
}  // namespace lyap
