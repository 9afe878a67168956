#pragma once

#include <stdexcept>
#include <string>

namespace lyap {

/// The machine failed: memory, disk, processor or device. The message says what, where and the likely remedy (exit code 70).
class ResourceError : public std::runtime_error {
 public:
  explicit ResourceError(const std::string& what) : std::runtime_error(what) {}
};

}  // namespace lyap
