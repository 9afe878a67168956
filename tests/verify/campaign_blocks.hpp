#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>

#include "theory/block_weights.hpp"

/// Random small blocks for long campaigns, fast to draw: weights of ordinary size, zeros and subnormal numbers of
/// float16, bfloat16 and float32; extreme step biases and decay rates; with and without biases, norms of zero, clamps.
namespace lyap::testing {

inline double test_scale() {
  const char* scale = std::getenv("LYAP_TEST_SCALE");
  return scale == nullptr ? 1.0 : std::atof(scale);
}
inline int scaled(int count) { return std::max(1, static_cast<int>(count * test_scale())); }

/// Random numbers of one test, with its name in front of what it prints.
class Campaign {
 public:
  explicit Campaign(unsigned seed) : random_(seed) {}
  double uniform(double from, double to) { return std::uniform_real_distribution<double>(from, to)(random_); }
  double normal() { return std::normal_distribution<double>()(random_); }
  std::size_t size(std::size_t from, std::size_t to) {
    return std::uniform_int_distribution<std::size_t>(from, to)(random_);
  }
  bool chance(double p) { return uniform(0, 1) < p; }

 private:
  std::mt19937_64 random_;
};

inline constexpr double kSubnormals[] = {0x1p-24, -0x3p-24, 0x1p-133, -0x5p-133, 0x1p-149, 0x7fffffp-149};

inline double stored_weight(Campaign& draw, double scale) {
  if (draw.chance(0.04)) return kSubnormals[draw.size(0, 5)];
  if (draw.chance(0.04)) return 0.0;
  return static_cast<float>(scale * draw.normal());
}

inline theory::Vector stored(Campaign& draw, std::size_t count, double scale) {
  theory::Vector v(count);
  for (double& entry : v) entry = stored_weight(draw, scale);
  return v;
}

inline theory::Matrix stored(Campaign& draw, std::size_t rows, std::size_t columns, double scale) {
  theory::Matrix m(rows, columns);
  m.entries = stored(draw, rows * columns, scale);
  return m;
}

inline theory::Vector drawn_bias(Campaign& draw, std::size_t count) {
  if (draw.chance(0.4)) return {};
  return stored(draw, count, draw.chance(0.5) ? 0.5 : 10.0);
}

inline double drawn_step_bias(Campaign& draw) {
  return draw.chance(0.1) ? draw.uniform(-740, -40) : draw.chance(0.1) ? draw.uniform(15, 40) : draw.uniform(-8, 2);
}
inline double drawn_log_rate(Campaign& draw) {
  return draw.chance(0.1) ? draw.uniform(-300, 300) : draw.uniform(-3, 3);
}

inline theory::Mamba1Weights drawn_mamba1(Campaign& draw) {
  theory::Mamba1Weights block;
  block.d_model = draw.size(1, 7);
  block.d_inner = block.d_model * draw.size(1, 3);
  block.d_state = draw.size(1, 3);
  block.d_conv = draw.size(2, 4);
  block.dt_rank = draw.size(1, 3);
  block.norm_epsilon = draw.chance(0.5) ? 1e-5 : 1e-12;
  block.norm_weight = stored(draw, block.d_model, draw.chance(0.5) ? 1.0 : 3.0);
  if (draw.chance(0.05)) std::fill(block.norm_weight.begin(), block.norm_weight.end(), 0.0);
  block.in_proj = stored(draw, 2 * block.d_inner, block.d_model,
                         draw.chance(0.2)   ? 8.0
                         : draw.chance(0.2) ? 0.05
                                            : 1.0);
  block.in_proj_bias = drawn_bias(draw, 2 * block.d_inner);
  block.conv_weight = stored(draw, block.d_inner, block.d_conv, 1.0);
  block.conv_bias = drawn_bias(draw, block.d_inner);
  block.x_proj = stored(draw, block.dt_rank + 2 * block.d_state, block.d_inner, 1.0);
  block.dt_proj = stored(draw, block.d_inner, block.dt_rank, 1.0);
  block.dt_bias.resize(block.d_inner);
  for (double& bias : block.dt_bias) bias = drawn_step_bias(draw);
  block.A_log = theory::Matrix(block.d_inner, block.d_state);
  for (double& entry : block.A_log.entries) entry = drawn_log_rate(draw);
  block.D = stored(draw, block.d_inner, 1.0);
  block.out_proj = theory::Matrix(block.d_model, block.d_inner);
  return block;
}

inline theory::Mamba2Weights drawn_mamba2(Campaign& draw) {
  theory::Mamba2Weights block;
  block.d_model = draw.size(1, 7);
  block.groups = draw.size(1, 3);
  block.heads = block.groups * draw.size(1, 2);
  block.head_dim = draw.size(1, 3);
  block.d_inner = block.heads * block.head_dim;
  block.d_state = draw.size(1, 3);
  block.d_conv = draw.size(2, 4);
  block.norm_epsilon = draw.chance(0.5) ? 1e-5 : 1e-12;
  const std::size_t rows = block.d_inner + block.conv_channels() + block.heads;
  block.norm_weight = stored(draw, block.d_model, 1.0);
  block.in_proj = stored(draw, rows, block.d_model, 1.0);
  block.in_proj_bias = drawn_bias(draw, rows);
  block.conv_weight = stored(draw, block.conv_channels(), block.d_conv, 1.0);
  block.conv_bias = drawn_bias(draw, block.conv_channels());
  block.dt_bias.resize(block.heads);
  for (double& bias : block.dt_bias) bias = drawn_step_bias(draw);
  block.A_log.resize(block.heads);
  for (double& entry : block.A_log) entry = drawn_log_rate(draw);
  constexpr double kNoLimit = std::numeric_limits<double>::infinity();
  const theory::StepSizeLimits limits[] = {{0.0, kNoLimit}, {0.004, 0.04}, {0.001, kNoLimit}, {0.0, 25.0}, {0.0, 0.0}};
  block.step_limits = limits[draw.size(0, 4)];
  block.D = stored(draw, block.heads, 1.0);
  block.gated_norm_weight.assign(block.d_inner, 1.0);
  block.gated_norm_groups = block.groups;
  block.gated_norm_epsilon = 1e-5;
  block.out_proj = theory::Matrix(block.d_model, block.d_inner);
  return block;
}

}  // namespace lyap::testing
