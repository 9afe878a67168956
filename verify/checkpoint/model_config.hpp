#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "theory/block_weights.hpp"

namespace lyap {

/// No size in a config.json may be larger.
inline constexpr std::size_t kMaxModelSize = 2147483647;

/// A config.json, or an object inside one, read key by key. A key whose value is null counts as absent.
/// Every reader throws BadInput that names the file, the key, what was found and what was expected. Numbers are the
/// nearest binary64; Infinity may be written as that bare word or as {"__float__": "Infinity"}.
class ModelConfig {
 public:
  /// Reads `path`. Throws BadInput where it is missing, not strict JSON (bare Infinity and NaN apart), or not an
  /// object.
  static ModelConfig read(const std::filesystem::path& path);

  [[nodiscard]] bool has(const std::string& key) const;
  /// A positive integer up to kMaxModelSize.
  [[nodiscard]] std::size_t size(const std::string& key) const;
  [[nodiscard]] std::size_t size_or(const std::string& key, std::size_t fallback) const;
  /// An integer from 0 to kMaxModelSize.
  [[nodiscard]] std::size_t count_or(const std::string& key, std::size_t fallback) const;
  [[nodiscard]] bool flag_or(const std::string& key, bool fallback) const;
  [[nodiscard]] std::optional<bool> flag(const std::string& key) const;
  [[nodiscard]] std::optional<std::string> text(const std::string& key) const;
  /// A finite number above 0.
  [[nodiscard]] double epsilon_or(const std::string& key, double fallback) const;
  /// d_model times the number at `key`, rounded down as the reference implementations do; from 1 to kMaxModelSize.
  [[nodiscard]] std::size_t scaled_size(const std::string& key, double fallback, std::size_t d_model) const;
  /// [lower, upper] with lower <= upper and upper >= 0, absent: no limits. A lower limit below 0 acts like 0 and
  /// becomes it.
  [[nodiscard]] theory::StepSizeLimits step_limits(const std::string& key) const;
  /// The object at `key`; absent: an empty one.
  [[nodiscard]] ModelConfig object_or_empty(const std::string& key) const;
  [[nodiscard]] bool is_text(const std::string& key, const std::string& expected) const;
  /// Throws BadInput with `reason` where the flag is there and differs.
  void require_flag(const std::string& key, bool expected, const std::string& reason) const;
  /// Throws BadInput where the key names an activation other than silu (also called swish).
  void require_silu(const std::string& key) const;
  /// Throws BadInput unless `divisor`, the value of `key`, divides `number`, which `shown` names.
  void require_divides(const std::string& key, std::size_t divisor, const std::string& shown, std::size_t number) const;
  /// True where the key is absent or holds an empty list or object.
  [[nodiscard]] bool is_empty(const std::string& key) const;
  [[nodiscard]] std::vector<std::string> keys() const;

  [[nodiscard]] const std::string& file() const { return file_; }
  /// Throws BadInput about `key`: "config.json: key: problem".
  [[noreturn]] void refuse(const std::string& key, const std::string& problem) const;

 private:
  ModelConfig(std::string file, std::string prefix, nlohmann::json values);
  [[nodiscard]] const nlohmann::json& value(const std::string& key) const;
  [[nodiscard]] double number(const nlohmann::json& value, const std::string& key) const;

  std::string file_;
  std::string prefix_;
  nlohmann::json values_;
};

}  // namespace lyap
