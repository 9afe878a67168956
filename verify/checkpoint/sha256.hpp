#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace lyap {

/// A running SHA-256. Throws ResourceError where OpenSSL cannot provide it.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void update(std::span<const std::byte> bytes);
  /// Lower-case hexadecimal; nothing may be added after it.
  [[nodiscard]] std::string finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace lyap
