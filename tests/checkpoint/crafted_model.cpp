#include "tests/checkpoint/crafted_model.hpp"

#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace lyap::testing {

namespace fs = std::filesystem;
using nlohmann::json;

std::string safetensors_bytes(const std::string& header, const std::string& data) {
  const std::uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + header + data;
}

std::string safetensors_bytes(const std::map<std::string, CraftedTensor>& tensors) {
  json header = json::object();
  std::string data;
  for (const auto& [name, tensor] : tensors) {
    const std::size_t begin = data.size();
    data += tensor.bytes;
    header[name] = {{"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {begin, data.size()}}};
  }
  return safetensors_bytes(header.dump(), data);
}

std::map<std::string, CraftedTensor> plain_tensors(const fs::path& file) {
  const std::string bytes = bytes_of(file);
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  std::map<std::string, CraftedTensor> tensors;
  const json header = json::parse(bytes.substr(8, length));
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    const std::size_t begin = entry["data_offsets"][0];
    const std::size_t end = entry["data_offsets"][1];
    tensors[name] = {entry["dtype"], entry["shape"], bytes.substr(8 + length + begin, end - begin)};
  }
  return tensors;
}

std::vector<double> plain_values(const CraftedTensor& tensor) {
  EXPECT_EQ(tensor.dtype, "F32");
  std::vector<float> values(tensor.bytes.size() / sizeof(float));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return {values.begin(), values.end()};
}

CraftedTensor float_tensor(const std::vector<std::size_t>& shape, const std::vector<float>& values) {
  return {"F32", shape, std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float))};
}

CraftedModel::CraftedModel(const std::string& name) {
  // The bare word Infinity is written in the form that is JSON.
  std::string text = bytes_of(fixture(name) / "config.json");
  if (const std::size_t word = text.find(" Infinity"); word != std::string::npos)
    text.replace(word, 9, R"( {"__float__": "Infinity"})");
  config = json::parse(text);
  tensors = plain_tensors(fixture(name) / "model.safetensors");
}

void CraftedModel::write(const fs::path& folder) const {
  std::ofstream(folder / "config.json") << (config_text.empty() ? config.dump(1) : config_text);
  std::ofstream(folder / "model.safetensors", std::ios::binary) << safetensors_bytes(tensors);
}

std::string CraftedModel::refusal(const CheckpointOptions& options) const {
  const TemporaryFolder folder;
  write(folder.path());
  return refusal_of(folder.path().string(), [&] { static_cast<void>(Checkpoint::open(folder.path(), options)); });
}

fs::path fixture(const std::string& name) { return fs::path(LYAP_SOURCE_DIR) / "tests/data/fixtures" / name; }

std::size_t scaled(std::size_t cases) {
  const char* scale = std::getenv("LYAP_TEST_SCALE");
  const double factor = scale == nullptr ? 1.0 : std::atof(scale);
  return static_cast<std::size_t>(static_cast<double>(cases) * factor);
}

}  // namespace lyap::testing
