#include "verify/checkpoint/model_files.hpp"

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>

#include "verify/checkpoint/bad_input.hpp"
#include "verify/checkpoint/strict_json.hpp"

namespace lyap {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxIndexBytes = 100'000'000;
constexpr std::size_t kMaxShards = 10'000;

enum class WeightFormat { kSafetensors, kTorch };

WeightFile open_weights(const fs::path& folder, const std::string& name, WeightFormat format) {
  return format == WeightFormat::kSafetensors ? open_safetensors(folder / name, name)
                                              : open_torch_archive(folder / name, name);
}

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::symlink_status(path, error).type() != fs::file_type::not_found && !error;
}

bool lies_inside(const fs::path& path, const fs::path& folder) {
  auto part = path.begin();
  for (const fs::path& expected : folder) {
    if (part == path.end() || *part != expected) return false;
    ++part;
  }
  return true;
}

// A shard is a plain file name, and where it is a link its target lies in the folder too. The one exception is the
// download cache of Hugging Face, where models--X/snapshots/REVISION holds links into models--X/blobs.
void require_inside(const fs::path& folder, const std::string& shard, const std::string& index) {
  const std::string shown = quoted_name(shard);
  if (shard.empty() || shard == "." || shard == ".." ||
      shard.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos) {
    throw BadInput(index, "the shard path " + shown + " leaves the folder: a plain file name was expected");
  }
  if (!is_there(folder / shard))
    throw BadInput((folder / shard).string(), "no such file, but " + index + " names it as a shard");
  std::error_code error;
  const fs::path home = fs::canonical(folder, error);
  if (error) throw BadInput(folder.string(), "cannot be resolved: " + error.message());
  const fs::path target = fs::canonical(folder / shard, error);
  if (error) throw BadInput((folder / shard).string(), "cannot be resolved: " + error.message());
  const fs::path revisions = home.parent_path();
  const bool in_download_cache =
      revisions.filename() == "snapshots" && lies_inside(target, revisions.parent_path() / "blobs");
  if (!lies_inside(target, home) && !in_download_cache) {
    throw BadInput(index, "the shard " + shown + " is a link that leaves the folder");
  }
}

using WeightMap = std::map<std::string, std::string>;  // tensor -> shard

WeightMap read_index(const fs::path& path) {
  const std::string file = path.string();
  const nlohmann::json index = read_strict_json(path, kMaxIndexBytes);
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object()) {
    throw BadInput(file, "has no object 'weight_map'");
  }
  WeightMap map;
  for (const auto& member : index["weight_map"].items()) {
    if (!member.value().is_string())
      throw BadInput(file, "weight_map: " + quoted_name(member.key()) + " must name a file");
    map.emplace(member.key(), member.value().get<std::string>());
  }
  if (map.empty()) throw BadInput(file, "weight_map is empty");
  return map;
}

void require_agreement(const WeightMap& map, const std::vector<WeightFile>& files, const std::string& index) {
  std::map<std::string, std::string> found;
  for (const WeightFile& file : files) {
    for (const StoredTensor& tensor : file.tensors) {
      const std::string shown = "tensor " + quoted_name(tensor.name);
      const auto [place, first] = found.emplace(tensor.name, file.name);
      if (!first) throw BadInput(file.path, shown + " is also in " + as_one_line(place->second, 160));
      const auto expected = map.find(tensor.name);
      if (expected == map.end()) throw BadInput(file.path, shown + " is not in " + index);
    }
  }
  for (const auto& [tensor, shard] : map) {
    const auto place = found.find(tensor);
    if (place == found.end() || place->second != shard) {
      throw BadInput(index, "places tensor " + quoted_name(tensor) + " in " + as_one_line(shard, 160) +
                                ", which does not hold it");
    }
  }
}

ModelFiles open_shards(const fs::path& folder, const std::string& index, WeightFormat format) {
  const fs::path index_path = folder / index;
  const WeightMap map = read_index(index_path);
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : map) shards.insert(shard);
  if (shards.size() > kMaxShards)
    throw BadInput(index_path.string(), "names more than " + std::to_string(kMaxShards) + " files");
  ModelFiles result;
  result.index = index;
  for (const std::string& shard : shards) {
    require_inside(folder, shard, index_path.string());
    result.weights.push_back(open_weights(folder, shard, format));
  }
  require_agreement(map, result.weights, index_path.string());
  return result;
}

ModelFiles open_single(const fs::path& folder, const std::string& name, WeightFormat format) {
  ModelFiles result;
  result.weights.push_back(open_weights(folder, name, format));
  return result;
}

}  // namespace

ModelFiles open_model_files(const fs::path& folder) {
  if (is_there(folder / "model.safetensors"))
    return open_single(folder, "model.safetensors", WeightFormat::kSafetensors);
  if (is_there(folder / "model.safetensors.index.json")) {
    return open_shards(folder, "model.safetensors.index.json", WeightFormat::kSafetensors);
  }
  if (is_there(folder / "pytorch_model.bin")) return open_single(folder, "pytorch_model.bin", WeightFormat::kTorch);
  if (is_there(folder / "pytorch_model.bin.index.json"))
    return open_shards(folder, "pytorch_model.bin.index.json", WeightFormat::kTorch);
  throw BadInput(folder.string(),
                 "holds no weights: expected model.safetensors, pytorch_model.bin, or the index.json of a sharded one");
}

}  // namespace lyap
