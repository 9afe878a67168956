#include "tests/checkpoint/pickle_pieces.hpp"

#include "tests/checkpoint/stored_zip.hpp"

namespace lyap::testing {

std::string unicode(const std::string& text) {
  std::string out = "X";
  put(out, text.size(), 4);
  return out + text;
}

std::string integer(std::int32_t value) {
  std::string out = "J";
  put(out, static_cast<std::uint32_t>(value), 4);
  return out;
}

std::string long_integer(std::int64_t value) {
  std::string out = "\x8a\x08";
  put(out, static_cast<std::uint64_t>(value), 8);
  return out;
}

std::string tuple(const std::vector<std::string>& items) {
  std::string out = "(";
  for (const std::string& item : items) out += item;
  return out + "t";
}

std::string global(const std::string& module, const std::string& name) { return "c" + module + "\n" + name + "\n"; }

std::string ordered_dict() { return global("collections", "OrderedDict") + ")R"; }

std::string dict(const std::string& key, const std::string& value) {
  std::string out = "}";
  out += key;
  out += value;
  return out + "s";
}

std::string storage(const std::string& type, const std::string& key, std::int64_t elements) {
  return tuple({unicode("storage"), global("torch", type), unicode(key), unicode("cpu"), long_integer(elements)}) + "Q";
}

std::string tensor(const std::string& storage, std::int64_t offset, const std::vector<std::int64_t>& shape,
                   const std::vector<std::int64_t>& strides, const std::vector<std::string>& rest) {
  const auto sizes = [](const std::vector<std::int64_t>& values) {
    std::vector<std::string> items;
    for (const std::int64_t value : values) items.push_back(long_integer(value));
    return tuple(items);
  };
  std::vector<std::string> arguments{storage, long_integer(offset), sizes(shape), sizes(strides)};
  arguments.insert(arguments.end(), rest.begin(), rest.end());
  return global("torch._utils", "_rebuild_tensor_v2") + tuple(arguments) + "R";
}

std::string state_dict(const std::string& entries) { return kProtocol + "}(" + entries + "u."; }

std::string one_tensor() {
  return state_dict(unicode("w") + tensor(storage("FloatStorage", "0", 6), 0, {2, 3}, {3, 1}));
}

}  // namespace lyap::testing
