#include "verify/checkpoint/strict_json.hpp"

#include <array>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "verify/checkpoint/bad_input.hpp"
#include "verify/checkpoint/mapped_file.hpp"

namespace lyap {
namespace {

using nlohmann::json;

// Builds the document from the parser's events. The parser keeps its own stack, so depth costs heap, not stack.
class StrictDocument : public nlohmann::json_sax<json> {
 public:
  explicit StrictDocument(const std::string& file) : file_(file) {}

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }

  bool start_object(std::size_t) override { return open(json::object()); }
  bool start_array(std::size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    if (open_.back()->contains(name))
      throw BadInput(file_, "the key " + quoted_name(name) + " appears twice in one JSON object");
    member_ = &(*open_.back())[name];
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    std::string reason = error.what();
    if (const std::size_t bracket = reason.find("] "); bracket != std::string::npos) reason.erase(0, bracket + 2);
    throw BadInput(file_, "is not valid JSON, byte " + std::to_string(position) + ": " + as_one_line(reason, 300));
  }

  [[nodiscard]] json take() { return std::move(root_); }

 private:
  json* place(json value) {
    if (++values_ > kMaxJsonValues)
      throw BadInput(file_, "has more than " + std::to_string(kMaxJsonValues) + " JSON values");
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    if (open_.back()->is_array()) {
      open_.back()->push_back(std::move(value));
      return &open_.back()->back();
    }
    *member_ = std::move(value);
    return member_;
  }

  bool add(json value) {
    place(std::move(value));
    return true;
  }

  bool open(json container) {
    if (open_.size() >= kMaxJsonDepth) {
      throw BadInput(file_, "JSON is nested deeper than " + std::to_string(kMaxJsonDepth) + " levels");
    }
    open_.push_back(place(std::move(container)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  const std::string& file_;
  json root_;
  std::vector<json*> open_;
  json* member_ = nullptr;
  std::size_t values_ = 0;
};

// The text with the bare words outside strings replaced by legal JSON.
std::string with_legal_non_finite(std::string_view text) {
  static constexpr std::array<std::string_view, 3> kWords = {"-Infinity", "Infinity", "NaN"};
  std::string legal;
  legal.reserve(text.size() + 64);
  bool inside_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (inside_string) {
      legal += text[i];
      if (text[i] == '\\' && i + 1 < text.size()) {
        legal += text[++i];
      } else if (text[i] == '"') {
        inside_string = false;
      }
      continue;
    }
    std::string_view found;
    for (const std::string_view word : kWords) {
      if (text.substr(i, word.size()) == word) found = word;
    }
    if (!found.empty()) {
      legal.append(R"({"__float__":")").append(found).append("\"}");
      i += found.size() - 1;
      continue;
    }
    inside_string = text[i] == '"';
    legal += text[i];
  }
  return legal;
}

}  // namespace

json parse_strict_json(std::string_view text, const std::string& file, BareNonFinite words) {
  StrictDocument document(file);
  // A byte order mark is not JSON, though the parser would skip it.
  if (text.substr(0, 3) == "\xef\xbb\xbf")
    throw BadInput(file, "is not valid JSON, byte 1: it begins with a byte order mark");
  // A zero byte is not JSON either, though the parser would take it for the end and not look further.
  if (const std::size_t zero = text.find('\0'); zero != std::string_view::npos) {
    throw BadInput(file, "is not valid JSON, byte " + std::to_string(zero + 1) + ": a zero byte");
  }
  if (words == BareNonFinite::kRead) {
    const std::string legal = with_legal_non_finite(text);
    json::sax_parse(legal, &document);
  } else {
    json::sax_parse(text.begin(), text.end(), &document);
  }
  return document.take();
}

json read_strict_json(const std::filesystem::path& path, std::size_t size_limit, BareNonFinite words) {
  const MappedFile map(path);
  const auto bytes = map.bytes();
  if (bytes.size() > size_limit) {
    throw BadInput(path.string(), "has " + std::to_string(bytes.size()) + " bytes, more than the " +
                                      std::to_string(size_limit) + " that such a file may have");
  }
  return parse_strict_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string(), words);
}

}  // namespace lyap
