#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "theory/block_weights.hpp"
#include "theory/precision_policy.hpp"
#include "verify/checkpoint/checkpoint.hpp"

/// ESTIMATES of how far a policy moves single numbers, by first-order adjoints in ordinary binary64. Never bounds and
/// never part of a claim: roundings are taken for independent, each uniform in its interval.
namespace lyap {

enum class FunctionalKind : std::uint8_t {
  kState,        ///< one h at the last token
  kScanOutput,   ///< one y at the last token
  kBlockOutput,  ///< a random direction of o at the last token
  kLogitGap      ///< the difference of two logits at the last token, through the whole model
};

[[nodiscard]] const char* name_of(FunctionalKind kind);  ///< "h", "y", "o", "logit gap"

/// An ESTIMATE for one functional.
struct DeviationEstimate {
  FunctionalKind kind = FunctionalKind::kState;
  std::string functional;           ///< which, e.g. "h(17, 3)"
  double approx_value = 0.0;        ///< in the run without roundings
  double approx_sigma = 0.0;        ///< sqrt(sum (gradient half-ulp)^2 / 3 + approx_weight_part^2)
  double approx_weight_part = 0.0;  ///< signed first-order effect of the rounded weights (and of truncation)
  double approx_simulated = 0.0;    ///< deviation in one run with these roundings, in binary64 otherwise
};

struct EstimateOptions {
  std::size_t functionals_of_each_kind = 12;
  std::uint64_t seed = 1;
};

/// Estimates for random functionals of one block on inputs (T, d_model): of each of h, y and o so many. All rounding
/// sites of the policy coarser than binary32 count; what binary32 itself adds is left out, so that "fp32" gives zeros.
/// Throws ContractViolation for T = 0 and inputs of another width. Cost: three runs of the block in binary64, and about
/// two more per functional. The sigma is within a factor kEstimateFactor of the root mean square of simulated
/// deviations on both example models, every policy (asserted in tests/deviation/adjoint_estimate_test.cpp).
[[nodiscard]] std::vector<DeviationEstimate> estimate_deviations(const theory::BlockWeights& block,
                                                                 const theory::Matrix& inputs,
                                                                 const theory::PrecisionPolicy& policy,
                                                                 const EstimateOptions& options = {});

/// The same for gaps between logits of random pairs of tokens, all blocks and the head chained by their adjoints. The
/// final norm and the head round as a block's norm and in_proj do. Throws ContractViolation for an empty sequence.
[[nodiscard]] std::vector<DeviationEstimate> estimate_logit_deviations(const Checkpoint& model,
                                                                       const std::vector<std::int64_t>& tokens,
                                                                       const theory::PrecisionPolicy& policy,
                                                                       const EstimateOptions& options = {});

inline constexpr double kEstimateFactor = 3.0;

/// Root mean square of approx_sigma over that of approx_simulated, for the estimates of one kind; 0 where nothing
/// deviates.
[[nodiscard]] double approx_sigma_ratio(std::span<const DeviationEstimate> estimates, FunctionalKind kind);

}  // namespace lyap
