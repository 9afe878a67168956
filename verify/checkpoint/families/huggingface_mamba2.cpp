#include "verify/checkpoint/families/block_tensors.hpp"
#include "verify/checkpoint/families/family.hpp"
#include "verify/checkpoint/families/model_frame.hpp"

namespace lyap {
namespace {

// Defaults are those of the class Mamba2Config of transformers. norm_before_gate is not read, because transformers does
// not read it either: the gate always comes first.
Mamba2Sizes read_sizes(const ModelConfig& config, bool hf_compat) {
  Mamba2Sizes sizes;
  sizes.d_model = config.size("hidden_size");
  sizes.heads = config.size_or("num_heads", 128);
  sizes.head_dim = config.size_or("head_dim", 64);
  sizes.d_state = config.size_or("state_size", 128);
  sizes.groups = config.size_or("n_groups", 8);
  sizes.d_conv = config.size_or("conv_kernel", 4);
  sizes.norm_epsilon = config.epsilon_or("layer_norm_epsilon", 1e-5);
  sizes.gated_norm_epsilon = sizes.norm_epsilon;
  sizes.gated_norm_groups = hf_compat ? 1 : sizes.groups;
  sizes.step_limits = config.step_limits("time_step_limit");
  sizes.projection_bias = config.flag_or("use_bias", false);
  sizes.conv_bias = config.flag_or("use_conv_bias", true);
  const std::size_t d_inner = config.scaled_size("expand", 2, sizes.d_model);
  if (sizes.d_inner() != d_inner) {
    config.refuse("num_heads", std::to_string(sizes.heads) + " heads of head_dim " + std::to_string(sizes.head_dim) +
                                   " are " + std::to_string(sizes.d_inner()) +
                                   " channels, but expand times hidden_size is " + std::to_string(d_inner));
  }
  config.require_divides("n_groups", sizes.groups, "num_heads", sizes.heads);
  return sizes;
}

}  // namespace

ModelLayout lay_out_huggingface_mamba2(const ModelConfig& config, const ModelTensors& tensors,
                                       const CheckpointOptions& options) {
  config.require_silu("hidden_act");
  config.require_flag("rms_norm", true, "a gate without RMSNorm is not supported");
  const Mamba2Sizes sizes = read_sizes(config, options.hf_compat);
  const std::string prefix = find_backbone_prefix(tensors);
  const auto names = [prefix](std::size_t layer) {
    const std::string block = prefix + "layers." + std::to_string(layer) + ".";
    return BlockNames{block + "norm.weight", block + "mixer."};
  };
  ModelLayout layout;
  ModelDescription& description = layout.description;
  description.family = "mamba2";
  description.layout = "huggingface";
  description.layers = config.size("num_hidden_layers");
  description.final_norm_epsilon = sizes.norm_epsilon;
  TensorChecklist checklist(config, tensors);
  checklist.require_block_count("num_hidden_layers", description.layers, prefix + "layers.");
  lay_out_frame(checklist,
                {prefix, config.size("vocab_size"), sizes.d_model, config.flag("tie_word_embeddings"), false}, layout);
  for (std::size_t layer = 0; layer < description.layers; ++layer) require_mamba2_block(checklist, names(layer), sizes);
  checklist.refuse_the_rest();
  description.kinds.assign(description.layers, LayerKind::kMamba2);
  layout.read_block = [names, sizes](const ModelTensors& from, std::size_t layer) -> theory::BlockWeights {
    return read_mamba2_block(from, names(layer), sizes);
  };
  return layout;
}

}  // namespace lyap
