#pragma once

#include <memory>
#include <vector>

#include "verify/deviation/certify_deviations.hpp"
#include "verify/deviation/deviation_maxima.hpp"

namespace lyap::deviation {

/// Throws ContractViolation where the two blocks differ in kind or in a size of theirs. Biases may be absent in one.
void require_same_shape(const theory::BlockWeights& block, const theory::BlockWeights& other);

/// A second block beside the real reference, both in real arithmetic: its enclosed run, and one run per tensor that
/// differs in which only that tensor is the other's. `measured` of the results is at most what the two real runs
/// deviate, read off the same enclosures.
class PairComparison {
 public:
  /// `block` and what `other` refers to must outlive this object.
  PairComparison(const theory::BlockWeights& block, const OtherBlock& other, std::size_t steps);
  PairComparison(PairComparison&&) noexcept;
  ~PairComparison();
  /// `reference` is the real run of the reference block for its tokens of `inputs` (T, d_model).
  void advance(const BlockChunk& reference, const theory::Matrix& inputs);
  /// kTwoTrajectories: local, and own where that was asked. `size`: of the reference.
  [[nodiscard]] std::vector<DeviationBounds> results(const DeviationMaxima& size) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lyap::deviation
