#include "verify/checkpoint/restricted_unpickler.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <set>
#include <string_view>
#include <unordered_map>

#include "verify/checkpoint/bad_input.hpp"

namespace lyap {
namespace {

// A state dict of a thousand tensors has some twenty thousand objects.
constexpr std::size_t kMostObjects = 1'000'000;
constexpr std::size_t kLargestString = 1 << 20;

constexpr std::array<std::string_view, 10> kStorages{"FloatStorage", "HalfStorage", "BFloat16Storage", "DoubleStorage",
                                                     "LongStorage",  "IntStorage",  "ShortStorage",    "CharStorage",
                                                     "ByteStorage",  "BoolStorage"};

enum class Kind { kMark, kNone, kBool, kInteger, kFloat, kString, kTuple, kList, kDict, kGlobal, kStorage, kTensor };

// One object of the pickle. Children are kept alive by the arena, so cycles and depth do no harm.
struct Value {
  Kind kind = Kind::kNone;
  std::int64_t integer = 0;
  std::string text;              // string; "module name" of a global; storage type
  std::string key;               // storage key
  std::vector<Value*> children;  // items; key, value, key, value, ... of a dict
  PickledTensor tensor;
};

class Unpickler {
 public:
  Unpickler(std::span<const std::byte> pickle, const std::string& file) : pickle_(pickle), file_(file) {}

  std::vector<PickledTensor> run();

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw BadInput(file_, "data.pkl, byte " + std::to_string(opcode_at_) + ": " + what);
  }
  std::uint8_t byte() {
    if (at_ >= pickle_.size()) refuse("ends in the middle (truncated)");
    return static_cast<std::uint8_t>(pickle_[at_++]);
  }
  std::uint64_t little_endian(int bytes) {
    std::uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= std::uint64_t{byte()} << (8 * i);
    return value;
  }
  std::string text(std::size_t length) {
    if (length > kLargestString) refuse("a string of " + std::to_string(length) + " bytes");
    if (length > pickle_.size() - at_) refuse("ends in the middle of a string (truncated)");
    std::string result(reinterpret_cast<const char*>(pickle_.data()) + at_, length);
    at_ += length;
    return result;
  }
  std::string line() {
    std::string result;
    for (char c = static_cast<char>(byte()); c != '\n'; c = static_cast<char>(byte())) {
      if (result.size() >= 256) refuse("a name of over 256 bytes");
      result += c;
    }
    return result;
  }

  Value* make(Kind kind) {
    arena_.push_back({});
    arena_.back().kind = kind;
    return &arena_.back();
  }
  void push(Value* value) {
    if (stack_.size() >= kMostObjects || arena_.size() >= kMostObjects) refuse("more objects than a state dict has");
    stack_.push_back(value);
  }
  Value* pop() {
    if (stack_.empty() || stack_.back()->kind == Kind::kMark) refuse("takes a value that is not there");
    Value* value = stack_.back();
    stack_.pop_back();
    return value;
  }
  std::vector<Value*> pop_to_mark() {
    std::vector<Value*> items;
    while (!stack_.empty() && stack_.back()->kind != Kind::kMark) {
      items.insert(items.end(), stack_.back());
      stack_.pop_back();
    }
    if (stack_.empty()) refuse("no mark on the stack");
    stack_.pop_back();
    return {items.rbegin(), items.rend()};
  }
  void push_integer(std::int64_t value) {
    Value* integer = make(Kind::kInteger);
    integer->integer = value;
    push(integer);
  }
  void push_tuple(std::vector<Value*> items) {
    Value* tuple = make(Kind::kTuple);
    tuple->children = std::move(items);
    push(tuple);
  }
  void remember(std::size_t index) {
    if (index >= kMostObjects) refuse("memo index " + std::to_string(index));
    if (stack_.empty()) refuse("remembers a value that is not there");
    memo_[index] = stack_.back();
  }
  void recall(std::size_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) refuse("memo index " + std::to_string(index) + " was never set");
    push(found->second);
  }

  void push_fixed_tuple(std::size_t size);
  void push_long();
  void push_global();
  void push_storage();
  void call();
  void rebuild_tensor(const std::vector<Value*>& arguments);
  void set_items(const std::vector<Value*>& items);
  bool step(std::uint8_t opcode);  // false at the end
  [[nodiscard]] std::size_t size_of(const Value* value, const char* what) const;
  [[nodiscard]] std::vector<std::size_t> sizes_of(const Value* value, const char* what) const;
  std::vector<PickledTensor> state_dict();

  std::span<const std::byte> pickle_;
  const std::string& file_;
  std::size_t at_ = 0;
  std::size_t opcode_at_ = 0;
  std::deque<Value> arena_;
  std::vector<Value*> stack_;
  std::unordered_map<std::size_t, Value*> memo_;
};

