#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>

#include "verify/checkpoint/bad_input.hpp"
#include "verify/checkpoint/strict_json.hpp"
#include "verify/checkpoint/weight_file.hpp"

namespace lyap {
namespace {

using nlohmann::json;

constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kMaxHeaderBytes = 100'000'000;
constexpr std::size_t kMaxAxes = 64;  // what PyTorch can hold

struct ByteRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};

// One tensor's line in the header, before the whole is known to fit together.
struct HeaderEntry {
  StoredTensor tensor;
  ByteRange bytes;  // within the data, which follows the header
};

std::string shown_tensor(const std::string& name) { return "tensor " + quoted_name(name); }

std::size_t read_header_length(std::span<const std::byte> bytes, const std::string& file) {
  if (bytes.size() < kLengthBytes) {
    throw BadInput(file, "has " + std::to_string(bytes.size()) +
                             " bytes; a safetensors file begins with 8 bytes of header length (truncated?)");
  }
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length > kMaxHeaderBytes) {
    throw BadInput(file, "its header length is " + std::to_string(length) + ", over the limit of " +
                             std::to_string(kMaxHeaderBytes) + " bytes (not a safetensors file?)");
  }
  if (length > bytes.size() - kLengthBytes) {
    throw BadInput(file, "its header should have " + std::to_string(length) + " bytes, but only " +
                             std::to_string(bytes.size() - kLengthBytes) + " follow (truncated)");
  }
  return length;
}

std::size_t read_count(const json& value, const std::string& file, const std::string& place) {
  if (!value.is_number_unsigned()) throw BadInput(file, place + " must be a non-negative integer below 2^64");
  return value.get<std::uint64_t>();
}

// Bits of the tensor, or a BadInput where they overflow 64 bits.
std::size_t checked_bits(const StoredTensor& tensor, const std::string& file) {
  std::size_t product = element_bits(tensor.type);
  bool empty = false;
  for (const std::size_t extent : tensor.shape) empty = empty || extent == 0;
  for (const std::size_t extent : tensor.shape) {
    if (extent != 0 && __builtin_mul_overflow(product, extent, &product)) {
      throw BadInput(file, shown_tensor(tensor.name) + " has shape " + shape_text(tensor.shape) +
                               ", whose size overflows 64 bits");
    }
  }
  return empty ? 0 : product;
}

