#include "verify/checkpoint/token_sequence.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "verify/checkpoint/array_file.hpp"
#include "verify/checkpoint/bad_input.hpp"
#include "verify/checkpoint/byte_level_bpe.hpp"
#include "verify/checkpoint/strict_json.hpp"
#include "verify/checkpoint/unicode_text.hpp"

namespace lyap {
namespace {

constexpr std::string_view kForms =
    "expected safetensors with input_ids, a JSON list of integers, or integers separated by white space";

std::string shape_text(const std::vector<std::size_t>& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + ")";
}

/// A safetensors file starts with its header's length, 8 bytes little-endian below 2^32, and the header's brace. No
/// text has zero bytes there.
bool looks_like_safetensors(const std::filesystem::path& file, std::string_view content) {
  if (file.extension() == ".safetensors") return true;
  return content.size() > 8 && content[8] == '{' && content.substr(4, 4) == std::string_view("\0\0\0\0", 4);
}

std::vector<std::int64_t> ids_of_safetensors(const std::filesystem::path& file) {
  for (LoadedTensor& tensor : load_tensors(file)) {
    if (tensor.name != "input_ids") continue;
    if (tensor.dtype != "I32" && tensor.dtype != "I64")
      throw BadInput(file.string(), "input_ids is " + tensor.dtype + ", expected I32 or I64");
    if (tensor.shape.size() != 1 && tensor.shape.size() != 2) {
      throw BadInput(file.string(), "input_ids has the shape " + shape_text(tensor.shape) + ", expected (T) or (B, T)");
    }
    const bool has_rows = tensor.shape.size() == 1 || tensor.shape.front() > 0;
    tensor.integers.resize(has_rows ? tensor.shape.back() : 0);
    return std::move(tensor.integers);
  }
  throw BadInput(file.string(), "has no tensor input_ids");
}

std::vector<std::int64_t> ids_of_json(const std::filesystem::path& file, std::string_view content) {
  const nlohmann::json list = parse_strict_json(content, file.string());
  std::vector<std::int64_t> ids;
  ids.reserve(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    const nlohmann::json& id = list[i];
    const bool too_large =
        id.is_number_unsigned() && id.get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max();
    if (!id.is_number_integer() || too_large) {
      throw BadInput(file.string(),
                     "position " + std::to_string(i) + " of the list is not a token id: expected an integer");
    }
    ids.push_back(id.get<std::int64_t>());
  }
  return ids;
}

std::vector<std::int64_t> ids_of_words(const std::filesystem::path& file, std::string_view content) {
  constexpr std::string_view kWhitespace = " \t\r\n\v\f";
  std::vector<std::int64_t> ids;
  for (std::size_t begin = content.find_first_not_of(kWhitespace); begin != std::string_view::npos;) {
    const std::size_t end = std::min(content.find_first_of(kWhitespace, begin), content.size());
    std::int64_t id = 0;
    const auto [stop, error] = std::from_chars(content.data() + begin, content.data() + end, id);
    if (error != std::errc() || stop != content.data() + end) {
      throw BadInput(file.string(), "position " + std::to_string(ids.size()) + " (byte " + std::to_string(begin) +
                                        ") is not a token id; " + std::string(kForms));
    }
    ids.push_back(id);
    begin = content.find_first_not_of(kWhitespace, end);
  }
  return ids;
}

void require_ids_in_range(const std::string& file, const std::vector<std::int64_t>& ids, std::size_t vocabulary) {
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || static_cast<std::uint64_t>(ids[i]) >= vocabulary) {
      throw BadInput(file, "token id " + std::to_string(ids[i]) + " at position " + std::to_string(i) +
                               " is outside the model's vocabulary of " + std::to_string(vocabulary) + " tokens");
    }
  }
}

/// The i of a name "layer.{i}.input", written without leading zeros.
std::optional<std::size_t> layer_of_input(std::string_view name) {
  constexpr std::string_view kPrefix = "layer.";
  constexpr std::string_view kSuffix = ".input";
  if (name.size() <= kPrefix.size() + kSuffix.size() || !name.starts_with(kPrefix) || !name.ends_with(kSuffix))
    return std::nullopt;
  const std::string_view digits = name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size());
  std::size_t layer = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), layer);
  const bool canonical = digits.size() == 1 || digits.front() != '0';
  if (error != std::errc() || stop != digits.data() + digits.size() || !canonical) return std::nullopt;
  return layer;
}

