#include "verify/check/arrays_file.hpp"

#include <algorithm>
#include <variant>

#include "verify/check/findings.hpp"
#include "verify/checkpoint/bad_input.hpp"

namespace lyap::check {
namespace {

using Shape = std::vector<std::size_t>;

bool begins_with(std::string_view text, std::string_view start) { return text.substr(0, start.size()) == start; }
bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

/// Arrays with one number per channel that only some certificates have.
bool is_optional_per_channel(const std::string& name) {
  static const std::vector<std::string> names{"output_gain.upper",
                                              "preactivation.lower_by.interval",
                                              "preactivation.lower_by.norm",
                                              "preactivation.lower_by.linear",
                                              "preactivation.lower_by.quadratic",
                                              "preactivation.lower_by.quadratic_tapwise",
                                              "preactivation.lower_by.vocabulary",
                                              "preactivation.witness",
                                              "sustained_preactivation.lower",
                                              "sustained_preactivation.witness"};
  return std::find(names.begin(), names.end(), name) != names.end();
}

class ShapeCheck {
 public:
  ShapeCheck(const ArraysFile& arrays, std::size_t layer, const LayerShape& shape, Findings& findings)
      : arrays_(arrays), layer_(layer), shape_(shape), findings_(findings) {}

  bool require(const std::string& name, ElementType type, const Shape& shape) {
    const StoredTensor* found = arrays_.find(prefix() + name);
    if (found == nullptr) return refuse(name, "is missing");
    return fits(name, *found, type, {shape});
  }

  /// True where the array is one that a certificate may have and has the form that it should.
  bool accept(const std::string& name, const StoredTensor& tensor, bool has_universal, bool has_trajectory) {
    const Shape per_channel{shape_.channels};
    if (begins_with(name, "policy.") || begins_with(name, "pair.")) return accept_deviation(name, tensor);
    if (begins_with(name, "trajectory."))
      return has_trajectory ? accept_trajectory(name, tensor) : refuse(name, "belongs to no tier of this layer");
    const auto& required = universal_arrays();
    const bool is_required = std::find(required.begin(), required.end(), name) != required.end();
    const bool is_known = is_required || name == "relaxation" || name == "input" || name == "sustained_input" ||
                          is_optional_per_channel(name);
    if (!is_known) return refuse(name, "is no array of a certificate");
    if (!has_universal) return refuse(name, "belongs to no tier of this layer");
    if (is_required || name == "relaxation") return true;  // looked at by require()
    if (is_optional_per_channel(name)) return fits(name, tensor, ElementType::kF64, {per_channel});
    if (tensor.type != ElementType::kF32 || tensor.shape.size() != 2 || tensor.shape[0] == 0 ||
        tensor.shape[1] != shape_.d_model)
      return refuse(name, "is not F32 of shape (steps, d_model)");
    return true;
  }

 private:
  [[nodiscard]] std::string prefix() const { return "layer." + std::to_string(layer_) + "."; }

  bool refuse(const std::string& name, const std::string& problem) {
    findings_.reject("layer " + std::to_string(layer_) + ": the array " + quoted_name(prefix() + name) + " " + problem);
    return false;
  }

  bool fits(const std::string& name, const StoredTensor& tensor, ElementType type, const std::vector<Shape>& shapes) {
    if (tensor.type != type) return refuse(name, "has the type " + std::string(element_name(tensor.type)));
    if (std::find(shapes.begin(), shapes.end(), tensor.shape) != shapes.end()) return true;
    return refuse(name,
                  "has the shape " + shape_text(tensor.shape) + "; " + shape_text(shapes.front()) + " was expected");
  }

  bool accept_deviation(const std::string& name, const StoredTensor& tensor) {
    if (ends_with(name, ".block_output_deviation.upper")) return fits(name, tensor, ElementType::kF64, {Shape{}});
    if (ends_with(name, ".state_deviation.upper") || ends_with(name, ".output_deviation.upper"))
      return fits(name, tensor, ElementType::kF64, {Shape{shape_.channels}, Shape{shape_.d_inner}});
    return refuse(name, "is no array of a certificate");
  }