void Unpickler::push_fixed_tuple(std::size_t size) {
  std::vector<Value*> items(size);
  for (std::size_t i = size; i-- > 0;) items[i] = pop();
  push_tuple(std::move(items));
}

void Unpickler::push_long() {
  const std::size_t length = byte();
  if (length > 8) refuse("an integer of " + std::to_string(length) + " bytes");
  std::uint64_t bits = little_endian(static_cast<int>(length));
  if (length > 0 && length < 8 && (bits >> (8 * length - 1)) != 0) bits |= ~std::uint64_t{0} << (8 * length);
  push_integer(static_cast<std::int64_t>(bits));
}

void Unpickler::push_global() {
  const std::string module = line();
  const std::string name = line();
  bool allowed = (module == "collections" && name == "OrderedDict") || (module == "torch" && name == "Size") ||
                 (module == "torch._utils" && (name == "_rebuild_tensor_v2" || name == "_rebuild_parameter"));
  for (const std::string_view storage : kStorages) allowed = allowed || (module == "torch" && name == storage);
  if (!allowed)
    refuse("the global " + quoted_name(module + "." + name) +
           " is not one that a file of plain tensors needs; nothing was run");
  Value* global = make(Kind::kGlobal);
  global->text = module + "." + name;
  push(global);
}

// ("storage", type, key, device, elements)
void Unpickler::push_storage() {
  const Value* id = pop();
  const bool fits = id->kind == Kind::kTuple && id->children.size() == 5 && id->children[0]->kind == Kind::kString &&
                    id->children[0]->text == "storage" && id->children[1]->kind == Kind::kGlobal &&
                    id->children[1]->text.ends_with("Storage") && id->children[2]->kind == Kind::kString &&
                    id->children[3]->kind == Kind::kString;
  if (!fits) refuse("a persistent id that is not a tensor's storage");
  Value* storage = make(Kind::kStorage);
  storage->text = id->children[1]->text.substr(std::string_view("torch.").size());
  storage->key = id->children[2]->text;
  storage->integer = static_cast<std::int64_t>(size_of(id->children[4], "a storage's size"));
  push(storage);
}

std::size_t Unpickler::size_of(const Value* value, const char* what) const {
  if (value->kind != Kind::kInteger || value->integer < 0) refuse(std::string(what) + " is not a non-negative integer");
  return static_cast<std::size_t>(value->integer);
}

std::vector<std::size_t> Unpickler::sizes_of(const Value* value, const char* what) const {
  if (value->kind != Kind::kTuple) refuse(std::string(what) + " is not a tuple");
  if (value->children.size() > 16)
    refuse(std::string(what) + " has " + std::to_string(value->children.size()) + " entries");
  std::vector<std::size_t> sizes;
  for (const Value* child : value->children) sizes.push_back(size_of(child, what));
  return sizes;
}

// (storage, offset, shape, strides, requires_grad, hooks[, metadata])
void Unpickler::rebuild_tensor(const std::vector<Value*>& arguments) {
  if (arguments.size() < 6 || arguments.size() > 7 || arguments[0]->kind != Kind::kStorage)
    refuse("a tensor that is not rebuilt from a storage");
  Value* result = make(Kind::kTensor);
  PickledTensor& tensor = result->tensor;
  tensor.storage_type = arguments[0]->text;
  tensor.storage_key = arguments[0]->key;
  tensor.storage_elements = static_cast<std::size_t>(arguments[0]->integer);
  tensor.offset = size_of(arguments[1], "a tensor's offset");
  tensor.shape = sizes_of(arguments[2], "a tensor's shape");
  tensor.strides = sizes_of(arguments[3], "a tensor's strides");
  if (tensor.shape.size() != tensor.strides.size())
    refuse("a tensor has " + std::to_string(tensor.shape.size()) + " sizes and " +
           std::to_string(tensor.strides.size()) + " strides");
  push(result);
}

void Unpickler::call() {
  const Value* arguments = pop();
  const Value* callee = pop();
  if (callee->kind != Kind::kGlobal || arguments->kind != Kind::kTuple)
    refuse("calls something that is not an allowed global");
  const std::vector<Value*>& items = arguments->children;
  if (callee->text == "torch._utils._rebuild_tensor_v2") {
    rebuild_tensor(items);
  } else if (callee->text == "torch._utils._rebuild_parameter") {
    if (items.empty() || items[0]->kind != Kind::kTensor) refuse("a parameter without a tensor");
    push(items[0]);
  } else if (callee->text == "collections.OrderedDict") {
    if (!items.empty()) refuse("an OrderedDict with arguments");
    push(make(Kind::kDict));
  } else if (callee->text == "torch.Size") {
    if (items.size() != 1 || items[0]->kind != Kind::kTuple) refuse("a torch.Size that is not made of a tuple");
    push(items[0]);
  } else {
    refuse("calls " + quoted_name(callee->text));
  }
}

