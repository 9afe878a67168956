#include "verify/checkpoint/restricted_unpickler.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "verify/checkpoint/bad_input.hpp"
#include "verify/checkpoint/pickle_opcode.hpp"
#include "verify/checkpoint/pickle_value.hpp"
#include "verify/checkpoint/tensor_pickle.hpp"

namespace lyap {
namespace {

constexpr std::size_t kLargestPickle = 100'000'000;
constexpr std::size_t kLongestString = 1 << 16;
constexpr std::size_t kLongestGlobal = 256;

// The pickle's bytes, read once from front to back.
class PickleBytes {
 public:
  explicit PickleBytes(std::span<const std::byte> bytes) : bytes_(bytes) {}

  [[nodiscard]] std::size_t position() const { return at_; }
  [[nodiscard]] bool at_end() const { return at_ == bytes_.size(); }

  std::uint8_t byte() {
    if (at_end()) throw PickleRefusal("ends in the middle (truncated)");
    return static_cast<std::uint8_t>(bytes_[at_++]);
  }
  std::uint64_t little_endian(std::size_t width) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < width; ++i) value |= std::uint64_t{byte()} << (8 * i);
    return value;
  }
  std::int64_t signed_little_endian(std::size_t width) {
    std::uint64_t bits = little_endian(width);
    if (width > 0 && width < 8 && (bits >> (8 * width - 1)) != 0) bits |= ~std::uint64_t{0} << (8 * width);
    return static_cast<std::int64_t>(bits);
  }
  std::string text(std::size_t length) {
    if (length > kLongestString) throw PickleRefusal("has a string of " + std::to_string(length) + " bytes");
    if (length > bytes_.size() - at_) throw PickleRefusal("ends in the middle of a string (truncated)");
    std::string result(reinterpret_cast<const char*>(bytes_.data()) + at_, length);
    at_ += length;
    return result;
  }
  std::string line() {
    std::string result;
    for (auto c = static_cast<char>(byte()); c != '\n'; c = static_cast<char>(byte())) {
      if (result.size() >= kLongestGlobal)
        throw PickleRefusal("has a global's name of over " + std::to_string(kLongestGlobal) + " bytes");
      result += c;
    }
    return result;
  }

 private:
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
};

// The pickle machine: a stack, a memo, and the opcodes that torch.save uses.
class Unpickler {
 public:
  explicit Unpickler(std::span<const std::byte> pickle) : bytes_(pickle) {}

  std::vector<PickledTensor> run();
  [[nodiscard]] std::size_t opcode_position() const { return opcode_position_; }

 private:
  void push(PickleValue* value);
  PickleValue* push_new(PickleKind kind);
  void push_integer(std::int64_t value) { push_new(PickleKind::kInteger)->integer = value; }
  void push_tuple(std::vector<PickleValue*> items) { push_new(PickleKind::kTuple)->children = std::move(items); }
  PickleValue* pop();
  std::vector<PickleValue*> pop_last(std::size_t count);
  std::vector<PickleValue*> pop_to_mark();
  void append(const std::vector<PickleValue*>& items);
  void set_items(const std::vector<PickleValue*>& items);
  void remember(std::uint64_t index);
  void recall(std::uint64_t index);
  void carry_out_protocol();

  // Each carries out the opcodes of one group, and says whether this was one of them.
  bool push_number_or_text(PickleOpcode opcode);
  bool build_container(PickleOpcode opcode);
  bool use_memo(PickleOpcode opcode);
  bool use_global(PickleOpcode opcode);

  PickleBytes bytes_;
  std::size_t opcode_position_ = 0;
  PickleArena arena_;
  PickleValue mark_{PickleKind::kMark, 0, {}, nullptr, {}, nullptr};
  std::vector<PickleValue*> stack_;
  std::unordered_map<std::uint64_t, PickleValue*> memo_;
};

void Unpickler::push(PickleValue* value) {
  if (stack_.size() >= PickleArena::kMostObjects)
    throw PickleRefusal("puts more objects on the stack than a state dict has");
  stack_.push_back(value);
}

