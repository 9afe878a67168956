#include <algorithm>
#include <array>
#include <string_view>

#include "verify/checkpoint/bad_input.hpp"
#include "verify/checkpoint/families/block_tensors.hpp"
#include "verify/checkpoint/families/family.hpp"
#include "verify/checkpoint/families/model_frame.hpp"

namespace lyap {
namespace {

// The epsilon of every norm: mamba-ssm's config has no key for it.
constexpr double kNormEpsilon = 1e-5;

// Keys that set sizes or options of a block, and keys that matter only to initialisation or to how a kernel is run.
constexpr std::array<std::string_view, 12> kMamba1Keys = {"layer",   "d_state", "d_conv",    "expand",
                                                          "dt_rank", "bias",    "conv_bias", "dt_min",
                                                          "dt_max",  "dt_init", "dt_scale",  "dt_init_floor"};
constexpr std::array<std::string_view, 22> kMamba2Keys = {"layer",
                                                          "d_state",
                                                          "d_conv",
                                                          "expand",
                                                          "headdim",
                                                          "ngroups",
                                                          "d_ssm",
                                                          "D_has_hdim",
                                                          "rmsnorm",
                                                          "norm_before_gate",
                                                          "dt_limit",
                                                          "bias",
                                                          "conv_bias",
                                                          "dt_min",
                                                          "dt_max",
                                                          "dt_init_floor",
                                                          "A_init_range",
                                                          "chunk_size",
                                                          "conv_init",
                                                          "use_mem_eff_path",
                                                          "sequence_parallel",
                                                          "activation"};

template <std::size_t kCount>
void refuse_unknown_keys(const ModelConfig& options, const std::array<std::string_view, kCount>& known) {
  for (const std::string& key : options.keys()) {
    const bool harmless = key == "use_fast_path";
    if (!harmless && std::find(known.begin(), known.end(), key) == known.end())
      options.refuse(as_one_line(key, 80), "is an unknown option");
  }
}

Mamba1Sizes read_mamba1_sizes(const ModelConfig& config, const ModelConfig& options) {
  refuse_unknown_keys(options, kMamba1Keys);
  Mamba1Sizes sizes;
  sizes.d_model = config.size("d_model");
  sizes.d_inner = options.scaled_size("expand", 2, sizes.d_model);
  sizes.d_state = options.size_or("d_state", 16);
  sizes.d_conv = options.size_or("d_conv", 4);
  const bool automatic = !options.has("dt_rank") || options.is_text("dt_rank", "auto");
  sizes.dt_rank = automatic ? (sizes.d_model + 15) / 16 : options.size("dt_rank");
  sizes.norm_epsilon = kNormEpsilon;
  sizes.projection_bias = options.flag_or("bias", false);
  sizes.conv_bias = options.flag_or("conv_bias", true);
  return sizes;
}

Mamba2Sizes read_mamba2_sizes(const ModelConfig& config, const ModelConfig& options) {
  refuse_unknown_keys(options, kMamba2Keys);
  options.require_flag("D_has_hdim", false, "a D per channel is not supported yet");
  options.require_flag("rmsnorm", true, "a gate without RMSNorm is not supported yet");
  options.require_flag("norm_before_gate", false, "the norm before the gate is not supported yet");
  options.require_silu("activation");
  Mamba2Sizes sizes;
  sizes.d_model = config.size("d_model");
  const std::size_t d_inner = options.scaled_size("expand", 2, sizes.d_model);
  if (options.size_or("d_ssm", d_inner) != d_inner) {
    options.refuse("d_ssm", "is " + std::to_string(options.size("d_ssm")) + " and the inner size " +
                                std::to_string(d_inner) + "; a scan over a part of the channels is not supported yet");
  }
  sizes.head_dim = options.size_or("headdim", 64);
  options.require_divides("headdim", sizes.head_dim, "expand * d_model", d_inner);
  sizes.heads = d_inner / sizes.head_dim;
  sizes.d_state = options.size_or("d_state", 128);
  sizes.groups = options.size_or("ngroups", 1);
  options.require_divides("ngroups", sizes.groups, "the number of heads", sizes.heads);
  sizes.d_conv = options.size_or("d_conv", 4);
  sizes.norm_epsilon = kNormEpsilon;
  sizes.gated_norm_epsilon = kNormEpsilon;
  sizes.gated_norm_groups = sizes.groups;
  sizes.step_limits = options.step_limits("dt_limit");
  sizes.projection_bias = options.flag_or("bias", false);
  sizes.conv_bias = options.flag_or("conv_bias", true);
  return sizes;
}

void refuse_other_layers(const ModelConfig& config) {
  config.require_flag("rms_norm", true, "LayerNorm is not supported yet");
  if (config.count_or("d_intermediate", 0) > 0)
    config.refuse("d_intermediate", "MLP layers between the blocks are not supported yet");
  if (!config.is_empty("attn_layer_idx"))
    config.refuse("attn_layer_idx", "attention layers among the blocks are not supported yet");
}

BlockNames block_names(std::size_t layer) {
  const std::string block = "backbone.layers." + std::to_string(layer) + ".";
  return {block + "norm.weight", block + "mixer."};
}

void lay_out_mamba1(TensorChecklist& checklist, const Mamba1Sizes& sizes, ModelLayout& layout) {
  layout.description.family = "mamba";
  for (std::size_t layer = 0; layer < layout.description.layers; ++layer)
    require_mamba1_block(checklist, block_names(layer), sizes);
  layout.description.kinds.assign(layout.description.layers, LayerKind::kMamba1);
  layout.read_block = [sizes](const ModelTensors& from, std::size_t layer) -> theory::BlockWeights {
    return read_mamba1_block(from, block_names(layer), sizes);
  };
}

void lay_out_mamba2(TensorChecklist& checklist, const Mamba2Sizes& sizes, ModelLayout& layout) {
  layout.description.family = "mamba2";
  for (std::size_t layer = 0; layer < layout.description.layers; ++layer)
    require_mamba2_block(checklist, block_names(layer), sizes);
  layout.description.kinds.assign(layout.description.layers, LayerKind::kMamba2);
  layout.read_block = [sizes](const ModelTensors& from, std::size_t layer) -> theory::BlockWeights {
    return read_mamba2_block(from, block_names(layer), sizes);
  };
}

}  // namespace

ModelLayout lay_out_mamba_ssm(const ModelConfig& config, const ModelTensors& tensors, const CheckpointOptions&) {
  refuse_other_layers(config);
  const ModelConfig options = config.object_or_empty("ssm_cfg");
  const std::string kind = options.text("layer").value_or("Mamba1");
  if (kind != "Mamba1" && kind != "Mamba2") {
    options.refuse("layer", quoted_name(kind) + " is not supported; Mamba1 and Mamba2 are");
  }
  ModelLayout layout;
  layout.description.layout = "mamba-ssm";
  layout.description.layers = config.size("n_layer");
  layout.description.final_norm_epsilon = kNormEpsilon;
  // The embedding is padded to whole multiples.
  const std::size_t multiple = config.size_or("pad_vocab_size_multiple", 8);
  const std::size_t vocabulary = (config.size("vocab_size") + multiple - 1) / multiple * multiple;
  TensorChecklist checklist(config, tensors);
  checklist.require_block_count("n_layer", layout.description.layers, "backbone.layers.");
  lay_out_frame(checklist, {"backbone.", vocabulary, config.size("d_model"), config.flag("tie_embeddings"), true},
                layout);
  if (kind == "Mamba1") {
    lay_out_mamba1(checklist, read_mamba1_sizes(config, options), layout);
  } else {
    lay_out_mamba2(checklist, read_mamba2_sizes(config, options), layout);
  }
  checklist.refuse_the_rest();
  return layout;
}

}  // namespace lyap
