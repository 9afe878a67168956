#pragma once

#include <memory>
#include <vector>

#include "theory/block_weights.hpp"
#include "theory/precision_policy.hpp"
#include "verify/deviation/apriori.hpp"
#include "verify/deviation/real_run.hpp"

namespace lyap::deviation {

/// K of Theorem 3 along a trajectory: theory/theorems/universal_deviation.md, section 4. The first run is the real run
/// of a block, enclosed; the second any program whose scan inputs are within given radii of it and whose scan runs in
/// binary32, in any bracketing with at most kScanDepth additions on a term's path, or step by step. h_0 = 0 in both.
/// Cost: one exponential and some sixty operations a state and step, parallel over heads.
class KappaBound {
 public:
  /// `block` is the first run's and must outlive this object; `scan` says how the second rounds between its softplus
  /// and y. Throws ContractViolation where it stores decays or states in less than binary32.
  KappaBound(const theory::BlockWeights& block, const theory::ScanRounding& scan);
  KappaBound(KappaBound&&) noexcept;
  ~KappaBound();
  /// Per state: (1 - P_t) K with the K of the steps so far, and never more than |h_t| plus the second run's range; the
  /// scan's own roundings added. Per output: Theorem 4.
  [[nodiscard]] ChunkDeviation advance(const BlockChunk& first, const PerturbationRadii& radii);
  /// K of each state over all steps taken, (rows, N): bounds the deviation at every step, up to the scan's roundings.
  [[nodiscard]] const std::vector<double>& kappa() const;
  /// What may have left a type's range so far, between softplus and y.
  [[nodiscard]] std::vector<OverflowFinding> findings() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// How a program rounds on the way from exact states to y = C h + D x: relative to |C'| |h'|, per |C'|, relative to
/// |D' x'|, and absolutely. The sum of N + 1 products is in binary32, in any order, truncated where tensor cores
/// add it up.
struct ReadOutError {
  double Ch = 0.0, C = 0.0, Dx = 0.0, absolute = 0.0;
};
[[nodiscard]] ReadOutError read_out_error(const theory::ScanRounding& scan, std::size_t N);

}  // namespace lyap::deviation
