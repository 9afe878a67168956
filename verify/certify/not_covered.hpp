#pragma once

#include "verify/certify/certificate.hpp"

namespace lyap {

/// What a reader might think the certificate says and it does not, one sentence each; only what applies to this run.
[[nodiscard]] std::vector<std::string> not_covered_sentences(const Certificate& certificate);

}  // namespace lyap
