#include "verify/certify/sharpening.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>

#include "numerics/exponential.hpp"
#include "numerics/logarithm.hpp"
#include "numerics/parallel.hpp"
#include "numerics/single_threaded_products.hpp"
#include "numerics/softplus.hpp"
#include "verify/certify/refinement_times.hpp"
#include "verify/certify/step_size.hpp"
#include "verify/certify/witness_mamba1.hpp"
#include "verify/certify/witness_search.hpp"

namespace lyap {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kCutOffFactor = 1.0 - 1.031e-10;  // programs return p above 20: theory/theorems/sustained_bound.md
constexpr std::size_t kLargestWindow = 1536;       // J d_model up to which the taps are kept together
constexpr std::size_t kRefinedChannels = 48;
constexpr std::size_t kDecidingFirst = 32;
constexpr double kWorthAnother = 1e-3;  // a window better by this, relatively, is worth another factorisation
constexpr double kGoodGap = 0.1;        // so is a bound this far, relatively, from what its window reaches
// Parabolas that touch make the best bound unless multipliers have to be raised; more curvature then helps.
constexpr double kWorthCurvature = 0.02;
constexpr double kWorthOptimising = 0.04;
constexpr double kSomeChord = 0.25;
constexpr double kHalfChord = 0.5;
constexpr std::size_t kPeriods[] = {1, 2, 3, 4, 8};

const SearchEffort kShortSearch{40, 1, 1};
const SearchEffort kLongSearch{100, 2, 1};

Eigen::Index index(std::size_t k) { return static_cast<Eigen::Index>(k); }

}  // namespace

Sharpening::Sharpening(const SharpenTask& task)
    : task_(task),
      block_(task.block),
      relaxation_(task.block, task.tokens),
      functionals_(scan_input_silu_functionals(task.block)) {
  step_omega_.resize(index(block_.d_inner), index(block_.d_inner));
  for (std::size_t i = 0; i < block_.d_inner; ++i) {
    std::copy(functionals_[i].omega.begin(), functionals_[i].omega.end(), step_omega_.data() + i * block_.d_inner);
  }
  result_.tapwise = block_.d_conv * block_.d_model > kLargestWindow;
  step_lower_.assign(block_.d_inner, -kInfinity);
  step_upper_.assign(block_.d_inner, kInfinity);
  BC_lower_.assign(2 * block_.d_state, -kInfinity);
  BC_upper_.assign(2 * block_.d_state, kInfinity);
  result_.mean_step_lower.assign(block_.d_inner, 0.0);
  result_.mean_preactivation_lower.assign(block_.d_inner, -kInfinity);
  result_.one_step.assign(block_.d_inner, {{}, kInfinity});
  result_.periodic.assign(block_.d_inner, {{}, kInfinity});
  log_mean_step_.assign(block_.d_inner, kInfinity);
  proved_from_.assign(2 * block_.d_inner + 4 * block_.d_state, kInfinity);
  proved_.assign(proved_from_.size(), -kInfinity);
}

SharpBounds Sharpening::run() {
  // First what decides the layer, after a short search; then everything, after a long one.
  search_windows(kShortSearch);
  search_periodic_inputs({std::begin(kPeriods), 1}, kShortSearch);
  prove_bounds(jobs(kDecidingFirst), 0.0, 0.25);
  search_windows(kLongSearch);
  search_periodic_inputs(kPeriods, kLongSearch);
  enclose_witnesses(channels_by_rate());
  std::vector<std::size_t> other_rows(rows() - block_.d_inner);
  std::iota(other_rows.begin(), other_rows.end(), block_.d_inner);
  enclose_other_ends(other_rows);
  prove_bounds(jobs(block_.d_inner), 0.35, 0.95);
  look_again();
  refine_deciding_exponents();
  for (std::size_t i = 0; i < step_lower_.size(); ++i)
    result_.quadratic.step.push_back(Interval::from_bounds(step_lower_[i], step_upper_[i]));
  for (std::size_t r = 0; r < BC_lower_.size(); ++r)
    result_.quadratic.BC.push_back(Interval::from_bounds(BC_lower_[r], BC_upper_[r]));
  if (!result_.selected.lower_witness.empty()) {
    result_.selected.lower = BC_lower_;
    result_.selected.upper = BC_upper_;
  }
  return std::move(result_);
}