  bool accept_trajectory(const std::string& name, const StoredTensor& tensor) {
    if (name == "trajectory.exponent.lower" || name == "trajectory.exponent.upper") {
      return fits(name, tensor, ElementType::kF64,
                  {shape_.is_mamba1 ? Shape{shape_.channels, shape_.states} : Shape{shape_.channels}});
    }
    if (name == "trajectory.final_state.lower" || name == "trajectory.final_state.upper") {
      return fits(name, tensor, ElementType::kF64,
                  {shape_.is_mamba1 ? Shape{shape_.channels, shape_.states}
                                    : Shape{shape_.channels, shape_.head_dim, shape_.states}});
    }
    if (name == "trajectory.output.lower" || name == "trajectory.output.upper") {
      const bool good =
          tensor.type == ElementType::kF64 && tensor.shape.size() == 2 && tensor.shape[1] == shape_.d_inner;
      return good || refuse(name, "is not F64 of shape (steps, d_inner)");
    }
    return refuse(name, "is no array of a certificate");
  }

  const ArraysFile& arrays_;
  std::size_t layer_;
  const LayerShape& shape_;
  Findings& findings_;
};

}  // namespace

ArraysFile::ArraysFile(const std::filesystem::path& path) : file_(open_safetensors(path, path.filename().string())) {
  for (const StoredTensor& tensor : file_.tensors) by_name_.emplace(tensor.name, &tensor);
}

const StoredTensor* ArraysFile::find(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

std::vector<double> ArraysFile::read_numbers(const StoredTensor& tensor) const {
  std::vector<double> values(tensor.elements());
  widen(tensor.type, file_.map.bytes().data() + tensor.begin, values);
  file_.map.release(tensor.begin, tensor.begin + values.size() * element_bits(tensor.type) / 8);
  return values;
}

std::vector<std::uint8_t> ArraysFile::read_bytes(const StoredTensor& tensor) const {
  const auto bytes = file_.map.bytes().subspan(tensor.begin, tensor.elements());
  std::vector<std::uint8_t> values;
  for (const std::byte byte : bytes) values.push_back(static_cast<std::uint8_t>(byte));
  return values;
}

LayerShape shape_of(const theory::BlockWeights& block) {
  LayerShape shape;
  if (const auto* mamba1 = std::get_if<theory::Mamba1Weights>(&block)) {
    shape = {mamba1->d_inner, mamba1->d_state, mamba1->d_model, mamba1->d_inner, 1, true};
  } else {
    const auto& mamba2 = std::get<theory::Mamba2Weights>(block);
    shape = {mamba2.heads, mamba2.d_state, mamba2.d_model, mamba2.d_inner, mamba2.head_dim, false};
  }
  return shape;
}

const std::vector<std::string>& universal_arrays() {
  static const std::vector<std::string> names{
      "preactivation.lower", "preactivation.upper", "step_size.lower",    "step_size.upper",
      "zeta.lower",          "zeta.upper",          "exponent.upper",     "zeta.witness",
      "exponent.witness",    "state_bound.upper",   "gain.initial.upper", "gain.x.upper",
      "gain.B.upper",        "gain.C.upper",        "gain.step.upper",    "gain.A_log.upper"};
  return names;
}

bool check_array_shapes(const ArraysFile& arrays, std::size_t layer, const LayerShape& shape, bool has_universal,
                        bool has_trajectory, Findings& findings) {
  ShapeCheck check(arrays, layer, shape, findings);
  bool good = true;
  if (has_universal) {
    for (const std::string& name : universal_arrays())
      good = check.require(name, ElementType::kF64, {shape.channels}) && good;
    good = check.require("relaxation", ElementType::kU8, {shape.channels}) && good;
  }
  if (has_trajectory) {
    const Shape exponents = shape.is_mamba1 ? Shape{shape.channels, shape.states} : Shape{shape.channels};
    for (const char* side : {"lower", "upper"})
      good = check.require(std::string("trajectory.exponent.") + side, ElementType::kF64, exponents) && good;
  }
  const std::string prefix = "layer." + std::to_string(layer) + ".";
  for (auto at = arrays.by_name().lower_bound(prefix); at != arrays.by_name().end() && begins_with(at->first, prefix);
       ++at) {
    good = check.accept(at->first.substr(prefix.size()), *at->second, has_universal, has_trajectory) && good;
  }
  return good;
}

}  // namespace lyap::check
