#include "verify/checkpoint/zip_directory.hpp"

#include <zip.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <set>
#include <unordered_map>

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
constexpr std::size_t kLongestComment = 65535;

struct ArchiveCloser {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};

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

Directory find_directory(const Reader& archive) {
  if (archive.size() < kEndSize) archive.refuse("is too short for a zip archive (truncated?)");
  const std::size_t last = archive.size() - kEndSize;
  const std::size_t first = last > kLongestComment ? last - kLongestComment : 0;
  for (std::size_t at = last + 1; at-- > first;) {
    if (archive.number(at, 4) != kEnd) continue;
    Directory directory{archive.number(at + 16, 4), archive.number(at + 10, 2)};
    if (at >= kEnd64LocatorSize && archive.number(at - kEnd64LocatorSize, 4) == kEnd64Locator) {
      const std::size_t end64 = archive.number(at - kEnd64LocatorSize + 8, 8);
      archive.require(end64, 56);
      if (archive.number(end64, 4) != kEnd64) archive.refuse("its zip64 directory is damaged");
      directory = {archive.number(end64 + 48, 8), archive.number(end64 + 32, 8)};
    }
    return directory;
  }
  archive.refuse("has no zip directory at its end (truncated?)");
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
  CentralEntry entry{archive.text(at + 46, name_length),
                     archive.number(at + 8, 2),
                     archive.number(at + 10, 2),
                     archive.number(at + 20, 4),
                     archive.number(at + 24, 4),
                     archive.number(at + 42, 4),
                     46 + name_length + extra_length + archive.number(at + 32, 2)};
  std::size_t extra = at + 46 + name_length;
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

ZipMember member_of(const Reader& archive, const CentralEntry& entry) {
  const std::string shown = "member " + quoted_name(entry.name);
  if ((entry.flags & 1) != 0) archive.refuse(shown + " is encrypted");
  if (entry.method != 0)
    archive.refuse(shown + " is compressed; torch.save stores its members, so save the file again");
  if (entry.packed != entry.size) archive.refuse(shown + " is stored but its two sizes differ");
  archive.require(entry.local, 30);
  if (archive.number(entry.local, 4) != kLocalHeader)
    archive.refuse(shown + " has no local header where the directory says");
  const std::size_t begin =
      entry.local + 30 + archive.number(entry.local + 26, 2) + archive.number(entry.local + 28, 2);
  archive.require(begin, entry.size);
  return {entry.name, begin, entry.size};
}

// libzip's own consistency check of headers against directory.
std::size_t checked_entry_count(const std::filesystem::path& path) {
  int error = 0;
  const std::unique_ptr<zip_t, ArchiveCloser> archive(zip_open(path.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &error));
  if (archive == nullptr) {
    zip_error_t reason;
    zip_error_init_with_code(&reason, error);
    const std::string text = zip_error_strerror(&reason);
    zip_error_fini(&reason);
    throw BadInput(path.string(), "is not a sound zip archive: " + text);
  }
  return static_cast<std::size_t>(zip_get_num_entries(archive.get(), 0));
}

}  // namespace

std::vector<ZipMember> read_zip_directory(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  const std::string file = path.string();
  const std::size_t listed = checked_entry_count(path);
  const Reader archive(bytes, file);
  const Directory directory = find_directory(archive);
  if (directory.entries != listed) archive.refuse("its zip directory is damaged");
  std::vector<ZipMember> members;
  std::set<std::string> names;
  std::size_t at = directory.begin;
  for (std::size_t i = 0; i < directory.entries; ++i) {
    const CentralEntry entry = read_entry(archive, at);
    if (!names.insert(entry.name).second) archive.refuse("has the member " + quoted_name(entry.name) + " twice");
    members.push_back(member_of(archive, entry));
    at += entry.total;
  }
  return members;
}

}  // namespace lyap
