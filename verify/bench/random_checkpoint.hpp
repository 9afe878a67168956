#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

namespace lyap::bench {

/// Sizes of a Mamba-1 model; the names follow mamba-ssm's published ones.
struct ModelShape {
  std::string name;
  std::size_t layers, d_model, d_inner, d_state, d_conv, dt_rank, vocabulary;
  bool bfloat16;       ///< else float32
  std::size_t shards;  ///< 1: one model.safetensors
};
[[nodiscard]] ModelShape shape_130m();  ///< 24 x 1536 x 16, float32, one file
[[nodiscard]] ModelShape shape_2_8b();  ///< 64 x 5120 x 16, bfloat16, sharded

/// Writes a Hugging Face folder (config.json, model*.safetensors) of that shape with random weights from mamba-ssm's
/// initialisation: linear layers uniform within 1/sqrt(fan_in), out_proj divided by sqrt(layers), dt_proj within
/// dt_rank^-1/2, dt bias the inverse softplus of a log-uniform step in [1e-3, 0.1], A_log = log(1..N), D = 1,
/// embeddings normal with deviation 0.02. An existing folder of the same shape is kept.
void write_random_checkpoint(const std::filesystem::path& folder, const ModelShape& shape, std::uint64_t seed);

}  // namespace lyap::bench
