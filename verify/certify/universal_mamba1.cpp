#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>

#include "numerics/contract_violation.hpp"
#include "numerics/exponential.hpp"
#include "numerics/norm_bounds.hpp"
#include "numerics/parallel.hpp"
#include "numerics/single_threaded_products.hpp"
#include "verify/certify/norm_domain.hpp"
#include "verify/certify/scan_input_functionals.hpp"
#include "verify/certify/sharpen_mamba1.hpp"
#include "verify/certify/silu_relaxation.hpp"
#include "verify/certify/universal.hpp"
#include "verify/certify/universal_bounds.hpp"
#include "verify/certify/vocabulary_quadratic.hpp"
#include "verify/certify/vocabulary_ranges.hpp"
#include "verify/certify/witness_mamba1.hpp"

namespace lyap {
namespace {

constexpr double kSiluLipschitz =
    1.09984;  // |silu'| <= 1.09984 (asserted with MPFR in tests/verify/silu_relaxation_test.cpp)
constexpr std::size_t kSpectralNormSize = std::size_t{1} << 20;  // Gram powers pay below this many entries
constexpr double kSmallestEpsilon = 0x1p-900;                    // below, squares that underflow would matter
constexpr int kWitnessIterations = 12;
constexpr int kTokenWitnessIterations = 4;  // each reads the vocabulary once

// NaN entries count as none.
std::size_t index_of_largest(const std::vector<double>& values) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < values.size(); ++i) {
    if (values[i] > values[best] || std::isnan(values[best])) best = i;
  }
  return best;
}

// What every relaxation says of every functional, and of silu's output.
class Mamba1Universal {
 public:
  Mamba1Universal(const theory::Mamba1Weights& block, const UniversalOptions& options)
      : block_(block),
        options_(options),
        vocabulary_(options.vocabulary),
        tokens_(token_functionals(rows_of(block.in_proj, 0, block.d_inner), block.norm_weight)),
        functionals_(block),
        root_d_(sqrt_upper_bound(block.d_model)) {
    if (!block.in_proj_bias.empty()) in_bias_ = std::span(block.in_proj_bias).first(block.d_inner);
  }

  UniversalBounds certify() {
    relax_over_ball();
    if (vocabulary_ != nullptr) relax_over_vocabulary();
    UniversalBounds bounds = empty_universal_bounds(block_.d_inner);
    combine(bounds);
    if (options_.thorough)
      sharpen_bounds(bounds);
    else
      find_witnesses(bounds);
    return bounds;
  }

 private:
  using Results = std::map<Relaxation, FunctionalRanges>;

  void relax_over_ball();
  void relax_over_vocabulary();
  void combine(UniversalBounds& bounds) const;
  void combine_channel(std::size_t i, const std::vector<double>& B_magnitude, double output_gain,
                       UniversalBounds& bounds) const;
  void find_witnesses(UniversalBounds& bounds) const;
  void sharpen_bounds(UniversalBounds& bounds);
  void take_witnesses(const SharpBounds& sharp, UniversalBounds& bounds) const;
  [[nodiscard]] bool sharpen_over_vocabulary();
  void take_token_witnesses(UniversalBounds& bounds) const;
  void record(Relaxation method, const FunctionalRanges& ranges);
  [[nodiscard]] std::vector<LinearRelaxation> relaxations_of(const std::vector<Interval>& q) const;
  [[nodiscard]] FunctionalRanges interval_ranges(const std::vector<Interval>& silu) const;
  [[nodiscard]] FunctionalRanges linear_ranges(const std::vector<LinearRelaxation>& relaxations, std::size_t present,
                                               bool over_vocabulary) const;
  [[nodiscard]] std::vector<Interval> window_constant(std::size_t present) const;
  [[nodiscard]] double norm_distance(std::size_t present) const;

  const theory::Mamba1Weights& block_;
  const UniversalOptions& options_;
  const Vocabulary* vocabulary_;
  TokenFunctionals tokens_;
  ScanInputFunctionals functionals_;
  double root_d_;
  std::span<const double> in_bias_;
  Results results_;
  std::vector<Interval> scan_input_;  // x over all steps
  TokenWindows token_windows_;        // thorough effort over a vocabulary
};

void Mamba1Universal::record(Relaxation method, const FunctionalRanges& ranges) {
  const auto [at, inserted] = results_.try_emplace(method, ranges);
  if (!inserted) at->second.hull_with(ranges);
}

