#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "theory/block_weights.hpp"

namespace lyap {

/// What kind of layer sits at an index of the model.
enum class LayerKind { kMamba1, kMamba2 };

struct FileDigest {
  std::string file;    ///< path relative to the model's folder
  std::string sha256;  ///< lower-case hexadecimal
};

/// What config.json says, after the family's defaults and traps, and checked against the tensors.
struct ModelDescription {
  std::string family;  ///< "mamba", "mamba2": the architecture's name as users know it
  std::string layout;  ///< "huggingface" or "mamba-ssm"
  std::size_t layers = 0;
  std::size_t d_model = 0;
  std::size_t vocabulary = 0;  ///< rows of the embedding as stored
  bool tied_head = true;
  double final_norm_epsilon = 0.0;
  std::vector<LayerKind> kinds;           ///< one per layer
  std::vector<std::string> weight_types;  ///< dtypes found among the weights, e.g. {"BF16", "F32"}
  std::vector<std::string> remarks;  ///< sentences for the user about choices that the files left open, usually none
};

struct CheckpointOptions {
  bool hf_compat =
      false;  ///< Mamba-2 gated norm over all of d_inner where transformers does that (ecosystem: ungrouped)
};

/// A model folder opened for reading: memory-mapped, checked, streamed block by block.
/// Throws BadInput for everything that is wrong with the user's files, before any block is handed out, except
/// non-finite weights, which require_finite_weights() looks for (one pass over the files, hashing them at the same
/// time).
class Checkpoint {
 public:
  static Checkpoint open(const std::filesystem::path& folder, const CheckpointOptions& options = {});
  Checkpoint(Checkpoint&&) noexcept;
  Checkpoint& operator=(Checkpoint&&) noexcept;
  ~Checkpoint();

  [[nodiscard]] const ModelDescription& description() const;
  [[nodiscard]] const std::filesystem::path& folder() const;

  /// The exact weights of block `layer`; the pages read are released again.
  [[nodiscard]] theory::BlockWeights read_block(std::size_t layer) const;
  [[nodiscard]] theory::Vector read_embedding_row(std::size_t token) const;  ///< (d_model)
  [[nodiscard]] theory::Matrix read_embedding_rows(
      std::size_t begin, std::size_t end) const;         ///< (end - begin, d_model), for streaming the vocabulary
  [[nodiscard]] theory::Vector read_final_norm() const;  ///< (d_model)
  [[nodiscard]] theory::Matrix read_head_rows(std::size_t begin,
                                              std::size_t end) const;  ///< rows of lm_head (tied: the embedding)

  /// SHA-256 of every weight file, the index and config.json, and a check of every number in the weight files in the
  /// same pass: throws BadInput that names file, tensor and place of the first NaN or infinity.
  [[nodiscard]] std::vector<FileDigest> digest_and_require_finite() const;

 private:
  struct Impl;
  explicit Checkpoint(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace lyap
