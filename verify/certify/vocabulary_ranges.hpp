#pragma once

#include <span>
#include <vector>

#include "numerics/interval.hpp"
#include "numerics/row_ball_matrix.hpp"
#include "theory/block_weights.hpp"
#include "verify/certify/universal.hpp"

/// The first layer's input is one of the embeddings, so a linear functional of its norm output is bounded by its
/// extremes over the vocabulary (relaxation (f)). The embedding is streamed; nothing of its size is kept.
namespace lyap {

/// n = e / sqrt(mean e^2 + epsilon) for a block of tokens, (tokens, d_model), before the gain.
[[nodiscard]] RowBallMatrix normalised_tokens(const theory::Matrix& embeddings, double epsilon);

/// At least |fl(n^.w^_k) - n.w_k| for every token n of any vocabulary and each row w_k, n^ and w^ the midpoints.
[[nodiscard]] std::vector<double> vocabulary_product_errors(const RowBallMatrix& functionals);

/// Encloses {w_k . n : n over the vocabulary} for each row w_k of `functionals`. Cost: one product with the vocabulary.
[[nodiscard]] std::vector<Interval> vocabulary_ranges(const Vocabulary& vocabulary, double epsilon,
                                                      const RowBallMatrix& functionals);

/// The same for the rows of outer * functionals[0..outer.columns), followed by the remaining rows of functionals
/// themselves, for several `functionals` in one pass over the vocabulary: result[j] belongs to functionals[j].
[[nodiscard]] std::vector<std::vector<Interval>> vocabulary_ranges_low_rank(
    const Vocabulary& vocabulary, double epsilon, const ConstMatrixRef& outer,
    const std::vector<RowBallMatrix>& functionals);

/// The tokens whose norm outputs minimise direction_j . n, one for each row j of directions (rows, d_model). Not
/// rigorous: any token will do.
[[nodiscard]] std::vector<std::size_t> approx_minimising_tokens(const Vocabulary& vocabulary, double epsilon,
                                                                const RowMajorMatrix& directions);

}  // namespace lyap