std::vector<LinearRelaxation> Mamba1Universal::relaxations_of(const std::vector<Interval>& q) const {
  std::vector<LinearRelaxation> relaxations(q.size());
  parallel_for(q.size(), 32, [&](std::size_t begin, std::size_t end) {
    for (std::size_t k = begin; k < end; ++k) relaxations[k] = chord_relaxation(q[k]);
  });
  return relaxations;
}

// center +- radius around each range, the midpoint being any number near the middle.
RelaxedSilu center_and_radius(const std::vector<Interval>& ranges) {
  RelaxedSilu relaxed;
  for (const Interval& range : ranges) {
    const double middle =
        std::isfinite(range.lower()) && std::isfinite(range.upper()) ? 0.5 * range.lower() + 0.5 * range.upper() : 0.0;
    relaxed.center.push_back(Interval::from_exact(middle));
    relaxed.radius.push_back(magnitude(range - Interval::from_exact(middle)));
  }
  return relaxed;
}

// What q is when every present token is the zero vector.
std::vector<Interval> Mamba1Universal::window_constant(std::size_t present) const {
  const std::vector<Interval> zeros(block_.d_inner);
  return convolution_range(block_.conv_weight, block_.conv_bias, in_bias_, 0, zeros, present);
}

FunctionalRanges Mamba1Universal::interval_ranges(const std::vector<Interval>& silu) const {
  return functionals_.ranges(center_and_radius(silu));
}

// silu(q_k) = slope_k (constant_k + sum_j c_kj w_k n_j) + residual_k.
FunctionalRanges Mamba1Universal::linear_ranges(const std::vector<LinearRelaxation>& relaxations, std::size_t present,
                                                bool over_vocabulary) const {
  const std::vector<Interval> constant = window_constant(present);
  std::vector<Interval> residuals;
  for (const LinearRelaxation& relaxation : relaxations) residuals.push_back(relaxation.residual);
  RelaxedSilu relaxed = center_and_radius(residuals);
  for (std::size_t k = 0; k < block_.d_inner; ++k)
    relaxed.center[k] += Interval::from_exact(relaxations[k].slope) * constant[k];
  FunctionalRanges result = functionals_.ranges(relaxed);

  std::vector<RowBallMatrix> taps;
  for (std::size_t j = block_.d_conv - present; j < block_.d_conv; ++j) {
    std::vector<double> scale(block_.d_inner);
    for (std::size_t k = 0; k < block_.d_inner; ++k) scale[k] = relaxations[k].slope * block_.conv_weight(k, j);
    taps.push_back(functionals_.low_rank_rows(scale, tokens_.weights));
  }
  std::vector<FunctionalRanges> tap_ranges;
  if (over_vocabulary) {
    for (std::vector<Interval>& ranges : vocabulary_ranges_low_rank(*vocabulary_, block_.norm_epsilon,
                                                                    rows_of(block_.dt_proj, 0, block_.d_inner), taps)) {
      const bool may_be_missing = in_bias_.empty() && tap_ranges.size() + 1 < taps.size();  // all but the current token
      if (may_be_missing) hull_into(ranges, std::vector<Interval>(ranges.size()));
      const auto split = ranges.begin() + static_cast<std::ptrdiff_t>(block_.d_inner);
      tap_ranges.push_back({{ranges.begin(), split}, {split, ranges.end()}});
    }
  } else {
    for (const RowBallMatrix& tap : taps) tap_ranges.push_back(functionals_.norm_ball_ranges(tap, root_d_));
  }
  for (const FunctionalRanges& tap : tap_ranges) {
    for (std::size_t i = 0; i < result.step.size(); ++i) result.step[i] += tap.step[i];
    for (std::size_t r = 0; r < result.BC.size(); ++r) result.BC[r] += tap.BC[r];
  }
  return result;
}

// |q - constant|_2 <= sum over present taps of max_k |c_kj| |W diag(g)|_2 sqrt(d), and silu is Lipschitz.
double Mamba1Universal::norm_distance(std::size_t present) const {
  const auto size = static_cast<std::size_t>(tokens_.weights.midpoint.size());
  Interval spectral =
      Interval::from_exact(spectral_norm_upper_bound(tokens_.weights.midpoint, size <= kSpectralNormSize ? 4 : 0));
  Interval error_squares;
  for (const double radius : tokens_.weights.row_radius) error_squares += square(Interval::from_exact(radius));
  spectral += Interval::from_exact(std::sqrt(error_squares.upper()) * (1.0 + 0x1p-50));
  Interval taps;
  for (std::size_t j = block_.d_conv - present; j < block_.d_conv; ++j) {
    double largest = 0.0;
    for (std::size_t k = 0; k < block_.d_inner; ++k) largest = std::max(largest, std::fabs(block_.conv_weight(k, j)));
    taps += Interval::from_exact(largest);
  }
  return (taps * spectral * Interval::from_exact(root_d_) * Interval::from_exact(kSiluLipschitz)).upper();
}

