#include "verify/checkpoint/sha256.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "numerics/resource_error.hpp"
#include "verify/checkpoint/array_file.hpp"
#include "verify/checkpoint/mapped_file.hpp"

namespace lyap {
namespace {

constexpr std::size_t kStretchBytes = std::size_t{4} << 20;

void require(bool succeeded) {
  if (!succeeded) throw ResourceError("SHA-256 is not available from OpenSSL on this machine");
}

}  // namespace

struct Sha256::Context {
  EVP_MD_CTX* state = EVP_MD_CTX_new();
  ~Context() { EVP_MD_CTX_free(state); }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  require(context_->state != nullptr && EVP_DigestInit_ex(context_->state, EVP_sha256(), nullptr) == 1);
}

Sha256::~Sha256() = default;

void Sha256::update(std::span<const std::byte> bytes) {
  require(EVP_DigestUpdate(context_->state, bytes.data(), bytes.size()) == 1);
}

std::string Sha256::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  require(EVP_DigestFinal_ex(context_->state, digest.data(), &length) == 1);
  static constexpr char kHexadecimal[] = "0123456789abcdef";
  std::string text;
  for (unsigned i = 0; i < length; ++i) text += {kHexadecimal[digest[i] >> 4], kHexadecimal[digest[i] & 15]};
  return text;
}

std::string sha256_of_bytes(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

std::string sha256_of_file(const std::filesystem::path& path) {
  const MappedFile map(path);
  const auto bytes = map.bytes();
  Sha256 hash;
  for (std::size_t begin = 0; begin < bytes.size(); begin += kStretchBytes) {
    const std::size_t end = std::min(bytes.size(), begin + kStretchBytes);
    hash.update(bytes.subspan(begin, end - begin));
    map.release(begin, end);
  }
  return hash.finish();
}

}  // namespace lyap
