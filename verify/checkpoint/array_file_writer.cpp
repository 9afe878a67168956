#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "numerics/contract_violation.hpp"
#include "verify/checkpoint/array_file.hpp"
#include "verify/checkpoint/atomic_file.hpp"
#include "verify/checkpoint/sha256.hpp"

namespace lyap {
namespace {

constexpr std::size_t kCopyBytes = std::size_t{4} << 20;

// Readers want an array aligned to its elements, and the format allows no gaps: so the widest types come first in the
// file.
enum WidthClass : std::size_t { kEightBytes, kFourBytes, kOneByte, kWidthClasses };

struct WrittenArray {
  std::string name;
  std::string dtype;
  std::vector<std::size_t> shape;
  std::uint64_t begin = 0;  // within its width class
  std::uint64_t bytes = 0;
};

std::span<const std::byte> bytes_of(const NamedArray& array) {
  if (array.dtype == "F64") return std::as_bytes(std::span(array.f64));
  if (array.dtype == "F32") return std::as_bytes(std::span(array.f32));
  if (array.dtype == "U8") return std::as_bytes(std::span(array.u8));
  throw ContractViolation("ArrayFileWriter: dtype '" + array.dtype + "' is none of F64, F32, U8");
}

WidthClass width_class(const std::string& dtype) {
  return dtype == "F64" ? kEightBytes : dtype == "F32" ? kFourBytes : kOneByte;
}

std::size_t width(const std::string& dtype) { return dtype == "F64" ? 8 : dtype == "F32" ? 4 : 1; }

}  // namespace

// Arrays of one width class gather in one nameless file each; finish() strings them together behind the header.
struct ArrayFileWriter::Impl {
  std::filesystem::path path;
  std::array<std::optional<AtomicFile>, kWidthClasses> gathered;
  std::array<std::uint64_t, kWidthClasses> sizes{};
  std::array<std::vector<WrittenArray>, kWidthClasses> arrays;
  std::set<std::string> names;
  std::optional<AtomicFile> complete;

  [[nodiscard]] std::string header() const;
};

std::string ArrayFileWriter::Impl::header() const {
  nlohmann::ordered_json entries = nlohmann::ordered_json::object();
  std::uint64_t class_begin = 0;
  for (std::size_t i = 0; i < kWidthClasses; ++i) {
    for (const WrittenArray& array : arrays[i]) {
      const std::uint64_t begin = class_begin + array.begin;
      entries[array.name] = {
          {"dtype", array.dtype}, {"shape", array.shape}, {"data_offsets", {begin, begin + array.bytes}}};
    }
    class_begin += sizes[i];
  }
  std::string text = entries.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

ArrayFileWriter::ArrayFileWriter(const std::filesystem::path& path) : impl_(std::make_unique<Impl>()) {
  impl_->path = path;
  // Opened at once, so that a folder that cannot be written is known before hours of work.
  impl_->gathered[kEightBytes].emplace(path);
}

ArrayFileWriter::~ArrayFileWriter() = default;

void ArrayFileWriter::add(const NamedArray& array) {
  if (impl_->complete) throw ContractViolation("ArrayFileWriter: add() after finish()");
  const std::span<const std::byte> bytes = bytes_of(array);
  std::size_t elements = 1;
  for (const std::size_t extent : array.shape) elements *= extent;
  if (elements * width(array.dtype) != bytes.size())
    throw ContractViolation("ArrayFileWriter: shape and size of '" + array.name + "' differ");
  if (!impl_->names.insert(array.name).second)
    throw ContractViolation("ArrayFileWriter: '" + array.name + "' is added twice");
  const WidthClass place = width_class(array.dtype);
  if (!impl_->gathered[place]) impl_->gathered[place].emplace(impl_->path);
  impl_->gathered[place]->write_at(impl_->sizes[place], bytes);
  impl_->arrays[place].push_back({array.name, array.dtype, array.shape, impl_->sizes[place], bytes.size()});
  impl_->sizes[place] += bytes.size();
}

std::string ArrayFileWriter::finish() {
  if (impl_->complete) throw ContractViolation("ArrayFileWriter: finish() twice");
  AtomicFile& file = impl_->complete.emplace(impl_->path);
  Sha256 hash;
  std::uint64_t end = 0;
  const auto append = [&](std::span<const std::byte> bytes) {
    hash.update(bytes);
    file.write_at(end, bytes);
    end += bytes.size();
  };
  const std::string header = impl_->header();
  const std::uint64_t header_bytes = header.size();
  append(std::as_bytes(std::span(&header_bytes, 1)));
  append(std::as_bytes(std::span(header)));
  std::vector<std::byte> stretch(kCopyBytes);
  for (std::size_t i = 0; i < kWidthClasses; ++i) {
    for (std::uint64_t done = 0; done < impl_->sizes[i];) {
      const std::size_t count = std::min<std::uint64_t>(kCopyBytes, impl_->sizes[i] - done);
      const std::span<std::byte> part(stretch.data(), count);
      impl_->gathered[i]->read_at(done, part);
      append(part);
      done += count;
    }
    impl_->gathered[i].reset();
  }
  file.flush();
  return hash.finish();
}

void ArrayFileWriter::rename_into_place() {
  if (!impl_->complete) throw ContractViolation("ArrayFileWriter: rename_into_place() before finish()");
  impl_->complete->rename_into_place();
}

}  // namespace lyap
