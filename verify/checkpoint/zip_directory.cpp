#include "verify/checkpoint/zip_directory.hpp"

#include <zip.h>

#include <cstdint>
#include <memory>
#include <set>

#include "numerics/resource_error.hpp"
#include "verify/checkpoint/bad_input.hpp"

namespace lyap {
namespace {

constexpr std::uint32_t kLocalHeader = 0x04034b50;
constexpr std::uint32_t kCentralHeader = 0x02014b50;
constexpr std::uint32_t kEnd = 0x06054b50;
constexpr std::uint32_t kEnd64 = 0x06064b50;
constexpr std::uint32_t kEnd64Locator = 0x07064b50;
constexpr std::size_t kEndSize = 22;
constexpr std::size_t kEnd64LocatorSize = 20;
constexpr std::size_t kEnd64Size = 56;
constexpr std::size_t kLocalHeaderSize = 30;
constexpr std::size_t kCentralHeaderSize = 46;
constexpr std::size_t kLongestComment = 65535;

// The archive's bytes, every access checked.
class Reader {
 public:
  Reader(std::span<const std::byte> bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  [[nodiscard]] std::uint64_t number(std::size_t at, int width) const {
    require(at, static_cast<std::size_t>(width));
    std::uint64_t value = 0;
    for (int i = 0; i < width; ++i)
      value |= std::uint64_t{static_cast<std::uint8_t>(bytes_[at + static_cast<std::size_t>(i)])} << (8 * i);
    return value;
  }
  [[nodiscard]] std::string text(std::size_t at, std::size_t length) const {
    require(at, length);
    return {reinterpret_cast<const char*>(bytes_.data()) + at, length};
  }
  void require(std::size_t at, std::size_t length) const {
    if (at > bytes_.size() || length > bytes_.size() - at)
      throw BadInput(file_, "its zip directory points outside the file (truncated?)");
  }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[noreturn]] void refuse(const std::string& what) const { throw BadInput(file_, what); }

