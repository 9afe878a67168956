#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace lyap {

/// A file that is written beside its destination and takes its name in one step, so that whoever looks at the
/// destination sees the old content or the new one, whole. Where the file system allows, it has no name until then, so
/// that even a killed process leaves nothing behind; elsewhere the destructor removes it. Throws BadInput where the
/// destination is there and is not a regular file (a folder, a device). Every function throws ResourceError (disk full,
/// folder not writable) with the destination's name.
class AtomicFile {
 public:
  explicit AtomicFile(const std::filesystem::path& destination);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write_at(std::uint64_t offset, std::span<const std::byte> bytes);
  /// Fills `bytes` from what was written before.
  void read_at(std::uint64_t offset, std::span<std::byte> bytes) const;
  /// Puts the content on the disk itself.
  void flush();
  /// Gives the flushed file its name, in place of an older file of that name.
  void rename_into_place();

 private:
  [[noreturn]] void fail(const std::string& action, int error) const;

  std::filesystem::path destination_;
  std::filesystem::path temporary_;  ///< empty while the file has no name
  int descriptor_ = -1;
};

}  // namespace lyap
