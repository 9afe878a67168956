#include "verify/deviation/trace_file.hpp"

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "numerics/contract_violation.hpp"
#include "verify/checkpoint/bad_input.hpp"
#include "verify/checkpoint/weight_file.hpp"

namespace lyap {
namespace {

constexpr std::string_view kX = "x", kB = "B", kC = "C", kPreactivation = "preactivation", kGate = "z";

/// Columns of the recorded tensors of one block.
struct TraceWidths {
  std::size_t d_inner, B, heads;
};

TraceWidths widths_of(const theory::Mamba1Weights& block) { return {block.d_inner, block.d_state, block.d_inner}; }

TraceWidths widths_of(const theory::Mamba2Weights& block) {
  return {block.d_inner, block.groups * block.d_state, block.heads};
}

/// The i of a name "layer.{i}.{quantity}" of a trace; nothing for other names. A number too large for a layer counts as
/// the largest one.
std::optional<std::size_t> layer_of(std::string_view name) {
  constexpr std::string_view kPrefix = "layer.";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  const std::size_t digits = name.find_first_not_of("0123456789");
  if (digits == 0 || digits == std::string_view::npos || name[digits] != '.') return std::nullopt;
  if (digits > 1 && name.front() == '0') return std::nullopt;
  const std::string_view quantity = name.substr(digits + 1);
  if (quantity != kX && quantity != kB && quantity != kC && quantity != kPreactivation && quantity != kGate) {
    return std::nullopt;
  }
  std::size_t layer = 0;
  const auto [stop, error] = std::from_chars(name.data(), name.data() + digits, layer);
  return error == std::errc() ? layer : static_cast<std::size_t>(-1);
}

class TraceReader {
 public:
  TraceReader(const std::filesystem::path& file, std::size_t steps)
      : file_(open_safetensors(file, file.filename().string())), steps_(steps) {
    for (const StoredTensor& tensor : file_.tensors) by_name_.emplace(tensor.name, &tensor);
  }

  void require_layers_below(std::size_t layers) const {
    for (const StoredTensor& tensor : file_.tensors) {
      const std::optional<std::size_t> layer = layer_of(tensor.name);
      if (layer && *layer >= layers) {
        refuse(tensor.name, "names no layer of the model, which has " + std::to_string(layers));
      }
    }
  }

  [[nodiscard]] deviation::FrontChunk read_layer(std::size_t layer, const TraceWidths& widths) const {
    const std::string prefix = "layer." + std::to_string(layer) + ".";
    const auto read = [&](std::string_view quantity, std::size_t width, bool optional) {
      return read_matrix(prefix + std::string(quantity), width, optional);
    };
    deviation::FrontChunk front;
    front.scan.x = read(kX, widths.d_inner, false);
    front.scan.B = read(kB, widths.B, false);
    front.scan.C = read(kC, widths.B, false);
    front.p = read(kPreactivation, widths.heads, false);
    front.z = read(kGate, widths.d_inner, true);
    return front;
  }

 private:
  [[noreturn]] void refuse(const std::string& name, const std::string& problem) const {
    throw BadInput(file_.path, quoted_name(name) + " " + problem);
  }

  [[nodiscard]] deviation::IntervalMatrix read_matrix(const std::string& name, std::size_t width, bool optional) const {
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) {
      if (optional) return {};
      throw BadInput(file_.path, "has no tensor " + quoted_name(name) + ", which the trace of that layer needs");
    }
    const StoredTensor& tensor = *found->second;
    require_form(tensor, width);
    deviation::IntervalMatrix matrix(static_cast<Eigen::Index>(steps_), static_cast<Eigen::Index>(width));
    const std::byte* bytes = file_.map.bytes().data() + tensor.begin;
    if (const auto wrong = find_non_finite(tensor.type, bytes, tensor.elements())) {
      refuse(name, "has a value that is not finite at step " + std::to_string(*wrong / width) + ", column " +
                       std::to_string(*wrong % width));
    }
    widen(tensor.type, bytes, {matrix.lower.data(), tensor.elements()});
    matrix.upper = matrix.lower;
    return matrix;
  }

  void require_form(const StoredTensor& tensor, std::size_t width) const {
    if (!is_weight_type(tensor.type)) {
      refuse(tensor.name, "is " + std::string(element_name(tensor.type)) + ", expected F16, BF16, F32 or F64");
    }
    if (tensor.shape.size() != 2 || tensor.shape[1] != width) {
      refuse(tensor.name, "has the shape " + shape_text(tensor.shape) + ", expected [" + std::to_string(steps_) + ", " +
                              std::to_string(width) + "]");
    }
    if (tensor.shape[0] != steps_) {
      refuse(tensor.name,
             "has " + std::to_string(tensor.shape[0]) + " time steps, but the sequence has " + std::to_string(steps_));
    }
  }

  WeightFile file_;
  std::map<std::string, const StoredTensor*> by_name_;
  std::size_t steps_;
};

}  // namespace

ScanTrace read_scan_trace(const std::filesystem::path& file, const Checkpoint& model, std::size_t steps,
                          std::size_t first_layer, std::size_t last_layer) {
  const std::size_t layers = model.description().layers;
  if (steps == 0 || first_layer > last_layer || last_layer >= layers) {
    throw ContractViolation("read_scan_trace: no time step, or layers that the model does not have");
  }
  const TraceReader reader(file, steps);
  reader.require_layers_below(layers);
  ScanTrace trace;
  for (std::size_t layer = first_layer; layer <= last_layer; ++layer) {
    const TraceWidths widths = std::visit([](const auto& block) { return widths_of(block); }, model.read_block(layer));
    trace.emplace(layer, reader.read_layer(layer, widths));
  }
  return trace;
}

}  // namespace lyap