void Unpickler::set_items(const std::vector<Value*>& items) {
  Value* dict = pop();
  if (dict->kind != Kind::kDict || items.size() % 2 != 0) refuse("sets items of something that is not a dict");
  if (dict->children.size() + items.size() > kMostObjects) refuse("more objects than a state dict has");
  dict->children.insert(dict->children.end(), items.begin(), items.end());
  push(dict);
}

bool Unpickler::step(std::uint8_t opcode) {
  switch (opcode) {
    case 0x80:
      if (byte() != 2) refuse("a pickle protocol other than 2");
      break;
    case '}':
      push(make(Kind::kDict));
      break;
    case ']':
      push(make(Kind::kList));
      break;
    case ')':
      push_tuple({});
      break;
    case '(':
      push(make(Kind::kMark));
      break;
    case 'c':
      push_global();
      break;
    case 'X': {
      Value* value = make(Kind::kString);
      value->text = text(little_endian(4));
      push(value);
      break;
    }
    case 'q':
      remember(byte());
      break;
    case 'r':
      remember(little_endian(4));
      break;
    case 'h':
      recall(byte());
      break;
    case 'j':
      recall(little_endian(4));
      break;
    case 'J':
      push_integer(static_cast<std::int32_t>(little_endian(4)));
      break;
    case 'K':
      push_integer(byte());
      break;
    case 'M':
      push_integer(static_cast<std::int64_t>(little_endian(2)));
      break;
    case 0x8a:
      push_long();
      break;
    case 0x88:
    case 0x89:
      push(make(Kind::kBool));
      break;
    case 'N':
      push(make(Kind::kNone));
      break;
    case 'G':
      little_endian(8);
      push(make(Kind::kFloat));
      break;
    case 't':
      push_tuple(pop_to_mark());
      break;
    case 0x85:
      push_fixed_tuple(1);
      break;
    case 0x86:
      push_fixed_tuple(2);
      break;
    case 0x87:
      push_fixed_tuple(3);
      break;
    case 'Q':
      push_storage();
      break;
    case 'R':
      call();
      break;
    case 'b':  // attributes of an OrderedDict, such as _metadata: of no interest
      pop();
      if (stack_.empty() || stack_.back()->kind != Kind::kDict) refuse("sets the state of something that is not a dict");
      break;
    case 's': {
      Value* value = pop();
      Value* key = pop();
      set_items({key, value});
      break;
    }
    case 'u': {
      const std::vector<Value*> items = pop_to_mark();
      set_items(items);
      break;
    }
    case 'a': {
      Value* item = pop();
      if (stack_.empty() || stack_.back()->kind != Kind::kList) refuse("appends to something that is not a list");
      stack_.back()->children.push_back(item);
      break;
    }
    case 'e': {
      const std::vector<Value*> items = pop_to_mark();
      if (stack_.empty() || stack_.back()->kind != Kind::kList) refuse("appends to something that is not a list");
      stack_.back()->children.insert(stack_.back()->children.end(), items.begin(), items.end());
      break;
    }
    case '.':
      return false;
    default: {
      constexpr char kDigits[] = "0123456789abcdef";
      refuse(std::string("the opcode 0x") + kDigits[opcode >> 4] + kDigits[opcode & 15] +
             " is not one that a file of plain tensors needs; nothing was run");
    }
  }
  return true;
}

std::vector<PickledTensor> Unpickler::run() {
  bool more = true;
  while (more) {
    opcode_at_ = at_;
    more = step(byte());
  }
  if (at_ != pickle_.size()) refuse("goes on after its end");
  return state_dict();
}

std::vector<PickledTensor> Unpickler::state_dict() {
  const Value* top = pop();
  if (!stack_.empty() || top->kind != Kind::kDict) refuse("the file does not hold a state dict");
  std::vector<PickledTensor> tensors;
  std::set<std::string> names;
  for (std::size_t i = 0; i < top->children.size(); i += 2) {
    const Value* key = top->children[i];
    const Value* value = top->children[i + 1];
    if (key->kind != Kind::kString) refuse("a key of the state dict is not a string");
    if (value->kind != Kind::kTensor)
      refuse("the entry " + quoted_name(key->text) + " of the state dict is not a tensor");
    if (!names.insert(key->text).second) refuse("the state dict names " + quoted_name(key->text) + " twice");
    tensors.push_back(value->tensor);
    tensors.back().name = key->text;
  }
  return tensors;
}

}  // namespace

std::vector<PickledTensor> unpickle_state_dict(std::span<const std::byte> pickle, const std::string& file) {
  return Unpickler(pickle, file).run();
}

}  // namespace lyap
