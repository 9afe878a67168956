#include "verify/certify/layer_arrays.hpp"

#include <algorithm>

namespace lyap {
namespace {

/// Sends arrays of one layer; a vector that the tier left empty is not an array.
class LayerSender {
 public:
  LayerSender(std::size_t layer, const ArraySink& sink)
      : prefix_("layer." + std::to_string(layer) + "."), sink_(sink) {}

  void f64(const std::string& name, const std::vector<double>& values, const std::vector<std::size_t>& shape) const {
    if (values.empty()) return;
    NamedArray array;
    array.name = prefix_ + name;
    array.shape = shape;
    array.f64 = values;
    sink_(array);
  }

  void per_channel(const std::string& name, const std::vector<double>& values) const {
    f64(name, values, {values.size()});
  }

  void u8(const std::string& name, const std::vector<std::uint8_t>& values) const {
    NamedArray array;
    array.name = prefix_ + name;
    array.shape = {values.size()};
    array.u8 = values;
    array.dtype = "U8";
    sink_(array);
  }

  /// F32 where every entry is a float32 number, else F64: tokens of a model with float64 embeddings.
  void residual(const std::string& name, const theory::Matrix& matrix) const {
    const bool narrow = std::all_of(matrix.entries.begin(), matrix.entries.end(), [](double value) {
      return static_cast<double>(static_cast<float>(value)) == value;
    });
    if (!narrow) return f64(name, matrix.entries, {matrix.rows, matrix.columns});
    NamedArray array;
    array.name = prefix_ + name;
    array.shape = {matrix.rows, matrix.columns};
    array.dtype = "F32";
    for (const double value : matrix.entries) array.f32.push_back(static_cast<float>(value));
    sink_(array);
  }

 private:
  std::string prefix_;
  const ArraySink& sink_;
};

/// "preactivation.lower_by.quadratic_tapwise"
std::string lower_by_name(Relaxation relaxation) {
  std::string name = name_of(relaxation);
  std::replace(name.begin(), name.end(), '-', '_');
  return "preactivation.lower_by." + name;
}

}  // namespace

void send_arrays(const UniversalBounds& bounds, std::size_t layer, const ArraySink& sink) {
  const LayerSender send(layer, sink);
  send.per_channel("preactivation.lower", bounds.preactivation_lower);
  send.per_channel("preactivation.upper", bounds.preactivation_upper);
  send.per_channel("step_size.lower", bounds.step_size_lower);
  send.per_channel("step_size.upper", bounds.step_size_upper);
  send.per_channel("zeta.lower", bounds.zeta_lower);
  send.per_channel("zeta.upper", bounds.zeta_upper);
  send.per_channel("exponent.upper", bounds.exponent_upper);
  send.per_channel("zeta.witness", bounds.zeta_witness);
  send.per_channel("exponent.witness", bounds.exponent_witness);
  send.u8("relaxation", bounds.relaxation);
  send.per_channel("state_bound.upper", bounds.state_bound_upper);
  send.per_channel("gain.initial.upper", bounds.gain_initial_upper);
  send.per_channel("gain.x.upper", bounds.gain_x_upper);
  send.per_channel("gain.B.upper", bounds.gain_B_upper);
  send.per_channel("gain.C.upper", bounds.gain_C_upper);
  send.per_channel("gain.step.upper", bounds.gain_step_upper);
  send.per_channel("gain.A_log.upper", bounds.gain_A_log_upper);
  send.per_channel("output_gain.upper", bounds.output_gain_upper);
  for (std::size_t code = 0; code < bounds.preactivation_lower_by_relaxation.size(); ++code) {
    const auto relaxation = static_cast<Relaxation>(code);
    if (relaxation == Relaxation::kExact) continue;  // preactivation.lower itself
    send.per_channel(lower_by_name(relaxation), bounds.preactivation_lower_by_relaxation[code]);
  }
  send.per_channel("preactivation.witness", bounds.preactivation_witness);
  send.per_channel("sustained_preactivation.lower", bounds.sustained_preactivation_lower);
  send.per_channel("sustained_preactivation.witness", bounds.sustained_preactivation_witness);
  if (bounds.witness_input.rows > 0) send.residual("input", bounds.witness_input);
  if (bounds.sustained_witness_input.rows > 0) send.residual("sustained_input", bounds.sustained_witness_input);
}

void send_arrays(const TrajectoryBounds& bounds, std::size_t layer, const ArraySink& sink) {
  const LayerSender send(layer, sink);
  send.f64("trajectory.exponent.lower", bounds.exponent_lower, bounds.exponent_shape);
  send.f64("trajectory.exponent.upper", bounds.exponent_upper, bounds.exponent_shape);
  send.f64("trajectory.final_state.lower", bounds.final_state_lower, bounds.state_shape);
  send.f64("trajectory.final_state.upper", bounds.final_state_upper, bounds.state_shape);
  if (bounds.output_upper.empty()) return;
  const std::vector<std::size_t> shape{bounds.steps, bounds.output_upper.size() / bounds.steps};
  send.f64("trajectory.output.lower", bounds.output_lower, shape);
  send.f64("trajectory.output.upper", bounds.output_upper, shape);
}

std::string deviation_array_prefix(const DeviationBounds& bounds) {
  const std::string question = name_of(bounds.question);
  if (bounds.comparison == Comparison::kPolicy) {
    const bool universal = bounds.question == DeviationQuestion::kUniversal;
    return "policy." + bounds.policy + "." + (universal ? question : std::string(name_of(bounds.method))) + ".";
  }
  const std::string pair = "pair." + question + ".";
  return bounds.policy.empty() ? pair : pair + bounds.policy + "." + name_of(bounds.method) + ".";
}

void send_arrays(const DeviationBounds& bounds, std::size_t layer, const ArraySink& sink) {
  const LayerSender send(layer, sink);
  const std::string prefix = deviation_array_prefix(bounds);
  send.per_channel(prefix + "state_deviation.upper", bounds.state.upper);
  send.per_channel(prefix + "output_deviation.upper", bounds.output.upper);
  if (bounds.block_output) send.f64(prefix + "block_output_deviation.upper", bounds.block_output->upper, {});
}

}  // namespace lyap
