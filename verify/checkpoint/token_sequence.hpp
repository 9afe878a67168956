#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "theory/block_weights.hpp"

namespace lyap {

/// Token ids from --tokens F: safetensors with input_ids (I32 or I64, (T) or (B, T): first row), a JSON list, or
/// whitespace-separated integers. Throws BadInput for an empty sequence, an id outside [0, vocabulary) (names the
/// position), or a file of none of these forms.
[[nodiscard]] std::vector<std::int64_t> read_token_ids(const std::filesystem::path& file, std::size_t vocabulary);

/// Token ids of the UTF-8 text in `file`, by MODEL's tokenizer.json (byte-level BPE). Throws BadInput for text that is
/// not UTF-8, a missing or unsupported tokenizer.json, an id outside the vocabulary.
[[nodiscard]] std::vector<std::int64_t> tokenize_text(const std::filesystem::path& file,
                                                      const std::filesystem::path& model_folder,
                                                      std::size_t vocabulary);

/// --activations F: layer.{i}.input (T, d_model), F32 or F64, exactly as stored. Throws BadInput where no layer of the
/// model is named, a width is wrong, T is 0, or a value is not finite. The key is the layer's index.
[[nodiscard]] std::map<std::size_t, theory::Matrix> read_activations(const std::filesystem::path& file,
                                                                     std::size_t layers, std::size_t d_model);

}  // namespace lyap
