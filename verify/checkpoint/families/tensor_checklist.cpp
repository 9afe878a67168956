#include "verify/checkpoint/families/tensor_checklist.hpp"

#include <charconv>
#include <optional>
#include <set>
#include <string_view>

#include "verify/checkpoint/bad_input.hpp"

namespace lyap {
namespace {

// The index N of a name prefix + "N.rest", or nothing.
std::optional<std::size_t> find_block_index(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
  const bool whole = error == std::errc() && end != name.data() + name.size() && *end == '.';
  return whole ? std::optional(index) : std::nullopt;
}

}  // namespace

void TensorChecklist::require(const std::string& name, const std::vector<std::size_t>& shape) {
  tensors_.require(name, shape, config_.file());
  expected_.insert(name);
}

void TensorChecklist::require_block_count(const std::string& key, std::size_t count, const std::string& prefix) const {
  std::set<std::size_t> found;
  for (const auto& [name, place] : tensors_.places()) {
    if (const auto index = find_block_index(name, prefix)) found.insert(*index);
  }
  if (found.size() != count) {
    config_.refuse(key, "is " + std::to_string(count) + ", but the weights have " + std::to_string(found.size()) +
                            " blocks named " + prefix + "N");
  }
}

void TensorChecklist::refuse_the_rest() const {
  for (const auto& [name, place] : tensors_.places()) {
    if (!expected_.contains(name)) {
      throw BadInput(place.file->path, "tensor " + quoted_name(name) + " is unexpected: the model that " +
                                           config_.file() + " describes has no such tensor");
    }
  }
}

}  // namespace lyap
