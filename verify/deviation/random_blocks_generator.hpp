#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace lyap {

/// Random numbers by counting: number n of a stream is a fixed function of the stream's key and n, so that every number
/// is the same whatever was drawn before it and on whichever thread. SplitMix64: the finaliser of Stafford's "Mix13"
/// applied to key + (n + 1) 0x9e3779b97f4a7c15.
class RandomStream {
 public:
  explicit RandomStream(std::uint64_t seed) : key_(mixed(seed)) {}

  /// The stream number `name` of this one, independent of all its siblings for every practical purpose.
  [[nodiscard]] RandomStream stream(std::uint64_t name) const {
    return RandomStream(Key{mixed(key_ ^ mixed(name + kStep))});
  }

  /// Number n, uniform over all 64-bit words.
  [[nodiscard]] std::uint64_t word(std::uint64_t n) const { return mixed(key_ + (n + 1) * kStep); }

  /// Number n, uniform in (0, 1): an odd multiple of 2^-54.
  [[nodiscard]] double uniform(std::uint64_t n) const { return (static_cast<double>(word(n) >> 11U) + 0.5) * 0x1p-53; }

  /// Number n, standard normal, by Box and Muller from the words 2 floor(n/2) and 2 floor(n/2) + 1.
  [[nodiscard]] double normal(std::uint64_t n) const {
    const double radius = std::sqrt(-2.0 * std::log(uniform(n & ~std::uint64_t{1})));
    const double angle = 2.0 * std::numbers::pi * uniform(n | 1U);
    return radius * ((n & 1U) == 0 ? std::cos(angle) : std::sin(angle));
  }

 private:
  struct Key {
    std::uint64_t value;
  };
  static constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15U;

  explicit RandomStream(Key key) : key_(key.value) {}

  static constexpr std::uint64_t mixed(std::uint64_t x) {
    x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31U);
  }

  std::uint64_t key_;
};

}  // namespace lyap