HeaderEntry read_entry(const std::string& name, const json& value, const std::string& file) {
  const std::string tensor = shown_tensor(name);
  if (!value.is_object()) throw BadInput(file, tensor + " must be a JSON object");
  for (const auto& member : value.items()) {
    if (member.key() != "dtype" && member.key() != "shape" && member.key() != "data_offsets") {
      throw BadInput(file, tensor + " has the unknown field " + quoted_name(member.key()));
    }
  }
  for (const char* field : {"dtype", "shape", "data_offsets"}) {
    if (!value.contains(field)) throw BadInput(file, tensor + " has no field '" + field + "'");
  }
  HeaderEntry entry;
  entry.tensor.name = name;
  if (!value["dtype"].is_string()) throw BadInput(file, tensor + ": dtype must be a string");
  const auto& type_name = value["dtype"].get_ref<const std::string&>();
  const auto type = find_element_type(type_name);
  if (!type) throw BadInput(file, tensor + " has the unknown dtype " + quoted_name(type_name));
  entry.tensor.type = *type;
  if (!value["shape"].is_array()) throw BadInput(file, tensor + ": shape must be a list");
  if (value["shape"].size() > kMaxAxes)
    throw BadInput(file, tensor + ": shape has more than " + std::to_string(kMaxAxes) + " axes");
  for (const json& extent : value["shape"]) entry.tensor.shape.push_back(read_count(extent, file, tensor + ": shape"));
  const json& offsets = value["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2)
    throw BadInput(file, tensor + ": data_offsets must be a list of two numbers");
  entry.bytes = {read_count(offsets[0], file, tensor + ": data_offsets"),
                 read_count(offsets[1], file, tensor + ": data_offsets")};
  if (entry.bytes.begin > entry.bytes.end) throw BadInput(file, tensor + ": data_offsets end before they begin");
  return entry;
}

void require_size_fits(const HeaderEntry& entry, const std::string& file) {
  const std::size_t bits = checked_bits(entry.tensor, file);
  if (bits % 8 != 0) throw BadInput(file, shown_tensor(entry.tensor.name) + " does not fill whole bytes");
  const std::size_t found = entry.bytes.end - entry.bytes.begin;
  if (bits / 8 != found) {
    throw BadInput(file, shown_tensor(entry.tensor.name) + " of dtype " + std::string(element_name(entry.tensor.type)) +
                             " and shape " + shape_text(entry.tensor.shape) + " takes " + std::to_string(bits / 8) +
                             " bytes, but its data_offsets span " + std::to_string(found));
  }
}

// The entries, sorted by place, must tile the data exactly.
void require_exact_tiling(const std::vector<HeaderEntry>& entries, std::size_t data_bytes, const std::string& file) {
  std::size_t next = 0;
  for (const HeaderEntry& entry : entries) {
    if (entry.bytes.begin != next) {
      throw BadInput(file, shown_tensor(entry.tensor.name) + " begins at byte " + std::to_string(entry.bytes.begin) +
                               " of the data, but " + std::to_string(next) + " was expected: data_offsets " +
                               (entry.bytes.begin < next ? "overlap" : "leave a hole"));
    }
    next = entry.bytes.end;
  }
  if (next > data_bytes) {
    throw BadInput(file, "the tensors take " + std::to_string(next) + " bytes, but the file holds only " +
                             std::to_string(data_bytes) + " after its header (truncated)");
  }
  if (next < data_bytes)
    throw BadInput(file, std::to_string(data_bytes - next) + " bytes are left over after the last tensor");
}

void require_text_metadata(const json& metadata, const std::string& file) {
  if (!metadata.is_object()) throw BadInput(file, "__metadata__ must be a JSON object");
  for (const auto& member : metadata.items()) {
    if (!member.value().is_string()) throw BadInput(file, "__metadata__ may hold strings only");
  }
}

std::vector<HeaderEntry> read_entries(const json& header, const std::string& file) {
  std::vector<HeaderEntry> entries;
  for (const auto& member : header.items()) {
    if (member.key() == "__metadata__") {
      require_text_metadata(member.value(), file);
      continue;
    }
    entries.push_back(read_entry(member.key(), member.value(), file));
    require_size_fits(entries.back(), file);
  }
  std::sort(entries.begin(), entries.end(), [](const HeaderEntry& left, const HeaderEntry& right) {
    return std::pair(left.bytes.begin, left.bytes.end) < std::pair(right.bytes.begin, right.bytes.end);
  });
  return entries;
}

}  // namespace

WeightFile open_safetensors(const std::filesystem::path& path, const std::string& name) {
  WeightFile result{name, path.string(), MappedFile(path), {}, {}};
  const auto bytes = result.map.bytes();
  const std::size_t header_bytes = read_header_length(bytes, result.path);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, header_bytes);
  if (text.empty() || text.front() != '{')
    throw BadInput(result.path, "its header does not begin with '{' (not a safetensors file?)");
  std::vector<HeaderEntry> entries = read_entries(parse_strict_json(text, result.path), result.path);
  const std::size_t data_begin = kLengthBytes + header_bytes;
  require_exact_tiling(entries, bytes.size() - data_begin, result.path);
  for (HeaderEntry& entry : entries) {
    entry.tensor.begin = data_begin + entry.bytes.begin;
    entry.tensor.strides = row_major_strides(entry.tensor.shape);
    result.runs.push_back({entry.tensor.type, entry.tensor.begin, entry.tensor.elements()});
    result.tensors.push_back(std::move(entry.tensor));
  }
  result.map.release(0, data_begin);
  return result;
}

}  // namespace lyap
