#include "verify/certify/sharpen_mamba1.hpp"

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
#include "verify/certify/step_size.hpp"
#include "verify/certify/witness_mamba1.hpp"
#include "verify/certify/witness_search.hpp"

namespace lyap {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kResidualScale = 0x1p12;        // witnesses lie this far out: epsilon then costs less than 1e-7 of the radius for epsilon <= 1
constexpr double kCutOffFactor = 1.0 - 1.031e-10;  // programs return p above 20: at least softplus(p) (1 - 1.0307e-10), theory/theorems/sustained_bound.md
constexpr std::size_t kLargestWindow = 1536;     // J d_model up to which the taps are kept together
constexpr std::size_t kRefinedChannels = 48;
constexpr std::size_t kDecidingFirst = 32;
constexpr double kWorthAnother = 1e-3;  // a window better by this, relatively, is worth another factorisation
constexpr double kGoodGap = 0.1;        // so is a bound this far, relatively, from what its window reaches
constexpr std::size_t kWitnessesAlways = 8;
constexpr std::size_t kPeriods[] = {1, 2, 3, 4, 8};

const SearchEffort kShortSearch{40, 1, 1};
const SearchEffort kLongSearch{100, 2, 1};

Eigen::Index index(std::size_t k) { return static_cast<Eigen::Index>(k); }

theory::Matrix far_residual(const RowMajorMatrix& tokens) {
  theory::Matrix residual(static_cast<std::size_t>(tokens.rows()), static_cast<std::size_t>(tokens.cols()));
  for (std::size_t i = 0; i < residual.entries.size(); ++i) residual.entries[i] = static_cast<float>(tokens.data()[i] * kResidualScale);
  return residual;
}

// Rows [t - taps + 1, t] of a periodic sequence.
theory::Matrix window_at(const theory::Matrix& period, std::size_t t, std::size_t taps) {
  theory::Matrix window(taps, period.columns);
  for (std::size_t j = 0; j < taps; ++j) {
    const std::size_t row = (t + j + taps * period.rows + 1 - taps) % period.rows;
    std::copy_n(period.row(row), period.columns, window.entries.begin() + static_cast<std::ptrdiff_t>(j * period.columns));
  }
  return window;
}

// Everything that one layer's bounds share.
class Sharpening {
 public:
  explicit Sharpening(const SharpenTask& task)
      : task_(task), block_(task.block), relaxation_(task.block, task.tokens), functionals_(scan_input_silu_functionals(task.block)) {
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

  SharpBounds run() {
    // First what decides the layer, after a short search; then everything, after a long one.
    search_windows(kShortSearch);
    search_periodic_inputs({std::begin(kPeriods), 1}, kShortSearch);
    prove_bounds(jobs(kDecidingFirst));
    search_windows(kLongSearch);
    search_periodic_inputs(kPeriods, kLongSearch);
    enclose_witnesses();
    prove_bounds(jobs(block_.d_inner));
    refine_deciding_exponents();
    for (std::size_t i = 0; i < step_lower_.size(); ++i) result_.quadratic.step.push_back(Interval::from_bounds(step_lower_[i], step_upper_[i]));
    for (std::size_t r = 0; r < BC_lower_.size(); ++r) result_.quadratic.BC.push_back(Interval::from_bounds(BC_lower_[r], BC_upper_[r]));
    return std::move(result_);
  }

 private:
  // One bound to prove: the lower or upper end of a functional, or a channel's sustained mean.
  struct Job {
    enum class Kind { kStepLower, kStepUpper, kBCLower, kBCUpper, kSustained } kind;
    std::size_t which;
  };

  void search_windows(const SearchEffort& effort);
  void search_periodic_inputs(std::span<const std::size_t> periods, const SearchEffort& effort);
  void enclose_witnesses();
  void enclose_witness(std::size_t w, theory::Matrix& residual, std::vector<double>& reached);
  void prove_bounds(const std::vector<Job>& all);
  void prove(const Job& job);
  void refine_deciding_exponents();
  void prove_sustained(std::size_t channel, const std::vector<Eigen::RowVectorXd>& suggestions);
  [[nodiscard]] SiluFunctional functional(const Job& job) const;
  [[nodiscard]] double lower_bound(const SiluFunctional& f, const RowMajorMatrix& window) const;
  [[nodiscard]] std::vector<std::size_t> channels_by_rate() const;
  [[nodiscard]] std::vector<Job> jobs(std::size_t channels) const;
  [[nodiscard]] SearchSpace search_space() const { return {block_, task_.tokens.weights.midpoint, task_.should_stop}; }
  [[nodiscard]] std::size_t window_row(const Job& job) const;
  [[nodiscard]] bool stopped() const { return task_.should_stop && task_.should_stop(); }
  void advance(double fraction) const;

  const SharpenTask& task_;
  const theory::Mamba1Weights& block_;
  QuadraticRelaxation relaxation_;
  std::vector<SiluFunctional> functionals_;  // steps, then B and C
  RowMajorMatrix step_omega_;              // the steps' omega as one matrix
  Windows windows_;                        // rows: steps from below, steps from above, B and C from below, from above
  Windows constants_;                      // best constant inputs
  std::vector<double> step_lower_, step_upper_, BC_lower_, BC_upper_;  // ends apart: jobs run at the same time
  std::vector<double> log_mean_step_;      // of the best periodic inputs
  std::vector<double> proved_from_;        // by row of windows_: the window's value that a bound was last proved from
  std::vector<double> proved_;             // and the best bound so far
  SharpBounds result_;
};




SiluFunctional Sharpening::functional(const Job& job) const {
  const bool is_BC = job.kind == Job::Kind::kBCLower || job.kind == Job::Kind::kBCUpper;
  const bool is_upper = job.kind == Job::Kind::kStepUpper || job.kind == Job::Kind::kBCUpper;
  const SiluFunctional& f = functionals_[is_BC ? block_.d_inner + job.which : job.which];
  return is_upper ? negated(f) : f;
}

void Sharpening::search_windows(const SearchEffort& effort) {
  if (!windows_.tokens.empty() && stopped()) return;
  const Eigen::Index d_inner = index(block_.d_inner);
  const Eigen::Index BC = index(2 * block_.d_state);
  RowMajorMatrix omega(2 * d_inner + 2 * BC, d_inner);
  omega.topRows(d_inner) = step_omega_;
  omega.middleRows(d_inner, d_inner) = -step_omega_;
  omega.middleRows(2 * d_inner, BC) = rows_of(block_.x_proj, block_.dt_rank, block_.x_proj.rows);
  omega.bottomRows(BC) = -rows_of(block_.x_proj, block_.dt_rank, block_.x_proj.rows);
  windows_.keep_better(approx_worst_windows(search_space(), omega, effort));
}

void Sharpening::search_periodic_inputs(std::span<const std::size_t> periods, const SearchEffort& effort) {
  for (const std::size_t period : periods) {
    if (!constants_.tokens.empty() && stopped()) return;
    const Windows found = approx_worst_periodic_inputs(search_space(), step_omega_, block_.dt_bias, period, effort);
    for (std::size_t i = 0; i < block_.d_inner; ++i) {
      if (!(found.values[i] < log_mean_step_[i])) continue;
      log_mean_step_[i] = found.values[i];
      result_.periodic[i].residual = far_residual(found.window(i));
    }
    if (period == 1) constants_.keep_better(found);
  }
}

// p of every channel at the one-step witness of channel w, the best of its window and of its periodic witness's, and the mean step of the latter.
void Sharpening::enclose_witness(std::size_t w, theory::Matrix& residual, std::vector<double>& reached) {
  residual = far_residual(windows_.window(w));
  std::vector<Interval> best = preactivation_at(block_, residual);
  const theory::Matrix& period = result_.periodic[w].residual;
  Interval sum;
  double p_if_constant = kInfinity;
  for (std::size_t t = 0; t < period.rows; ++t) {
    theory::Matrix window = window_at(period, t, block_.d_conv);
    std::vector<Interval> at_window = preactivation_at(block_, window);
    const Interval p = at_window[w];
    p_if_constant = p.upper();
    sum += step_size_range(p);
    if (!(p.upper() < best[w].upper())) continue;
    residual = std::move(window);
    best = std::move(at_window);
  }
  for (const Interval& p : best) reached.push_back(p.upper());
  const Interval mean = sum / Interval::from_exact(static_cast<double>(period.rows));
  result_.periodic[w].mean_step_reached = mean.upper();
  // softplus^-1(Delta) = Delta + log(1 - exp(-Delta))
  result_.periodic[w].p_reached = period.rows == 1 ? p_if_constant : (mean + log(-expm1(-mean))).upper();
}

// Channels share their one-step witnesses. Where time is up, the deciding channels' witnesses are still enclosed.
void Sharpening::enclose_witnesses() {
  const SingleThreadedProducts single;
  const std::vector<std::size_t> channels = channels_by_rate();
  std::vector<theory::Matrix> residuals(block_.d_inner);
  std::vector<std::vector<double>> reached(block_.d_inner);
  std::vector<char> enclosed(block_.d_inner, 0);
  parallel_for(block_.d_inner, 2, [&](std::size_t begin, std::size_t end) {
    for (std::size_t k = begin; k < end; ++k) {
      if (k >= kWitnessesAlways && stopped()) return;
      enclose_witness(channels[k], residuals[channels[k]], reached[channels[k]]);
      enclosed[channels[k]] = 1;
    }
  });
  for (std::size_t w = 0; w < block_.d_inner; ++w) {
    if (enclosed[w] == 0) result_.periodic[w] = {{}, kInfinity};
    for (std::size_t i = 0; i < reached[w].size(); ++i) {
      if (!(reached[w][i] < result_.one_step[i].p_reached)) continue;
      result_.one_step[i].p_reached = reached[w][i];
      result_.one_step[i].residual = residuals[w];
    }
  }
  result_.has_witnesses = true;
}

std::vector<std::size_t> Sharpening::channels_by_rate() const {
  std::vector<std::size_t> channels(block_.d_inner);
  std::iota(channels.begin(), channels.end(), std::size_t{0});
  std::stable_sort(channels.begin(), channels.end(), [&](std::size_t a, std::size_t b) { return task_.zeta_upper[a] > task_.zeta_upper[b]; });
  return channels;
}

// The lower ends of p of all channels, by rate, and the sustained bounds of the first `sustained` of them; where these are all, the other functionals
// too.
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
    case Job::Kind::kStepUpper: return block_.d_inner + job.which;
    case Job::Kind::kBCLower: return 2 * block_.d_inner + job.which;
    case Job::Kind::kBCUpper: return 2 * block_.d_inner + 2 * block_.d_state + job.which;
    default: return job.which;
  }
}