PickleValue* Unpickler::push_new(PickleKind kind) {
  PickleValue* value = arena_.make(kind);
  push(value);
  return value;
}

PickleValue* Unpickler::pop() {
  if (stack_.empty() || stack_.back() == &mark_) throw PickleRefusal("takes a value that is not there");
  PickleValue* value = stack_.back();
  stack_.pop_back();
  return value;
}

std::vector<PickleValue*> Unpickler::pop_last(std::size_t count) {
  std::vector<PickleValue*> items(count);
  while (count-- > 0) items[count] = pop();
  return items;
}

std::vector<PickleValue*> Unpickler::pop_to_mark() {
  const auto mark = std::find(stack_.rbegin(), stack_.rend(), &mark_);
  if (mark == stack_.rend()) throw PickleRefusal("has no mark on the stack");
  std::vector<PickleValue*> items(mark.base(), stack_.end());
  stack_.resize(stack_.size() - items.size() - 1);
  return items;
}

void Unpickler::append(const std::vector<PickleValue*>& items) {
  PickleValue* list = pop();
  if (list->kind != PickleKind::kList) throw PickleRefusal("appends to something that is not a list");
  list->children.insert(list->children.end(), items.begin(), items.end());
  push(list);
}

void Unpickler::set_items(const std::vector<PickleValue*>& items) {
  PickleValue* dict = pop();
  if (dict->kind != PickleKind::kDict) throw PickleRefusal("sets items of something that is not a dict");
  if (items.size() % 2 != 0) throw PickleRefusal("sets an item that has a key and no value");
  dict->children.insert(dict->children.end(), items.begin(), items.end());
  push(dict);
}

void Unpickler::remember(std::uint64_t index) {
  if (index >= PickleArena::kMostObjects) throw PickleRefusal("has the memo index " + std::to_string(index));
  if (stack_.empty() || stack_.back() == &mark_) throw PickleRefusal("remembers a value that is not there");
  memo_[index] = stack_.back();
}

void Unpickler::recall(std::uint64_t index) {
  const auto found = memo_.find(index);
  if (found == memo_.end()) throw PickleRefusal("memo index " + std::to_string(index) + " was never set");
  push(found->second);
}

bool Unpickler::push_number_or_text(PickleOpcode opcode) {
  switch (opcode) {
    case PickleOpcode::kNone:
      push_new(PickleKind::kNone);
      return true;
    case PickleOpcode::kNewTrue:
    case PickleOpcode::kNewFalse:
      push_new(PickleKind::kBool);
      return true;
    case PickleOpcode::kBinInt1:
      push_integer(bytes_.byte());
      return true;
    case PickleOpcode::kBinInt2:
      push_integer(static_cast<std::int64_t>(bytes_.little_endian(2)));
      return true;
    case PickleOpcode::kBinInt:
      push_integer(bytes_.signed_little_endian(4));
      return true;
    case PickleOpcode::kLong1: {
      const std::size_t width = bytes_.byte();
      if (width > 8) throw PickleRefusal("has an integer of " + std::to_string(width) + " bytes");
      push_integer(bytes_.signed_little_endian(width));
      return true;
    }
    case PickleOpcode::kBinFloat:
      bytes_.little_endian(8);  // part of no tensor
      push_new(PickleKind::kFloat);
      return true;
    case PickleOpcode::kBinUnicode: {
      std::string text = bytes_.text(bytes_.little_endian(4));
      push_new(PickleKind::kString)->text = std::move(text);
      return true;
    }
    default:
      return false;
  }
}

