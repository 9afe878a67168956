#pragma once

#include <cstddef>
#include <span>

/// One step of K along a trajectory for one row of states: the inner loop of KappaBound.
namespace lyap::deviation {

/// What all states of one head share at one step. "Greatest" means over both runs.
struct HeadStep {
  double distance = 0.0;           ///< at least 1 - exp(-tau)
  double one_sided = 0.0;          ///< at least exp(tau) - 1
  double step_change = 0.0;        ///< at least |Delta' - Delta|
  double greatest_step = 0.0;      ///< at least Delta and Delta'
  double least_excess = 0.0;       ///< greatest_step - Delta lies between this, not negative,
  double greatest_excess = 0.0;    ///< and this
  double least_to_greatest = 0.0;  ///< at most Delta'/greatest_step
  double decay_error = 0.0;        ///< at least a phi: what binary32 adds to a decay
  double input_error = 0.0;        ///< relative, of Delta x B
};

/// Of the rates of one head at one step, at greatest_step: one for each state, or one that all have.
struct RateStep {
  std::span<double> target;         ///< at least psi(s)/alpha of either run
  std::span<double> target_change;  ///< at least |psi'/alpha - psi/alpha| where only Delta differs
  std::span<double> target_excess;  ///< target - psi/alpha of the first run, to within target_spread
  std::span<double> target_spread;
  std::span<double> least_decay;     ///< at most both decays
  std::span<double> greatest_decay;  ///< at least a'
  std::span<double> greatest_rest;   ///< at least 1 - a'

  /// `count` of the rates, from `first` on.
  [[nodiscard]] RateStep of(std::size_t first, std::size_t count) const {
    return {target.subspan(first, count),        target_change.subspan(first, count),
            target_excess.subspan(first, count), target_spread.subspan(first, count),
            least_decay.subspan(first, count),   greatest_decay.subspan(first, count),
            greatest_rest.subspan(first, count)};
  }
};

/// x of one row and the N components of B.
struct RowInput {
  double x_middle, x_radius, x_size, x_change;
  const double *B_middle, *B_radius, *B_size, *B_change;
};

/// What is carried from step to step, (N) each.
struct RowState {
  double* K;           ///< supremum of K_t so far
  double* minus_P;     ///< -P_t, rounded so that 1 - P_t is an upper bound
  double* E;           ///< bound of |h'_t - h_t| for an exact scan of the second run's inputs
  double* V;           ///< supremum of |v'_t|
  double* scan_error;  ///< how far binary32 decays and products take the second run's states
};

/// What RateStep comes from: s and 1 - exp(-s) at greatest_step, at least 1/alpha.
struct RateSource {
  const double *inverse_rate, *s_upper, *rest_lower;
};
/// Writes all but least_decay and greatest_rest. In upward rounding.
void write_rate_steps_upward(const HeadStep& head, const RateSource& source, const RateStep& rates);

/// For h before and after the step, (N) each: carries the state over and writes the bound of |h'_t - h_t|, scan errors
/// included. In upward rounding. `additions`: (1 + u)^m - 1 of the scan's additions; `flushed`: per product.
struct RowScan {
  double additions, flushed;
  const double *before_lower, *before_upper, *after_lower, *after_upper;
  double* bound;
};
void advance_kappa_row_upward(const HeadStep& head, const RateStep& rates, const RowInput& input, const RowScan& scan,
                              const RowState& state, std::size_t N);

}  // namespace lyap::deviation
