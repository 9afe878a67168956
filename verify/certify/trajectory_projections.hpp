#pragma once

#include <cstddef>

#include "numerics/rigorous_product.hpp"
#include "theory/block_weights.hpp"

/// The part of a block before its scan, enclosed: norm, projections, causal convolution, step size. Rows are tokens.
namespace lyap::trajectory {

/// Entrywise bounds of a set of matrices, lower <= upper; an end may be infinite, never NaN.
struct IntervalMatrix {
  RowMajorMatrix lower;
  RowMajorMatrix upper;

  IntervalMatrix() = default;
  IntervalMatrix(Eigen::Index rows, Eigen::Index columns) : lower(rows, columns), upper(rows, columns) {}
  [[nodiscard]] Eigen::Index rows() const { return lower.rows(); }
  [[nodiscard]] Eigen::Index columns() const { return lower.cols(); }
};

/// Relative width of enclose_rms_norm in units of 2^-52, beyond one unit per column; for entries whose squares do not
/// underflow beside epsilon (asserted in tests/verify/trajectory_projections_test.cpp).
inline constexpr double kNormWidth = 16.0;

/// Encloses gain (*) r / sqrt(mean(r^2) + epsilon) for rows [begin, end) of `inputs`, each r exact and finite. Correct
/// where squares overflow or underflow. Throws ContractViolation for epsilon < 0 and for a zero row with epsilon = 0,
/// where the norm is undefined.
[[nodiscard]] IntervalMatrix enclose_rms_norm(const theory::Matrix& inputs, std::size_t begin, std::size_t end,
                                              const theory::Vector& gain, double epsilon);

/// Encloses the norm of every r in the set, the mean taken within each of `groups` equal parts of a row. At most the
/// square root of a part's width times the gain in magnitude, however wide the set. Each entry is divided by the
/// enclosure of its part's root mean square: width as of ordinary interval arithmetic.
[[nodiscard]] IntervalMatrix enclose_rms_norm(const IntervalMatrix& r, const theory::Vector& gain, double epsilon,
                                              std::size_t groups);

/// Encloses {x w^T + bias : x in the set}, w = rows [first, first + count) of `weight`; `bias` is empty or has one
/// entry per row of `weight`.
[[nodiscard]] IntervalMatrix enclose_affine(const IntervalMatrix& x, const theory::Matrix& weight, std::size_t first,
                                            std::size_t count, const theory::Vector& bias);

/// Adds `row`, one exact number per column, to every token.
void add_to_rows(IntervalMatrix& x, const theory::Vector& row);

/// Encloses {x y : x in x, y in factor}, entry by entry; 0 times an infinite end is 0.
void multiply_entries(IntervalMatrix& x, const IntervalMatrix& factor);

/// Encloses silu, entry by entry.
[[nodiscard]] IntervalMatrix enclose_silu_entries(IntervalMatrix x);

/// Encloses silu of the depthwise causal convolution, chunk after chunk of one sequence. The padding before the first
/// token is zero after in_proj: missing taps contribute nothing, in_proj's bias included. The convolution's own bias is
/// always there.
class CausalConvolution {
 public:
  /// weight (channels, J), last column for the current token; bias (channels) or empty. Both must outlive this object.
  CausalConvolution(const theory::Matrix& weight, const theory::Vector& bias);
  /// x (tokens, channels): the tokens that follow those of the previous call.
  [[nodiscard]] IntervalMatrix apply(const IntervalMatrix& x);

 private:
  const theory::Vector& bias_;
  RowMajorMatrix taps_;  // (J, channels), oldest first
  IntervalMatrix past_;  // the last J - 1 tokens
};

/// Encloses the step sizes of the pre-activations p: the hull of clamp(softplus(p)) and of the deployed function that
/// returns p itself for p > 20, so that a claim holds for either (theory.md, section 5, 'Softplus cut-off'). Width:
/// exact for p <= 20 but for softplus' own; at most 1.031e-10 relative more above.
[[nodiscard]] IntervalMatrix enclose_step_sizes(IntervalMatrix p, const theory::StepSizeLimits& limits);

}  // namespace lyap::trajectory
