#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "theory/precision_policy.hpp"
#include "verify/deviation/real_run.hpp"
#include "verify/deviation_certificate.hpp"

namespace lyap {

/// The second model of a comparison, one block of it. Without one, the reference block itself runs under a policy.
struct OtherBlock {
  Comparison comparison = Comparison::kPair;
  const theory::BlockWeights* block = nullptr;  ///< kPair: its weights; kAdapter: the base's
  std::span<const LowRankUpdate> updates;       ///< kAdapter
  const theory::Matrix* own_inputs = nullptr;   ///< (T, d_model) for DeviationQuestion::kOwn; null: not asked
};

/// Which bounds are wanted of one layer.
struct DeviationRequest {
  std::vector<const theory::PrecisionPolicy*> policies;
  std::vector<DeviationMethod> methods;          ///< of policies: kIntervalRun, kTrace, kApriori, kKappa
  const deviation::FrontChunk* trace = nullptr;  ///< recorded scan inputs of the whole sequence, for kTrace
  std::optional<OtherBlock> other;
  std::function<void(double fraction)> progress;
};

/// Bounds of all deviations asked for on `inputs` (T, d_model), the reference's block inputs: for each policy and
/// method one DeviationBounds with what was measured beside it; for a pair kTwoTrajectories, local and own, and (with
/// policies) each policy's program of the other block against the real reference. Throws ContractViolation for blocks
/// of different shape or kind, T = 0, a trace of another length.
[[nodiscard]] std::vector<DeviationBounds> certify_deviations(const theory::BlockWeights& block,
                                                              const theory::Matrix& inputs,
                                                              const DeviationRequest& request);

/// Universal statements, for every input: K of each policy, and kWeightDifference of a pair.
[[nodiscard]] std::vector<DeviationBounds> certify_universal_deviations(const theory::BlockWeights& block,
                                                                        const DeviationRequest& request);

}  // namespace lyap
