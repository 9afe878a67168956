#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace lyap::testing {

/// A member of a zip archive, and what its headers say about it.
struct StoredMember {
  std::string name, content;
  std::uint16_t method = 0;
  std::uint16_t flags = 0;
  bool zip64 = false;         ///< sizes and place in zip64 fields
  std::size_t alignment = 0;  ///< 0 or the multiple at which the content begins, by a padding field as torch writes it
};

/// Appends `width` bytes, the lowest first.
void put(std::string& out, std::uint64_t value, int width);

/// A zip archive as torch.save writes it: members one after the other as they are, a central directory at the end,
/// zip64 records there where a member asks for them.
[[nodiscard]] std::string stored_zip(const std::vector<StoredMember>& members);

/// One such archive in two pieces: what comes before and after `zeros` bytes of zeros, which are the content of its
/// last member.
struct SplitArchive {
  std::string before, after;
};
[[nodiscard]] SplitArchive stored_zip_of_zeros(const std::vector<StoredMember>& members, std::uint64_t zeros);

}  // namespace lyap::testing
