#include "numerics/contract_violation.hpp"
#include "verify/check/block_domain.hpp"
#include "verify/check/row_threads.hpp"
#include "verify/check/silu.hpp"

namespace lyap::check {
namespace {

/// Ranges of x, B and C after convolution and silu, at every step, the first ones included.
std::vector<Range> scan_inputs(const theory::Mamba2Weights& block) {
  const std::size_t first = block.d_inner;  // in_proj's rows are z, x, B, C, dt
  const std::vector<Range> tokens =
      token_ranges(block.in_proj, block.norm_weight, first, first + block.conv_channels());
  const bool has_bias = !block.in_proj_bias.empty();
  const Convolution convolution{block.conv_weight, block.conv_bias,
                                has_bias ? block.in_proj_bias.data() + first : nullptr};
  std::vector<Range> result;
  for (const std::size_t present : tap_counts(block.d_conv, has_bias)) {
    const std::vector<Range> q = convolution_ranges(convolution, tokens, present);
    std::vector<Range> values(q.size());
    over_rows(q.size(), [&](std::size_t k) { values[k] = silu(q[k]); });
    if (result.empty()) result = values;
    for (std::size_t k = 0; k < values.size(); ++k) result[k] = hull(result[k], values[k]);
  }
  return result;
}

}  // namespace

std::vector<ChannelBounds> derive_bounds(const theory::Mamba2Weights& block) {
  if (block.groups == 0 || block.heads == 0 || block.heads % block.groups != 0)
    throw ContractViolation("derive_bounds: heads must be a multiple of groups");
  const std::vector<Range> inputs = scan_inputs(block);
  const std::size_t first_step_row = block.in_proj.rows - block.heads;
  const std::vector<Range> steps = token_ranges(block.in_proj, block.norm_weight, first_step_row, block.in_proj.rows);
  std::vector<ChannelBounds> bounds(block.heads);
  over_rows(block.heads, [&](std::size_t h) {
    const std::size_t group = h / (block.heads / block.groups);
    const std::size_t B_begin = block.d_inner + group * block.d_state;
    const std::size_t C_begin = B_begin + block.groups * block.d_state;
    ChannelDomain domain;
    domain.preactivation = steps[h] + Range(block.dt_bias[h]);
    if (!block.in_proj_bias.empty())
      domain.preactivation = domain.preactivation + Range(block.in_proj_bias[first_step_row + h]);
    domain.limits = block.step_limits;
    domain.A_log = {&block.A_log[h], 1};
    std::vector<Number> B_magnitude;
    for (std::size_t n = 0; n < block.d_state; ++n) {
      B_magnitude.push_back(magnitude(inputs[B_begin + n]));
      domain.output_gain = add(domain.output_gain, magnitude(inputs[C_begin + n]), Toward::kUp);
    }
    domain.B_magnitude = B_magnitude;
    for (std::size_t k = h * block.head_dim; k < (h + 1) * block.head_dim; ++k)
      domain.x_magnitude = larger(domain.x_magnitude, magnitude(inputs[k]));
    bounds[h] = channel_bounds(domain);
  });
  return bounds;
}

}  // namespace lyap::check
