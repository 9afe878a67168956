#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "verify/checkpoint/element_type.hpp"
#include "verify/checkpoint/mapped_file.hpp"

namespace lyap {

/// Where one tensor lies in its file. Element (i, j, ..) is at begin + (i strides[0] + j strides[1] + ..) * bytes per
/// element.
struct StoredTensor {
  std::string name;
  ElementType type = ElementType::kF32;
  std::vector<std::size_t> shape;
  std::vector<std::size_t> strides;  ///< in elements; row-major order where the file gives none
  std::size_t begin = 0;             ///< byte of the file

  [[nodiscard]] std::size_t elements() const;
  [[nodiscard]] bool is_row_major() const;
};

/// A run of elements of one type that lies in a weight file; together they hold every number of the file.
struct StoredRun {
  ElementType type = ElementType::kF32;
  std::size_t begin = 0;  ///< byte of the file
  std::size_t elements = 0;
};

/// A weight file, mapped, with its directory read and checked: every tensor lies inside the file.
struct WeightFile {
  std::string name;  ///< relative to the model's folder
  std::string path;  ///< for messages
  MappedFile map;
  std::vector<StoredTensor> tensors;
  std::vector<StoredRun> runs;
};

/// Strides of a row-major tensor of this shape, in elements.
[[nodiscard]] std::vector<std::size_t> row_major_strides(const std::vector<std::size_t>& shape);

/// "[768, 192]", for messages.
[[nodiscard]] std::string shape_text(const std::vector<std::size_t>& shape);

/// Reads a safetensors file by the rules of the format's own reader, and one more: no name twice.
/// Throws BadInput: header too large or not JSON, holes, overlaps, bytes left over, sizes that overflow, types that the
/// format does not know.
[[nodiscard]] WeightFile open_safetensors(const std::filesystem::path& path, const std::string& name);

/// Reads the directory of a file written by torch.save (zip form) without running anything in it: see
/// restricted_unpickler.hpp. Throws BadInput: not such a zip, compressed or encrypted members, big-endian data, tensors
/// that leave their storage.
[[nodiscard]] WeightFile open_torch_archive(const std::filesystem::path& path, const std::string& name);

}  // namespace lyap
