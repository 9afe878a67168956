#pragma once

#include <string>

#include "verify/certify/certificate.hpp"

namespace lyap {

/// A table per policy, pair or adapter and question, at most kTableColumns columns wide: of each layer the sharpest
/// bound of the states, what was measured beside it, and the bounds of states, scan outputs and block output relative
/// to their sizes. A statement for every input has a table where there is none on the sequence. Empty where nothing was
/// compared. Bounds and shares are rounded up.
[[nodiscard]] std::string deviation_tables(const Certificate& certificate);

/// One sentence per policy, pair or adapter and question, then the findings; not wrapped, one per line.
[[nodiscard]] std::string deviation_sentences(const Certificate& certificate);

}  // namespace lyap
