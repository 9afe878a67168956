#include "verify/checkpoint/model_config.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>

#include "verify/checkpoint/bad_input.hpp"
#include "verify/checkpoint/strict_json.hpp"

namespace lyap {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxConfigBytes = 10'000'000;

// The value as JSON, short enough for a message.
std::string shown(const json& value) { return as_one_line(value.dump(-1, ' ', true), 80); }

std::optional<double> find_non_finite_word(const json& value) {
  if (!value.is_object() || value.size() != 1 || !value.contains("__float__") || !value["__float__"].is_string())
    return std::nullopt;
  const auto& word = value["__float__"].get_ref<const std::string&>();
  if (word == "Infinity") return std::numeric_limits<double>::infinity();
  if (word == "-Infinity") return -std::numeric_limits<double>::infinity();
  if (word == "NaN") return std::numeric_limits<double>::quiet_NaN();
  return std::nullopt;
}

}  // namespace

ModelConfig::ModelConfig(std::string file, std::string prefix, json values)
    : file_(std::move(file)), prefix_(std::move(prefix)), values_(std::move(values)) {}

ModelConfig ModelConfig::read(const std::filesystem::path& path) {
  json values = read_strict_json(path, kMaxConfigBytes, BareNonFinite::kRead);
  if (!values.is_object()) throw BadInput(path.string(), "must hold a JSON object");
  return {path.string(), "", std::move(values)};
}

void ModelConfig::refuse(const std::string& key, const std::string& problem) const {
  throw BadInput(file_, prefix_ + key + ": " + problem);
}

bool ModelConfig::has(const std::string& key) const {
  const auto found = values_.find(key);
  return found != values_.end() && !found->is_null();
}

const json& ModelConfig::value(const std::string& key) const {
  if (!has(key)) refuse(key, "is missing");
  return *values_.find(key);
}

std::size_t ModelConfig::size(const std::string& key) const {
  const json& found = value(key);
  if (!found.is_number_unsigned() || found.get<std::uint64_t>() == 0 || found.get<std::uint64_t>() > kMaxModelSize) {
    refuse(key, "is " + shown(found) + "; a positive integer up to " + std::to_string(kMaxModelSize) + " was expected");
  }
  return found.get<std::size_t>();
}

std::size_t ModelConfig::size_or(const std::string& key, std::size_t fallback) const {
  return has(key) ? size(key) : fallback;
}

std::size_t ModelConfig::count_or(const std::string& key, std::size_t fallback) const {
  if (!has(key)) return fallback;
  const json& found = value(key);
  if (found.is_number_unsigned() && found.get<std::uint64_t>() == 0) return 0;
  return size(key);
}

std::optional<bool> ModelConfig::flag(const std::string& key) const {
  if (!has(key)) return std::nullopt;
  const json& found = value(key);
  if (!found.is_boolean()) refuse(key, "is " + shown(found) + "; true or false was expected");
  return found.get<bool>();
}

bool ModelConfig::flag_or(const std::string& key, bool fallback) const { return flag(key).value_or(fallback); }

std::optional<std::string> ModelConfig::text(const std::string& key) const {
  if (!has(key)) return std::nullopt;
  const json& found = value(key);
  if (!found.is_string()) refuse(key, "is " + shown(found) + "; a string was expected");
  return found.get<std::string>();
}

double ModelConfig::number(const json& found, const std::string& key) const {
  if (const auto word = find_non_finite_word(found)) return *word;
  if (!found.is_number()) refuse(key, "is " + shown(found) + "; a number was expected");
  return found.get<double>();
}

double ModelConfig::epsilon_or(const std::string& key, double fallback) const {
  if (!has(key)) return fallback;
  const double epsilon = number(value(key), key);
  if (!(epsilon > 0) || std::isinf(epsilon))
    refuse(key, "is " + shown(value(key)) + "; a finite number above 0 was expected");
  return epsilon;
}

std::size_t ModelConfig::scaled_size(const std::string& key, double fallback, std::size_t d_model) const {
  const double factor = has(key) ? number(value(key), key) : fallback;
  const double product = std::floor(factor * static_cast<double>(d_model));
  if (!(product >= 1) || product > static_cast<double>(kMaxModelSize)) {
    refuse(key, "is " + (has(key) ? shown(value(key)) : std::to_string(fallback)) + "; times " +
                    std::to_string(d_model) + " it must be at least 1 and at most " + std::to_string(kMaxModelSize));
  }
  return static_cast<std::size_t>(product);
}

theory::StepSizeLimits ModelConfig::step_limits(const std::string& key) const {
  if (!has(key)) return {};
  const json& found = value(key);
  if (!found.is_array() || found.size() != 2)
    refuse(key, "is " + shown(found) + "; a list of two numbers was expected");
  theory::StepSizeLimits limits{number(found[0], key), number(found[1], key)};
  const bool ordered =
      limits.lower <= limits.upper && limits.upper >= 0 && !(std::isinf(limits.lower) && limits.lower > 0);
  if (!ordered)
    refuse(key, "is " + shown(found) + "; a finite lower limit, not above an upper limit of at least 0, was expected");
  // A step size is never negative, so such a limit never acts.
  if (!(limits.lower > 0)) limits.lower = 0.0;
  if (!(limits.upper > 0)) limits.upper = 0.0;
  return limits;
}

bool ModelConfig::is_text(const std::string& key, const std::string& expected) const {
  return has(key) && value(key).is_string() && value(key).get_ref<const std::string&>() == expected;
}

void ModelConfig::require_flag(const std::string& key, bool expected, const std::string& reason) const {
  if (flag_or(key, expected) != expected)
    refuse(key, std::string("is ") + (expected ? "false" : "true") + "; " + reason);
}

void ModelConfig::require_silu(const std::string& key) const {
  const std::string activation = text(key).value_or("silu");
  if (activation != "silu" && activation != "swish") {
    refuse(key, "the activation " + quoted_name(activation) + " is not supported; silu is");
  }
}

void ModelConfig::require_divides(const std::string& key, std::size_t divisor, const std::string& shown_number,
                                  std::size_t number_found) const {
  if (number_found % divisor != 0) {
    refuse(key, std::to_string(divisor) + " does not divide " + shown_number + ", " + std::to_string(number_found));
  }
}

ModelConfig ModelConfig::object_or_empty(const std::string& key) const {
  if (!has(key)) return {file_, prefix_ + key + ".", json::object()};
  if (!value(key).is_object()) refuse(key, "is " + shown(value(key)) + "; an object was expected");
  return {file_, prefix_ + key + ".", value(key)};
}

bool ModelConfig::is_empty(const std::string& key) const {
  if (!has(key)) return true;
  return value(key).is_structured() && value(key).empty();
}

std::vector<std::string> ModelConfig::keys() const {
  std::vector<std::string> names;
  for (const auto& member : values_.items()) names.push_back(member.key());
  return names;
}

}  // namespace lyap
