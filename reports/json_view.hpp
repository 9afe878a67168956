#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace lyap {

/// A place inside a JSON file whose accessors throw BadInput naming file and place, e.g. "a.json: claims[3].statement:
/// a text is expected".
class JsonView {
 public:
  JsonView(const std::string& file, std::string place, const nlohmann::json& node)
      : file_(&file), place_(std::move(place)), node_(&node) {}

  /// The member `key`, which has to be there.
  [[nodiscard]] JsonView at(const std::string& key) const;
  /// The member `key`; empty where it is absent or null.
  [[nodiscard]] std::optional<JsonView> find(const std::string& key) const;
  /// Elements of a list.
  [[nodiscard]] std::vector<JsonView> elements() const;
  /// Members of an object, by name.
  [[nodiscard]] std::vector<std::pair<std::string, JsonView>> members() const;

  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::string text_or(const std::string& key, const std::string& otherwise) const;
  [[nodiscard]] std::size_t count() const;  ///< a non-negative integer below 2^53
  /// A text, a number, true or false as a person reads it; lists and objects as compact JSON.
  [[nodiscard]] std::string any_text() const;

  [[nodiscard]] const nlohmann::json& node() const { return *node_; }
  [[noreturn]] void fail(const std::string& problem) const;

 private:
  const std::string* file_;
  std::string place_;
  const nlohmann::json* node_;
};

}  // namespace lyap