bool Unpickler::build_container(PickleOpcode opcode) {
  switch (opcode) {
    case PickleOpcode::kMark:
      push(&mark_);
      return true;
    case PickleOpcode::kEmptyTuple:
      push_tuple({});
      return true;
    case PickleOpcode::kTuple1:
      push_tuple(pop_last(1));
      return true;
    case PickleOpcode::kTuple2:
      push_tuple(pop_last(2));
      return true;
    case PickleOpcode::kTuple3:
      push_tuple(pop_last(3));
      return true;
    case PickleOpcode::kTuple:
      push_tuple(pop_to_mark());
      return true;
    case PickleOpcode::kEmptyList:
      push_new(PickleKind::kList);
      return true;
    case PickleOpcode::kAppend:
      append(pop_last(1));
      return true;
    case PickleOpcode::kAppends:
      append(pop_to_mark());
      return true;
    case PickleOpcode::kEmptyDict:
      push_new(PickleKind::kDict);
      return true;
    case PickleOpcode::kSetItem:
      set_items(pop_last(2));
      return true;
    case PickleOpcode::kSetItems:
      set_items(pop_to_mark());
      return true;
    default:
      return false;
  }
}

bool Unpickler::use_memo(PickleOpcode opcode) {
  switch (opcode) {
    case PickleOpcode::kBinPut:
      remember(bytes_.byte());
      return true;
    case PickleOpcode::kLongBinPut:
      remember(bytes_.little_endian(4));
      return true;
    case PickleOpcode::kBinGet:
      recall(bytes_.byte());
      return true;
    case PickleOpcode::kLongBinGet:
      recall(bytes_.little_endian(4));
      return true;
    default:
      return false;
  }
}

bool Unpickler::use_global(PickleOpcode opcode) {
  switch (opcode) {
    case PickleOpcode::kGlobal: {
      const std::string module = bytes_.line();
      push(find_pickle_global(arena_, module, bytes_.line()));
      return true;
    }
    case PickleOpcode::kBinPersId:
      push(find_pickle_storage(arena_, *pop()));
      return true;
    case PickleOpcode::kReduce: {
      const std::vector<PickleValue*> call = pop_last(2);
      push(call_pickle_global(arena_, *call[0], *call[1]));
      return true;
    }
    case PickleOpcode::kBuild: {
      const std::vector<PickleValue*> object_and_state = pop_last(2);
      require_droppable_state(*object_and_state[0], *object_and_state[1]);
      push(object_and_state[0]);
      return true;
    }
    default:
      return false;
  }
}

void Unpickler::carry_out_protocol() {
  if (bytes_.byte() != static_cast<std::uint8_t>(PickleOpcode::kProto))
    throw PickleRefusal("does not begin with its protocol");
  const unsigned protocol = bytes_.byte();
  if (protocol != 2)
    throw PickleRefusal("has pickle protocol " + std::to_string(protocol) + "; torch.save writes protocol 2");
}

std::vector<PickledTensor> Unpickler::run() {
  carry_out_protocol();
  while (true) {
    opcode_position_ = bytes_.position();
    const std::uint8_t byte = bytes_.byte();
    const auto opcode = static_cast<PickleOpcode>(byte);
    if (opcode == PickleOpcode::kStop) break;
    if (!push_number_or_text(opcode) && !build_container(opcode) && !use_memo(opcode) && !use_global(opcode)) {
      throw PickleRefusal("the opcode " + pickle_opcode_text(byte) +
                          " is not one that a file of plain tensors needs; nothing was run");
    }
  }
  if (!bytes_.at_end()) throw PickleRefusal("goes on after its end");
  const PickleValue* result = pop();
  if (!stack_.empty()) throw PickleRefusal("leaves values on the stack");
  return tensors_of_state_dict(*result);
}

}  // namespace

std::vector<PickledTensor> unpickle_state_dict(std::span<const std::byte> pickle, const std::string& file) {
  if (pickle.size() > kLargestPickle) {
    throw BadInput(file, "data.pkl has " + std::to_string(pickle.size()) + " bytes, over the limit of " +
                             std::to_string(kLargestPickle));
  }
  Unpickler unpickler(pickle);
  try {
    return unpickler.run();
  } catch (const PickleRefusal& refusal) {
    throw BadInput(file, "data.pkl, byte " + std::to_string(unpickler.opcode_position()) + ": " + refusal.what());
  }
}

}  // namespace lyap
