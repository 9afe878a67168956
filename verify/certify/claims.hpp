#pragma once

#include "verify/certify/certificate.hpp"

namespace lyap {

/// Claims that hold for every layer of the model, whatever its weights: finite A_log was checked, so no exponent is
/// positive (Theorem 1), and outputs deviate by no more than sum_n |C_n| |h'_n - h_n| (Theorem 2).
[[nodiscard]] std::vector<Claim> structural_claims(const ModelDescription& model);

/// Claims of one layer's universal and trajectory tiers; none for a tier that was not run.
/// A bound of zero is called zero: the claim of strict decay is then undecided.
[[nodiscard]] std::vector<Claim> layer_claims(const LayerSummary& layer,
                                              const std::optional<SequenceDescription>& sequence);

}  // namespace lyap
