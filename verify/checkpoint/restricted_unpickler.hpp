#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace lyap {

/// A tensor as a state dict's pickle describes it: a view into a storage, not yet checked against the storage's bytes.
struct PickledTensor {
  std::string name;
  std::string storage_type;  ///< "FloatStorage", ...
  std::string storage_key;   ///< the archive's member data/<key>
  std::size_t storage_elements = 0;
  std::size_t offset = 0;  ///< in elements
  std::vector<std::size_t> shape, strides;
};

/// The tensors of a state dict written by torch.save, read from its pickle (protocol 2) without running anything:
/// opcodes and globals outside a short list (pickle_opcode.hpp, tensor_pickle.hpp) are refused by name, as is every
/// value that is not a tensor. Attributes of the state dict (_metadata) are dropped. Nothing recurses; bytes, objects,
/// memo, strings and axes are bounded. Throws BadInput that names `file`, the byte of the pickle and what was found
/// there.
[[nodiscard]] std::vector<PickledTensor> unpickle_state_dict(std::span<const std::byte> pickle,
                                                             const std::string& file);

}  // namespace lyap
