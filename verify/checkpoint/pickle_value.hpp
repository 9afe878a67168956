#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "verify/checkpoint/restricted_unpickler.hpp"

namespace lyap {

enum class PickleKind {
  kMark,
  kNone,
  kBool,
  kInteger,
  kFloat,
  kString,
  kTuple,
  kList,
  kDict,
  kGlobal,
  kStorage,
  kTensor
};

/// An object on the way through a pickle. Objects hold each other by plain pointers into the arena that made them, so
/// cycles and depth do no harm.
struct PickleValue {
  PickleKind kind = PickleKind::kNone;
  std::int64_t integer = 0;            ///< integer; elements of a storage
  std::string text;                    ///< string; "module.name" of a global; key of a storage
  const PickleValue* type = nullptr;   ///< global that names a storage's type
  std::vector<PickleValue*> children;  ///< items of a tuple or list; key, value, key, value, ... of a dict
  std::unique_ptr<PickledTensor> tensor;
};

/// What is wrong with a pickle; the place and the file are added where it is caught.
struct PickleRefusal : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Owns the objects of one pickle.
class PickleArena {
 public:
  /// Some twenty thousand for a state dict of a thousand tensors.
  static constexpr std::size_t kMostObjects = 1'000'000;

  /// A new object. Throws PickleRefusal where there are kMostObjects already.
  PickleValue* make(PickleKind kind) {
    if (objects_.size() >= kMostObjects) throw PickleRefusal("has more objects than a state dict");
    objects_.emplace_back().kind = kind;
    return &objects_.back();
  }

 private:
  std::deque<PickleValue> objects_;
};

}  // namespace lyap
