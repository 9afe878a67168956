#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "verify/checkpoint/weight_file.hpp"

namespace lyap {

/// The files of a model folder that hold its weights.
struct ModelFiles {
  std::vector<WeightFile> weights;  ///< in the order of their names
  std::string index;                ///< name of the shard index, empty where there is none
};

/// Opens the weights in `folder`, looked for in this order: model.safetensors, model.safetensors.index.json,
/// pytorch_model.bin, pytorch_model.bin.index.json. Of a sharded model every file that the index names is opened, and
/// the tensors in the files must be those that the index places there. Throws BadInput: none of these files, a shard
/// missing or outside the folder, a tensor in two files or in another than the index says.
[[nodiscard]] ModelFiles open_model_files(const std::filesystem::path& folder);

}  // namespace lyap
