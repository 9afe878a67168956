#pragma once

#include <Eigen/Core>

/// One row of states in one step of a deployed scan: the loops of deployed_interval_scan. Lower ends are stored
/// negated. Every function must be called while the processor rounds upward, and reads what it needs from memory.
namespace lyap::deviation {

/// What one row of states needs for one step.
struct RowStep {
  const double *a_lower, *a_upper;                // of the decays: at the greater step size, at the smaller one
  const double *exponent_lower, *exponent_upper;  // of -s
  const double* exponent_error;                   // per unit of s
  const double *B_lower, *B_upper;
  double step_lower, step_upper, x_lower, x_upper;
  double relative_b, flush_b;  // errors of b
  double phi, flush;           // errors of one step
};
/// The row's part of what a scan carries: the exact recurrence on computed numbers, Ahat, Ahat - A, the largest Ahat.
struct RowState {
  double *minus_lower, *upper, *size, *size_growth, *largest;
};

/// Ends of -s, s = Δ rate, at the greatest and at the least.
void write_exponents(const double* rate_lower, const double* rate_upper, double step_lower, double step_upper,
                     Eigen::Index count, double* lower, double* upper);
/// What a computed exponential is off by: relative to itself, the same per unit of s, and absolutely.
struct DecayError {
  double relative, per_unit, flushed;
};
void widen_decays(const DecayError& error, const double* exponent_lower, const double* exponent_upper,
                  Eigen::Index count, double* lower, double* upper);

/// One step of the row. `apart`: decays do not follow the step size within its interval, as where they are rounded;
/// else both are taken at one and the same step size. `one_rate`: all states have the first decay.
void advance_row(const RowStep& step, const RowState& state, Eigen::Index count, bool apart, bool one_rate);

/// Ends of the computed states: exact ones widened by path Ahat + (Ahat - A) + underflow.
void widen_states(const RowState& state, double path, double underflow, Eigen::Index count, double* lower,
                  double* upper);

/// Upper bounds of ±Σ C h and of Σ |C| |h|.
struct ReadOut {
  double minus_lower, upper, magnitude;
};
[[nodiscard]] ReadOut read_states(const double* C_lower, const double* C_upper, const double* h_lower,
                                  const double* h_upper, Eigen::Index count);

}  // namespace lyap::deviation
