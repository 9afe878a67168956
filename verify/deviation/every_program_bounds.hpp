#pragma once

#include <memory>

#include "theory/precision_policy.hpp"
#include "verify/deviation/apriori.hpp"
#include "verify/deviation/deviation_run.hpp"

namespace lyap::deviation {

/// Both bounds that hold for every program of a policy, around one real run of the rounded weights and one propagation
/// of radii: what apriori_run and kappa_run give, at little more than the cost of one.
class EveryProgramBounds {
 public:
  /// Whether the policy's numbers are read by one rule only, so that there is one real run of the rounded weights;
  /// other policies need apriori_run and kappa_run.
  [[nodiscard]] static bool serves(const theory::PrecisionPolicy& policy);
  /// `block` must outlive this object. Throws ContractViolation for a policy that it does not serve.
  EveryProgramBounds(const theory::BlockWeights& block, const theory::PrecisionPolicy& policy);
  EveryProgramBounds(EveryProgramBounds&&) noexcept;
  ~EveryProgramBounds();

  struct Bounds {
    ChunkDeviation apriori, kappa;
  };
  /// As DeviationRun::advance.
  [[nodiscard]] Bounds advance(const BlockChunk& reference, const theory::Matrix& inputs);
  [[nodiscard]] std::vector<OverflowFinding> findings() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lyap::deviation
