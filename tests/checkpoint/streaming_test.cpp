#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <variant>

#include "tests/checkpoint/crafted_model.hpp"
#include "verify/checkpoint/mapped_file.hpp"

// A model is read block by block: what the process holds, mapped pages included, is a block and not the model.
namespace lyap {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLayers = 24, kModel = 768, kInner = 1536, kState = 16, kRank = 48, kVocabulary = 50280;
constexpr std::size_t kShards = 4;

using Shapes = std::vector<std::pair<std::string, std::vector<std::size_t>>>;

Shapes shapes_of_the_model() {
  Shapes shapes = {{"backbone.embeddings.weight", {kVocabulary, kModel}}, {"backbone.norm_f.weight", {kModel}}};
  for (std::size_t layer = 0; layer < kLayers; ++layer) {
    const std::string block = "backbone.layers." + std::to_string(layer) + ".";
    shapes.push_back({block + "norm.weight", {kModel}});
    shapes.push_back({block + "mixer.in_proj.weight", {2 * kInner, kModel}});
    shapes.push_back({block + "mixer.conv1d.weight", {kInner, 1, 4}});
    shapes.push_back({block + "mixer.conv1d.bias", {kInner}});
    shapes.push_back({block + "mixer.x_proj.weight", {kRank + 2 * kState, kInner}});
    shapes.push_back({block + "mixer.dt_proj.weight", {kInner, kRank}});
    shapes.push_back({block + "mixer.dt_proj.bias", {kInner}});
    shapes.push_back({block + "mixer.A_log", {kInner, kState}});
    shapes.push_back({block + "mixer.D", {kInner}});
    shapes.push_back({block + "mixer.out_proj.weight", {kModel, kInner}});
  }
  return shapes;
}

// bfloat16 numbers of size 2^-16 or less; the first element of a tensor is its number among all, exactly.
std::string elements(std::size_t count, std::size_t number) {
  std::minstd_rand random(static_cast<unsigned>(number + 1));
  std::string bytes(2 * count, '\0');
  for (std::size_t i = 0; i < count; ++i) {
    const auto word = static_cast<std::uint16_t>((random() & 0x80ff) | 0x3700);
    std::memcpy(bytes.data() + 2 * i, &word, 2);
  }
  const auto first = static_cast<float>(number);
  std::memcpy(bytes.data(), reinterpret_cast<const char*>(&first) + 2, 2);
  return bytes;
}

// Writes a model of the shape of mamba-130m in bfloat16 shards; returns the bytes of the shards.
std::size_t write_model(const fs::path& folder) {
  const Shapes shapes = shapes_of_the_model();
  nlohmann::json index;
  std::size_t total = 0;
  for (std::size_t shard = 0; shard < kShards; ++shard) {
    const std::string name = "model-" + std::to_string(shard) + ".safetensors";
    std::map<std::string, testing::CraftedTensor> tensors;
    for (std::size_t i = shard; i < shapes.size(); i += kShards) {
      std::size_t count = 1;
      for (const std::size_t extent : shapes[i].second) count *= extent;
      tensors[shapes[i].first] = {"BF16", shapes[i].second, elements(count, i)};
      index["weight_map"][shapes[i].first] = name;
    }
    const std::string bytes = testing::safetensors_bytes(tensors);
    std::ofstream(folder / name, std::ios::binary) << bytes;
    total += bytes.size();
  }
  std::ofstream(folder / "model.safetensors.index.json") << index.dump();
  std::ofstream(folder / "config.json") << R"({"model_type": "mamba", "hidden_size": 768, "num_hidden_layers": 24,
      "vocab_size": 50280, "time_step_rank": 48, "use_bias": false})";
  return total;
}

// VmHWM of this process in bytes: the most that was ever resident, file pages included.
std::size_t most_resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoul(line.substr(6)) * 1024;
  }
  return 0;
}

// Forgets earlier peaks, where the kernel allows it.
void reset_most_resident_bytes() { std::ofstream("/proc/self/clear_refs") << "5"; }

