#pragma once

#include <vector>

#include "verify/deviation/deployed_interval_arithmetic.hpp"

namespace lyap::deviation {

/// Additions on a term's path in a bracketed scan; a serial one adds one per step, which is covered as well.
inline constexpr int kLongestScanPath = 64;

/// The binary32 recurrence h_t = a_t h_{t-1} + b_t on sets of its inputs, from h_0 = 0. Containment: the state and
/// output that any program computes whose numbers Δ, x, B, C lie in the sets, a = exp(Δ A) and b = Δ x B within
/// ErrorModel's bounds (b's products in any order), summed step by step or in any bracketing with at most
/// kLongestScanPath additions on a term's path. Where the policy stores states in a narrower type the recurrence is
/// serial.
///
/// The set of computed decays and increments goes through the exact recurrence; roundings of its products and sums are
/// bounded term by term: with Ahat_t = a (1+phi) Ahat_{t-1} + |b|, A_t = a A_{t-1} + |b| the distance is at most
/// (1+u)^m Ahat - A, phi the roundings of one decayed step (theory.md's kernel tolerance with b computed). Carried are
/// h, Ahat and Ahat - A.
class IntervalArithmetic::Scan {
 public:
  /// A_log: (heads, N), row by row, or (heads); D: (heads), which must outlive this object.
  Scan(IntervalArithmetic& arithmetic, const trajectory::StateShape& shape, const theory::Vector& A_log,
       const theory::Vector& D, const theory::ScanRounding& rounding);
  /// Writes h, its first row the state before, and y from step_size, x, B and C.
  void advance(ProgramChunk<Array>& chunk);

 private:
  struct Rows;  // one thread's part of the work

  void advance_rows(const ProgramChunk<Array>& chunk, std::size_t first_head, std::size_t last_head, Array& h,
                    Array& read_out, RowMajorMatrix& magnitude);
  void decays_of(const Array& step_size, Eigen::Index t, std::size_t first_head, std::size_t last_head, Rows& rows);
  void advance_row_upward(const ProgramChunk<Array>& chunk, Eigen::Index t, std::size_t row, const Rows& rows,
                          std::size_t rate, Array& h);
  void find_largest_B(const Array& B);
  void read_row_upward(const ProgramChunk<Array>& chunk, Eigen::Index t, std::size_t row, const double* h_lower,
                       const double* h_upper, Array& read_out, RowMajorMatrix& magnitude) const;
  void write_output(ProgramChunk<Array>& chunk, Array& read_out, RowMajorMatrix& magnitude);
  void round_row(IntervalSpan x, const theory::NumberType& type) const;

  IntervalArithmetic& arithmetic_;
  trajectory::StateShape shape_;
  const theory::Vector& skip_;
  theory::ScanRounding rounding_;
  std::vector<double> rate_lower_, rate_upper_;    // of Δ's coefficient in the exponent, roundings included
  std::vector<double> exponent_error_;             // of the exponent and of exp, relative to the decay, per unit of s
  std::vector<double> state_lower_, state_upper_;  // of the exact recurrence on computed numbers; minus the lower ends
  std::vector<double> size_, size_growth_;         // Ahat, Ahat - A
  std::vector<double> largest_;                    // of Ahat so far, by state
  std::vector<double> forcing_;                    // sum of |b| by row, for products of decays that underflow
  RowMajorMatrix largest_B_;                       // of the chunk, (tokens, groups)
  Array last_state_;                               // as computed, one row
  double phi_ = 0.0, path_ = 0.0, growth_ = 1.0;
};

}  // namespace lyap::deviation
