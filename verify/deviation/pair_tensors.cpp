#include "verify/deviation/pair_tensors.hpp"

#include <string_view>
#include <utility>
#include <variant>

#include "numerics/contract_violation.hpp"

namespace lyap::deviation {
namespace {

using theory::Mamba1Weights;
using theory::Mamba2Weights;
using theory::Matrix;

bool same(const Matrix& x, const Matrix& y) { return x.entries == y.entries; }
bool same(const theory::StepSizeLimits& x, const theory::StepSizeLimits& y) {
  return x.lower == y.lower && x.upper == y.upper;
}
template <class Member>
bool same(const Member& x, const Member& y) {
  return x == y;
}

template <class Weights>
void drop_out_proj(Weights& block) {
  block.out_proj = Matrix(0, block.d_inner);
  block.out_proj_bias.clear();
}

/// Calls visit(name, member) for each part of a block that its scan output depends on.
template <class Weights, class Visit>
void visit_before_gate(const Visit& visit) {
  visit("norm", &Weights::norm_weight);
  visit("layer_norm_epsilon", &Weights::norm_epsilon);
  visit("in_proj", &Weights::in_proj);
  visit("in_proj.bias", &Weights::in_proj_bias);
  visit("conv1d", &Weights::conv_weight);
  visit("conv1d.bias", &Weights::conv_bias);
  visit("A_log", &Weights::A_log);
  visit("D", &Weights::D);
  if constexpr (std::is_same_v<Weights, Mamba1Weights>) {
    visit("x_proj", &Weights::x_proj);
    visit("dt_proj", &Weights::dt_proj);
    visit("dt_proj.bias", &Weights::dt_bias);
  } else {
    visit("dt_bias", &Weights::dt_bias);
    visit("time_step_limit", &Weights::step_limits);
  }
}

template <class Weights, class Visit>
void visit_after_gate(const Visit& visit) {
  if constexpr (std::is_same_v<Weights, Mamba2Weights>) {
    visit("gated_norm", &Weights::gated_norm_weight);
    visit("gated_norm_epsilon", &Weights::gated_norm_epsilon);
    visit("gated_norm_groups", &Weights::gated_norm_groups);
  }
  visit("out_proj", &Weights::out_proj);
  visit("out_proj.bias", &Weights::out_proj_bias);
}

template <class Weights>
std::vector<OneTensorChanged> changes(const Weights& block, const Weights& other) {
  std::vector<OneTensorChanged> result;
  visit_before_gate<Weights>([&](const char* name, auto member) {
    if (same(block.*member, other.*member)) return;
    Weights changed = block;
    changed.*member = other.*member;
    drop_out_proj(changed);
    const bool reaches_state = std::string_view(name) != "D";
    result.push_back({name, reaches_state, true, std::move(changed)});
  });
  visit_after_gate<Weights>([&](const char* name, auto member) {
    if (!same(block.*member, other.*member)) result.push_back({name, false, false, {}});
  });
  return result;
}

}  // namespace

std::vector<OneTensorChanged> one_tensor_changed(const theory::BlockWeights& block, const theory::BlockWeights& other) {
  return std::visit(
      [&](const auto& weights) {
        const auto* second = std::get_if<std::decay_t<decltype(weights)>>(&other);
        if (second == nullptr) throw ContractViolation("one_tensor_changed: blocks of different kind");
        return changes(weights, *second);
      },
      block);
}

theory::BlockWeights without_out_proj(const theory::BlockWeights& block) {
  theory::BlockWeights result = block;
  std::visit([](auto& weights) { drop_out_proj(weights); }, result);
  return result;
}

}  // namespace lyap::deviation
