#pragma once

#include <vector>

#include "verify/certify/certificate.hpp"

namespace lyap {

/// Claims of Theorems 3 and 4 about one layer of `certificate`: for each comparison and method one of the states, one
/// of the scan outputs and, where it was bounded, one of the block's output. A bound that is as large as what it bounds
/// the change of is proven all the same and says that it is not informative; an infinite one is undecided.
[[nodiscard]] std::vector<Claim> deviation_claims(const LayerSummary& layer, const Certificate& certificate);

/// Which programs a claim about a policy by that method and question speaks of, and what of a program is not modelled;
/// a sentence or more. Nothing here is said of a kernel whose rounding sites were not compared with the policy's.
[[nodiscard]] std::string program_words(const theory::PrecisionPolicy& policy, DeviationMethod method,
                                        DeviationQuestion question);

}  // namespace lyap