theory::Matrix matrix_of(const std::string& file, LoadedTensor tensor, std::size_t d_model) {
  if (tensor.dtype != "F32" && tensor.dtype != "F64")
    throw BadInput(file, tensor.name + " is " + tensor.dtype + ", expected F32 or F64");
  if (tensor.shape.size() != 2 || tensor.shape[1] != d_model) {
    throw BadInput(file, tensor.name + " has the shape " + shape_text(tensor.shape) + ", expected (T, " +
                             std::to_string(d_model) + ")");
  }
  if (tensor.shape[0] == 0) throw BadInput(file, tensor.name + " has no time step");
  const auto wrong =
      std::find_if(tensor.values.begin(), tensor.values.end(), [](double value) { return !std::isfinite(value); });
  if (wrong != tensor.values.end()) {
    const auto place = static_cast<std::size_t>(wrong - tensor.values.begin());
    throw BadInput(file, tensor.name + " has a value that is not finite at step " + std::to_string(place / d_model) +
                             ", channel " + std::to_string(place % d_model));
  }
  theory::Matrix matrix;
  matrix.rows = tensor.shape[0];
  matrix.columns = d_model;
  matrix.entries = std::move(tensor.values);
  return matrix;
}

}  // namespace

std::vector<std::int64_t> read_token_ids(const std::filesystem::path& file, std::size_t vocabulary) {
  const std::string content = read_text_file(file);
  std::vector<std::int64_t> ids;
  if (looks_like_safetensors(file, content)) {
    ids = ids_of_safetensors(file);
  } else {
    const std::size_t first = content.find_first_not_of(" \t\r\n");
    const bool is_list = first != std::string::npos && content[first] == '[';
    ids = is_list ? ids_of_json(file, content) : ids_of_words(file, content);
  }
  if (ids.empty()) throw BadInput(file.string(), "has no token");
  require_ids_in_range(file.string(), ids, vocabulary);
  return ids;
}

std::vector<std::int64_t> tokenize_text(const std::filesystem::path& file, const std::filesystem::path& model_folder,
                                        std::size_t vocabulary) {
  const std::string text = read_utf8_file(file);
  const std::filesystem::path definition = model_folder / "tokenizer.json";
  if (!std::filesystem::exists(definition)) {
    throw BadInput(definition.string(),
                   "there is no such file, and a text needs the model's tokenizer (token ids need none)");
  }
  std::vector<std::int64_t> ids = ByteLevelBpe::read(definition).encode(text);
  if (ids.empty()) throw BadInput(file.string(), "has no token");
  require_ids_in_range(definition.string() + ", for " + file.string(), ids, vocabulary);
  return ids;
}

std::map<std::size_t, theory::Matrix> read_activations(const std::filesystem::path& file, std::size_t layers,
                                                       std::size_t d_model) {
  std::map<std::size_t, theory::Matrix> inputs;
  for (LoadedTensor& tensor : load_tensors(file)) {
    const std::optional<std::size_t> layer = layer_of_input(tensor.name);
    if (!layer) continue;
    if (*layer >= layers)
      throw BadInput(file.string(), tensor.name + " names no layer of the model, which has " + std::to_string(layers));
    inputs.emplace(*layer, matrix_of(file.string(), std::move(tensor), d_model));
    if (inputs.at(*layer).rows != inputs.begin()->second.rows) {
      throw BadInput(file.string(), "layer." + std::to_string(inputs.begin()->first) + ".input and layer." +
                                        std::to_string(*layer) + ".input have different numbers of time steps");
    }
  }
  if (inputs.empty())
    throw BadInput(file.string(), "names no layer of the model: expected tensors layer.{i}.input of shape (T, " +
                                      std::to_string(d_model) + ")");
  return inputs;
}

}  // namespace lyap
