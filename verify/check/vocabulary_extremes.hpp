#pragma once

#include <cstddef>
#include <vector>

#include "verify/check/block_domain.hpp"
#include "verify/check/fixed_matrix.hpp"

/// Smallest and largest values of linear functionals over the normalised embeddings of a vocabulary. Computed in
/// binary64, rounded to nearest, with an a-priori bound of every error: sums of d products are off by at most
/// d u/(1 - d u) |a| |b| in any order, u = 2^-53.
namespace lyap::check {

/// Values of w . n over the vocabulary, per row w; n is an embedding over its rms.
[[nodiscard]] std::vector<Range> vocabulary_ranges(const Embeddings& embeddings, double norm_epsilon,
                                                   const std::vector<FixedMatrix>& functionals);

/// Functionals that go through a narrow matrix: those of outer . inner, then those of `rest`.
struct NarrowFunctionals {
  FixedMatrix inner;              ///< (rank, d)
  std::vector<FixedMatrix> rest;  ///< one row each
};

/// The same for several sets of them at once, in one pass over the vocabulary: values of outer (inner . n), then of
/// rest . n, per set.
[[nodiscard]] std::vector<std::vector<Range>> vocabulary_ranges(const Embeddings& embeddings, double norm_epsilon,
                                                                const theory::Matrix& outer,
                                                                const std::vector<NarrowFunctionals>& sets);

}  // namespace lyap::check
