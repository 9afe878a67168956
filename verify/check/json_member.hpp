#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace lyap::check {

/// A JSON value and where it is. Every reader throws Deformed that names the place.
class Member {
 public:
  Member(const nlohmann::json& node, std::string place) : node_(&node), place_(std::move(place)) {}

  [[nodiscard]] const nlohmann::json& node() const { return *node_; }
  [[nodiscard]] std::string place_of(const std::string& key) const;
  [[nodiscard]] bool has(const std::string& key) const;
  [[nodiscard]] Member at(const std::string& key) const;     ///< must be there
  [[nodiscard]] bool is_null(const std::string& key) const;  ///< must be there
  [[nodiscard]] Member object(const std::string& key) const;
  [[nodiscard]] std::vector<Member> list(const std::string& key) const;
  [[nodiscard]] std::string text(const std::string& key) const;          ///< not empty
  [[nodiscard]] std::string text_or_null(const std::string& key) const;  ///< null: empty
  [[nodiscard]] std::string word(const std::string& key, std::initializer_list<const char*> known) const;
  [[nodiscard]] std::string sha256(const std::string& key) const;  ///< 64 lower-case hexadecimal digits
  [[nodiscard]] std::size_t count(const std::string& key) const;
  [[nodiscard]] double plain_number(const std::string& key) const;
  [[nodiscard]] bool flag(const std::string& key) const;
  [[nodiscard]] std::string as_text() const;

 private:
  [[noreturn]] void refuse(const std::string& key, const std::string& expected) const;

  const nlohmann::json* node_;
  std::string place_;
};

}  // namespace lyap::check