 private:
  std::span<const std::byte> bytes_;
  const std::string& file_;
};

struct Directory {
  std::size_t begin = 0;
  std::size_t entries = 0;
};

// The end record is the last one whose comment reaches exactly to the end of the file.
Directory find_directory(const Reader& archive) {
  if (archive.size() < kEndSize) archive.refuse("is too short for a zip archive (truncated?)");
  const std::size_t last = archive.size() - kEndSize;
  const std::size_t first = last > kLongestComment ? last - kLongestComment : 0;
  for (std::size_t at = last + 1; at-- > first;) {
    if (archive.number(at, 4) != kEnd || archive.number(at + 20, 2) != last - at) continue;
    if (at < kEnd64LocatorSize || archive.number(at - kEnd64LocatorSize, 4) != kEnd64Locator) {
      return {archive.number(at + 16, 4), archive.number(at + 10, 2)};
    }
    const std::size_t end64 = archive.number(at - kEnd64LocatorSize + 8, 8);
    archive.require(end64, kEnd64Size);
    if (archive.number(end64, 4) != kEnd64) archive.refuse("its zip64 directory is damaged");
    return {archive.number(end64 + 48, 8), archive.number(end64 + 32, 8)};
  }
  archive.refuse("has no zip directory at its end (not a file of torch.save, or truncated)");
}

// A central header's fields after the zip64 extra field, if any, has had its say.
struct CentralEntry {
  std::string name;
  std::uint64_t flags, method, packed, size, local, total;
};

CentralEntry read_entry(const Reader& archive, std::size_t at) {
  if (archive.number(at, 4) != kCentralHeader) archive.refuse("its zip directory is damaged");
  const std::size_t name_length = archive.number(at + 28, 2);
  const std::size_t extra_length = archive.number(at + 30, 2);
  CentralEntry entry{archive.text(at + kCentralHeaderSize, name_length),
                     archive.number(at + 8, 2),
                     archive.number(at + 10, 2),
                     archive.number(at + 20, 4),
                     archive.number(at + 24, 4),
                     archive.number(at + 42, 4),
                     kCentralHeaderSize + name_length + extra_length + archive.number(at + 32, 2)};
  std::size_t extra = at + kCentralHeaderSize + name_length;
  const std::size_t extra_end = extra + extra_length;
  while (extra + 4 <= extra_end) {
    const std::size_t length = archive.number(extra + 2, 2);
    if (archive.number(extra, 2) == 1) {
      std::size_t field = extra + 4;
      const auto widen = [&](std::uint64_t& value) {
        if (value != 0xffffffff) return;
        if (field + 8 > extra + 4 + length) archive.refuse("a zip64 field is too short");
        value = archive.number(field, 8);
        field += 8;
      };
      widen(entry.size);
      widen(entry.packed);
      widen(entry.local);
    }
    extra += 4 + length;
  }
  return entry;
}

std::vector<CentralEntry> read_entries(const Reader& archive) {
  const Directory directory = find_directory(archive);
  std::vector<CentralEntry> entries;
  std::size_t at = directory.begin;
  for (std::size_t i = 0; i < directory.entries; ++i) {
    entries.push_back(read_entry(archive, at));
    at += entries.back().total;
  }
  return entries;
}

ZipMember member_of(const Reader& archive, const CentralEntry& entry) {
  const std::string shown = "member " + quoted_name(entry.name);
  if ((entry.flags & 1) != 0) archive.refuse(shown + " is encrypted");
  if (entry.method != 0)
    archive.refuse(shown + " is compressed; torch.save stores its members, so save the file again");
  if (entry.packed != entry.size) archive.refuse(shown + " is stored but its two sizes differ");
  archive.require(entry.local, kLocalHeaderSize);
  if (archive.number(entry.local, 4) != kLocalHeader)
    archive.refuse(shown + " has no local header where the directory says");
  const std::size_t name_length = archive.number(entry.local + 26, 2);
  const std::size_t name = entry.local + kLocalHeaderSize;
  if (archive.text(name, name_length) != entry.name) archive.refuse(shown + " has another name in its local header");
  const std::size_t begin = name + name_length + archive.number(entry.local + 28, 2);
  archive.require(begin, entry.size);
  return {entry.name, begin, entry.size};
}

// libzip's view of the archive, once it has found headers and directory consistent.
class ListedArchive {
 public:
  ListedArchive(std::span<const std::byte> bytes, const std::string& file) {
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
    if (source != nullptr) archive_.reset(zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error));
    const bool out_of_memory = zip_error_code_zip(&error) == ZIP_ER_MEMORY;
    const std::string problem = zip_error_strerror(&error);
    zip_error_fini(&error);
    if (archive_ != nullptr) return;  // and owns the source
    if (source != nullptr) zip_source_free(source);
    if (out_of_memory) throw ResourceError(file + ": not enough memory to read its zip directory");
    throw BadInput(file, "is not a sound zip archive: " + problem);
  }

  [[nodiscard]] std::size_t entries() const { return static_cast<std::size_t>(zip_get_num_entries(archive_.get(), 0)); }

  // Whether libzip read the same from the directory's entry of this index.
  [[nodiscard]] bool agrees(std::size_t index, const CentralEntry& entry) const {
    zip_stat_t listed;
    zip_stat_init(&listed);
    const char* name = zip_get_name(archive_.get(), index, ZIP_FL_ENC_RAW);
    if (name == nullptr || zip_stat_index(archive_.get(), index, 0, &listed) != 0) return false;
    return entry.name == name && entry.size == listed.size && entry.packed == listed.comp_size &&
           entry.method == listed.comp_method;
  }

 private:
  struct Discard {
    void operator()(zip_t* archive) const { zip_discard(archive); }
  };
  std::unique_ptr<zip_t, Discard> archive_;
};

}  // namespace

std::vector<ZipMember> read_zip_directory(std::span<const std::byte> bytes, const std::string& file) {
  const Reader archive(bytes, file);
  const std::vector<CentralEntry> entries = read_entries(archive);
  std::vector<ZipMember> members;
  std::set<std::string> names;
  for (const CentralEntry& entry : entries) {
    if (!names.insert(entry.name).second) archive.refuse("has the member " + quoted_name(entry.name) + " twice");
    members.push_back(member_of(archive, entry));
  }
  const ListedArchive listed(bytes, file);
  bool agrees = listed.entries() == entries.size();
  for (std::size_t i = 0; agrees && i < entries.size(); ++i) agrees = listed.agrees(i, entries[i]);
  if (!agrees) archive.refuse("its zip directory is damaged: two ways to read it disagree");
  return members;
}

}  // namespace lyap
