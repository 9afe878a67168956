#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "verify/checkpoint/checkpoint.hpp"
#include "verify/checkpoint/model_config.hpp"
#include "verify/checkpoint/model_tensors.hpp"

namespace lyap {

/// Where everything of one model is, once its config and its tensors are known to agree.
struct ModelLayout {
  ModelDescription description;
  std::string embedding;   ///< tensor (vocabulary, d_model)
  std::string final_norm;  ///< tensor (d_model)
  std::string head;        ///< tensor (vocabulary, d_model); the embedding's name where they are tied
  std::function<theory::BlockWeights(const ModelTensors& tensors, std::size_t layer)> read_block;
};

/// One architecture in one layout. To add one, write a file with such a function and name it in registry.cpp.
struct ModelFamily {
  std::string_view model_type;  ///< the value of config.json's model_type; empty: a layout without that key
  std::string_view shown;       ///< for the list of what is supported
  /// Checks config against tensors and says where everything is. Throws BadInput where they contradict each other or
  /// ask for something that this reader would get wrong.
  ModelLayout (*lay_out)(const ModelConfig& config, const ModelTensors& tensors, const CheckpointOptions& options);
};

[[nodiscard]] ModelLayout lay_out_huggingface_mamba(const ModelConfig& config, const ModelTensors& tensors,
                                                    const CheckpointOptions& options);
[[nodiscard]] ModelLayout lay_out_huggingface_mamba2(const ModelConfig& config, const ModelTensors& tensors,
                                                     const CheckpointOptions& options);
[[nodiscard]] ModelLayout lay_out_mamba_ssm(const ModelConfig& config, const ModelTensors& tensors,
                                            const CheckpointOptions& options);

/// The family that a config.json belongs to. Throws BadInput that names an architecture that is not supported, why
/// where that is known, and what is supported.
[[nodiscard]] const ModelFamily& find_family(const ModelConfig& config);

}  // namespace lyap