double Sharpening::lower_bound(const SiluFunctional& f, const RowMajorMatrix& window) const {
  double least = kInfinity;
  for (const std::size_t present : tap_counts(block_.d_conv, !block_.in_proj_bias.empty())) {
    least = std::min(least, result_.tapwise ? relaxation_.tapwise_lower_bound(f, window, present) : relaxation_.lower_bound(f, window, present));
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
  const double bound = lower_bound(functional(job), windows_.window(row));
  proved_from_[row] = value;
  proved_[row] = std::max(proved_[row], bound);
  switch (job.kind) {
    case Job::Kind::kStepLower: step_lower_[job.which] = std::max(step_lower_[job.which], bound); break;
    case Job::Kind::kStepUpper: step_upper_[job.which] = std::min(step_upper_[job.which], -bound); break;
    case Job::Kind::kBCLower: BC_lower_[job.which] = std::max(BC_lower_[job.which], bound); break;
    default: BC_upper_[job.which] = std::min(BC_upper_[job.which], -bound); break;
  }
}

// The best bound of the long-run mean over several suggested inputs, if it improves.
void Sharpening::prove_sustained(std::size_t channel, const std::vector<Eigen::RowVectorXd>& suggestions) {
  const SiluFunctional f = functional({Job::Kind::kSustained, channel});
  std::vector<double> means(suggestions.size());
  parallel_for(suggestions.size(), 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t k = begin; k < end; ++k) means[k] = relaxation_.sustained_lower_bound(f, suggestions[k]);
  });
  const double mean = *std::max_element(means.begin(), means.end());
  if (mean == -kInfinity) return;
  const double p = (Interval::from_exact(mean) + Interval::from_exact(block_.dt_bias[channel])).lower();
  if (p <= result_.mean_preactivation_lower[channel]) return;
  result_.mean_preactivation_lower[channel] = p;
  result_.mean_step_lower[channel] = (softplus(Interval::from_exact(p)) * Interval::from_exact(kCutOffFactor)).lower();
}

// The channel with the smallest sustained rate decides the layer's exponent: it gets touching points from its one-step window too, until the channel that
// decides has had them.
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

void Sharpening::prove_bounds(const std::vector<Job>& all) {
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
    const double done = static_cast<double>(end) / static_cast<double>(all.size());
    advance(all.size() <= block_.d_inner + kDecidingFirst ? 0.25 * done : 0.35 + 0.65 * done);
  }
}

}  // namespace

SharpBounds sharpen(const SharpenTask& task) { return Sharpening(task).run(); }

}  // namespace lyap
