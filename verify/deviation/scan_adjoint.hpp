#pragma once

#include "numerics/rigorous_product.hpp"
#include "theory/precision_policy.hpp"
#include "verify/certify/trajectory_scan.hpp"

/// The recurrence and its reverse in ordinary binary64. For estimates only; nothing here is rigorous.
namespace lyap::deviation {

using trajectory::StateShape;

/// What a scan reads, (tokens, heads), (tokens, rows), (tokens, groups N) twice.
struct ScanPoints {
  RowMajorMatrix step_size, x, B, C;
};

/// Derivatives of a functional by all of these, and what first-order terms inside the scan add to its deviation.
struct ScanGradient {
  ScanPoints by;
  double variance = 0.0;     ///< of roundings of decay, state and state as read, each uniform in its interval
  double signed_part = 0.0;  ///< of changed decay rates, and of roundings toward zero
};

/// One run from h_0 = 0, kept so that it can be run backwards: states are stored once in kStored tokens.
class StoredScan {
 public:
  static constexpr Eigen::Index kStored = 64;

  /// alpha: (heads, N), or (heads, 1) where a head has one rate. With `rounding` the run rounds decay, state and state
  /// as read as that says.
  StoredScan(const StateShape& shape, const RowMajorMatrix& alpha, ScanPoints inputs,
             const theory::ScanRounding* rounding = nullptr);

  [[nodiscard]] const RowMajorMatrix& read_out() const { return read_out_; }        ///< C . h, (tokens, rows)
  [[nodiscard]] const RowMajorMatrix& final_state() const { return final_state_; }  ///< (rows, N)
  [[nodiscard]] const ScanPoints& inputs() const { return inputs_; }

  /// Of the functional sum(by_read_out . read_out) + sum(by_final_state . final_state); an empty matrix is zero.
  /// alpha_change is what the rates change by. Cost: twice that of the run.
  [[nodiscard]] ScanGradient gradient(const RowMajorMatrix& by_read_out, const RowMajorMatrix& by_final_state,
                                      const theory::ScanRounding& rounding, const RowMajorMatrix& alpha_change) const;

 private:
  struct RowPass;

  StateShape shape_;
  RowMajorMatrix alpha_;  // (heads, N)
  ScanPoints inputs_;
  RowMajorMatrix stored_;  // (stored tokens, rows N)
  RowMajorMatrix read_out_, final_state_;
};

}  // namespace lyap::deviation
