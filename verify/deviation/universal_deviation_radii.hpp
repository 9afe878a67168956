#pragma once

#include <span>
#include <vector>

#include "numerics/rigorous_product.hpp"
#include "theory/precision_policy.hpp"
#include "verify/checkpoint/peft_adapter_update.hpp"
#include "verify/deviation/universal_deviation_domain.hpp"
#include "verify/deviation_certificate.hpp"

/// How far the scan inputs of two blocks, or of a block and a program of a policy, are apart at most, over every input
/// (the same in both): theory/theorems/universal_deviation.md, sections 2 and 3.
namespace lyap::deviation {

/// Two blocks of one shape. The linear layers' differences are enclosed, W' - W in the matrix; an empty matrix means
/// none. All other weights of the second block are those of `other`.
struct BlockChange {
  const theory::BlockWeights& base;
  const theory::BlockWeights& other;
  BallMatrix in_proj, x_proj, dt_proj;
};

/// Exact differences of weights. Throws ContractViolation for blocks of different kind or shape.
[[nodiscard]] BlockChange change_between(const theory::BlockWeights& base, const theory::BlockWeights& other);
/// Updates of the layers before the scan, scale B A each, summed where one layer has several. Throws ContractViolation
/// for a layer that the block lacks, or another shape.
[[nodiscard]] BlockChange change_by(const theory::BlockWeights& base, std::span<const LowRankUpdate> updates);

/// Upper bounds over all inputs of |p' - p|, |x' - x|, .., shaped as in BallDomain.
struct ScanInputRadii {
  std::vector<double> p, x, B, C;
  std::vector<double> token, step_token;  ///< of in_proj's outputs, bias differences not included
};

/// Of the real runs of both blocks.
[[nodiscard]] ScanInputRadii weight_radii(const BallDomain& base, const BlockChange& change);

/// The weights around which rounding_radii counts: rounded_weights, but for tf32 the stored ones, whose reading is then
/// an error of the layers.
[[nodiscard]] theory::BlockWeights weights_for_radii(const theory::BlockWeights& block,
                                                     const theory::PrecisionPolicy& policy,
                                                     std::vector<OverflowFinding>& findings);

/// Of any program of the policy against the real run of weights_for_radii. `domain` is that of another block, which
/// is `from_domain` away from the rounded one (weight_radii). What may leave a type's range is added to `findings`.
[[nodiscard]] ScanInputRadii rounding_radii(const BallDomain& domain, const ScanInputRadii& from_domain,
                                            const theory::BlockWeights& rounded, const theory::PrecisionPolicy& policy,
                                            std::vector<OverflowFinding>& findings);

/// Entrywise sum, rounded upward.
[[nodiscard]] ScanInputRadii sum_of(const ScanInputRadii& a, const ScanInputRadii& b);

/// Entry i is at least sup over M in `matrix` of sum_k |M_ik| weights_k; rows [first, first + count).
[[nodiscard]] std::vector<double> absolute_row_sums(const BallMatrix& matrix, const std::vector<double>& weights);
[[nodiscard]] std::vector<double> absolute_row_sums(const ConstMatrixRef& matrix, const std::vector<double>& weights);
/// The same for the rows of A B, without forming all of A B at once.
[[nodiscard]] std::vector<double> composite_row_sums(const BallMatrix& a, const BallMatrix& b,
                                                     const std::vector<double>& weights);

}  // namespace lyap::deviation
