#include <algorithm>
#include <array>

#include "verify/checkpoint/bad_input.hpp"
#include "verify/checkpoint/families/family.hpp"

namespace lyap {
namespace {

constexpr std::array<ModelFamily, 3> kFamilies = {{
    {"mamba", "mamba", lay_out_huggingface_mamba},
    {"mamba2", "mamba2", lay_out_huggingface_mamba2},
    {"", "mamba-ssm's own layout of both (d_model, n_layer, ssm_cfg)", lay_out_mamba_ssm},
}};

// Their transition is decay * (I - beta k k'), so the theorems about diagonal transitions say nothing about them.
constexpr std::array<std::string_view, 8> kGatedDeltaRule = {
    "qwen3_next", "qwen3_5", "qwen3_5_moe", "qwen4_exp", "olmo_hybrid", "kimi_linear", "glm5_next", "bailing_hybrid"};

constexpr std::array<std::string_view, 9> kNotYet = {
    "falcon_mamba", "jamba", "zamba", "zamba2", "bamba", "nemotron_h", "falcon_h1", "granitemoehybrid", "mamba3"};

std::string supported() {
  std::string list = "supported are ";
  for (std::size_t i = 0; i < kFamilies.size(); ++i) list += (i == 0 ? "" : ", ") + std::string(kFamilies[i].shown);
  return list;
}

template <std::size_t kCount>
bool is_among(const std::array<std::string_view, kCount>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// qwen3_5 has the variants qwen3_5_text and the like.
bool has_gated_delta_rule(std::string_view type) {
  return is_among(kGatedDeltaRule, type) ||
         (type.ends_with("_text") && is_among(kGatedDeltaRule, type.substr(0, type.size() - 5)));
}

}  // namespace

const ModelFamily& find_family(const ModelConfig& config) {
  const std::string type = config.text("model_type").value_or("");
  const bool original = type.empty() && config.has("d_model") && config.has("n_layer");
  for (const ModelFamily& family : kFamilies) {
    if (family.model_type == type && (original || !type.empty())) return family;
  }
  if (type.empty())
    config.refuse("model_type", "is missing, and so are d_model and n_layer of mamba-ssm's layout; " + supported());
  const std::string shown = "the architecture " + quoted_name(type);
  if (has_gated_delta_rule(type)) {
    config.refuse(
        "model_type",
        shown +
            " is a gated delta rule: its transition decay * (I - beta k k') is not diagonal, so the theorems do "
            "not apply to it; " +
            supported());
  }
  if (is_among(kNotYet, type)) config.refuse("model_type", shown + " is not supported yet; " + supported());
  config.refuse("model_type", shown + " is unknown; " + supported());
}

}  // namespace lyap