// Runs `action` in a child and returns by how many bytes its peak grew; nothing if the child failed.
template <typename Action>
std::optional<std::size_t> growth_of_peak(const Action& action) {
  int ends[2];
  if (::pipe(ends) != 0) return std::nullopt;
  const pid_t child = ::fork();
  if (child == 0) {
    reset_most_resident_bytes();
    const std::size_t before = most_resident_bytes();
    std::size_t growth = 0;
    bool succeeded = false;
    try {
      succeeded = action();
      growth = most_resident_bytes() - before;
    } catch (...) {
    }
    succeeded = ::write(ends[1], &growth, sizeof growth) == sizeof growth && succeeded;
    ::_exit(succeeded ? 0 : 1);
  }
  ::close(ends[1]);
  std::size_t growth = 0;
  const bool arrived = ::read(ends[0], &growth, sizeof growth) == sizeof growth;
  ::close(ends[0]);
  int status = 1;
  ::waitpid(child, &status, 0);
  return arrived && status == 0 ? std::optional(growth) : std::nullopt;
}

bool read_every_block(const fs::path& folder) {
  const Checkpoint checkpoint = Checkpoint::open(folder);
  for (std::size_t layer = 0; layer < kLayers; ++layer) {
    const auto block = std::get<theory::Mamba1Weights>(checkpoint.read_block(layer));
    if (block.in_proj.entries.front() != static_cast<double>(2 + 10 * layer + 1)) return false;
    if (block.out_proj.entries.front() != static_cast<double>(2 + 10 * layer + 9)) return false;
  }
  return true;
}

bool digest_and_scan(const fs::path& folder) {
  return Checkpoint::open(folder).digest_and_require_finite().size() == kShards + 2;
}

bool stream_the_vocabulary(const fs::path& folder) {
  const Checkpoint checkpoint = Checkpoint::open(folder);
  double largest = 0;
  for (std::size_t begin = 0; begin < kVocabulary; begin += 1000) {
    const theory::Matrix rows = checkpoint.read_head_rows(begin, std::min(begin + 1000, kVocabulary));
    for (const double entry : rows.entries) largest = std::max(largest, entry);
  }
  return largest > 0 && largest < 1;
}

bool map_whole_files(const fs::path& folder) {
  std::size_t sum = 0;
  std::vector<MappedFile> maps;
  for (std::size_t shard = 0; shard < kShards; ++shard) {
    maps.emplace_back(folder / ("model-" + std::to_string(shard) + ".safetensors"));
    for (std::size_t i = 0; i < maps.back().bytes().size(); i += 4096)
      sum += static_cast<std::size_t>(maps.back().bytes()[i]);
  }
  return sum > 0;
}

TEST(Streaming, AModelIsNeverInMemoryAsAWhole) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer keeps freed memory, so the peak is not the reader's: streaming is not checked";
#endif
  const testing::TemporaryFolder folder;
  const std::size_t model_bytes = write_model(folder.path());
  ASSERT_GT(model_bytes, 250'000'000u);
  // One block in binary64 is 31 MB; 16 MiB more for tables, buffers and the pages of a stretch.
  constexpr std::size_t kBlockBytes =
      8 * (3 * kInner * kModel + (kRank + 2 * kState) * kInner + kInner * kRank + kInner * kState + 8 * kInner);
  constexpr std::size_t kRoom = std::size_t{16} << 20;
  const auto reading = growth_of_peak([&] { return read_every_block(folder.path()); });
  const auto digesting = growth_of_peak([&] { return digest_and_scan(folder.path()); });
  const auto streaming = growth_of_peak([&] { return stream_the_vocabulary(folder.path()); });
  const auto mapping = growth_of_peak([&] { return map_whole_files(folder.path()); });
  ASSERT_TRUE(reading && digesting && streaming && mapping);
  EXPECT_LT(*reading, kBlockBytes + kRoom);
  EXPECT_LT(*digesting, kRoom);
  EXPECT_LT(*streaming, 2 * 8 * 1000 * kModel + kRoom);
  // Pages that are touched and not released do count.
  EXPECT_GT(*mapping, model_bytes / 2);
  RecordProperty("model_bytes", std::to_string(model_bytes));
  RecordProperty("peak_growth_reading_blocks", std::to_string(*reading));
  RecordProperty("peak_growth_digesting", std::to_string(*digesting));
  std::printf("model %zu bytes; peak growth: blocks %zu, digest %zu, vocabulary %zu, all mapped %zu\n", model_bytes,
              *reading, *digesting, *streaming, *mapping);
}

}  // namespace
}  // namespace lyap
