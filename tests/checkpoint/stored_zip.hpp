#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

/// A zip archive as torch.save writes it: members stored, one after the other, a central directory at the end.
namespace lyap::testing {

struct StoredMember {
  std::string name, content;
  std::uint16_t method = 0;
  std::uint16_t flags = 0;
};

inline std::uint32_t crc32(const std::string& bytes) {
  std::uint32_t crc = ~0U;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xEDB88320U & (0U - (crc & 1U)));
  }
  return ~crc;
}

inline void put(std::string& out, std::uint64_t value, int width) {
  for (int i = 0; i < width; ++i) out += static_cast<char>(value >> (8 * i));
}

inline std::string stored_zip(const std::vector<StoredMember>& members) {
  std::string out, directory;
  for (const StoredMember& m : members) {
    const std::size_t local = out.size();
    std::string fields;
    for (const auto& [value, width] : std::initializer_list<std::pair<std::uint64_t, int>>{{20, 2},
                                                                                           {m.flags, 2},
                                                                                           {m.method, 2},
                                                                                           {0, 2},
                                                                                           {0x21, 2},
                                                                                           {crc32(m.content), 4},
                                                                                           {m.content.size(), 4},
                                                                                           {m.content.size(), 4},
                                                                                           {m.name.size(), 2},
                                                                                           {0, 2}}) {
      put(fields, value, width);
    }
    put(out, 0x04034b50, 4);
    out += fields + m.name + m.content;
    put(directory, 0x02014b50, 4);
    put(directory, 20, 2);
    directory += fields;
    put(directory, 0, 2);  // comment
    put(directory, 0, 2);  // disk
    put(directory, 0, 2);  // internal attributes
    put(directory, 0, 4);  // external attributes
    put(directory, local, 4);
    directory += m.name;
  }
  const std::size_t begin = out.size();
  out += directory;
  put(out, 0x06054b50, 4);
  put(out, 0, 4);
  put(out, members.size(), 2);
  put(out, members.size(), 2);
  put(out, directory.size(), 4);
  put(out, begin, 4);
  put(out, 0, 2);
  return out;
}

}  // namespace lyap::testing
