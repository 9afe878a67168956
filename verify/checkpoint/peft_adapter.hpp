#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "verify/checkpoint/checkpoint.hpp"
#include "verify/checkpoint/peft_adapter_update.hpp"

namespace lyap {

/// One matrix that an adapter changes.
struct AdaptedModule {
  std::string name;  ///< in the model, e.g. "backbone.layers.0.mixer.in_proj"
  AdapterTarget target = AdapterTarget::kInProj;
  std::optional<std::size_t> layer;  ///< empty: outside the blocks
  std::size_t rank = 0;
  double alpha = 0.0;
  AdapterScale scale;
  bool changes_nothing = false;  ///< B A is zero because one of the factors is, or the scale is
};

/// What an adapter is, once its config, its tensors and its base are known to agree.
struct AdapterDescription {
  std::string base_model;  ///< as the config names it; nothing depends on it
  std::vector<AdaptedModule> modules;
  /// An attached adapter and a merged one are different models:
  bool step_projection_acts_only_merged = false;  ///< dt_proj is adapted, see approx_adapted_block
  bool merging_changes_tied_head = false;  ///< the embedding is adapted and the head is tied: merging changes both
  std::vector<std::string> remarks;        ///< sentences for the user, the two differences above included
  std::vector<FileDigest> digests;         ///< of adapter_config.json and the file of tensors
};

/// A folder that PEFT wrote for LoRA (adapter_config.json; adapter_model.safetensors or else adapter_model.bin), read
/// against its base. The merged model has W' = W + scale B A for every adapted W and the base's weights elsewhere; its
/// head is its embedding where the base's is tied. Where W' is stored, merging has rounded it: these factors describe
/// the merged model before that. What an attached adapter computes is W x + scale B (A x), except for dt_proj.
///
/// Layouts: names begin with "base_model.model.", then "backbone." or not, whichever the adapter was made with; the
/// embedding is "embeddings" or "embedding". Weights are F32, BF16, F16 or F64, and finite.
class PeftAdapter {
 public:
  /// Throws BadInput that names the file: a kind of adapter or an option that PeftAdapterConfig refuses; a target that
  /// the base does not have or that is not one of in_proj, x_proj, dt_proj, out_proj and the embedding; a tensor that
  /// is missing, of another shape than rank and base imply, unexpected, NaN or infinite.
  /// Cost: the adapter's tensors are read twice, and one block of the base of each kind once; all blocks of one kind
  /// have the same shape.
  static PeftAdapter open(const std::filesystem::path& folder, const Checkpoint& base);
  PeftAdapter(PeftAdapter&&) noexcept;
  PeftAdapter& operator=(PeftAdapter&&) noexcept;
  ~PeftAdapter();

  [[nodiscard]] const AdapterDescription& description() const;

  /// The exact factors of every adapted matrix of block `layer`, in the order in_proj, x_proj, dt_proj, out_proj.
  [[nodiscard]] std::vector<LowRankUpdate> read_block_updates(std::size_t layer) const;

  /// The exact factors for the embedding, W (vocabulary, d_model), or nothing where it is not adapted.
  [[nodiscard]] std::optional<LowRankUpdate> read_embedding_update() const;

 private:
  struct Impl;
  explicit PeftAdapter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace lyap
