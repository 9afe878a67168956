#include <algorithm>
#include <cmath>
#include <limits>

#include "numerics/exponential.hpp"
#include "numerics/logarithm.hpp"
#include "numerics/parallel.hpp"
#include "numerics/single_threaded_products.hpp"
#include "verify/certify/refinement_times.hpp"
#include "verify/certify/sharpening.hpp"
#include "verify/certify/step_size.hpp"
#include "verify/certify/witness_mamba1.hpp"

namespace lyap {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kWitnessesAlways = 8;
constexpr double kWorthAnotherLook = 0.01;
constexpr double kBetter = 1e-6;
const SearchEffort kSecondLook{200, 6, 7};

Eigen::Index index(std::size_t k) { return static_cast<Eigen::Index>(k); }

}  // namespace

// What each row of windows_ minimises.
RowMajorMatrix Sharpening::omega_of_rows() const {
  const Eigen::Index d_inner = index(block_.d_inner);
  const Eigen::Index BC = index(2 * block_.d_state);
  RowMajorMatrix omega(2 * d_inner + 2 * BC, d_inner);
  omega.topRows(d_inner) = step_omega_;
  omega.middleRows(d_inner, d_inner) = -step_omega_;
  omega.middleRows(2 * d_inner, BC) = rows_of(block_.x_proj, block_.dt_rank, block_.x_proj.rows);
  omega.bottomRows(BC) = -rows_of(block_.x_proj, block_.dt_rank, block_.x_proj.rows);
  return omega;
}

void Sharpening::search_windows(const SearchEffort& effort) {
  if (!windows_.tokens.empty() && stopped()) return;
  const RefinementTimer timer(RefinementTimer::Part::kSearch);
  windows_.keep_better(approx_worst_windows(search_space(), omega_of_rows(), effort));
}

// Where a bound is far from what its window reaches, the window is often not the best one: such rows get a longer
// search from more starts, and another proof where that found better.
void Sharpening::look_again() {
  if (stopped() || result_.finished < result_.total) return;
  std::vector<std::size_t> open;
  for (std::size_t row = 0; row < rows(); ++row) {
    if (windows_.values[row] - proved_[row] > kWorthAnotherLook * std::fabs(windows_.values[row])) open.push_back(row);
  }
  if (open.empty()) return;
  const RowMajorMatrix all = omega_of_rows();
  RowMajorMatrix omega(index(open.size()), all.cols());
  for (std::size_t k = 0; k < open.size(); ++k) omega.row(index(k)) = all.row(index(open[k]));
  Windows found;
  {
    const RefinementTimer timer(RefinementTimer::Part::kSearch);
    found = approx_worst_windows(search_space(), omega, kSecondLook);
  }
  std::vector<Job> jobs;
  std::vector<std::size_t> channels, others;
  for (std::size_t k = 0; k < open.size(); ++k) {
    const std::size_t row = open[k];
    if (!(found.values[k] < windows_.values[row] - kBetter * std::fabs(windows_.values[row]))) continue;
    windows_.values[row] = found.values[k];
    for (std::size_t j = 0; j < found.tokens.size(); ++j)
      windows_.tokens[j].row(index(row)) = found.tokens[j].row(index(k));
    jobs.push_back(job_of_row(row));
    if (row < block_.d_inner)
      channels.push_back(row);
    else
      others.push_back(row);
  }
  enclose_witnesses(channels);
  enclose_other_ends(others);
  prove_bounds(jobs, 0.95, 1.0);
}

void Sharpening::search_periodic_inputs(std::span<const std::size_t> periods, const SearchEffort& effort) {
  for (const std::size_t period : periods) {
    if (!constants_.tokens.empty() && stopped()) return;
    const RefinementTimer timer(RefinementTimer::Part::kSearch);
    const Windows found = approx_worst_periodic_inputs(search_space(), step_omega_, block_.dt_bias, period, effort);
    for (std::size_t i = 0; i < block_.d_inner; ++i) {
      if (!(found.values[i] < log_mean_step_[i])) continue;
      log_mean_step_[i] = found.values[i];
      result_.periodic[i].residual = far_residual(found.window(i));
    }
    if (period == 1) constants_.keep_better(found);
  }
}

// p of every channel at the one-step witness of channel w, the best of its window and of its periodic witness's, and
// the mean step of the latter.
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
void Sharpening::enclose_witnesses(const std::vector<std::size_t>& channels) {
  const SingleThreadedProducts single;
  std::vector<theory::Matrix> residuals(block_.d_inner);
  std::vector<std::vector<double>> reached(block_.d_inner);
  std::vector<char> enclosed(block_.d_inner, 0);
  parallel_for(channels.size(), 2, [&](std::size_t begin, std::size_t end) {
    for (std::size_t k = begin; k < end; ++k) {
      if (k >= kWitnessesAlways && stopped()) return;
      enclose_witness(channels[k], residuals[channels[k]], reached[channels[k]]);
      enclosed[channels[k]] = 1;
    }
  });
  for (std::size_t w = 0; w < block_.d_inner; ++w) {
    for (std::size_t i = 0; i < reached[w].size(); ++i) {
      if (!(reached[w][i] < result_.one_step[i].p_reached)) continue;
      result_.one_step[i].p_reached = reached[w][i];
      result_.one_step[i].residual = residuals[w];
    }
  }
  for (const std::size_t w : channels) {
    if (enclosed[w] == 0) result_.periodic[w] = {{}, kInfinity};
  }
  result_.has_witnesses = true;
}

// What the windows of these rows, p's upper ends or ends of B and C, reach.
void Sharpening::enclose_other_ends(const std::vector<std::size_t>& rows) {
  if (stopped()) return;
  const SingleThreadedProducts single;
  const std::size_t steps = block_.d_inner;
  const std::size_t BC = 2 * block_.d_state;
  if (result_.step_upper_reached.empty()) {
    result_.step_upper_reached.assign(steps, -kInfinity);
    result_.selected.lower_witness.assign(BC, kInfinity);
    result_.selected.upper_witness.assign(BC, -kInfinity);
  }
  parallel_for(rows.size(), 2, [&](std::size_t begin, std::size_t end) {
    for (std::size_t k = begin; k < end; ++k) {
      const SelectedAt at = selected_at(block_, far_residual(windows_.window(rows[k])));
      const Job job = job_of_row(rows[k]);
      const auto raise = [&](double& reached, const Interval& value) { reached = std::max(reached, value.lower()); };
      const auto lower = [&](double& reached, const Interval& value) { reached = std::min(reached, value.upper()); };
      if (job.kind == Job::Kind::kStepUpper) raise(result_.step_upper_reached[job.which], at.p[job.which]);
      if (job.kind == Job::Kind::kBCUpper) raise(result_.selected.upper_witness[job.which], at.BC[job.which]);
      if (job.kind == Job::Kind::kBCLower) lower(result_.selected.lower_witness[job.which], at.BC[job.which]);
    }
  });
}

}  // namespace lyap
