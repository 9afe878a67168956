#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/checkpoint/temporary_folder.hpp"
#include "verify/checkpoint/bad_input.hpp"
#include "verify/checkpoint/checkpoint.hpp"

/// Safetensors files and model folders made by hand, sound or spoilt, without the code under test.
namespace lyap::testing {

struct CraftedTensor {
  std::string dtype;
  std::vector<std::size_t> shape;
  std::string bytes;
};

/// A safetensors file of this header and this data, whether or not they fit together.
[[nodiscard]] std::string safetensors_bytes(const std::string& header, const std::string& data);

/// The header, then the tensors in order of their names, without gaps.
[[nodiscard]] std::string safetensors_bytes(const std::map<std::string, CraftedTensor>& tensors);

/// The tensors of a sound file, taken at the offsets that its header gives.
[[nodiscard]] std::map<std::string, CraftedTensor> plain_tensors(const std::filesystem::path& file);

/// The tensor's elements, F32 only.
[[nodiscard]] std::vector<double> plain_values(const CraftedTensor& tensor);

/// A tensor of float32 numbers.
[[nodiscard]] CraftedTensor float_tensor(const std::vector<std::size_t>& shape, const std::vector<float>& values);

/// A copy of a fixture that may be changed before it is written as config.json and model.safetensors.
class CraftedModel {
 public:
  explicit CraftedModel(const std::string& fixture);

  nlohmann::json config;
  std::string config_text;  ///< written instead of `config` where not empty
  std::map<std::string, CraftedTensor> tensors;

  void write(const std::filesystem::path& folder) const;
  /// What Checkpoint::open says against the model, or "accepted". Checks that it is one line that names a file of the
  /// folder.
  [[nodiscard]] std::string refusal(const CheckpointOptions& options = {}) const;
};

/// The folder of a fixture.
[[nodiscard]] std::filesystem::path fixture(const std::string& name);

/// What BadInput `action` throws, or "accepted"; any other exception passes. Checks that it is one line that names
/// `file`.
template <typename Action>
[[nodiscard]] std::string refusal_of(const std::string& file, const Action& action) {
  try {
    action();
  } catch (const BadInput& error) {
    const std::string text = error.what();
    EXPECT_THAT(text, ::testing::HasSubstr(file));
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
    return text;
  }
  return "accepted";
}

/// LYAP_TEST_SCALE times `cases`.
[[nodiscard]] std::size_t scaled(std::size_t cases);

}  // namespace lyap::testing
