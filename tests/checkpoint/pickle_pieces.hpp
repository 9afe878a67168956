#pragma once

#include <cstdint>
#include <string>
#include <vector>

/// Pieces of a protocol 2 pickle, to be put together soundly or not.
namespace lyap::testing {

inline const std::string kProtocol = "\x80\x02";

[[nodiscard]] std::string unicode(const std::string& text);
[[nodiscard]] std::string integer(std::int32_t value);
[[nodiscard]] std::string long_integer(std::int64_t value);
[[nodiscard]] std::string tuple(const std::vector<std::string>& items);
[[nodiscard]] std::string global(const std::string& module, const std::string& name);
[[nodiscard]] std::string ordered_dict();
/// A dict of one entry.
[[nodiscard]] std::string dict(const std::string& key, const std::string& value);

/// A storage of `elements` elements by its persistent id.
[[nodiscard]] std::string storage(const std::string& type, const std::string& key, std::int64_t elements);

/// A view of a storage. Items after the strides: requires_grad and hooks, or `rest` in their place.
[[nodiscard]] std::string tensor(const std::string& storage, std::int64_t offset,
                                 const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& strides,
                                 const std::vector<std::string>& rest = {"\x89", ordered_dict()});

/// A whole pickle: a dict with these entries, each a key followed by a value.
[[nodiscard]] std::string state_dict(const std::string& entries);

/// A whole pickle: one tensor "w" of float32, shape (2, 3), in the storage "0" of 6 elements.
[[nodiscard]] std::string one_tensor();

}  // namespace lyap::testing
