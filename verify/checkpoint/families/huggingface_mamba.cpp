#include "verify/checkpoint/families/block_tensors.hpp"
#include "verify/checkpoint/families/family.hpp"
#include "verify/checkpoint/families/model_frame.hpp"

namespace lyap {
namespace {

std::size_t read_rank(const ModelConfig& config, std::size_t d_model) {
  const bool automatic = !config.has("time_step_rank") || config.is_text("time_step_rank", "auto");
  return automatic ? (d_model + 15) / 16 : config.size("time_step_rank");
}

// Defaults are those of the class MambaConfig of transformers; a missing use_bias means true there.
Mamba1Sizes read_sizes(const ModelConfig& config) {
  Mamba1Sizes sizes;
  sizes.d_model = config.size("hidden_size");
  sizes.d_inner = config.has("intermediate_size") ? config.size("intermediate_size")
                                                  : config.scaled_size("expand", 2, sizes.d_model);
  sizes.d_state = config.size_or("state_size", 16);
  sizes.d_conv = config.size_or("conv_kernel", 4);
  sizes.dt_rank = read_rank(config, sizes.d_model);
  sizes.norm_epsilon = config.epsilon_or("layer_norm_epsilon", 1e-5);
  sizes.projection_bias = config.flag_or("use_bias", true);
  sizes.conv_bias = config.flag_or("use_conv_bias", true);
  return sizes;
}

}  // namespace

ModelLayout lay_out_huggingface_mamba(const ModelConfig& config, const ModelTensors& tensors,
                                      const CheckpointOptions&) {
  config.require_silu("hidden_act");
  config.require_flag("rms_norm", true, "norms other than RMSNorm are not supported");
  const Mamba1Sizes sizes = read_sizes(config);
  const std::string prefix = find_backbone_prefix(tensors);
  const auto names = [prefix](std::size_t layer) {
    const std::string block = prefix + "layers." + std::to_string(layer) + ".";
    return BlockNames{block + "norm.weight", block + "mixer."};
  };
  ModelLayout layout;
  ModelDescription& description = layout.description;
  description.family = "mamba";
  description.layout = "huggingface";
  description.layers = config.size("num_hidden_layers");
  description.final_norm_epsilon = sizes.norm_epsilon;
  TensorChecklist checklist(config, tensors);
  checklist.require_block_count("num_hidden_layers", description.layers, prefix + "layers.");
  lay_out_frame(checklist, {prefix, config.size("vocab_size"), sizes.d_model, config.flag("tie_word_embeddings"), true},
                layout);
  for (std::size_t layer = 0; layer < description.layers; ++layer) require_mamba1_block(checklist, names(layer), sizes);
  checklist.refuse_the_rest();
  description.kinds.assign(description.layers, LayerKind::kMamba1);
  layout.read_block = [names, sizes](const ModelTensors& from, std::size_t layer) -> theory::BlockWeights {
    return read_mamba1_block(from, names(layer), sizes);
  };
  return layout;
}

}  // namespace lyap
