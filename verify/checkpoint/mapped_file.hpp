#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace lyap {

/// A regular file's bytes, mapped read-only. Pages enter memory when they are touched and leave it with release().
class MappedFile {
 public:
  /// Throws BadInput where the file is missing, unreadable or not a regular file; ResourceError where it cannot be
  /// mapped.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_}; }

  /// Takes the pages around [begin, end) out of this process's memory; their content is unchanged and is read again
  /// when touched.
  void release(std::size_t begin, std::size_t end) const;

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace lyap