void Mamba1Universal::relax_over_ball() {
  const std::vector<Interval> token_range = symmetric_ranges(tokens_.radius);
  for (const std::size_t present : tap_counts(block_.d_conv, !in_bias_.empty())) {
    const std::vector<Interval> q =
        convolution_range(block_.conv_weight, block_.conv_bias, in_bias_, 0, token_range, present);
    const std::vector<Interval> silu = silu_ranges(q);
    hull_into(scan_input_, silu);
    record(Relaxation::kInterval, interval_ranges(silu));
    record(Relaxation::kNorm,
           functionals_.ranges_in_norm(silu_ranges(window_constant(present)), norm_distance(present)));
    record(Relaxation::kLinear, linear_ranges(relaxations_of(q), present, false));
  }
}

// With a bias in in_proj every number of present taps is a case of its own. Without one a missing tap contributes
// exactly zero, as no token may: zero then joins every tap's range, and the full window covers all cases.
void Mamba1Universal::relax_over_vocabulary() {
  std::vector<Interval> token_range = vocabulary_ranges(*vocabulary_, block_.norm_epsilon, tokens_.weights);
  if (in_bias_.empty()) hull_into(token_range, std::vector<Interval>(token_range.size()));
  std::vector<Interval> scan_input;
  for (const std::size_t present : tap_counts(block_.d_conv, !in_bias_.empty())) {
    const std::vector<Interval> q =
        convolution_range(block_.conv_weight, block_.conv_bias, in_bias_, 0, token_range, present);
    const std::vector<Interval> silu = silu_ranges(q);
    hull_into(scan_input, silu);
    FunctionalRanges ranges = linear_ranges(relaxations_of(q), present, true);
    const FunctionalRanges by_interval = interval_ranges(silu);
    for (std::size_t i = 0; i < ranges.step.size(); ++i)
      ranges.step[i] = intersect(ranges.step[i], by_interval.step[i]);
    for (std::size_t r = 0; r < ranges.BC.size(); ++r) ranges.BC[r] = intersect(ranges.BC[r], by_interval.BC[r]);
    record(Relaxation::kVocabulary, ranges);
  }
  for (std::size_t k = 0; k < scan_input_.size(); ++k) scan_input_[k] = intersect(scan_input_[k], scan_input[k]);
}

void Mamba1Universal::combine(UniversalBounds& bounds) const {
  std::vector<double> B_magnitude(block_.d_state);
  Interval C_sum;
  for (std::size_t n = 0; n < 2 * block_.d_state; ++n) {
    Interval range = Interval::entire();
    for (const auto& [method, ranges] : results_) range = intersect(range, ranges.BC[n]);
    if (n < block_.d_state)
      B_magnitude[n] = magnitude(range);
    else
      C_sum += Interval::from_exact(magnitude(range));
  }
  bounds.preactivation_lower_by_relaxation.assign(7, {});
  for (const auto& [method, ranges] : results_) {
    bounds.preactivation_lower_by_relaxation[static_cast<std::size_t>(method)].resize(block_.d_inner);
  }
  const double output_gain = C_sum.upper();
  parallel_for(block_.d_inner, 64, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) combine_channel(i, B_magnitude, output_gain, bounds);
  });
}

// The best of every relaxation for one channel.
void Mamba1Universal::combine_channel(std::size_t i, const std::vector<double>& B_magnitude, double output_gain,
                                      UniversalBounds& bounds) const {
  Interval p = Interval::entire();
  Relaxation winner = Relaxation::kInterval;
  for (const auto& [method, ranges] : results_) {
    const Interval candidate = ranges.step[i] + Interval::from_exact(block_.dt_bias[i]);
    bounds.preactivation_lower_by_relaxation[static_cast<std::size_t>(method)][i] = candidate.lower();
    if (candidate.lower() > p.lower()) winner = method;
    p = intersect(p, candidate);
  }
  fill_channel(bounds, i,
               {.preactivation = p,
                .limits = {},
                .A_log = std::span(block_.A_log.row(i), block_.d_state),
                .B_magnitude = B_magnitude,
                .x_magnitude = magnitude(scan_input_[i]),
                .output_gain = output_gain});
  bounds.relaxation[i] = static_cast<std::uint8_t>(winner);
}

