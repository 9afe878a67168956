#include "tests/verify/json_schema.hpp"

#include <regex.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <set>
#include <stdexcept>

#include "numerics/decimal_text.hpp"

namespace lyap {
namespace {

using nlohmann::json;

const std::set<std::string> kKeywords{
    "$schema",  "$ref", "$defs", "title",   "description",          "type",  "required",  "properties", "items",
    "minItems", "enum", "const", "pattern", "additionalProperties", "anyOf", "minLength", "minimum"};

/// The schema's patterns stay within what POSIX extended expressions and JSON Schema agree on.
bool matches(const std::string& text, const std::string& pattern) {
  regex_t compiled;
  if (regcomp(&compiled, pattern.c_str(), REG_EXTENDED | REG_NOSUB) != 0)
    throw std::logic_error("schema pattern " + pattern + " is not understood");
  const bool found = regexec(&compiled, text.c_str(), 0, nullptr, 0) == 0;
  regfree(&compiled);
  return found;
}

bool has_type(const json& value, const std::string& type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "null") return value.is_null();
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  throw std::logic_error("schema type " + type + " is not understood");
}

class Validator {
 public:
  Validator(const json& root, bool strict) : root_(root), strict_(strict) {}

  std::string check(const json& schema, const json& value, const std::string& place) const {
    for (const auto& [keyword, rule] : schema.items()) {
      if (!kKeywords.contains(keyword)) throw std::logic_error("schema keyword " + keyword + " is not understood");
    }
    if (schema.contains("$ref")) {
      const std::string reference = schema.at("$ref").get<std::string>().substr(1);
      return check(root_.at(json::json_pointer(reference)), value, place);
    }
    if (schema.contains("anyOf")) {
      std::string all;
      for (const json& candidate : schema.at("anyOf")) {
        const std::string problem = check(candidate, value, place);
        if (problem.empty()) return "";
        all += problem + "; ";
      }
      return all;
    }
    if (schema.contains("const") && value != schema.at("const"))
      return place + ": expected " + schema.at("const").dump();
    if (schema.contains("enum")) {
      bool found = false;
      for (const json& candidate : schema.at("enum")) found = found || candidate == value;
      if (!found) return place + ": " + value.dump() + " is none of " + schema.at("enum").dump();
    }
    if (schema.contains("type") && !type_matches(schema.at("type"), value))
      return place + ": expected type " + schema.at("type").dump();
    if (value.is_string()) return check_string(schema, value.get<std::string>(), place);
    if (value.is_number() && schema.contains("minimum") && value < schema.at("minimum"))
      return place + ": below the minimum";
    if (value.is_array()) return check_array(schema, value, place);
    if (value.is_object()) return check_object(schema, value, place);
    return "";
  }

 private:
  static bool type_matches(const json& type, const json& value) {
    if (type.is_string()) return has_type(value, type);
    for (const json& candidate : type) {
      if (has_type(value, candidate)) return true;
    }
    return false;
  }

  static std::string check_string(const json& schema, const std::string& text, const std::string& place) {
    if (schema.contains("minLength") && text.size() < schema.at("minLength")) return place + ": too short";
    if (schema.contains("pattern") && !matches(text, schema.at("pattern").get<std::string>())) {
      return place + ": '" + text + "' does not match " + schema.at("pattern").dump();
    }
    return "";
  }

  std::string check_array(const json& schema, const json& value, const std::string& place) const {
    if (schema.contains("minItems") && value.size() < schema.at("minItems")) return place + ": too few items";
    if (!schema.contains("items")) return "";
    for (std::size_t i = 0; i < value.size(); ++i) {
      const std::string problem = check(schema.at("items"), value[i], place + "/" + std::to_string(i));
      if (!problem.empty()) return problem;
    }
    return "";
  }

  std::string check_object(const json& schema, const json& value, const std::string& place) const {
    if (schema.contains("required")) {
      for (const json& name : schema.at("required")) {
        if (!value.contains(name.get<std::string>())) return place + ": " + name.dump() + " is missing";
      }
    }
    for (const auto& [name, member] : value.items()) {
      if (schema.contains("properties") && schema.at("properties").contains(name)) {
        const std::string problem = check(schema.at("properties").at(name), member, place + "/" + name);
        if (!problem.empty()) return problem;
      } else if (strict_ || schema.value("additionalProperties", true) == false) {
        return place + "/" + name + ": not in the schema";
      }
    }
    return "";
  }

  const json& root_;
  bool strict_;
};

std::string check_decimal(const json& bound, bool rounded_down, const std::string& place) {
  const std::string hex = bound.at("hex"), decimal = bound.at("decimal");
  const double value = std::strtod(hex.c_str(), nullptr);
  if (std::isnan(value)) return place + ": NaN";
  if (std::isinf(value)) return decimal == hex ? "" : place + ": " + hex + " but " + decimal;
  const bool safe = rounded_down ? double_from_decimal(decimal, Direction::kUp) <= value
                                 : double_from_decimal(decimal, Direction::kDown) >= value;
  return safe ? "" : place + ": the decimal " + decimal + " is on the wrong side of " + hex;
}

std::string check_decimals(const json& value, bool rounded_down, const std::string& place) {
  if (value.is_object() && value.contains("hex")) return check_decimal(value, rounded_down, place);
  if (!value.is_structured()) return "";
  for (const auto& [name, member] : value.items()) {
    const bool down = rounded_down || name == "lower" || name == "lower_bound" || name == "witness";
    const std::string problem = check_decimals(member, down, place + "/" + name);
    if (!problem.empty()) return problem;
  }
  return "";
}

}  // namespace

std::string schema_violation(const json& schema, const json& document, bool strict) {
  return Validator(schema, strict).check(schema, document, "");
}

json certificate_schema() {
  std::ifstream stream(std::string(LYAP_SOURCE_DIR) + "/verify/certificate.schema.json");
  return json::parse(stream);
}

std::string decimal_violation(const json& document) { return check_decimals(document, false, ""); }

}  // namespace lyap