SiluFunctional Sharpening::functional(const Job& job) const {
  const bool is_BC = job.kind == Job::Kind::kBCLower || job.kind == Job::Kind::kBCUpper;
  const bool is_upper = job.kind == Job::Kind::kStepUpper || job.kind == Job::Kind::kBCUpper;
  const SiluFunctional& f = functionals_[is_BC ? block_.d_inner + job.which : job.which];
  return is_upper ? negated(f) : f;
}

std::vector<std::size_t> Sharpening::channels_by_rate() const {
  std::vector<std::size_t> channels(block_.d_inner);
  std::iota(channels.begin(), channels.end(), std::size_t{0});
  std::stable_sort(channels.begin(), channels.end(),
                   [&](std::size_t a, std::size_t b) { return task_.zeta_upper[a] > task_.zeta_upper[b]; });
  return channels;
}

// The lower ends of p of all channels, by rate, and the sustained bounds of the first `sustained` of them; where these
// are all, the other functionals too.
std::vector<Sharpening::Job> Sharpening::jobs(std::size_t sustained) const {
  const std::vector<std::size_t> order = channels_by_rate();
  std::vector<Job> jobs;
  for (const std::size_t i : order) jobs.push_back({Job::Kind::kStepLower, i});
  for (std::size_t k = 0; k < std::min(sustained, order.size()); ++k) jobs.push_back({Job::Kind::kSustained, order[k]});
  if (sustained < block_.d_inner) return jobs;
  for (std::size_t r = 0; r < 2 * block_.d_state; ++r) jobs.push_back({Job::Kind::kBCLower, r});
  for (std::size_t r = 0; r < 2 * block_.d_state; ++r) jobs.push_back({Job::Kind::kBCUpper, r});
  for (const std::size_t i : order) jobs.push_back({Job::Kind::kStepUpper, i});
  return jobs;
}

std::size_t Sharpening::window_row(const Job& job) const {
  switch (job.kind) {
    case Job::Kind::kStepUpper:
      return block_.d_inner + job.which;
    case Job::Kind::kBCLower:
      return 2 * block_.d_inner + job.which;
    case Job::Kind::kBCUpper:
      return 2 * block_.d_inner + 2 * block_.d_state + job.which;
    default:
      return job.which;
  }
}

Sharpening::Job Sharpening::job_of_row(std::size_t row) const {
  const std::size_t steps = block_.d_inner;
  const std::size_t BC = 2 * block_.d_state;
  if (row < steps) return {Job::Kind::kStepLower, row};
  if (row < 2 * steps) return {Job::Kind::kStepUpper, row - steps};
  if (row < 2 * steps + BC) return {Job::Kind::kBCLower, row - 2 * steps};
  return {Job::Kind::kBCUpper, row - 2 * steps - BC};
}

double Sharpening::lower_bound(const SiluFunctional& f, const RowMajorMatrix& window, double chord_share,
                               Multipliers choice) const {
  double least = kInfinity;
  for (const std::size_t present : tap_counts(block_.d_conv, !block_.in_proj_bias.empty())) {
    least = std::min(least, result_.tapwise ? relaxation_.tapwise_lower_bound(f, window, present)
                                            : relaxation_.lower_bound(f, window, present, chord_share, choice));
  }
  return least;
}

void Sharpening::prove(const Job& job) {
  if (job.kind == Job::Kind::kSustained) {
    prove_sustained(job.which, {constants_.tokens[0].row(index(job.which))});
    return;
  }
  const std::size_t row = window_row(job);
  const double value = windows_.values[row];
  const bool as_good = value > proved_from_[row] - kWorthAnother * std::fabs(value);
  if (as_good && value - proved_[row] < kGoodGap * std::fabs(value)) return;  // sharp already, from a window as good
  double bound = lower_bound(functional(job), windows_.window(row), 0.0, Multipliers::kStationary);
  for (const double chord_share : {kSomeChord, kHalfChord}) {
    if (result_.tapwise || value - bound <= kWorthOptimising * std::fabs(value) || stopped()) break;
    bound = std::max(bound, lower_bound(functional(job), windows_.window(row), chord_share, Multipliers::kOptimised));
  }
  proved_from_[row] = value;
  proved_[row] = std::max(proved_[row], bound);
  switch (job.kind) {
    case Job::Kind::kStepLower:
      step_lower_[job.which] = std::max(step_lower_[job.which], bound);
      break;
    case Job::Kind::kStepUpper:
      step_upper_[job.which] = std::min(step_upper_[job.which], -bound);
      break;
    case Job::Kind::kBCLower:
      BC_lower_[job.which] = std::max(BC_lower_[job.which], bound);
      break;
    default:
      BC_upper_[job.which] = std::min(BC_upper_[job.which], -bound);
      break;
  }
}

