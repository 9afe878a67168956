#pragma once

#include <string>

#include "verify/certify/certificate.hpp"

namespace lyap {

constexpr std::size_t kTableColumns = 100;

/// The layers as a table of at most kTableColumns columns; bounds rounded up, reached values down.
[[nodiscard]] std::string summary_table(const Certificate& certificate);

/// One plain sentence per theorem about this model, each on a line of its own; never more than was proved.
[[nodiscard]] std::string theorem_sentences(const Certificate& certificate);

/// "Result: ..." with what was not established named, and the --fail-on conditions. `colours`: the verdict is coloured.
[[nodiscard]] std::string result_lines(const Certificate& certificate, bool colours);

}  // namespace lyap
