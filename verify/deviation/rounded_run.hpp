#pragma once

#include <memory>
#include <vector>

#include "verify/deviation/apriori.hpp"

namespace lyap::deviation {

/// The real run of a policy's rounded weights, and how far every program of the policy can be from it before its scan.
/// A-priori bounds and K both start here; one object serves them both, since the last chunk is kept.
///
/// Inputs are rounded to the policy's type as well, which is exact. Programs that read tf32 operands by truncation and
/// those that round them have a run each. The first has its layers' weights times 1 - kTruncationShift, since truncated
/// operands are smaller by about that much: what is left is smaller than a truncation and has either sign
/// (theory/theorems/apriori_propagation.md, section 1).
class RoundedRun {
 public:
  /// `block` must outlive this object.
  RoundedRun(const theory::BlockWeights& block, const theory::PrecisionPolicy& policy, const AprioriTerms& terms = {});
  RoundedRun(RoundedRun&&) noexcept;
  ~RoundedRun();

  /// One real run; every program of the policy is near one of them.
  struct Centre {
    const theory::BlockWeights* weights;
    const theory::BlockWeights* also;  ///< as AprioriPropagation's
    theory::PrecisionPolicy policy;    ///< what is still rounded around it
    BlockChunk chunk;
    PerturbationRadii radii;
  };
  /// Before any chunk: weights and policies only.
  [[nodiscard]] const std::vector<Centre>& centres() const;
  /// Tokens [begin, end) of `inputs`, which follow those before, or the last chunk again.
  const std::vector<Centre>& advance(const theory::Matrix& inputs, std::size_t begin, std::size_t end);
  [[nodiscard]] std::vector<OverflowFinding> findings() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A number x > 0 with truncated low bits is x - τ, 0 <= τ < 2 h, h being 2^-11 of x's binade; x (1 - kTruncationShift)
/// is within 1.34375 h of it.
inline constexpr double kTruncationShift = 0x1.5p-12;

/// The a-priori bound from a run that others share. `terms` should be the run's.
[[nodiscard]] std::unique_ptr<DeviationRun> apriori_run(std::shared_ptr<RoundedRun> run,
                                                        const AprioriTerms& terms = {});

}  // namespace lyap::deviation
