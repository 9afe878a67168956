#pragma once

#include <optional>
#include <string>

#include "verify/checkpoint/families/family.hpp"
#include "verify/checkpoint/families/tensor_checklist.hpp"

namespace lyap {

/// What a config says about the parts of a language model around its blocks.
struct ModelFrame {
  std::string prefix;  ///< what the names of embedding, blocks and last norm begin with: "backbone." or nothing
  std::size_t vocabulary = 0;
  std::size_t d_model = 0;
  std::optional<bool> tied;  ///< as the config says, if it does
  bool tied_by_default = true;
};

/// "backbone.", or "" for a model that was saved without its head.
[[nodiscard]] std::string find_backbone_prefix(const ModelTensors& tensors);

/// Requires embedding (embeddings.weight or embedding.weight), last norm and head, and writes their names, sizes and
/// whether the head is tied into `layout`. A head that is stored and differs from the embedding is used, whatever the
/// config says; a remark says so. Throws BadInput where one of them is missing or misshapen, a head that is said to be
/// separate included.
void lay_out_frame(TensorChecklist& checklist, const ModelFrame& frame, ModelLayout& layout);

}  // namespace lyap