// Witnesses for the channel that decides the layer; every channel is then read off the same two inputs.
void Mamba1Universal::find_witnesses(UniversalBounds& bounds) const {
  const std::size_t deciding = index_of_largest(bounds.zeta_upper);
  const WitnessSearch search{block_, tokens_.weights, vocabulary_,
                             vocabulary_ == nullptr ? kWitnessIterations : kTokenWitnessIterations};
  const theory::Matrix window = approx_worst_residual(search, deciding, false);
  const theory::Matrix constant = approx_worst_residual(search, deciding, true);
  const std::vector<Interval> at_window = preactivation_at(block_, window);
  const std::vector<Interval> at_constant = preactivation_at(block_, constant);
  std::vector<bool> by_constant(block_.d_inner);
  for (std::size_t i = 0; i < block_.d_inner; ++i) {
    const std::span<const double> A_log(block_.A_log.row(i), block_.d_state);
    const double one_step = rate_reached_lower_bound(A_log, at_window[i], {});
    bounds.exponent_witness[i] = rate_reached_lower_bound(A_log, at_constant[i], {});
    by_constant[i] = bounds.exponent_witness[i] > one_step;
    bounds.zeta_witness[i] = std::max(one_step, bounds.exponent_witness[i]);
  }
  bounds.witness_channel = index_of_largest(bounds.zeta_witness);
  bounds.witness_input = by_constant[bounds.witness_channel] ? constant : window;
  bounds.sustained_witness_channel = index_of_largest(bounds.exponent_witness);
  bounds.sustained_witness_input = constant;
}

// Relaxations (d) and (e), then everything that follows from the ranges once more.
void Mamba1Universal::sharpen_bounds(UniversalBounds& bounds) {
  const auto tell = [this](UniversalProgress now) {
    if (vocabulary_ != nullptr) now.p_reached = std::numeric_limits<double>::quiet_NaN();  // by no token
    if (options_.progress) options_.progress(now);
  };
  const SharpBounds sharp =
      sharpen({block_, tokens_, bounds.zeta_upper, bounds.preactivation_lower, options_.should_stop, tell});
  results_[sharp.tapwise ? Relaxation::kQuadraticTapwise : Relaxation::kQuadratic] = sharp.quadratic;
  const bool complete = sharp.finished == sharp.total && (vocabulary_ == nullptr || sharpen_over_vocabulary());
  combine(bounds);
  for (std::size_t i = 0; i < block_.d_inner; ++i) {
    const Interval rate =
        exp(Interval::from_exact(*std::min_element(block_.A_log.row(i), block_.A_log.row(i) + block_.d_state))) *
        Interval::from_exact(sharp.mean_step_lower[i]);
    bounds.exponent_upper[i] = std::min(bounds.zeta_upper[i], 0.0 - std::max(0.0, rate.lower()));
  }
  bounds.sustained_preactivation_lower = sharp.mean_preactivation_lower;
  bounds.complete = complete;
  if (vocabulary_ == nullptr && sharp.has_witnesses)
    take_witnesses(sharp, bounds);
  else if (vocabulary_ != nullptr)
    take_token_witnesses(bounds);
  else
    find_witnesses(bounds);
}

// The quadratic relaxation over windows of tokens; its windows are the witnesses. False where it was stopped.
bool Mamba1Universal::sharpen_over_vocabulary() {
  std::vector<SiluFunctional> functionals = scan_input_silu_functionals(block_);
  const std::size_t count = functionals.size();
  for (std::size_t i = 0; i < count; ++i) functionals.push_back(negated(functionals[i]));
  const std::vector<Interval> token_range = vocabulary_ranges(*vocabulary_, block_.norm_epsilon, tokens_.weights);
  const VocabularyTask task{block_, tokens_, *vocabulary_, token_range, options_.should_stop};
  token_windows_ = approx_worst_token_windows(task, functionals);
  const std::vector<double> lower = vocabulary_quadratic_lower_bounds(task, functionals, token_windows_);
  if (lower.empty()) return false;
  FunctionalRanges& ranges = results_.at(Relaxation::kVocabulary);
  for (std::size_t i = 0; i < count; ++i) {
    Interval& range = i < block_.d_inner ? ranges.step[i] : ranges.BC[i - block_.d_inner];
    range = intersect(range, Interval::from_bounds(lower[i], -lower[count + i]));
  }
  return true;
}

