#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace lyap {

/// One named array of a certificate's .safetensors file: F64, U8 or F32, row-major.
struct NamedArray {
  std::string name;
  std::vector<std::size_t> shape;
  std::vector<double> f64;       ///< used when dtype is F64
  std::vector<std::uint8_t> u8;  ///< used when dtype is U8
  std::vector<float> f32;        ///< used when dtype is F32
  std::string dtype = "F64";
};

/// Writes arrays to a safetensors file as they come, so that a large model's arrays never sit in memory together: they
/// gather in temporary files beside `path`, which have no name where the file system allows that, and finish() strings
/// them together. Destroyed before rename_into_place(): no file is left. In the file F64 comes before F32 before U8, so
/// that every array is aligned. Throws ResourceError where the disk is full or not writable, BadInput where `path` is a
/// folder or a device, ContractViolation for a name given twice or a shape that does not fit.
class ArrayFileWriter {
 public:
  explicit ArrayFileWriter(const std::filesystem::path& path);
  ~ArrayFileWriter();
  ArrayFileWriter(const ArrayFileWriter&) = delete;
  ArrayFileWriter& operator=(const ArrayFileWriter&) = delete;
  void add(const NamedArray& array);
  /// Completes the file, flushes it to disk and returns its SHA-256; until rename_into_place() nothing is visible under
  /// `path`.
  [[nodiscard]] std::string finish();
  void rename_into_place();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// All tensors of a small safetensors file in the order of their data, strictly checked, widened to double (BF16, F16,
/// F32, F64) or int64 (BOOL and integers). NaN and infinity are passed on: a certificate's arrays may hold them. For
/// activations, tokens, oracles and certificates' arrays. Throws BadInput.
struct LoadedTensor {
  std::string name;
  std::string dtype;
  std::vector<std::size_t> shape;
  std::vector<double> values;          ///< floating-point tensors
  std::vector<std::int64_t> integers;  ///< integer tensors
};
[[nodiscard]] std::vector<LoadedTensor> load_tensors(const std::filesystem::path& path);

/// Writes `content` to a temporary file beside `path`, flushes it to disk and renames it, so that an interrupted or
/// failed write leaves the old file whole. Throws ResourceError; BadInput where `path` is a folder or a device.
void write_file_atomically(const std::filesystem::path& path, const std::string& content);

/// SHA-256 as lower-case hexadecimal.
[[nodiscard]] std::string sha256_of_file(const std::filesystem::path& path);
[[nodiscard]] std::string sha256_of_bytes(std::span<const std::byte> bytes);

}  // namespace lyap
