#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace lyap {

/// One named array of a certificate's .safetensors file: F64, U8 or F32, row-major.
struct NamedArray {
  std::string name;
  std::vector<std::size_t> shape;
  std::vector<double> f64;          ///< used when dtype is F64
  std::vector<std::uint8_t> u8;     ///< used when dtype is U8
  std::vector<float> f32;           ///< used when dtype is F32
  std::string dtype = "F64";
};

/// Writes arrays to a safetensors file as they come, so that a large model's arrays never sit in memory together:
/// data goes to a temporary file beside `path`; commit() adds the header, flushes to disk and renames. Destroyed without commit: no file is left.
/// Throws ResourceError where the disk is full or not writable.
class ArrayFileWriter {
 public:
  explicit ArrayFileWriter(const std::filesystem::path& path);
  ~ArrayFileWriter();
  ArrayFileWriter(const ArrayFileWriter&) = delete;
  ArrayFileWriter& operator=(const ArrayFileWriter&) = delete;
  void add(const NamedArray& array);
  /// Completes the temporary file and returns its SHA-256; rename_into_place() makes it visible under `path`.
  [[nodiscard]] std::string finish();
  void rename_into_place();

 private:
  struct Impl;
  Impl* impl_;
};

/// All tensors of a small safetensors file, strictly checked, widened to double (BF16, F16, F32, F64) or int64 (I32, I64, U8).
/// For activations, tokens, oracles and certificates' arrays. Throws BadInput.
struct LoadedTensor {
  std::string name;
  std::string dtype;
  std::vector<std::size_t> shape;
  std::vector<double> values;           ///< floating-point tensors
  std::vector<std::int64_t> integers;   ///< integer tensors
};
[[nodiscard]] std::vector<LoadedTensor> load_tensors(const std::filesystem::path& path);

/// Writes `content` to a temporary file beside `path`, flushes it to disk and renames it, so that an interrupted or failed
/// write leaves the old file whole. Throws ResourceError.
void write_file_atomically(const std::filesystem::path& path, const std::string& content);

/// SHA-256 as lower-case hexadecimal.
[[nodiscard]] std::string sha256_of_file(const std::filesystem::path& path);
[[nodiscard]] std::string sha256_of_bytes(std::span<const std::byte> bytes);

}  // namespace lyap
