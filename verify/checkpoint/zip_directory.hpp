#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace lyap {

/// A member of a zip archive whose bytes are stored as they are.
struct ZipMember {
  std::string name;
  std::size_t begin = 0;  ///< byte of the archive where its data begin
  std::size_t size = 0;
};

/// The members of the zip archive `bytes`, zip64 included. libzip checks that the archive is consistent and lists it;
/// where a member's data begin is read from the headers here, since libzip does not say, and both readings must agree.
/// Check sums of the data are not looked at: that would read the whole file. Throws BadInput that names `file`: not a
/// zip, compressed or encrypted members, a name twice, data outside the file.
[[nodiscard]] std::vector<ZipMember> read_zip_directory(std::span<const std::byte> bytes, const std::string& file);

}  // namespace lyap
