#pragma once

#include <memory>

#include "theory/precision_policy.hpp"
#include "verify/deviation/apriori.hpp"
#include "verify/deviation/apriori_rounding.hpp"

namespace lyap::deviation {

/// Per state and output of a chunk: upper bounds.
struct ScanDeviation {
  RowMajorMatrix state;   ///< (tokens, rows N) of |h' - h|
  RowMajorMatrix output;  ///< (tokens, rows) of |y' - y|, y' as it is passed on
};

/// The recurrence of deviations E_t along a real run, chunk after chunk: how far any program's states and outputs can
/// be from it whose scan inputs lie within given radii, and whose scan runs in binary32 in any bracketing with at most
/// kScanDepth additions on a term's path, or step by step. h_0 = 0 in both. Where a state is stored in a narrower type
/// the program is serial. Source: theory/theorems/trajectory_recurrence.md, apriori_propagation.md, section 6. Cost:
/// one exponential and about a hundred operations a state and step (three exponentials
/// where step sizes are far apart), parallel over heads.
class DeviationScan {
 public:
  /// `block` is that of the real run and must outlive this object; `scan`: how the program rounds from its softplus to
  /// y.
  DeviationScan(const theory::BlockWeights& block, const theory::ScanRounding& scan, const AprioriTerms& terms = {});
  DeviationScan(DeviationScan&&) noexcept;
  ~DeviationScan();
  /// The next chunk of the real run. Throws ContractViolation where chunks do not follow one another.
  [[nodiscard]] ScanDeviation advance(const BlockChunk& centre, const PerturbationRadii& radii);
  /// What may have left a type's range so far.
  [[nodiscard]] std::vector<OverflowFinding> findings() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lyap::deviation
