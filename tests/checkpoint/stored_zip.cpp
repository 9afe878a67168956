#include "tests/checkpoint/stored_zip.hpp"

namespace lyap::testing {
namespace {

constexpr std::uint64_t kLocalHeaderSize = 30;
constexpr std::uint64_t kEscape = 0xffffffff;

std::uint32_t crc32(const std::string& bytes) {
  std::uint32_t crc = ~0U;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xEDB88320U & (0U - (crc & 1U)));
  }
  return ~crc;
}

// The fields that local and central headers share, from the version needed to the length of the extra fields.
std::string shared_fields(const StoredMember& member, std::uint64_t size, std::size_t extra_length) {
  std::string fields;
  put(fields, member.zip64 ? 45 : 20, 2);
  put(fields, member.flags, 2);
  put(fields, member.method, 2);
  put(fields, 0, 2);     // time
  put(fields, 0x21, 2);  // 1 January 1980
  put(fields, crc32(member.content), 4);
  put(fields, member.zip64 ? kEscape : size, 4);
  put(fields, member.zip64 ? kEscape : size, 4);
  put(fields, member.name.size(), 2);
  put(fields, extra_length, 2);
  return fields;
}

std::string zip64_sizes(std::uint64_t size) {
  std::string field;
  put(field, 1, 2);
  put(field, 16, 2);
  put(field, size, 8);
  put(field, size, 8);
  return field;
}

std::string local_header(const StoredMember& member, std::uint64_t size, std::uint64_t place) {
  std::string extra = member.zip64 ? zip64_sizes(size) : "";
  if (member.alignment > 0) {
    const std::uint64_t begin = place + kLocalHeaderSize + member.name.size() + extra.size() + 4;
    const std::uint64_t padding = (member.alignment - begin % member.alignment) % member.alignment;
    extra += "FB";
    put(extra, padding, 2);
    extra += std::string(padding, 'Z');
  }
  std::string header;
  put(header, 0x04034b50, 4);
  return header + shared_fields(member, size, extra.size()) + member.name + extra;
}

std::string central_header(const StoredMember& member, std::uint64_t size, std::uint64_t place) {
  std::string extra;
  if (member.zip64) {
    extra = zip64_sizes(size);
    extra[2] = 24;
    put(extra, place, 8);
  }
  std::string header;
  put(header, 0x02014b50, 4);
  put(header, 20, 2);
  header += shared_fields(member, size, extra.size());
  put(header, 0, 2);  // comment
  put(header, 0, 2);  // disk
  put(header, 0, 2);  // internal attributes
  put(header, 0, 4);  // external attributes
  put(header, member.zip64 ? kEscape : place, 4);
  return header + member.name + extra;
}

std::string end_records(bool zip64, std::uint64_t entries, std::uint64_t begin, std::uint64_t size) {
  std::string out;
  if (zip64) {
    put(out, 0x06064b50, 4);
    put(out, 44, 8);
    put(out, 45, 2);
    put(out, 45, 2);
    put(out, 0, 8);  // disks
    put(out, entries, 8);
    put(out, entries, 8);
    put(out, size, 8);
    put(out, begin, 8);
    put(out, 0x07064b50, 4);
    put(out, 0, 4);
    put(out, begin + size, 8);
    put(out, 1, 4);
  }
  put(out, 0x06054b50, 4);
  put(out, 0, 4);
  put(out, zip64 ? 0xffff : entries, 2);
  put(out, zip64 ? 0xffff : entries, 2);
  put(out, zip64 ? kEscape : size, 4);
  put(out, zip64 ? kEscape : begin, 4);
  put(out, 0, 2);
  return out;
}

}  // namespace

void put(std::string& out, std::uint64_t value, int width) {
  for (int i = 0; i < width; ++i) out += static_cast<char>(value >> (8 * i));
}

SplitArchive stored_zip_of_zeros(const std::vector<StoredMember>& members, std::uint64_t zeros) {
  SplitArchive archive;
  std::string directory;
  bool zip64 = false;
  for (const StoredMember& member : members) {
    const std::uint64_t size = member.content.size() + (&member == &members.back() ? zeros : 0);
    const std::uint64_t place = archive.before.size();
    archive.before += local_header(member, size, place) + member.content;
    directory += central_header(member, size, place);
    zip64 = zip64 || member.zip64;
  }
  archive.after = directory + end_records(zip64, members.size(), archive.before.size() + zeros, directory.size());
  return archive;
}

std::string stored_zip(const std::vector<StoredMember>& members) {
  const SplitArchive archive = stored_zip_of_zeros(members, 0);
  return archive.before + archive.after;
}

}  // namespace lyap::testing