// The best bound of the long-run mean over several suggested inputs, if it improves.
void Sharpening::prove_sustained(std::size_t channel, const std::vector<Eigen::RowVectorXd>& suggestions) {
  const SiluFunctional f = functional({Job::Kind::kSustained, channel});
  std::vector<double> means(suggestions.size());
  double mean = -kInfinity;
  for (const double chord_share : {0.0, kHalfChord}) {
    parallel_for(suggestions.size(), 1, [&](std::size_t begin, std::size_t end) {
      for (std::size_t k = begin; k < end; ++k)
        means[k] = relaxation_.sustained_lower_bound(f, suggestions[k], chord_share);
    });
    mean = std::max(mean, *std::max_element(means.begin(), means.end()));
    const double reached = log_mean_step_[channel];  // near p where step sizes are small
    if (reached - (mean + block_.dt_bias[channel]) < kWorthCurvature * std::fabs(reached)) break;
  }
  if (mean == -kInfinity) return;
  const double p = (Interval::from_exact(mean) + Interval::from_exact(block_.dt_bias[channel])).lower();
  if (p <= result_.mean_preactivation_lower[channel]) return;
  result_.mean_preactivation_lower[channel] = p;
  result_.mean_step_lower[channel] = (softplus(Interval::from_exact(p)) * Interval::from_exact(kCutOffFactor)).lower();
}

// The channel with the smallest sustained rate decides the layer's exponent: it gets touching points from its one-step
// window too, until the channel that decides has had them.
void Sharpening::refine_deciding_exponents() {
  const SingleThreadedProducts single;
  std::vector<bool> refined(block_.d_inner, false);
  for (std::size_t round = 0; round < kRefinedChannels && !stopped(); ++round) {
    std::size_t deciding = 0;
    double slowest = kInfinity;
    for (std::size_t i = 0; i < block_.d_inner; ++i) {
      const double log_alpha = *std::min_element(block_.A_log.row(i), block_.A_log.row(i) + block_.d_state);
      const double log_rate = log_alpha + result_.mean_preactivation_lower[i];
      if (log_rate < slowest) slowest = log_rate, deciding = i;
    }
    if (refined[deciding] || slowest == -kInfinity) return;
    refined[deciding] = true;
    const Eigen::RowVectorXd constant = constants_.tokens[0].row(index(deciding));
    std::vector<Eigen::RowVectorXd> suggestions;
    for (const RowMajorMatrix& token : windows_.tokens) {
      suggestions.push_back(token.row(index(deciding)));
      suggestions.push_back(0.5 * (token.row(index(deciding)) + constant));
    }
    prove_sustained(deciding, suggestions);
  }
}

// Tells what is known of the channel that decides now; in ordinary arithmetic, for display only.
void Sharpening::advance(double fraction) const {
  if (!task_.progress) return;
  UniversalProgress now{.fraction = fraction};
  double slowest = kInfinity;
  for (std::size_t i = 0; i < block_.d_inner; ++i) {
    const double p = std::max(task_.preactivation_lower[i], step_lower_[i] + block_.dt_bias[i]);
    const double log_step = p < -30.0 ? p : std::log(std::log1p(std::exp(std::min(p, 700.0))));
    const double log_rate = *std::min_element(block_.A_log.row(i), block_.A_log.row(i) + block_.d_state) + log_step;
    if (!(log_rate < slowest)) continue;
    slowest = log_rate;
    now.p_bound = p;
    now.p_reached = std::min(result_.one_step[i].p_reached, windows_.values[i] + block_.dt_bias[i]);
  }
  task_.progress(now);
}

void Sharpening::prove_bounds(const std::vector<Job>& all, double begun, double end_fraction) {
  result_.total = all.size();
  result_.finished = 0;
  const SingleThreadedProducts single;
  constexpr std::size_t kBatch = 16;  // between questions whether to stop
  for (std::size_t begin = 0; begin < all.size() && !stopped(); begin += kBatch) {
    const std::size_t end = std::min(begin + kBatch, all.size());
    parallel_for(end - begin, 1, [&](std::size_t from, std::size_t to) {
      for (std::size_t k = from; k < to; ++k) prove(all[begin + k]);
    });
    result_.finished = end;
    advance(begun + (end_fraction - begun) * static_cast<double>(end) / static_cast<double>(all.size()));
  }
}

SharpBounds sharpen(const SharpenTask& task) { return Sharpening(task).run(); }

}  // namespace lyap
