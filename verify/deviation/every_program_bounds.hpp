#pragma once

#include <memory>
#include <vector>

#include "theory/precision_policy.hpp"
#include "verify/deviation/apriori.hpp"
#include "verify/deviation/deviation_maxima.hpp"

namespace lyap::deviation {

/// The two bounds that hold for every program of a policy, a-priori and K, around the same real runs of the rounded
/// weights and from the same radii. What apriori_run gives; and K like it: around each of the runs that RoundedRun
/// makes, the larger bound counting.
class EveryProgramBounds {
 public:
  struct Wanted {
    bool apriori = true, kappa = true;
  };
  /// `block` must outlive this object. Throws ContractViolation where K is wanted and does not cover the policy.
  EveryProgramBounds(const theory::BlockWeights& block, const theory::PrecisionPolicy& policy, Wanted wanted);
  EveryProgramBounds(EveryProgramBounds&&) noexcept;
  ~EveryProgramBounds();

  /// Raises `apriori` and `kappa`, where they are wanted, by the bounds of the next chunk. As DeviationRun::advance.
  void advance(const BlockChunk& reference, const theory::Matrix& inputs, DeviationMaxima* apriori,
               DeviationMaxima* kappa);
  [[nodiscard]] std::vector<OverflowFinding> findings() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lyap::deviation
