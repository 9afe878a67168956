#pragma once

#include <cstddef>
#include <vector>

#include "verify/certify/trajectory_projections.hpp"
#include "verify/lyapunov_certificate.hpp"

/// The recurrence h_t = a_t h_{t-1} + Delta_t B_t x_t of a block, enclosed for every state, chunk after chunk of one sequence.
namespace lyap::trajectory {

/// Which decays and inputs the rows of the state see. A row is a channel of x (d_inner of them), N states long.
struct ScanShape {
  std::size_t rows = 0;
  std::size_t states = 0;
  std::size_t rows_per_step_size = 1;  ///< Mamba-2: head_dim rows share a head's step size and decay
  std::size_t rows_per_group = 0;      ///< rows that share B and C: all of them for Mamba-1
  bool decay_per_state = true;         ///< Mamba-1: alpha is (rows, N); Mamba-2: one per step size
};

/// What one chunk of tokens feeds the scan. B and C are (tokens, groups N); C is read only where outputs are wanted.
struct ScanInputs {
  IntervalMatrix step_size;  ///< (tokens, rows / rows_per_step_size)
  IntervalMatrix x;          ///< (tokens, rows)
  IntervalMatrix B;
  IntervalMatrix C;
};

/// Encloses the state of the real recurrence from h_0 = 0, its outputs y = C h + D x, and the sums of step sizes that exponents need.
/// Containment: for all values within the chunks handed to advance. Nothing becomes NaN: an end without a bound is infinite.
/// Width: a_t lies in [0, 1], so the widths of past steps decay with the state; parallel over rows.
class EnclosedScan {
 public:
  /// A_log: (rows, N) flattened, or one per step size; D: one per step size (Mamba-1: per row).
  EnclosedScan(const ScanShape& shape, const theory::Vector& A_log, const theory::Vector& D);
  /// Takes the next tokens; writes y (tokens, rows) where `output` is not null.
  void advance(const ScanInputs& inputs, IntervalMatrix* output);
  /// Encloses -(alpha/T) sum Delta, T = tokens taken so far, one per entry of A_log; and the state (rows, N).
  void write_exponents(std::vector<double>& lower, std::vector<double>& upper) const;
  void write_state(std::vector<double>& lower, std::vector<double>& upper) const;

 private:
  void advance_rows(const ScanInputs& inputs, IntervalMatrix* output, std::size_t first, std::size_t last);
  void add_step_sizes(const IntervalMatrix& step_size);

  ScanShape shape_;
  const theory::Vector& skip_;
  std::vector<double> alpha_lower_, alpha_upper_;
  std::vector<double> state_lower_, state_upper_;
  std::vector<double> minus_sum_lower_, sum_upper_;  // of step sizes
  std::size_t tokens_ = 0;
};

}  // namespace lyap::trajectory
