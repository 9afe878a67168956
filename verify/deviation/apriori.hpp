#pragma once

#include <memory>

#include "theory/precision_policy.hpp"
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
/// obeys the policy's rounding model.
class AprioriPropagation {
 public:
  /// `rounded` are the policy's rounded weights; both must outlive this object.
  AprioriPropagation(const theory::BlockWeights& rounded, const theory::PrecisionPolicy& policy);
  AprioriPropagation(AprioriPropagation&&) noexcept;
  ~AprioriPropagation();
  /// `centre` is the real run of the rounded weights for tokens [centre.begin, centre.end) of `inputs`.
  [[nodiscard]] PerturbationRadii advance(const theory::Matrix& inputs, const BlockChunk& centre);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The a-priori bound: E_t around the real run of the rounded weights by the smaller of the forms of
/// theory/theorems/trajectory_recurrence.md at each step, plus the distance of that run from the reference; outputs by
/// Theorem 2; the block's output through out_proj's spectral norm.
[[nodiscard]] std::unique_ptr<DeviationRun> apriori_run(const theory::BlockWeights& block,
                                                        const theory::PrecisionPolicy& policy);

/// K of Theorem 3 from the same radii: sup over steps of K_t, free of T. `advance` returns (1 - P_t) K with the K known
/// so far; `kappa` is the supremum over all steps taken.
[[nodiscard]] std::unique_ptr<DeviationRun> kappa_run(const theory::BlockWeights& block,
                                                      const theory::PrecisionPolicy& policy);

}  // namespace lyap::deviation
