#pragma once

#include <string>
#include <vector>

#include "verify/checkpoint/pickle_value.hpp"

namespace lyap {

/// What the names and persistent ids in a pickle of tensors mean. Everything here throws PickleRefusal for what is not
/// of that kind.

/// The global of this name: collections.OrderedDict, torch.Size, torch._utils._rebuild_tensor_v2,
/// torch._utils._rebuild_parameter and the ten torch.*Storage types of plain numbers; any other is refused by name.
[[nodiscard]] PickleValue* find_pickle_global(PickleArena& arena, const std::string& module, const std::string& name);

/// The storage that the persistent id ("storage", type, key, device, elements) stands for.
[[nodiscard]] PickleValue* find_pickle_storage(PickleArena& arena, const PickleValue& id);

/// What `callee` makes of a tuple of arguments: a dict, a tuple or a tensor. A view that torch would conjugate or
/// negate is refused.
[[nodiscard]] PickleValue* call_pickle_global(PickleArena& arena, const PickleValue& callee,
                                              const PickleValue& arguments);

/// Checks an object's state before it is dropped: a state dict carries _metadata and nothing else.
void require_droppable_state(const PickleValue& object, const PickleValue& state);

/// The tensors of a dict from names to tensors. Refuses other values and a name twice.
[[nodiscard]] std::vector<PickledTensor> tensors_of_state_dict(const PickleValue& dict);

}  // namespace lyap
