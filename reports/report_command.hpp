#pragma once

#include <filesystem>
#include <vector>

namespace lyap {

/// The program `lyap-report`: reads the command line, writes the page, says on stderr where it is. Returns the exit
/// code: 0 done, 2 usage, 65 bad input (one line on stderr), 70 the machine.
[[nodiscard]] int run_report_command(int argc, const char* const* argv);

}  // namespace lyap
