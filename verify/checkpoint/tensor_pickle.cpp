#include "verify/checkpoint/tensor_pickle.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include "verify/checkpoint/bad_input.hpp"

namespace lyap {
namespace {

constexpr std::size_t kMostAxes = 16;
// torch numbers its storages. A long key would be copied into every tensor.
constexpr std::size_t kLongestStorageKey = 64;

constexpr std::array<std::string_view, 14> kAllowedGlobals{"collections.OrderedDict",
                                                           "torch.Size",
                                                           "torch._utils._rebuild_tensor_v2",
                                                           "torch._utils._rebuild_parameter",
                                                           "torch.FloatStorage",
                                                           "torch.HalfStorage",
                                                           "torch.BFloat16Storage",
                                                           "torch.DoubleStorage",
                                                           "torch.LongStorage",
                                                           "torch.IntStorage",
                                                           "torch.ShortStorage",
                                                           "torch.CharStorage",
                                                           "torch.ByteStorage",
                                                           "torch.BoolStorage"};

bool is_storage_type(const PickleValue& value) {
  return value.kind == PickleKind::kGlobal && value.text.ends_with("Storage");
}

bool is_none_or_empty_dict(const PickleValue& value) {
  return value.kind == PickleKind::kNone || (value.kind == PickleKind::kDict && value.children.empty());
}

std::size_t size_of(const PickleValue& value, const std::string& what) {
  if (value.kind != PickleKind::kInteger || value.integer < 0)
    throw PickleRefusal(what + " is not a non-negative integer");
  return static_cast<std::size_t>(value.integer);
}

std::vector<std::size_t> sizes_of(const PickleValue& value, const std::string& what) {
  if (value.kind != PickleKind::kTuple) throw PickleRefusal(what + " is not a tuple");
  if (value.children.size() > kMostAxes)
    throw PickleRefusal(what + " has more than " + std::to_string(kMostAxes) + " entries");
  std::vector<std::size_t> sizes;
  for (const PickleValue* child : value.children) sizes.push_back(size_of(*child, what));
  return sizes;
}

// (storage, offset, shape, strides, requires_grad, hooks[, metadata]). Metadata may say that the stored numbers are to
// be conjugated or negated; plain tensors have none.
PickleValue* rebuild_tensor(PickleArena& arena, const std::vector<PickleValue*>& arguments) {
  if (arguments.size() < 6 || arguments.size() > 7 || arguments[0]->kind != PickleKind::kStorage) {
    throw PickleRefusal("rebuilds a tensor from something other than a storage and its layout");
  }
  if (arguments[4]->kind != PickleKind::kBool) throw PickleRefusal("a tensor's requires_grad is not a bool");
  if (!is_none_or_empty_dict(*arguments[5])) throw PickleRefusal("a tensor has backward hooks");
  if (arguments.size() == 7 && !is_none_or_empty_dict(*arguments[6])) {
    throw PickleRefusal("a tensor has metadata, which may negate what is stored; save plain tensors");
  }
  const PickleValue& storage = *arguments[0];
  auto tensor = std::make_unique<PickledTensor>();
  tensor->storage_type = storage.type->text.substr(std::string_view("torch.").size());
  tensor->storage_key = storage.text;
  tensor->storage_elements = static_cast<std::size_t>(storage.integer);
  tensor->offset = size_of(*arguments[1], "a tensor's offset");
  tensor->shape = sizes_of(*arguments[2], "a tensor's shape");
  tensor->strides = sizes_of(*arguments[3], "a tensor's strides");
  if (tensor->shape.size() != tensor->strides.size()) {
    throw PickleRefusal("a tensor has " + std::to_string(tensor->shape.size()) + " sizes and " +
                        std::to_string(tensor->strides.size()) + " strides");
  }
  PickleValue* result = arena.make(PickleKind::kTensor);
  result->tensor = std::move(tensor);
  return result;
}

}  // namespace

PickleValue* find_pickle_global(PickleArena& arena, const std::string& module, const std::string& name) {
  const std::string full = module + "." + name;
  if (std::find(kAllowedGlobals.begin(), kAllowedGlobals.end(), full) == kAllowedGlobals.end()) {
    throw PickleRefusal("the global " + quoted_name(full) +
                        " is not one that a file of plain tensors needs; nothing was run");
  }
  PickleValue* global = arena.make(PickleKind::kGlobal);
  global->text = full;
  return global;
}

PickleValue* find_pickle_storage(PickleArena& arena, const PickleValue& id) {
  const auto& parts = id.children;
  const bool fits = id.kind == PickleKind::kTuple && parts.size() == 5 && parts[0]->kind == PickleKind::kString &&
                    parts[0]->text == "storage" && is_storage_type(*parts[1]) &&
                    parts[2]->kind == PickleKind::kString && parts[3]->kind == PickleKind::kString;
  if (!fits) throw PickleRefusal("a persistent id is not that of a tensor's storage");
  if (parts[2]->text.size() > kLongestStorageKey)
    throw PickleRefusal("a storage has the overlong key " + quoted_name(parts[2]->text));
  const std::size_t elements = size_of(*parts[4], "a storage's size");
  PickleValue* storage = arena.make(PickleKind::kStorage);
  storage->type = parts[1];
  storage->text = parts[2]->text;
  storage->integer = static_cast<std::int64_t>(elements);
  return storage;
}

PickleValue* call_pickle_global(PickleArena& arena, const PickleValue& callee, const PickleValue& arguments) {
  if (callee.kind != PickleKind::kGlobal)
    throw PickleRefusal("calls something that is not an allowed global; nothing was run");
  if (arguments.kind != PickleKind::kTuple)
    throw PickleRefusal("calls " + quoted_name(callee.text) + " without a tuple of arguments");
  const std::vector<PickleValue*>& items = arguments.children;
  if (callee.text == "torch._utils._rebuild_tensor_v2") return rebuild_tensor(arena, items);
  if (callee.text == "torch._utils._rebuild_parameter") {
    // (tensor, requires_grad, hooks)
    if (items.size() != 3 || items[0]->kind != PickleKind::kTensor)
      throw PickleRefusal("rebuilds a parameter without a tensor");
    return items[0];
  }
  if (callee.text == "torch.Size") {
    if (items.size() != 1 || items[0]->kind != PickleKind::kTuple)
      throw PickleRefusal("a torch.Size is not made of one tuple");
    return items[0];
  }
  if (callee.text == "collections.OrderedDict") {
    if (!items.empty()) throw PickleRefusal("makes an OrderedDict from arguments; torch.save fills an empty one");
    return arena.make(PickleKind::kDict);
  }
  throw PickleRefusal("calls " + quoted_name(callee.text) + ", which is only a name here; nothing was run");
}

void require_droppable_state(const PickleValue& object, const PickleValue& state) {
  if (object.kind != PickleKind::kDict) throw PickleRefusal("sets the state of something that is not a dict");
  if (state.kind != PickleKind::kDict) throw PickleRefusal("sets a state that is not a dict");
  for (std::size_t i = 0; i < state.children.size(); i += 2) {
    const PickleValue& key = *state.children[i];
    if (key.kind != PickleKind::kString) throw PickleRefusal("sets an attribute whose name is not a string");
    if (key.text != "_metadata")
      throw PickleRefusal("sets the attribute " + quoted_name(key.text) + "; a state dict has only _metadata");
  }
}

std::vector<PickledTensor> tensors_of_state_dict(const PickleValue& dict) {
  if (dict.kind != PickleKind::kDict) throw PickleRefusal("does not hold a state dict");
  std::vector<PickledTensor> tensors;
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < dict.children.size(); i += 2) {
    const PickleValue& key = *dict.children[i];
    const PickleValue& value = *dict.children[i + 1];
    if (key.kind != PickleKind::kString) throw PickleRefusal("a key of the state dict is not a string");
    if (value.kind != PickleKind::kTensor)
      throw PickleRefusal("the entry " + quoted_name(key.text) + " of the state dict is not a tensor");
    if (!names.insert(key.text).second) throw PickleRefusal("the state dict names " + quoted_name(key.text) + " twice");
    tensors.push_back(*value.tensor);
    tensors.back().name = key.text;
  }
  return tensors;
}

}  // namespace lyap
