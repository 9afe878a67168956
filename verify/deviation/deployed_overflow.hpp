#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "verify/deviation_certificate.hpp"

namespace lyap::deviation {

/// Collects which channels of which tensor may have left a type's range, over chunks.
class OverflowRecord {
 public:
  /// Channel `channel` of `width` may hold a number of this magnitude, which the type cannot.
  void add(const std::string& tensor, const std::string& type, std::size_t channel, std::size_t width,
           double magnitude);
  /// One finding per tensor and type, in the order in which they were first seen.
  [[nodiscard]] std::vector<OverflowFinding> findings() const;

 private:
  struct Entry {
    std::string tensor, type;
    std::vector<bool> channels;
    double magnitude = 0.0;
  };
  std::vector<Entry> entries_;
};

/// Both lists as one: channels of one tensor and type are counted once where only one list has them, and by the larger
/// count where both do.
[[nodiscard]] std::vector<OverflowFinding> merged(std::vector<OverflowFinding> first,
                                                  const std::vector<OverflowFinding>& second);

}  // namespace lyap::deviation
