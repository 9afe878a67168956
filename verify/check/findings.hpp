#pragma once

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace lyap::check {

struct ClaimStanding {
  std::size_t index = 0;  ///< among the certificate's claims
  std::string name;       ///< "T1, universal tier, layer 3, zeta"
  bool checked = false;   ///< re-derived from the model
  std::string reason;     ///< why not
};

/// Arrays of a layer that were not re-derived, and why.
struct UncheckedArrays {
  std::size_t layer = 0;
  std::vector<std::string> names;
  std::string reason;
};

/// Everything that a check found. A certificate with no rejection is accepted.
struct Findings {
  std::vector<std::string> rejections;  ///< one line each: layer, what, channel
  std::vector<ClaimStanding> claims;
  std::vector<UncheckedArrays> unchecked_arrays;
  std::size_t layers_derived = 0;

  void reject(std::string line) { rejections.push_back(std::move(line)); }
  [[nodiscard]] bool accepted() const { return rejections.empty(); }
};

/// The certificate's form is broken, so that nothing else can be said about it: one more rejection.
class Deformed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace lyap::check
