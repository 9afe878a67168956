#pragma once

#include <stdexcept>

namespace lyap {

/// What every program of lyap tells its caller.
enum ExitCode : int {
  kDone = 0,
  kConditionHolds = 1,  ///< a --fail-on condition holds, a check rejects, a kernel test found a failure
  kUsage = 2,
  kIncomplete = 3,     ///< a check refuted nothing, but some claims of the certificate were not checked
  kBadInput = 65,      ///< a file is missing, malformed or contradictory; exactly one line on stderr
  kResource = 70,      ///< memory, disk, device
  kInterrupted = 130,  ///< the previous output is intact
};

/// The command line asks for something that this program does not do (exit code 2). The message is one line.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace lyap
