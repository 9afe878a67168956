#include "verify/checkpoint/atomic_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>

#include "numerics/resource_error.hpp"
#include "verify/checkpoint/array_file.hpp"
#include "verify/checkpoint/bad_input.hpp"

namespace lyap {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kMode = 0666;  // less the process's umask

fs::path folder_of(const fs::path& file) { return file.has_parent_path() ? file.parent_path() : fs::path("."); }

// A name in the destination's folder that no other process and no other thread of this one uses.
fs::path temporary_name(const fs::path& destination) {
  static std::atomic<unsigned> counter = 0;
  std::string name = destination.filename().string().substr(0, 200);
  name.insert(name.begin(), '.');
  name.append(".").append(std::to_string(::getpid())).append("-").append(std::to_string(counter++)).append(".tmp");
  return folder_of(destination) / name;
}

std::string descriptor_path(int descriptor) {
  std::string path = "/proc/self/fd/";
  return path.append(std::to_string(descriptor));
}

int open_without_name(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, kMode);
  if (descriptor < 0) return -1;
  // Without /proc the file could never get a name.
  struct stat status {};
  if (::stat(descriptor_path(descriptor).c_str(), &status) == 0) return descriptor;
  ::close(descriptor);
  return -1;
}

}  // namespace

AtomicFile::AtomicFile(const fs::path& destination) : destination_(destination) {
  // Renaming onto a device such as /dev/null would replace it.
  std::error_code error;
  const fs::file_type type = fs::status(destination, error).type();
  if (fs::exists(fs::file_status(type)) && type != fs::file_type::regular) {
    throw BadInput(destination.string(), "is not a regular file, so it cannot be written to");
  }
  descriptor_ = open_without_name(folder_of(destination));
  if (descriptor_ >= 0) return;
  const fs::path name = temporary_name(destination);
  descriptor_ = ::open(name.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, kMode);
  if (descriptor_ < 0) fail("a temporary file beside it cannot be created", errno);
  temporary_ = name;
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::fail(const std::string& action, int error) const {
  std::string remedy;
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) remedy = "; free some space or choose another place";
  if (error == EACCES || error == EROFS || error == EPERM || error == ENOENT)
    remedy = "; choose a folder that exists and can be written";
  throw ResourceError(destination_.string() + ": " + action + ": " + std::strerror(error) + remedy);
}

void AtomicFile::write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail("cannot be written", written < 0 ? errno : ENOSPC);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
}

void AtomicFile::read_at(std::uint64_t offset, std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t count = ::pread(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) fail("what was written cannot be read back", count < 0 ? errno : EIO);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
}

void AtomicFile::flush() {
  // Some file systems cannot synchronise; the content is then as safe as they make it.
  if (::fsync(descriptor_) != 0 && errno != EINVAL && errno != EROFS) fail("cannot be flushed to disk", errno);
}

void AtomicFile::rename_into_place() {
  if (temporary_.empty()) {
    const fs::path name = temporary_name(destination_);
    if (::linkat(AT_FDCWD, descriptor_path(descriptor_).c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      fail("cannot be given its name", errno);
    }
    temporary_ = name;
  }
  if (::rename(temporary_.c_str(), destination_.c_str()) != 0) fail("the finished file cannot be renamed to it", errno);
  temporary_.clear();
  // The rename itself reaches the disk with its folder.
  const int folder = ::open(folder_of(destination_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    (void)::fsync(folder);
    ::close(folder);
  }
}

void write_file_atomically(const fs::path& path, const std::string& content) {
  AtomicFile file(path);
  file.write_at(0, std::as_bytes(std::span(content)));
  file.flush();
  file.rename_into_place();
}

}  // namespace lyap
