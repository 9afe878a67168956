#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "tests/verify/campaign_blocks.hpp"
#include "verify/checkpoint/peft_adapter_update.hpp"

/// Blocks, sequences and second models of the campaign.
namespace lyap::testing {

struct CampaignCase {
  theory::BlockWeights block;
  theory::Matrix inputs;
  bool is_extreme = false;
};

/// More than nine of ten have 64 steps or more; one of seventy has 4,096. P(T >= 64 k) = 1/k.
inline std::size_t drawn_length(Campaign& draw) {
  if (draw.chance(0.06)) return draw.size(1, 63);
  return std::size_t(std::min(4096.0, 64.0 / draw.uniform(1e-3, 1.0)));
}

/// Ranges of trained models: step biases -20 .. 5, rates up to 200, B and C up to 20, slow states.
template <class Weights>
void give_trained_ranges(Campaign& draw, Weights& w) {
  const auto fill = [&](theory::Matrix& m, double scale) {
    for (double& entry : m.entries) entry = float(scale * draw.normal() / std::sqrt(double(m.columns)));
  };
  const bool slow = draw.chance(0.25);
  const auto log_rate = [&] {
    return double(float(slow && draw.chance(0.7) ? draw.uniform(-9.0, -3.0) : draw.uniform(-2.0, std::log(200.0))));
  };
  const double step = draw.uniform(-12.0, 0.0);
  for (double& bias : w.dt_bias) bias = float(draw.chance(0.5) ? step + draw.normal() : draw.uniform(-20.0, 5.0));
  fill(w.in_proj, 1.0);
  fill(w.conv_weight, 1.0);
  fill(w.out_proj, 1.0);
  const double large = draw.chance(0.3) ? draw.uniform(1.0, 12.0) : 1.0;
  if constexpr (std::is_same_v<Weights, theory::Mamba1Weights>) {
    fill(w.x_proj, 1.0);
    for (std::size_t i = w.dt_rank * w.d_inner; i < w.x_proj.entries.size(); ++i)
      w.x_proj.entries[i] = float(large * w.x_proj.entries[i]);
    fill(w.dt_proj, draw.chance(0.3) ? 3.0 : 0.5);
    for (double& entry : w.A_log.entries) entry = log_rate();
  } else {
    for (std::size_t i = 2 * w.d_inner * w.d_model; i < (w.in_proj.rows - w.heads) * w.d_model; ++i)
      w.in_proj.entries[i] = float(large * w.in_proj.entries[i]);
    for (double& entry : w.A_log) entry = log_rate();
  }
}

template <class Weights>
void give_outputs(Campaign& draw, Weights& w) {
  w.out_proj = stored(draw, w.d_model, w.d_inner, 1.0);
  w.out_proj_bias = drawn_bias(draw, w.d_model);
  if constexpr (std::is_same_v<Weights, theory::Mamba2Weights>) {
    w.gated_norm_weight = stored(draw, w.d_inner, 1.0);
    if (draw.chance(0.5)) w.gated_norm_groups = 1;
  }
}

/// Step sizes that no input changes: nothing but their own errors is left in them.
template <class Weights>
void make_steps_constant(Campaign& draw, Weights& w) {
  if constexpr (std::is_same_v<Weights, theory::Mamba1Weights>) {
    std::fill(w.dt_proj.entries.begin(), w.dt_proj.entries.end(), 0.0);
  } else {
    std::fill(w.in_proj.entries.end() - std::ptrdiff_t(w.heads * w.d_model), w.in_proj.entries.end(), 0.0);
  }
  for (double& bias : w.dt_bias) bias = std::round(draw.uniform(-80.0, 10.0));
}

template <class Weights>
theory::BlockWeights drawn_whole(Campaign& draw, Weights w, bool is_extreme) {
  give_outputs(draw, w);
  if (!is_extreme) give_trained_ranges(draw, w);
  if (draw.chance(0.1)) make_steps_constant(draw, w);
  return w;
}

/// Tokens that stay for a while, which drive states to their targets, or a new one at each step; extremes: zero rows,
/// subnormal and huge numbers.
inline theory::Matrix drawn_inputs(Campaign& draw, std::size_t T, std::size_t width, bool is_extreme) {
  theory::Matrix inputs(T, width);
  const double change = draw.chance(0.5) ? 1.0 : draw.uniform(0.01, 0.3);
  const double usual = std::exp(draw.uniform(-3.0, 3.0));
  for (std::size_t t = 0; t < T; ++t) {
    const bool repeats = t > 0 && !draw.chance(change);
    double scale = usual;
    if (is_extreme && draw.chance(0.15)) {
      constexpr double kScales[] = {0.0, 1e-42, 1e-30, 1e-18, 1e6, 1e12, 1e17};
      scale = kScales[draw.size(0, 6)];
    }
    for (std::size_t i = 0; i < width; ++i)
      inputs(t, i) = repeats ? inputs(t - 1, i) : double(float(scale * draw.normal()));
  }
  return inputs;
}

inline std::size_t width_of(const theory::BlockWeights& block) {
  return std::visit([](const auto& w) { return w.d_model; }, block);
}

inline CampaignCase drawn_case(Campaign& draw) {
  CampaignCase c;
  c.is_extreme = draw.chance(0.3);
  c.block = draw.chance(0.5) ? drawn_whole(draw, drawn_mamba1(draw), c.is_extreme)
                             : drawn_whole(draw, drawn_mamba2(draw), c.is_extreme);
  c.inputs = drawn_inputs(draw, drawn_length(draw), width_of(c.block), c.is_extreme);
  return c;
}

/// Which tensors of the second model differ.
enum class Change { kEverything, kRates, kGains, kStepBias, kConvolution, kOutput, kLimits };
inline constexpr std::size_t kChanges = 7;

template <class Weights>
void change(Campaign& draw, Weights& w, Change which, double size) {
  const auto move = [&](theory::Vector& v, bool relative) {
    for (double& entry : v) entry = float(entry + size * draw.normal() * (relative ? entry : 1.0));
  };
  const auto is = [&](Change part) { return which == part || which == Change::kEverything; };
  if (is(Change::kGains)) move(w.norm_weight, true);
  if (is(Change::kEverything)) {
    move(w.in_proj.entries, true);
    move(w.in_proj_bias, true);
    move(w.D, true);
  }
  if (is(Change::kStepBias)) move(w.dt_bias, false);
  if (is(Change::kConvolution)) {
    move(w.conv_weight.entries, true);
    move(w.conv_bias, true);
  }
  if (is(Change::kOutput)) {
    move(w.out_proj.entries, true);
    move(w.out_proj_bias, true);
  }
  if constexpr (std::is_same_v<Weights, theory::Mamba1Weights>) {
    if (is(Change::kRates)) move(w.A_log.entries, false);
    if (is(Change::kEverything)) {
      move(w.x_proj.entries, true);
      move(w.dt_proj.entries, true);
    }
  } else {
    if (is(Change::kRates)) move(w.A_log, false);
    if (is(Change::kGains)) move(w.gated_norm_weight, true);
    if (which == Change::kLimits) w.step_limits = {0.002, draw.chance(0.5) ? 0.05 : 30.0};
  }
}

inline theory::BlockWeights drawn_change(Campaign& draw, theory::BlockWeights block) {
  const double size = std::exp(draw.uniform(-12.0, -0.5));
  const auto which = draw.chance(0.4) ? Change::kEverything : Change(draw.size(0, kChanges - 1));
  std::visit([&](auto& w) { change(draw, w, which, size); }, block);
  return block;
}

/// Low-rank updates of some of the block's matrices; scales are powers of two and entries short, so that the merged
/// weights are exact in binary64.
inline std::vector<LowRankUpdate> drawn_updates(Campaign& draw, const theory::BlockWeights& block) {
  std::vector<LowRankUpdate> updates;
  const auto entry = [&](double size) { return std::round(draw.normal() * 64.0 * size) * 0x1p-6; };
  const auto add = [&](AdapterTarget target, const theory::Matrix& W) {
    if (draw.chance(0.4)) return;
    const std::size_t rank = draw.size(1, 3);
    LowRankUpdate update{target, theory::Matrix(rank, W.columns), theory::Matrix(W.rows, rank), {}};
    for (double& a : update.A.entries) a = entry(1.0);
    for (double& b : update.B.entries) b = entry(1.0);
    const double scale = std::ldexp(1.0, -int(draw.size(0, 12)));
    update.scale = {scale, scale, scale};
    updates.push_back(std::move(update));
  };
  std::visit(
      [&](const auto& w) {
        add(AdapterTarget::kInProj, w.in_proj);
        add(AdapterTarget::kOutProj, w.out_proj);
        if constexpr (std::is_same_v<std::decay_t<decltype(w)>, theory::Mamba1Weights>) {
          add(AdapterTarget::kXProj, w.x_proj);
          add(AdapterTarget::kDtProj, w.dt_proj);
        }
      },
      block);
  return updates;
}

}  // namespace lyap::testing
