#include "verify/deviation/universal_deviation_domain.hpp"

#include <variant>

#include "numerics/rounding.hpp"
#include "verify/certify/norm_domain.hpp"
#include "verify/certify/scan_input_functionals.hpp"
#include "verify/certify/silu_relaxation.hpp"
#include "verify/certify/universal.hpp"

namespace lyap::deviation {
namespace {

using theory::BlockWeights;
using theory::Mamba1Weights;
using theory::Mamba2Weights;

FrontView view_of(const Mamba1Weights& b) {
  return {b.norm_weight, b.norm_epsilon, b.in_proj, b.in_proj_bias, 0, b.d_inner, b.conv_weight, b.conv_bias};
}
FrontView view_of(const Mamba2Weights& b) {
  return {b.norm_weight, b.norm_epsilon,    b.in_proj,     b.in_proj_bias,
          b.d_inner,     b.conv_channels(), b.conv_weight, b.conv_bias};
}

std::span<const double> in_bias_of_channels(const FrontView& view) {
  if (view.in_bias.empty()) return {};
  return std::span(view.in_bias).subspan(view.first, view.channels);
}

std::vector<double> magnitudes(const std::vector<Interval>& ranges, std::size_t first, std::size_t count) {
  std::vector<double> result;
  for (std::size_t i = first; i < first + count; ++i) result.push_back(magnitude(ranges[i]));
  return result;
}

std::vector<Interval> convolved(const FrontView& view, const std::vector<Interval>& tokens, std::size_t present) {
  return convolution_range(view.conv_weight, view.conv_bias, in_bias_of_channels(view), 0, tokens, present);
}

/// Ranges of B and C from chords of silu: the linear relaxation of universal_domain.md, section 4 (c).
std::vector<Interval> chord_ranges(const Mamba1Weights& block, const ScanInputFunctionals& functionals,
                                   const RowBallMatrix& tokens, const std::vector<Interval>& q, std::size_t present) {
  const FrontView view = view_of(block);
  const std::vector<Interval> constant = convolved(view, std::vector<Interval>(block.d_inner), present);
  std::vector<double> slope;
  RelaxedSilu relaxed;
  for (std::size_t k = 0; k < block.d_inner; ++k) {
    const LinearRelaxation chord = chord_relaxation(q[k]);
    const double middle = chord.residual.midpoint();
    slope.push_back(chord.slope);
    relaxed.center.push_back(Interval::from_exact(middle) + Interval::from_exact(chord.slope) * constant[k]);
    relaxed.radius.push_back(magnitude(chord.residual - Interval::from_exact(middle)));
  }
  std::vector<Interval> result = functionals.ranges(relaxed).BC;
  for (std::size_t j = block.d_conv - present; j < block.d_conv; ++j) {
    std::vector<double> scale(block.d_inner);
    for (std::size_t k = 0; k < block.d_inner; ++k) scale[k] = slope[k] * block.conv_weight(k, j);
    const FunctionalRanges tap =
        functionals.norm_ball_ranges(functionals.low_rank_rows(scale, tokens), sqrt_upper_bound(block.d_model));
    for (std::size_t r = 0; r < result.size(); ++r) result[r] += tap.BC[r];
  }
  return result;
}

/// Ranges of B and C where only silu's own range is known.
std::vector<Interval> plain_ranges(const ScanInputFunctionals& functionals, const std::vector<Interval>& silu) {
  RelaxedSilu relaxed;
  for (const Interval& range : silu) {
    relaxed.center.push_back(Interval::from_exact(range.midpoint()));
    relaxed.radius.push_back(range.radius_upper_bound());
  }
  return functionals.ranges(relaxed).BC;
}

std::vector<Interval> preactivations(const UniversalBounds& bounds) {
  std::vector<Interval> p;
  for (std::size_t k = 0; k < bounds.preactivation_lower.size(); ++k)
    p.push_back(Interval::from_bounds(bounds.preactivation_lower[k], bounds.preactivation_upper[k]));
  return p;
}

BallDomain domain_of(const Mamba1Weights& block) {
  BallDomain domain;
  domain.p = preactivations(certify_universal(block));
  const FrontView view = view_of(block);
  const TokenFunctionals tokens = token_functionals(rows_of(block.in_proj, 0, block.d_inner), block.norm_weight);
  domain.token = tokens.radius;
  const ScanInputFunctionals functionals(block);
  std::vector<Interval> x, plain, chord;
  for (const std::size_t present : tap_counts(block.d_conv, !view.in_bias.empty())) {
    const std::vector<Interval> q = convolved(view, symmetric_ranges(tokens.radius), present);
    const std::vector<Interval> silu = silu_ranges(q);
    hull_into(x, silu);
    hull_into(plain, plain_ranges(functionals, silu));
    hull_into(chord, chord_ranges(block, functionals, tokens.weights, q, present));
  }
  for (std::size_t r = 0; r < plain.size(); ++r) plain[r] = intersect(plain[r], chord[r]);
  domain.x = magnitudes(x, 0, block.d_inner);
  domain.B = magnitudes(plain, 0, block.d_state);
  domain.C = magnitudes(plain, block.d_state, block.d_state);
  return domain;
}

BallDomain domain_of(const Mamba2Weights& block) {
  BallDomain domain;
  domain.p = preactivations(certify_universal(block));
  const FrontView view = view_of(block);
  const std::size_t step_row = view.first + view.channels;
  domain.token = token_functionals(rows_of(block.in_proj, view.first, step_row), block.norm_weight).radius;
  domain.step_token = token_functionals(rows_of(block.in_proj, step_row, block.in_proj.rows), block.norm_weight).radius;
  std::vector<Interval> q;
  for (const std::size_t present : tap_counts(block.d_conv, !view.in_bias.empty()))
    hull_into(q, convolved(view, symmetric_ranges(domain.token), present));
  const std::vector<Interval> silu = silu_ranges(q);
  const std::size_t shared = block.groups * block.d_state;
  domain.x = magnitudes(silu, 0, block.d_inner);
  domain.B = magnitudes(silu, block.d_inner, shared);
  domain.C = magnitudes(silu, block.d_inner + shared, shared);
  return domain;
}

const theory::Vector& log_rates_of(const Mamba1Weights& block) { return block.A_log.entries; }
const theory::Vector& log_rates_of(const Mamba2Weights& block) { return block.A_log; }
theory::StepSizeLimits limits_of(const Mamba1Weights&) { return {}; }
theory::StepSizeLimits limits_of(const Mamba2Weights& block) { return block.step_limits; }

}  // namespace

FrontView front_view(const BlockWeights& block) {
  return std::visit([](const auto& weights) { return view_of(weights); }, block);
}

const theory::Vector& log_rates(const BlockWeights& block) {
  return std::visit([](const auto& weights) -> const theory::Vector& { return log_rates_of(weights); }, block);
}

const theory::Vector& skip_of(const BlockWeights& block) {
  return std::visit([](const auto& weights) -> const theory::Vector& { return weights.D; }, block);
}

theory::StepSizeLimits step_limits(const BlockWeights& block) {
  return std::visit([](const auto& weights) { return limits_of(weights); }, block);
}

BallDomain ball_domain(const BlockWeights& block) {
  BallDomain domain = std::visit([](const auto& weights) { return domain_of(weights); }, block);
  domain.shape = state_shape(block);
  return domain;
}

}  // namespace lyap::deviation