// p of every channel at every channel's window of tokens; the exponent's witness stays that of the deciding channel's
// search.
void Mamba1Universal::take_token_witnesses(UniversalBounds& bounds) const {
  find_witnesses(bounds);
  if (token_windows_.empty()) return;  // stopped before
  const SingleThreadedProducts single;
  std::vector<theory::Matrix> residuals(block_.d_inner, theory::Matrix(block_.d_conv, block_.d_model));
  std::vector<std::vector<Interval>> reached(block_.d_inner);
  for (std::size_t w = 0; w < block_.d_inner; ++w) {
    for (std::size_t j = 0; j < block_.d_conv; ++j) {
      const theory::Matrix row = vocabulary_->read_rows(token_windows_[w][j], token_windows_[w][j] + 1);
      std::copy(row.entries.begin(), row.entries.end(),
                residuals[w].entries.begin() + static_cast<std::ptrdiff_t>(j * block_.d_model));
    }
  }
  parallel_for(block_.d_inner, 4, [&](std::size_t begin, std::size_t end) {
    for (std::size_t w = begin; w < end; ++w) reached[w] = preactivation_at(block_, residuals[w]);
  });
  bounds.preactivation_witness.assign(block_.d_inner, std::numeric_limits<double>::infinity());
  double largest = bounds.zeta_witness[bounds.witness_channel];
  for (std::size_t i = 0; i < block_.d_inner; ++i) {
    std::size_t best = 0;
    for (std::size_t w = 0; w < block_.d_inner; ++w) {
      if (reached[w][i].upper() < reached[best][i].upper()) best = w;
    }
    const Interval& p = reached[best][i];
    bounds.preactivation_witness[i] = p.upper();
    const std::span<const double> A_log(block_.A_log.row(i), block_.d_state);
    bounds.zeta_witness[i] = std::max(bounds.zeta_witness[i], rate_reached_lower_bound(A_log, p, {}));
    if (bounds.zeta_witness[i] <= largest) continue;
    largest = bounds.zeta_witness[i];
    bounds.witness_channel = i;
    bounds.witness_input = residuals[best];
  }
}

void Mamba1Universal::take_witnesses(const SharpBounds& sharp, UniversalBounds& bounds) const {
  for (std::size_t i = 0; i < block_.d_inner; ++i) {
    const std::span<const double> A_log(block_.A_log.row(i), block_.d_state);
    const ChannelWitness& one_step = sharp.one_step[i];
    const ChannelWitness& periodic = sharp.periodic[i];
    bounds.preactivation_witness.push_back(one_step.found() ? one_step.p_reached : std::nan(""));
    bounds.sustained_preactivation_witness.push_back(periodic.found() ? periodic.p_reached : std::nan(""));
    if (periodic.found()) {
      const Interval slowest = exp(Interval::from_exact(*std::min_element(A_log.begin(), A_log.end())));
      bounds.exponent_witness[i] = 0.0 - (slowest * Interval::from_exact(periodic.mean_step_reached)).upper();
    }
    if (!one_step.found()) continue;
    const double reached = rate_reached_lower_bound(A_log, Interval::from_exact(one_step.p_reached), {});
    bounds.zeta_witness[i] =
        std::isnan(bounds.exponent_witness[i]) ? reached : std::max(reached, bounds.exponent_witness[i]);
  }
  bounds.preactivation_upper_witness = sharp.step_upper_reached;
  bounds.selected = sharp.selected;
  bounds.witness_channel = index_of_largest(bounds.zeta_witness);
  bounds.witness_input = sharp.one_step[bounds.witness_channel].residual;
  bounds.sustained_witness_channel = index_of_largest(bounds.exponent_witness);
  bounds.sustained_witness_input = sharp.periodic[bounds.sustained_witness_channel].residual;
}

}  // namespace

UniversalBounds certify_universal(const theory::Mamba1Weights& block, const UniversalOptions& options) {
  if (!(block.norm_epsilon >= kSmallestEpsilon))
    throw ContractViolation("certify_universal: norm epsilon of at least 2^-900 expected");
  return Mamba1Universal(block, options).certify();
}

}  // namespace lyap
