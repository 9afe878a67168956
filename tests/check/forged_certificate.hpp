#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "verify/checkpoint/array_file.hpp"

/// Certificates made by the built `lyap certify`, and changed as a forger would: with every hash consistent again.
namespace lyap::check {

/// Runs `lyap certify MODEL --out NAME.json ...` and returns NAME.json's path. Fails the test where that fails.
[[nodiscard]] std::filesystem::path certified(const std::filesystem::path& folder, const std::filesystem::path& model,
                                              const std::vector<std::string>& options);

class ForgedCertificate {
 public:
  explicit ForgedCertificate(const std::filesystem::path& json_file);

  nlohmann::ordered_json json;
  std::vector<NamedArray> arrays;

  /// The array of this name; fails the test where there is none.
  [[nodiscard]] NamedArray& array(const std::string& name);
  void drop_array(const std::string& name);

  /// Sets a number of the JSON together with its decimal.
  static void state(nlohmann::ordered_json& node, double value, bool upward);

  /// Changes one entry of a layer's array and everything that summarises it: maxima, minima, claims.
  void forge(std::size_t layer, const std::string& name, std::size_t channel, double value);

  /// Writes both files into `folder`, the arrays' hash made right, and returns the JSON's path.
  std::filesystem::path write(const std::filesystem::path& folder) const;

 private:
  void summarise(std::size_t layer);
};

/// `model` copied into `folder`.
[[nodiscard]] std::filesystem::path copied_model(const std::filesystem::path& folder,
                                                 const std::filesystem::path& model);

}  // namespace lyap::check
