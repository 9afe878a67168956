#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "verify/checkpoint/bad_input.hpp"
#include "verify/checkpoint/restricted_unpickler.hpp"
#include "verify/checkpoint/weight_file.hpp"
#include "verify/checkpoint/zip_directory.hpp"

namespace lyap {
namespace {

const std::map<std::string, ElementType> kStorageTypes{
    {"FloatStorage", ElementType::kF32},  {"HalfStorage", ElementType::kF16}, {"BFloat16Storage", ElementType::kBF16},
    {"DoubleStorage", ElementType::kF64}, {"LongStorage", ElementType::kI64}, {"IntStorage", ElementType::kI32},
    {"ShortStorage", ElementType::kI16},  {"CharStorage", ElementType::kI8},  {"ByteStorage", ElementType::kU8},
    {"BoolStorage", ElementType::kBool}};

// Protocol 2, a long of ten bytes: the magic number of torch.save before its zip form.
bool is_legacy(std::span<const std::byte> bytes) {
  constexpr unsigned char kMagic[] = {0x80, 0x02, 0x8a, 0x0a};
  return bytes.size() >= sizeof kMagic && std::memcmp(bytes.data(), kMagic, sizeof kMagic) == 0;
}

// torch.save writes FOLDER/NAME with plain names; nothing is ever unpacked, but such a path has no business here.
bool is_plain_path(const std::string& path) {
  if (path.find_first_of(std::string_view("\\\0", 2)) != std::string::npos) return false;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = std::string_view(path).substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return false;
    begin = end + 1;
  }
  return true;
}

// Members by their path below the archive's one top folder.
std::map<std::string, ZipMember> members_below_top(const std::vector<ZipMember>& members, const std::string& file) {
  std::map<std::string, ZipMember> below;
  std::string top;
  for (const ZipMember& member : members) {
    if (!is_plain_path(member.name)) throw BadInput(file, "has a member with the path " + quoted_name(member.name));
    const std::size_t slash = member.name.find('/');
    if (slash == std::string::npos) {
      throw BadInput(file, "has the member " + quoted_name(member.name) + " outside the folder that torch.save makes");
    }
    const std::string folder = member.name.substr(0, slash);
    if (!top.empty() && folder != top) {
      throw BadInput(file, "has two top folders, " + quoted_name(top) + " and " + quoted_name(folder));
    }
    top = folder;
    below.emplace(member.name.substr(slash + 1), member);
  }
  return below;
}

const ZipMember& require_member(const std::map<std::string, ZipMember>& members, const std::string& name,
                                const std::string& file) {
  const auto found = members.find(name);
  if (found == members.end()) throw BadInput(file, "has no member " + quoted_name(name) + "; torch.save writes one");
  return found->second;
}

void require_little_endian(const std::map<std::string, ZipMember>& members, std::span<const std::byte> bytes,
                           const std::string& file) {
  const auto found = members.find("byteorder");
  if (found == members.end()) return;
  const std::string order(reinterpret_cast<const char*>(bytes.data()) + found->second.begin,
                          std::min<std::size_t>(found->second.size, 16));
  if (order != "little")
    throw BadInput(file, "was written in the byte order " + quoted_name(order) + "; only little is read");
}

// One past the last element that the view touches; refuses sizes that overflow.
std::size_t end_of_view(const PickledTensor& tensor, const std::string& file) {
  std::size_t last = tensor.offset;
  bool overflow = false;
  for (const std::size_t extent : tensor.shape) {
    if (extent == 0) return tensor.offset;
  }
  std::size_t elements = 1;
  for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
    std::size_t span = 0;
    overflow = overflow || __builtin_mul_overflow(tensor.shape[i] - 1, tensor.strides[i], &span) ||
               __builtin_add_overflow(last, span, &last) ||
               __builtin_mul_overflow(elements, tensor.shape[i], &elements);
  }
  if (overflow || last == SIZE_MAX)
    throw BadInput(file, "tensor " + quoted_name(tensor.name) + " has sizes that overflow 64 bits");
  return last + 1;
}

StoredTensor stored(const PickledTensor& tensor, const ZipMember& storage, ElementType type, const std::string& file) {
  const std::size_t bytes = element_bits(type) / 8;
  std::size_t storage_bytes = 0;
  if (__builtin_mul_overflow(tensor.storage_elements, bytes, &storage_bytes) || storage_bytes != storage.size) {
    throw BadInput(file, "storage " + quoted_name(tensor.storage_key) + " should have " +
                             std::to_string(tensor.storage_elements) + " elements of " + std::to_string(bytes) +
                             " bytes, but its member has " + std::to_string(storage.size) + " bytes");
  }
  if (end_of_view(tensor, file) > tensor.storage_elements) {
    throw BadInput(file, "tensor " + quoted_name(tensor.name) + " of shape " + shape_text(tensor.shape) +
                             " reaches beyond its storage of " + std::to_string(tensor.storage_elements) + " elements");
  }
  return {tensor.name, type, tensor.shape, tensor.strides, storage.begin + tensor.offset * bytes};
}

}  // namespace

WeightFile open_torch_archive(const std::filesystem::path& path, const std::string& name) {
  const std::string file = path.string();
  MappedFile map(path);
  if (is_legacy(map.bytes())) {
    throw BadInput(file,
                   "is in torch's format from before its zip files; load it and write it again with torch.save, or as "
                   "safetensors");
  }
  const std::map<std::string, ZipMember> members = members_below_top(read_zip_directory(map.bytes(), file), file);
  require_little_endian(members, map.bytes(), file);
  const ZipMember& pickle = require_member(members, "data.pkl", file);

  WeightFile result{name, file, std::move(map), {}, {}};
  std::map<std::string, std::pair<ElementType, std::size_t>>
      storages;  // by key: type and elements, each becoming one run
  for (const PickledTensor& tensor : unpickle_state_dict(result.map.bytes().subspan(pickle.begin, pickle.size), file)) {
    const ElementType type = kStorageTypes.at(tensor.storage_type);
    const ZipMember& storage = require_member(members, "data/" + tensor.storage_key, file);
    result.tensors.push_back(stored(tensor, storage, type, file));
    const auto [at, is_new] = storages.try_emplace(tensor.storage_key, type, tensor.storage_elements);
    if (is_new)
      result.runs.push_back({type, storage.begin, tensor.storage_elements});
    else if (at->second != std::pair{type, tensor.storage_elements})
      throw BadInput(file, "storage " + quoted_name(tensor.storage_key) + " is described in two ways");
  }
  result.map.release(0, result.map.bytes().size());
  return result;
}

}  // namespace lyap
