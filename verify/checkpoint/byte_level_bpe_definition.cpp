#include "verify/checkpoint/byte_level_bpe_definition.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "verify/checkpoint/bad_input.hpp"
#include "verify/checkpoint/strict_json.hpp"

namespace lyap {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxTokenizerBytes = std::size_t{1} << 28;

/// Reads the parts of one file and names it in every complaint.
class DefinitionReader {
 public:
  explicit DefinitionReader(std::string file) : file_(std::move(file)) {}

  TokenizerDefinition read(const json& document) {
    if (!document.is_object()) fail("is not a JSON object");
    read_normalizer(member(document, "normalizer"), "normalizer");
    read_pre_tokenizer(member(document, "pre_tokenizer"));
    require_ids_are_kept(member(document, "post_processor"), "post_processor");
    read_model(member(document, "model"));
    read_added_tokens(member(document, "added_tokens"));
    return std::move(definition_);
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const { throw BadInput(file_, problem); }

  static std::string quoted(const std::string& place, const std::string& content) {
    return std::string(place).append(" '").append(content).append("'");
  }

  /// The member called `name`, null where it is absent.
  static const json& member(const json& object, const char* name) {
    static const json kNull;
    const auto found = object.find(name);
    return found == object.end() ? kNull : *found;
  }

  std::string type_of(const json& part, const std::string& place) const {
    if (!part.is_object()) fail(place + " is not a JSON object");
    const json& type = member(part, "type");
    if (!type.is_string()) fail(place + ".type is not a string");
    return type.get<std::string>();
  }

  bool boolean(const json& object, const char* name, const std::string& place) const {
    const json& value = member(object, name);
    if (!value.is_boolean()) fail(place + "." + name + " is not true or false");
    return value.get<bool>();
  }

  bool optional_boolean(const json& object, const char* name, const std::string& place, bool absent) const {
    return object.contains(name) ? boolean(object, name, place) : absent;
  }

  const std::string& string_at(const json& value, const std::string& place) const {
    if (!value.is_string()) fail(place + " is not a string");
    return value.get_ref<const std::string&>();
  }

  std::int32_t id_at(const json& value, const std::string& place) const {
    if (!value.is_number_integer() || value < 0 || value > std::numeric_limits<std::int32_t>::max()) {
      fail(place + " is not a token id: expected an integer from 0 to 2147483647");
    }
    return value.get<std::int32_t>();
  }

  void read_normalizer(const json& normalizer, const std::string& place) {
    if (normalizer.is_null()) return;
    const std::string type = type_of(normalizer, place);
    if (type == "NFC") {
      definition_.nfc = true;
    } else if (type == "Sequence") {
      for (const json& step : sequence(normalizer, "normalizers", place)) read_normalizer(step, place + ".normalizers");
    } else {
      fail(place + " '" + type + "' is not supported (supported: NFC)");
    }
  }

  const json& sequence(const json& part, const char* name, const std::string& place) const {
    const json& steps = member(part, name);
    if (!steps.is_array()) fail(place + "." + name + " is not a list");
    return steps;
  }

  void read_pre_tokenizer(const json& pre_tokenizer) {
    const std::string place = "pre_tokenizer";
    if (pre_tokenizer.is_null()) fail("has no pre_tokenizer: expected ByteLevel");
    const std::string type = type_of(pre_tokenizer, place);
    if (type == "Sequence") {
      const json& steps = sequence(pre_tokenizer, "pretokenizers", place);
      for (const json& step : steps) require_byte_level(type_of(step, place + ".pretokenizers"));
      if (steps.size() != 1)
        fail("pre_tokenizer has " + std::to_string(steps.size()) + " steps: expected one ByteLevel");
      read_byte_level(steps.front());
    } else {
      require_byte_level(type);
      read_byte_level(pre_tokenizer);
    }
  }

  void require_byte_level(const std::string& type) const {
    if (type != "ByteLevel") fail("pre_tokenizer '" + type + "' is not supported (supported: ByteLevel)");
  }

  void read_byte_level(const json& byte_level) {
    definition_.add_prefix_space = boolean(byte_level, "add_prefix_space", "pre_tokenizer");
    definition_.use_regex = optional_boolean(byte_level, "use_regex", "pre_tokenizer", true);
  }

  /// ByteLevel as a post-processor moves offsets only; others add tokens to the text.
  void require_ids_are_kept(const json& processor, const std::string& place) const {
    if (processor.is_null()) return;
    const std::string type = type_of(processor, place);
    if (type == "Sequence") {
      for (const json& step : sequence(processor, "processors", place))
        require_ids_are_kept(step, place + ".processors");
    } else if (type != "ByteLevel") {
      fail(place + " '" + type + "' is not supported (supported: ByteLevel)");
    }
  }

  void read_model(const json& model) {
    if (!model.is_object()) fail("has no model: expected BPE");
    if (const json& type = member(model, "type"); !type.is_null() && string_at(type, "model.type") != "BPE") {
      fail("model '" + type.get<std::string>() + "' is not supported (supported: BPE)");
    }
    if (const json& dropout = member(model, "dropout"); !dropout.is_null() && dropout != 0.0)
      fail("model.dropout is not supported");
    if (optional_boolean(model, "byte_fallback", "model", false))
      fail("model.byte_fallback is not supported: expected false");
    for (const char* name : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      const json& text = member(model, name);
      const bool is_empty = text.is_null() || (text.is_string() && text.get_ref<const std::string&>().empty());
      if (!is_empty) fail(std::string("model.") + name + " is not supported");
    }
    definition_.ignore_merges = optional_boolean(model, "ignore_merges", "model", false);
    read_vocabulary(member(model, "vocab"));
    read_merges(member(model, "merges"));
  }

  void read_vocabulary(const json& vocabulary) {
    if (!vocabulary.is_object() || vocabulary.empty()) fail("model.vocab is not an object of token ids");
    std::unordered_set<std::int32_t> used;
    for (const auto& [token, id] : vocabulary.items()) {
      const std::int32_t number = id_at(id, "model.vocab['" + token + "']");
      if (!used.insert(number).second)
        fail("model.vocab gives the id " + std::to_string(number) + " to two tokens, one of them '" + token + "'");
      definition_.vocabulary.emplace(token, number);
    }
  }

  void read_merges(const json& merges) {
    if (!merges.is_array()) fail("model.merges is not a list");
    for (std::size_t i = 0; i < merges.size(); ++i) {
      const json& merge = merges[i];
      const std::string place = "model.merges[" + std::to_string(i) + "]";
      if (merge.is_array()) {
        if (merge.size() != 2) fail(place + " does not have two parts");
        definition_.merges.emplace_back(string_at(merge[0], place), string_at(merge[1], place));
      } else {
        read_written_merge(string_at(merge, place), place);
      }
    }
  }

  /// A merge as older files have it, "left right"; a first line "#version: ..." is a comment.
  void read_written_merge(const std::string& merge, const std::string& place) {
    if (merge.starts_with("#version")) return;
    const std::size_t space = merge.find(' ');
    if (space == 0 || space == std::string::npos || space + 1 == merge.size() ||
        merge.find(' ', space + 1) != std::string::npos) {
      fail(place + " '" + merge + "' does not have two parts");
    }
    definition_.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
  }

  void read_added_tokens(const json& tokens) {
    if (tokens.is_null()) return;
    if (!tokens.is_array()) fail("added_tokens is not a list");
    auto next_id = static_cast<std::int32_t>(definition_.vocabulary.size());
    std::unordered_map<std::string, std::int32_t> seen;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const std::string place = "added_tokens[" + std::to_string(i) + "]";
      const json& token = tokens[i];
      if (!token.is_object()) fail(place + " is not a JSON object");
      const std::string& content = string_at(member(token, "content"), place + ".content");
      for (const char* name : {"single_word", "lstrip", "rstrip"}) {
        if (boolean(token, name, place))
          fail(quoted(place, content).append(": ").append(name).append(" is not supported"));
      }
      const std::int32_t id = id_at(member(token, "id"), place + ".id");
      const auto known = definition_.vocabulary.find(content);
      const bool in_vocabulary = known != definition_.vocabulary.end();
      const auto [first, is_new] = seen.emplace(content, in_vocabulary ? known->second : next_id);
      if (id != first->second) {
        fail(quoted(place, content)
                 .append(" has the id " + std::to_string(id) + ", expected " + std::to_string(first->second))
                 .append(in_vocabulary ? " as in model.vocab" : ", the next after those before it"));
      }
      if (is_new && !in_vocabulary) ++next_id;
      definition_.added_tokens.push_back({content, id, boolean(token, "normalized", place)});
    }
  }

  std::string file_;
  TokenizerDefinition definition_;
};

}  // namespace

TokenizerDefinition read_tokenizer_definition(const std::filesystem::path& file) {
  return DefinitionReader(file.string()).read(read_strict_json(file, kMaxTokenizerBytes));
}

}  // namespace lyap
