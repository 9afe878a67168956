#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/checkpoint/crafted_model.hpp"
#include "verify/checkpoint/peft_adapter.hpp"

namespace lyap::testing {

/// A copy of an adapter's fixture that may be changed before it is written.
class CraftedAdapter {
 public:
  explicit CraftedAdapter(const std::string& name)
      : config(nlohmann::json::parse(bytes_of(fixture(name) / "adapter_config.json"))),
        tensors(plain_tensors(fixture(name) / "adapter_model.safetensors")) {}

  nlohmann::json config;
  std::map<std::string, CraftedTensor> tensors;

  static std::string block_tensor(std::size_t layer, const std::string& rest) {
    return "base_model.model.backbone.layers." + std::to_string(layer) + ".mixer." + rest;
  }

  /// Takes away every tensor whose name contains `part`.
  void drop(const std::string& part) {
    std::erase_if(tensors, [&](const auto& entry) { return entry.first.find(part) != std::string::npos; });
  }

  void rename(const std::string& from, const std::string& to) {
    std::map<std::string, CraftedTensor> renamed;
    for (auto& [name, tensor] : tensors) {
      std::string changed = name;
      if (const std::size_t at = changed.find(from); at != std::string::npos) changed.replace(at, from.size(), to);
      renamed[changed] = std::move(tensor);
    }
    tensors = std::move(renamed);
  }

  void write(const std::filesystem::path& folder) const {
    std::ofstream(folder / "adapter_config.json") << config.dump(2);
    std::ofstream(folder / "adapter_model.safetensors", std::ios::binary) << safetensors_bytes(tensors);
  }

  [[nodiscard]] PeftAdapter open(const Checkpoint& base) const {
    const TemporaryFolder folder;
    write(folder.path());
    return PeftAdapter::open(folder.path(), base);
  }

  [[nodiscard]] std::string refusal(const Checkpoint& base) const {
    const TemporaryFolder folder;
    write(folder.path());
    return refusal_of(folder.path().string(), [&] { static_cast<void>(PeftAdapter::open(folder.path(), base)); });
  }
};

}  // namespace lyap::testing
