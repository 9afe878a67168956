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

/// The tensors of a state dict written by torch.save, read from its pickle without running anything: opcodes and
/// globals outside a short list are refused by name, as are values other than tensors. Allowed globals:
/// collections.OrderedDict, torch._utils._rebuild_tensor_v2, torch._utils._rebuild_parameter, torch.*Storage of the
/// plain types, torch.Size. Nothing recurses; stack, memo, strings and nesting are bounded. Throws BadInput, naming
/// `file`.
[[nodiscard]] std::vector<PickledTensor> unpickle_state_dict(std::span<const std::byte> pickle,
                                                             const std::string& file);

}  // namespace lyap
