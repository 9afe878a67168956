#include "verify/checkpoint/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "numerics/resource_error.hpp"
#include "verify/checkpoint/bad_input.hpp"

namespace lyap {
namespace {

// A page fault maps up to this much around the touched page.
constexpr std::size_t kFaultNeighbourhood = 64 * 1024;

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int number() const { return number_; }

 private:
  int number_;
};

[[noreturn]] void throw_cannot_open(const std::string& file, int error) {
  const bool machine = error == EMFILE || error == ENFILE || error == ENOMEM || error == EIO;
  if (machine) throw ResourceError(file + ": cannot be opened: " + std::strerror(error));
  if (error == ENOENT) throw BadInput(file, "no such file");
  throw BadInput(file, std::string("cannot be opened: ") + std::strerror(error));
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) {
  const std::string file = path.string();
  // Without O_NONBLOCK, opening a named pipe would wait for a writer.
  const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (descriptor.number() < 0) throw_cannot_open(file, errno);
  struct stat status {};
  if (::fstat(descriptor.number(), &status) != 0) throw_cannot_open(file, errno);
  if (!S_ISREG(status.st_mode)) throw BadInput(file, "is not a regular file");
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ == 0) return;
  void* address = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, descriptor.number(), 0);
  if (address == MAP_FAILED) throw ResourceError(file + ": cannot be mapped into memory: " + std::strerror(errno));
  data_ = static_cast<const std::byte*>(address);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void MappedFile::release(std::size_t begin, std::size_t end) const {
  if (data_ == nullptr || begin >= end) return;
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t first = (begin > kFaultNeighbourhood ? begin - kFaultNeighbourhood : 0) / page * page;
  const std::size_t last = std::min(size_, end + kFaultNeighbourhood);
  // Advice only: where the system declines, the pages merely stay.
  (void)::madvise(const_cast<std::byte*>(data_) + first, last - first, MADV_DONTNEED);
}

}  // namespace lyap
