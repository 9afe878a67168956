#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "verify/certify/run_certify.hpp"
#include "verify/deviation/random_blocks_experiment.hpp"

namespace lyap {

/// What `lyap certify --random-blocks` was asked to do.
struct RandomBlocksCommand {
  RandomBlockOptions options;
  std::filesystem::path out = "random-blocks.json";
  std::optional<std::filesystem::path> report;
  std::size_t threads = 0;  ///< 0: one per processor
  bool json = false, no_progress = false, help = false;
  std::string text;  ///< the command as typed, quoted for a shell
};

/// Whether `arguments` ask for random blocks: --random-blocks among them, before any "--".
[[nodiscard]] bool asks_for_random_blocks(const std::vector<std::string>& arguments);

/// The command in `arguments` (without the program's name). Throws UsageError with one line.
[[nodiscard]] RandomBlocksCommand parse_random_blocks_command(const std::vector<std::string>& arguments);

/// `lyap certify --random-blocks ...`: runs the experiment, writes NAME.json, prints a table (or, with --json, the
/// record itself), has lyap-report write the page. Returns the exit code; throws what run_certify turns into one line:
/// UsageError, ResourceError, BadInput, Interrupted, ContractViolation (nothing is written then). The same record for
/// the same arguments, whatever the number of threads; its date is SOURCE_DATE_EPOCH's where that is set.
[[nodiscard]] int run_random_blocks(const std::vector<std::string>& arguments, Console& console);

}  // namespace lyap
