#include "verify/checkpoint/array_file.hpp"

#include <cstring>
#include <limits>

#include "verify/checkpoint/bad_input.hpp"
#include "verify/checkpoint/weight_file.hpp"

namespace lyap {
namespace {

template <typename Integer>
void read_integers(const std::byte* bytes, std::vector<std::int64_t>& integers) {
  for (std::size_t i = 0; i < integers.size(); ++i) {
    Integer value;
    std::memcpy(&value, bytes + i * sizeof(Integer), sizeof(Integer));
    integers[i] = static_cast<std::int64_t>(value);
  }
}

void read_integers(ElementType type, const std::byte* bytes, std::vector<std::int64_t>& integers) {
  switch (type) {
    case ElementType::kI64:
    case ElementType::kU64:
      return read_integers<std::int64_t>(bytes, integers);
    case ElementType::kI32:
      return read_integers<std::int32_t>(bytes, integers);
    case ElementType::kU32:
      return read_integers<std::uint32_t>(bytes, integers);
    case ElementType::kI16:
      return read_integers<std::int16_t>(bytes, integers);
    case ElementType::kU16:
      return read_integers<std::uint16_t>(bytes, integers);
    case ElementType::kI8:
      return read_integers<std::int8_t>(bytes, integers);
    default:
      return read_integers<std::uint8_t>(bytes, integers);
  }
}

LoadedTensor load_tensor(const WeightFile& file, const StoredTensor& stored) {
  LoadedTensor tensor{stored.name, std::string(element_name(stored.type)), stored.shape, {}, {}};
  const std::byte* bytes = file.map.bytes().data() + stored.begin;
  const std::string shown = "tensor " + quoted_name(stored.name);
  if (is_weight_type(stored.type)) {
    tensor.values.resize(stored.elements());
    widen(stored.type, bytes, tensor.values);
  } else if (is_integer_type(stored.type)) {
    tensor.integers.resize(stored.elements());
    read_integers(stored.type, bytes, tensor.integers);
    for (const std::int64_t value : tensor.integers) {
      if (stored.type == ElementType::kBool && value > 1)
        throw BadInput(file.path, shown + " holds a truth value that is neither 0 nor 1");
      if (stored.type == ElementType::kU64 && value < 0)
        throw BadInput(file.path, shown + " holds a number above 2^63 - 1");
    }
  } else {
    throw BadInput(file.path,
                   shown + " has dtype " + tensor.dtype + "; numbers of 16 to 64 bits or integers were expected");
  }
  return tensor;
}

}  // namespace

std::vector<LoadedTensor> load_tensors(const std::filesystem::path& path) {
  const WeightFile file = open_safetensors(path, path.filename().string());
  std::vector<LoadedTensor> tensors;
  tensors.reserve(file.tensors.size());
  for (const StoredTensor& stored : file.tensors) tensors.push_back(load_tensor(file, stored));
  return tensors;
}

}  // namespace lyap
