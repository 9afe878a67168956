#include <algorithm>
#include <cmath>
#include <limits>

#include "numerics/contract_violation.hpp"
#include "numerics/square_root.hpp"
#include "verify/certify/norm_domain.hpp"
#include "verify/certify/universal.hpp"
#include "verify/certify/universal_bounds.hpp"

namespace lyap {
namespace {

constexpr double kWitnessScale = 0x1p20;  // epsilon / (2 mean r^2) is then below 1e-12 of the radius for epsilon <= 1

// What one head's witness reaches.
struct HeadWitness {
  Interval preactivation;
  std::vector<float> residual;
};

// The residual stream along W_h diag(g), far out, in exact float32 numbers; p there, enclosed.
HeadWitness witness_of(const theory::Mamba2Weights& block, std::size_t row, double direction_sign, double bias,
                       double in_bias) {
  const double* weights = block.in_proj.row(row);
  std::vector<double> direction(block.d_model);
  double largest = 0.0;
  for (std::size_t k = 0; k < block.d_model; ++k) {
    direction[k] = weights[k] * block.norm_weight[k];
    largest = std::max(largest, std::fabs(direction[k]));
  }
  HeadWitness witness;
  Interval squares, product;
  for (std::size_t k = 0; k < block.d_model; ++k) {
    const double entry = largest > 0.0 ? direction_sign * direction[k] / largest * kWitnessScale : kWitnessScale;
    witness.residual.push_back(static_cast<float>(entry));
    const Interval r = Interval::from_exact(witness.residual.back());
    squares += square(r);
    product += r * Interval::from_exact(weights[k]) * Interval::from_exact(block.norm_weight[k]);
  }
  const Interval mean = squares / Interval::from_exact(static_cast<double>(block.d_model));
  witness.preactivation = product / sqrt(mean + Interval::from_exact(block.norm_epsilon)) + Interval::from_exact(bias) +
                          Interval::from_exact(in_bias);
  return witness;
}

// Ranges of the convolution's outputs after silu, over the first steps too.
std::vector<Interval> scan_input_ranges(const theory::Mamba2Weights& block) {
  const std::size_t first = block.d_inner;  // in_proj rows z, x, B, C, dt
  const std::size_t channels = block.conv_channels();
  const TokenFunctionals tokens = token_functionals(rows_of(block.in_proj, first, first + channels), block.norm_weight);
  const std::vector<Interval> token_range = symmetric_ranges(tokens.radius);
  std::span<const double> in_bias;
  if (!block.in_proj_bias.empty()) in_bias = std::span(block.in_proj_bias).subspan(first, channels);
  std::vector<Interval> q;
  for (const std::size_t present : tap_counts(block.d_conv, !in_bias.empty())) {
    hull_into(q, convolution_range(block.conv_weight, block.conv_bias, in_bias, 0, token_range, present));
  }
  return silu_ranges(q);
}

double largest_magnitude(const std::vector<Interval>& ranges, std::size_t begin, std::size_t count) {
  double largest = 0.0;
  for (std::size_t k = begin; k < begin + count; ++k) largest = std::max(largest, magnitude(ranges[k]));
  return largest;
}

// One step per head, in the order of heads but for the deciding one, which comes last: p depends on its own token
// alone.
void keep_layer_witness(UniversalBounds& bounds, const std::vector<std::vector<float>>& residuals) {
  const auto deciding = std::max_element(bounds.zeta_witness.begin(), bounds.zeta_witness.end());
  bounds.witness_channel = static_cast<std::size_t>(deciding - bounds.zeta_witness.begin());
  bounds.sustained_witness_channel = bounds.witness_channel;
  bounds.witness_input = theory::Matrix(residuals.size(), residuals[0].size());
  bounds.sustained_witness_input = theory::Matrix(1, residuals[0].size());
  auto row = bounds.witness_input.entries.begin();
  for (std::size_t h = 0; h < residuals.size(); ++h) {
    if (h != bounds.witness_channel) row = std::copy(residuals[h].begin(), residuals[h].end(), row);
  }
  std::copy(residuals[bounds.witness_channel].begin(), residuals[bounds.witness_channel].end(), row);
  std::copy(residuals[bounds.witness_channel].begin(), residuals[bounds.witness_channel].end(),
            bounds.sustained_witness_input.entries.begin());
}

}  // namespace

UniversalBounds certify_universal(const theory::Mamba2Weights& block, const UniversalOptions&) {
  if (block.heads == 0 || block.heads % block.groups != 0)
    throw ContractViolation("certify_universal: heads must be a multiple of groups");
  UniversalBounds bounds = empty_universal_bounds(block.heads);
  const std::vector<Interval> scan_input = scan_input_ranges(block);
  const std::size_t first_step_row = block.in_proj.rows - block.heads;
  const TokenFunctionals steps =
      token_functionals(rows_of(block.in_proj, first_step_row, block.in_proj.rows), block.norm_weight);
  std::vector<double> p_lower;
  std::vector<std::vector<float>> residuals;
  for (std::size_t h = 0; h < block.heads; ++h) {
    const double in_bias = block.in_proj_bias.empty() ? 0.0 : block.in_proj_bias[first_step_row + h];
    const Interval reach = Interval::from_bounds(-steps.radius[h], steps.radius[h]);
    const std::size_t B_begin = block.d_inner + h / (block.heads / block.groups) * block.d_state;
    std::vector<double> B_magnitude(block.d_state);
    for (std::size_t n = 0; n < block.d_state; ++n) B_magnitude[n] = magnitude(scan_input[B_begin + n]);
    Interval C_sum;
    const std::size_t C_begin = B_begin + block.groups * block.d_state;
    for (std::size_t n = 0; n < block.d_state; ++n) C_sum += Interval::from_exact(magnitude(scan_input[C_begin + n]));
    const std::span<const double> A_log(&block.A_log[h], 1);
    fill_channel(bounds, h,
                 {.preactivation = reach + Interval::from_exact(block.dt_bias[h]) + Interval::from_exact(in_bias),
                  .limits = block.step_limits,
                  .A_log = A_log,
                  .B_magnitude = B_magnitude,
                  .x_magnitude = largest_magnitude(scan_input, h * block.head_dim, block.head_dim),
                  .output_gain = C_sum.upper()});
    const HeadWitness witness = witness_of(block, first_step_row + h, -1.0, block.dt_bias[h], in_bias);
    // The step size depends on one token alone, so the same token at every step reaches the same exponent.
    bounds.zeta_witness[h] = rate_reached_lower_bound(A_log, witness.preactivation, block.step_limits);
    bounds.exponent_witness[h] = bounds.zeta_witness[h];
    bounds.relaxation[h] = static_cast<std::uint8_t>(Relaxation::kExact);
    residuals.push_back(witness.residual);
    p_lower.push_back(bounds.preactivation_lower[h]);
  }
  bounds.preactivation_lower_by_relaxation.assign(7, {});
  bounds.preactivation_lower_by_relaxation[static_cast<std::size_t>(Relaxation::kExact)] = p_lower;
  keep_layer_witness(bounds, residuals);
  return bounds;
}

}  // namespace lyap
