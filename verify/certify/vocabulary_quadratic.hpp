#pragma once

#include <functional>
#include <vector>

#include "verify/certify/quadratic_relaxation.hpp"
#include "verify/certify/universal.hpp"

/// The quadratic relaxation where every token is one of a vocabulary: split by taps at a witness, each tap's part is
/// minimised exactly over the finitely many tokens (theory/theorems/quadratic_relaxation.md, section 6).
namespace lyap {

/// One window of tokens (their numbers in the vocabulary, J of them) per functional.
using TokenWindows = std::vector<std::vector<std::size_t>>;

struct VocabularyTask {
  const theory::Mamba1Weights& block;
  const TokenFunctionals& tokens;
  const Vocabulary& vocabulary;
  const std::vector<Interval>& token_range;  ///< (d_inner) range of w_k . n over the vocabulary
  std::function<bool()> should_stop;         ///< asked between passes over the vocabulary; may be empty

  [[nodiscard]] bool stopped() const { return should_stop && should_stop(); }
};

/// Windows of tokens that make each functional small: conditional gradient steps whose minimisers are tokens. Not
/// rigorous; any window will do. Stopped early, the best windows so far.
[[nodiscard]] TokenWindows approx_worst_token_windows(const VocabularyTask& task,
                                                      const std::vector<SiluFunctional>& functionals);

/// Lower bounds of each functional over all windows of tokens, the sequence's first steps included, with touching
/// points from `windows`. Cost: two passes over the vocabulary, in each a product of size vocabulary x d_inner x
/// functionals per tap. Empty where it was stopped before the last one.
[[nodiscard]] std::vector<double> vocabulary_quadratic_lower_bounds(const VocabularyTask& task,
                                                                    const std::vector<SiluFunctional>& functionals,
                                                                    const TokenWindows& windows);

}  // namespace lyap
