#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "numerics/interval.hpp"
#include "numerics/row_ball_matrix.hpp"
#include "theory/block_weights.hpp"

/// What a block can see: the norm output is g (*) n with |n|_2 <= sqrt(d_model), whatever the residual stream is
/// (theory/theorems/universal_domain.md). Everything here is a range over that ball, or over the tokens of a
/// vocabulary.
namespace lyap {

/// View of rows [begin, end) of a stored matrix, (end - begin, columns).
[[nodiscard]] ConstMatrixRef rows_of(const theory::Matrix& matrix, std::size_t begin, std::size_t end);

/// Rows W_k diag(g) of an input projection acting on n, and the range of each: |W_k diag(g) n| <= radius_k.
struct TokenFunctionals {
  RowBallMatrix weights;       ///< (rows, d_model)
  std::vector<double> radius;  ///< at least sqrt(d_model) |W_k diag(g)|_2
};
[[nodiscard]] TokenFunctionals token_functionals(const ConstMatrixRef& projection, std::span<const double> gain);

/// At least sqrt(d).
[[nodiscard]] double sqrt_upper_bound(std::size_t d);

/// [-r, r] for each r.
[[nodiscard]] std::vector<Interval> symmetric_ranges(std::span<const double> radius);

/// Range of silu's input q_k = bias_k + sum over the last `present` taps of c_kj (in_bias_k + w_k), each tap's w_k
/// anywhere in token_range[k]. Taps are independent, so the range is exact up to rounding. `rows` selects the
/// convolution's channels [first, first + token_range.size()).
[[nodiscard]] std::vector<Interval> convolution_range(const theory::Matrix& conv_weight,
                                                      const theory::Vector& conv_bias, std::span<const double> in_bias,
                                                      std::size_t first, std::span<const Interval> token_range,
                                                      std::size_t present);

/// The numbers of present taps that a range over the ball has to be evaluated for: all of 1..J where in_proj has a bias
/// (the sequence's first steps lack taps, bias included), else J alone (a missing tap is n = 0, a point of the ball).
[[nodiscard]] std::vector<std::size_t> tap_counts(std::size_t taps, bool has_in_bias);

/// Entrywise hull; `into` may be empty.
void hull_into(std::vector<Interval>& into, const std::vector<Interval>& ranges);

/// Encloses {silu(q) : q in range} entrywise.
[[nodiscard]] std::vector<Interval> silu_ranges(const std::vector<Interval>& ranges);

/// max(|lower|, |upper|).
[[nodiscard]] double magnitude(const Interval& x);

}  // namespace lyap
