#pragma once

#include <memory>

#include "theory/precision_policy.hpp"
#include "verify/deviation/apriori_rounding.hpp"
#include "verify/deviation/deviation_run.hpp"

namespace lyap::deviation {

/// How far every program of a policy can be from the real run of the policy's rounded weights, on the same inputs:
/// upper bounds per token. Step sizes: |p' - p| where p' is the number that the program's softplus gets.
struct PerturbationRadii {
  RowMajorMatrix p;        ///< (tokens, heads)
  RowMajorMatrix x, B, C;  ///< (tokens, rows), (tokens, groups N), (tokens, groups N)
  RowMajorMatrix z;        ///< (tokens, d_inner)
};

/// Propagates roundings through norm, in_proj, convolution, silu, x_proj and dt_proj: half-ulp roundings at the actual
/// magnitude, composite rows (x_proj and dt_proj times diag(silu') conv in_proj), low rank kept. For any kernel that
/// obeys the policy's rounding model. Source: theory/theorems/apriori_propagation.md. Cost: a few products of the
/// layers' sizes, and for Mamba-1 one of (rank + 2N) d_inner J d_model a token (where that is affordable).
class AprioriPropagation {
 public:
  /// `rounded` are the policy's rounded weights. Where a type's numbers may be read by several rules (tf32), `also` has
  /// the same weights by another one, and every program reads each weight between the two; null: by any rule. All must
  /// outlive this object.
  AprioriPropagation(const theory::BlockWeights& rounded, const theory::PrecisionPolicy& policy,
                     const theory::BlockWeights* also = nullptr, const AprioriTerms& terms = {});
  AprioriPropagation(AprioriPropagation&&) noexcept;
  ~AprioriPropagation();
  /// `centre` is the real run of the rounded weights for tokens [centre.begin, centre.end) of `inputs`. Throws
  /// ContractViolation where chunks do not follow one another.
  [[nodiscard]] PerturbationRadii advance(const theory::Matrix& inputs, const BlockChunk& centre);
  /// What may have left a type's range so far.
  [[nodiscard]] std::vector<OverflowFinding> findings() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The a-priori bound: E_t around the real run of the rounded weights (and rounded inputs), one step size for decay and
/// increment at each step as in theory/theorems/apriori_propagation.md, plus the distance of that run from the
/// reference; outputs by Theorem 2; the block's output through out_proj's spectral norm. A program that reads tf32
/// operands reads all of them in one way, by truncation or to nearest, as DeployedProgram's do. `terms`: for tests.
[[nodiscard]] std::unique_ptr<DeviationRun> apriori_run(const theory::BlockWeights& block,
                                                        const theory::PrecisionPolicy& policy,
                                                        const AprioriTerms& terms = {});

/// K of Theorem 3 from the same radii: sup over steps of K_t, free of T. `advance` returns (1 - P_t) K with the K known
/// so far; `kappa` is the supremum over all steps taken.
[[nodiscard]] std::unique_ptr<DeviationRun> kappa_run(const theory::BlockWeights& block,
                                                      const theory::PrecisionPolicy& policy);

}  // namespace lyap::deviation
