#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "tests/reports/fabricated_deviations.hpp"
#include "verify/checkpoint/array_file.hpp"

namespace lyap::testing {

/// What a fabricated certificate looks like. Its numbers are plausible and prove nothing.
struct Fabrication {
  std::string kind = "mamba1";
  std::size_t layers = 6, channels = 384, states = 16, steps = 2048;
  bool trajectory = true;
  bool thorough = false;  ///< Mamba-1: witnesses per channel, what each relaxation said, the sustained bound
  bool with_outputs_claim = true;
  std::optional<FabricatedDeviations> deviations;
  std::function<void(nlohmann::json& certificate)> change_json;        ///< applied last, before the JSON is written
  std::function<void(std::vector<NamedArray>& arrays)> change_arrays;  ///< applied before hashes and summaries are made
};

/// Writes NAME.json and NAME.safetensors into `folder` in the format of lyap certify and returns the JSON's path.
std::filesystem::path fabricate_certificate(const std::filesystem::path& folder, const std::string& name,
                                            const Fabrication& fabrication = {});

/// {"hex", "decimal"} of a number, the decimal rounded to nearest with 17 digits.
nlohmann::json stated(double value);

}  // namespace lyap::testing
