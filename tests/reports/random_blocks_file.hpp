#pragma once

#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "verify/deviation/random_blocks_record.hpp"

namespace lyap::testing {

/// The record of a small experiment, as lyap certify writes it.
inline nlohmann::json small_random_blocks() {
  RandomBlockOptions options;
  options.blocks = 3;
  options.shape = {4, 2, 300};
  options.epsilons = {0.1, 0.01};
  options.distributions = {find_random_block_distribution("mamba"), find_random_block_distribution("normal")};
  const auto experiment = run_random_block_experiment(options, [](const std::string&) {});
  return nlohmann::json::parse(
      random_blocks_json(experiment, {"lyap certify --random-blocks", "2026-01-01T00:00:00Z"}));
}

/// Writes the record to `path`, changed. "record" stays first, as the producer has it.
inline std::filesystem::path write_random_blocks(const std::filesystem::path& path,
                                                 const std::function<void(nlohmann::json&)>& change = {}) {
  static const nlohmann::json small = small_random_blocks();
  nlohmann::json record = small;
  if (change) change(record);
  nlohmann::ordered_json ordered;
  if (record.contains("record")) ordered["record"] = record.at("record");
  for (const auto& [name, member] : record.items()) {
    if (name != "record") ordered[name] = member;
  }
  std::ofstream(path) << ordered.dump(1);
  return path;
}

}  // namespace lyap::testing
