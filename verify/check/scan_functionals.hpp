#pragma once

#include <cstddef>
#include <vector>

#include "theory/block_weights.hpp"
#include "verify/check/fixed_matrix.hpp"
#include "verify/check/vocabulary_extremes.hpp"

/// What p (before its bias), B and C of a Mamba-1 block are of silu's outputs: linear functionals, with rows of
/// dt_proj x_proj for p and rows of x_proj for B and C. Results come in this order: p of every channel, B, C.
namespace lyap::check {

class ScanFunctionals {
 public:
  explicit ScanFunctionals(const theory::Mamba1Weights& block);

  [[nodiscard]] std::size_t count() const { return block_.d_inner + 2 * block_.d_state; }

  /// Per set of ranges of silu's outputs: the range of every functional, each output moving by itself.
  [[nodiscard]] std::vector<std::vector<Range>> over_ranges(const std::vector<std::vector<Range>>& sets) const;

  /// The functionals' weights on one tap's token (g (*) n): rows of W_x diag(slope (*) tap) W, for B and C each by
  /// itself and for p before dt_proj.
  [[nodiscard]] NarrowFunctionals on_token(const std::vector<double>& slopes, std::size_t tap,
                                           const RightFactor& in_proj) const;

  /// Bounds of every functional of one token over the ball |n|_2 <= sqrt(d).
  [[nodiscard]] std::vector<Range> over_ball(const NarrowFunctionals& functionals) const;

 private:
  const theory::Mamba1Weights& block_;
  RightFactor step_rows_;  // the dt rows of x_proj
  FixedMatrix dt_proj_;    // for products with them
  FixedMatrix BC_rows_;
};

}  // namespace lyap::check
