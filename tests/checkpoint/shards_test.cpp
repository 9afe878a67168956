#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>

#include "tests/checkpoint/crafted_model.hpp"

// Sharded models: the index and the shards must agree, and no path may leave the folder.
namespace lyap {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::AllOf;
using testing::fixture;
using ::testing::HasSubstr;

constexpr char kIndex[] = "model.safetensors.index.json";
constexpr char kFirst[] = "model-00001-of-00005.safetensors";
constexpr char kSecond[] = "model-00002-of-00005.safetensors";

class ShardedModel {
 public:
  ShardedModel() : path_(folder_.path() / "model") {
    fs::create_directory(path_);
    for (const auto& entry : fs::directory_iterator(fixture("mamba-sharded"))) fs::copy(entry.path(), path_);
    index = json::parse(testing::bytes_of(path_ / kIndex));
  }

  [[nodiscard]] std::string refusal() const {
    write_text(kIndex, index.dump());
    return refusal_as_written();
  }
  [[nodiscard]] std::string refusal_as_written() const {
    return testing::refusal_of(path_.string(), [&] { static_cast<void>(Checkpoint::open(path_)); });
  }
  void write_text(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
  }
  void change_shard(const std::string& shard,
                    const std::function<void(std::map<std::string, testing::CraftedTensor>&)>& change) const {
    auto tensors = testing::plain_tensors(path_ / shard);
    change(tensors);
    write_text(shard, testing::safetensors_bytes(tensors));
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

  json index;

 private:
  testing::TemporaryFolder folder_;
  fs::path path_;
};

TEST(Shards, ThatLeaveTheFolderByTheirNameAreRefused) {
  ShardedModel model;
  fs::copy(model.path() / kFirst, model.path().parent_path() / "outside.safetensors");
  const std::string absolute = (model.path() / kFirst).string();
  for (const std::string& shard : std::vector<std::string>{
           "../outside.safetensors", absolute, "./" + std::string(kFirst), "a/../" + std::string(kFirst), "..", ".", "",
           "/etc/passwd", "\\\\server\\share", std::string("model\0.safetensors", 18)}) {
    for (auto& entry : model.index["weight_map"].items()) {
      if (entry.value() == kFirst || entry.key() == "backbone.embeddings.weight") entry.value() = shard;
    }
    EXPECT_THAT(model.refusal(), AllOf(HasSubstr(kIndex), HasSubstr("leaves the folder"))) << shard;
    model.index = json::parse(testing::bytes_of(fixture("mamba-sharded") / kIndex));
  }
}

TEST(Shards, ThatLeaveTheFolderByALinkAreRefused) {
  const ShardedModel model;
  const fs::path outside = model.path().parent_path() / "outside.safetensors";
  fs::rename(model.path() / kFirst, outside);
  fs::create_symlink(outside, model.path() / kFirst);
  EXPECT_THAT(model.refusal(), AllOf(HasSubstr(kIndex), HasSubstr(kFirst), HasSubstr("link that leaves the folder")));
  fs::remove(model.path() / kFirst);
  fs::create_symlink("nowhere", model.path() / kFirst);
  EXPECT_THAT(model.refusal(), AllOf(HasSubstr(kFirst), HasSubstr("cannot be resolved")));
  fs::remove(model.path() / kFirst);
  fs::create_symlink(kFirst, model.path() / kFirst);
  EXPECT_THAT(model.refusal(), AllOf(HasSubstr(kFirst), HasSubstr("cannot be resolved")));
  fs::remove(model.path() / kFirst);
  fs::rename(outside, model.path() / "inside.safetensors");
  fs::create_symlink("inside.safetensors", model.path() / kFirst);
  EXPECT_EQ(model.refusal(), "accepted");
}

TEST(Shards, MayBeLinksIntoTheBlobsOfADownloadCache) {
  const testing::TemporaryFolder folder;
  const fs::path revision = folder.path() / "models--x/snapshots/0123";
  const fs::path blobs = folder.path() / "models--x/blobs";
  fs::create_directories(revision);
  fs::create_directories(blobs);
  for (const auto& entry : fs::directory_iterator(fixture("mamba-sharded"))) {
    fs::copy(entry.path(), blobs);
    fs::create_symlink(fs::path("../../blobs") / entry.path().filename(), revision / entry.path().filename());
  }
  EXPECT_EQ(Checkpoint::open(revision).description().layers, 2u);
  fs::rename(blobs / kFirst, folder.path() / kFirst);
  fs::remove(revision / kFirst);
  fs::create_symlink(folder.path() / kFirst, revision / kFirst);
  EXPECT_THAT(testing::refusal_of(kIndex, [&] { static_cast<void>(Checkpoint::open(revision)); }),
              HasSubstr("leaves the folder"));
}

TEST(Shards, ThatAreMissingOrSpoiltAreNamed) {
  const ShardedModel model;
  fs::resize_file(model.path() / kSecond, 100);
  EXPECT_THAT(model.refusal(), AllOf(HasSubstr(kSecond), HasSubstr("truncated")));
  fs::remove(model.path() / kSecond);
  EXPECT_THAT(model.refusal(), AllOf(HasSubstr(kSecond), HasSubstr("no such file"), HasSubstr(kIndex)));
}

TEST(Shards, HoldWhatTheIndexPlacesThere) {
  ShardedModel model;
  model.index["weight_map"]["backbone.embeddings.weight"] = kSecond;
  EXPECT_THAT(model.refusal(), AllOf(HasSubstr("'backbone.embeddings.weight'"), HasSubstr(kSecond)));
  model.index["weight_map"].erase("backbone.embeddings.weight");
  EXPECT_THAT(model.refusal(),
              AllOf(HasSubstr(kFirst), HasSubstr("'backbone.embeddings.weight'"), HasSubstr("is not in")));
  model.index["weight_map"]["backbone.embeddings.weight"] = kFirst;
  EXPECT_EQ(model.refusal(), "accepted");
  model.index["weight_map"]["more"] = kFirst;
  EXPECT_THAT(model.refusal(), AllOf(HasSubstr(kIndex), HasSubstr("'more'"), HasSubstr("does not hold it")));
}

TEST(Shards, HoldEachTensorOnce) {
  const ShardedModel model;
  const auto embedding = testing::plain_tensors(model.path() / kFirst).at("backbone.embeddings.weight");
  model.change_shard(kSecond, [&](auto& tensors) { tensors["backbone.embeddings.weight"] = embedding; });
  EXPECT_THAT(model.refusal(),
              AllOf(HasSubstr(kSecond), HasSubstr("'backbone.embeddings.weight' is also in"), HasSubstr(kFirst)));
}

TEST(Shards, HaveAnIndexThatNamesEachTensorOnceAndIsStrictJson) {
  ShardedModel model;
  const std::string good = model.index.dump();
  const auto refusal_by = [&](const std::string& text) {
    model.write_text(kIndex, text);
    return model.refusal_as_written();
  };
  std::string twice = good;
  const std::string entry =
      "\"backbone.norm_f.weight\":\"" + model.index["weight_map"]["backbone.norm_f.weight"].get<std::string>() + "\"";
  ASSERT_NE(twice.find(entry), std::string::npos);
  twice.insert(twice.find(entry), entry + ",");
  EXPECT_THAT(refusal_by(twice), AllOf(HasSubstr(kIndex), HasSubstr("'backbone.norm_f.weight' appears twice")));
  EXPECT_THAT(refusal_by(good.substr(0, 100)), AllOf(HasSubstr(kIndex), HasSubstr("not valid JSON")));
  EXPECT_THAT(refusal_by(std::string(100'000, '[')), HasSubstr("nested deeper"));
  EXPECT_THAT(refusal_by("{}"), HasSubstr("weight_map"));
  EXPECT_THAT(refusal_by("[]"), HasSubstr("weight_map"));
  EXPECT_THAT(refusal_by(R"({"weight_map": []})"), HasSubstr("weight_map"));
  EXPECT_THAT(refusal_by(R"({"weight_map": {}})"), HasSubstr("weight_map is empty"));
  EXPECT_THAT(refusal_by(R"({"weight_map": {"a": 1}})"), HasSubstr("'a' must name a file"));
  EXPECT_THAT(refusal_by(R"({"weight_map": {"a": "config.json"}})"), HasSubstr("config.json"));
  EXPECT_EQ(refusal_by(good), "accepted");
}

}  // namespace
}  // namespace lyap
