#pragma once

#include <string>

#include "verify/certify/certificate.hpp"

namespace lyap {

/// "; for programs that clamp the step size to [..]", or nothing where the layer has no clamp.
[[nodiscard]] std::string clamp_words(const LayerSummary& layer);

/// Every input of a layer: real block inputs, or the model's tokens where the bounds hold for those only.
[[nodiscard]] std::string universal_domain(const LayerSummary& layer, bool over_vocabulary);

/// "exactly the .. block inputs that ..": a layer's inputs of `steps` steps on the given sequence. What the state
/// starts from and the clamp are not in it.
[[nodiscard]] std::string sequence_domain(const SequenceDescription& sequence, std::size_t steps);

}  // namespace lyap
