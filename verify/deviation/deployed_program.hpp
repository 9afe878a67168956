#pragma once

#include <memory>
#include <vector>

#include "theory/precision_policy.hpp"
#include "verify/deviation/deviation_run.hpp"

namespace lyap::deviation {

/// The block whose every weight is the number that a program of the policy multiplies with: stored, then rounded on
/// use. Exact. Where a weight leaves the range it is the infinity's side's largest number, and `findings` names it.
[[nodiscard]] theory::BlockWeights rounded_weights(const theory::BlockWeights& block,
                                                   const theory::PrecisionPolicy& policy,
                                                   std::vector<OverflowFinding>& findings);

/// Encloses every number that any program of the policy computes on given inputs: at each rounding site the exact
/// operation on the set, widened by the operation's own error (any order of summation within the policy's
/// accumulation), then rounded, which is monotone. The scan is in binary32 in any bracketing with at most
/// kScanDepth additions on a term's path.
class DeployedProgram {
 public:
  /// `block` must outlive this object.
  DeployedProgram(const theory::BlockWeights& block, const theory::PrecisionPolicy& policy);
  DeployedProgram(DeployedProgram&&) noexcept;
  ~DeployedProgram();
  [[nodiscard]] BlockChunk advance(const theory::Matrix& inputs, std::size_t begin, std::size_t end);
  /// The same from scan inputs that a kernel recorded, `recorded.z` empty where unknown (then `gated` and `output`
  /// are). `recorded.p` is the pre-activation as the kernel's softplus gets it.
  [[nodiscard]] BlockChunk advance_recorded(const FrontChunk& recorded, std::size_t begin, std::size_t end);
  [[nodiscard]] std::vector<OverflowFinding> findings() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

inline constexpr int kScanDepth = 64;

/// One run of that program in its own arithmetic on the processor, bit for bit at every rounding site; sums in binary32
/// in the order of the matrix library. Not rigorous: what "measured" columns show. Intervals are points.
class EmulatedProgram {
 public:
  EmulatedProgram(const theory::BlockWeights& block, const theory::PrecisionPolicy& policy);
  EmulatedProgram(EmulatedProgram&&) noexcept;
  ~EmulatedProgram();
  [[nodiscard]] BlockChunk advance(const theory::Matrix& inputs, std::size_t begin, std::size_t end);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lyap::deviation
