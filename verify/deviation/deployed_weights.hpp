#pragma once

#include "theory/block_weights.hpp"
#include "theory/number_types.hpp"
#include "theory/precision_policy.hpp"

namespace lyap::deviation {

/// The block as a program of the policy gets it: every parameter in the type that it is stored in, biases in the type
/// that they are added in. Matrices and taps, which layers round on use, are not rounded for that yet. Exact; what
/// leaves the range is the largest number.
[[nodiscard]] theory::BlockWeights weights_as_stored(const theory::BlockWeights& block,
                                                     const theory::PrecisionPolicy& policy);

}  // namespace lyap::deviation
