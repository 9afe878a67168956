#include <algorithm>
#include <cmath>
#include <string>

#include "numerics/contract_violation.hpp"
#include "numerics/rounded_arrays.hpp"
#include "verify/deviation/deployed_overflow.hpp"
#include "verify/deviation/deployed_program.hpp"
#include "verify/deviation/deployed_weights.hpp"

namespace lyap::deviation {
namespace {

FloatingFormat format_of(const theory::NumberType& type) {
  const auto is = [&](const theory::NumberType& other) { return type.u == other.u && type.largest == other.largest; };
  if (is(theory::kBfloat16Type)) return kBfloat16;
  if (is(theory::kFloat16Type)) return kFloat16;
  if (is(theory::kFloat32Type)) return kFloat32;
  if (is(theory::kTf32Type) || is(theory::kTruncatedTf32Type)) return kTf32;
  throw ContractViolation(std::string("no rounding is known to ") + type.name);
}

/// Rounds tensors of a block in place.
class WeightRounding {
 public:
  WeightRounding(const theory::PrecisionPolicy& policy, bool on_use) : policy_(policy), on_use_(on_use) {}

  void operator()(theory::Mamba1Weights& w) {
    shared(w);
    stored(w.x_proj.entries, w.x_proj.columns, "x_proj.weight");
    stored(w.dt_proj.entries, w.dt_proj.columns, "dt_proj.weight");
    stored(w.dt_bias, 1, "dt_proj.bias");
    stored(w.A_log.entries, w.A_log.columns, "A_log");
    layer(w.x_proj, policy_.x_proj, "x_proj.weight");
    layer(w.dt_proj, policy_.dt_proj, "dt_proj.weight");
    to(w.dt_bias, policy_.dt_proj.bias, 1, "dt_proj.bias");
  }

  void operator()(theory::Mamba2Weights& w) {
    shared(w);
    stored(w.dt_bias, 1, "dt_bias");
    stored(w.A_log, 1, "A_log");
    stored(w.gated_norm_weight, 1, "gated norm weight");
    to(w.dt_bias, policy_.mamba2.step_bias, 1, "dt_bias");
  }

  [[nodiscard]] std::vector<OverflowFinding> findings() const { return overflow_.findings(); }

 private:
  template <class Weights>
  void shared(Weights& w) {
    stored(w.norm_weight, 1, "norm.weight");
    stored(w.in_proj.entries, w.in_proj.columns, "in_proj.weight");
    stored(w.in_proj_bias, 1, "in_proj.bias");
    stored(w.conv_weight.entries, w.conv_weight.columns, "conv1d.weight");
    stored(w.conv_bias, 1, "conv1d.bias");
    stored(w.D, 1, "D");
    stored(w.out_proj.entries, w.out_proj.columns, "out_proj.weight");
    stored(w.out_proj_bias, 1, "out_proj.bias");
    layer(w.in_proj, policy_.in_proj, "in_proj.weight");
    layer(w.conv_weight, policy_.convolution, "conv1d.weight");
    layer(w.out_proj, policy_.out_proj, "out_proj.weight");
    to(w.in_proj_bias, policy_.in_proj.bias, 1, "in_proj.bias");
    to(w.conv_bias, policy_.convolution.bias, 1, "conv1d.bias");
    to(w.out_proj_bias, policy_.out_proj.bias, 1, "out_proj.bias");
  }

  void layer(theory::Matrix& weight, const theory::LinearRounding& rounding, const char* tensor) {
    if (on_use_) to(weight.entries, rounding.weight, weight.columns, tensor);
  }

  /// Programs without a stored type keep binary32.
  void stored(theory::Vector& values, std::size_t columns, const char* tensor) {
    to(values, policy_.stored_weights.u == 0.0 ? theory::kFloat32Type : policy_.stored_weights, columns, tensor);
  }

  void to(theory::Vector& values, const theory::NumberType& type, std::size_t columns, const char* tensor) {
    if (type.u == 0.0) return;
    const theory::Vector before = values;
    const auto rule = type.rounds_toward_zero ? RoundingRule::kTowardZero : RoundingRule::kNearestEven;
    if (!round_array(std::span<double>(values), format_of(type), rule)) return;
    const std::size_t rows = values.size() / std::max<std::size_t>(columns, 1);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (std::isfinite(values[i]) && std::abs(before[i]) <= type.largest) continue;
      if (std::isinf(values[i])) overflow_.add(tensor, type.name, i / columns, rows, std::abs(before[i]));
      values[i] = std::clamp(values[i], -type.largest, type.largest);
    }
  }

  const theory::PrecisionPolicy& policy_;
  bool on_use_;
  OverflowRecord overflow_;
};

}  // namespace

theory::BlockWeights rounded_weights(const theory::BlockWeights& block, const theory::PrecisionPolicy& policy,
                                     std::vector<OverflowFinding>& findings) {
  theory::BlockWeights rounded = block;
  WeightRounding rounding(policy, true);
  std::visit([&](auto& weights) { rounding(weights); }, rounded);
  findings = merged(std::move(findings), rounding.findings());
  return rounded;
}

theory::BlockWeights weights_as_stored(const theory::BlockWeights& block, const theory::PrecisionPolicy& policy) {
  theory::BlockWeights stored = block;
  std::visit(WeightRounding(policy, false), stored);
  return stored;
}

}  // namespace lyap::deviation
