#pragma once

#include <cstddef>
#include <vector>

#include "verify/certify/trajectory_projections.hpp"
#include "verify/lyapunov_certificate.hpp"

/// The recurrence h_t = a_t h_{t-1} + Delta_t B_t x_t of a block, enclosed for every state, chunk after chunk of one
/// sequence.
namespace lyap::trajectory {

/// The layout of the state: a row is one entry of x, N states long; rows of one head share a step size.
struct StateShape {
  std::size_t heads = 0;        ///< Mamba-1: channels
  std::size_t head_dim = 1;     ///< rows of a head; 1 for Mamba-1
  std::size_t states = 0;       ///< N
  std::size_t groups = 1;       ///< of B and C; 1 for Mamba-1
  bool decay_per_state = true;  ///< Mamba-1: alpha is (heads, N); Mamba-2: (heads)
  [[nodiscard]] std::size_t rows() const { return heads * head_dim; }
};

/// What one chunk of tokens feeds the scan.
struct ScanInputs {
  IntervalMatrix step_size;  ///< (tokens, heads)
  IntervalMatrix x;          ///< (tokens, rows)
  IntervalMatrix B;          ///< (tokens, groups N)
  IntervalMatrix C;          ///< (tokens, groups N)
};

/// Encloses the state of the real recurrence from h_0 = 0, its outputs y = C h + D x, and the sums of step sizes that
/// exponents need. Containment: for all values within the chunks handed to advance. Nothing becomes NaN: an end without
/// a bound is infinite. Width: a_t lies in [0, 1], so the widths of past steps decay with the state; parallel over
/// rows.
class EnclosedScan {
 public:
  /// A_log: (heads, N), row by row, or (heads); D: (heads), which must outlive this object.
  EnclosedScan(const StateShape& shape, const theory::Vector& A_log, const theory::Vector& D);
  /// Takes the next tokens and returns y, (tokens, rows).
  IntervalMatrix advance(const ScanInputs& inputs);
  /// The same, and writes the states: `history` becomes (tokens + 1, rows N), its first row the state before these
  /// tokens.
  IntervalMatrix advance(const ScanInputs& inputs, IntervalMatrix& history);
  /// Encloses -(alpha/T) sum Delta, T = tokens taken so far, one per entry of A_log.
  void write_exponents(std::vector<double>& lower, std::vector<double>& upper) const;
  /// Encloses the decay rates exp(A_log), shaped as A_log.
  [[nodiscard]] const std::vector<double>& alpha_lower() const { return alpha_lower_; }
  [[nodiscard]] const std::vector<double>& alpha_upper() const { return alpha_upper_; }
  /// Encloses the state, (rows, N).
  void write_state(std::vector<double>& lower, std::vector<double>& upper) const;

 private:
  IntervalMatrix advance(const ScanInputs& inputs, IntervalMatrix* history);
  void advance_channels(const ScanInputs& inputs, const IntervalMatrix& scaled_input, IntervalMatrix* history,
                        IntervalMatrix& y);
  void advance_heads(const ScanInputs& inputs, const IntervalMatrix& scaled_input, IntervalMatrix* history,
                     IntervalMatrix& y);
  void add_step_sizes(const IntervalMatrix& step_size);

  StateShape shape_;
  const theory::Vector& skip_;
  std::vector<double> alpha_lower_, alpha_upper_;
  std::vector<double> state_lower_, state_upper_;
  std::vector<double> minus_sum_lower_, sum_upper_;  // of step sizes
  std::size_t tokens_ = 0;
};

}  // namespace lyap::trajectory
