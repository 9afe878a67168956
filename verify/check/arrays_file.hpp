#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "theory/block_weights.hpp"
#include "verify/check/findings.hpp"
#include "verify/checkpoint/weight_file.hpp"

namespace lyap::check {

/// A certificate's arrays, mapped: one is in memory while it is looked at.
class ArraysFile {
 public:
  /// Throws BadInput where it is no safetensors file: truncated, overlapping, names twice.
  explicit ArraysFile(const std::filesystem::path& path);

  /// Null where there is none.
  [[nodiscard]] const StoredTensor* find(const std::string& name) const;
  [[nodiscard]] std::vector<double> read_numbers(const StoredTensor& tensor) const;      ///< precondition: F64 or F32
  [[nodiscard]] std::vector<std::uint8_t> read_bytes(const StoredTensor& tensor) const;  ///< precondition: U8
  [[nodiscard]] const std::map<std::string, const StoredTensor*>& by_name() const { return by_name_; }

 private:
  WeightFile file_;
  std::map<std::string, const StoredTensor*> by_name_;
};

/// What the arrays of one layer must look like.
struct LayerShape {
  std::size_t channels = 0;  ///< channels or heads
  std::size_t states = 0;
  std::size_t d_model = 0, d_inner = 0, head_dim = 0;
  bool is_mamba1 = false;
};
[[nodiscard]] LayerShape shape_of(const theory::BlockWeights& block);

/// Arrays that every universal tier has, without "layer.{i}.".
[[nodiscard]] const std::vector<std::string>& universal_arrays();

/// Rejects missing, misshapen and unknown arrays of a layer. True where all are as they should be.
[[nodiscard]] bool check_array_shapes(const ArraysFile& arrays, std::size_t layer, const LayerShape& shape,
                                      bool has_universal, bool has_trajectory, Findings& findings);

}  // namespace lyap::check
