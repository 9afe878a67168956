#pragma once

#include <string>

namespace lyap {

/// Which lyap this is: what a certificate names as its tool.
struct BuildInformation {
  std::string version;  ///< "0.1.0"
  std::string
      commit;  ///< abbreviated hash, "+modified" where tracked files differ from it, "unknown" outside a git checkout
  std::string compiler;  ///< "GNU 12.2.0"
  std::string flags;     ///< of this build's C++ sources
};

/// The information as the build recorded it.
[[nodiscard]] const BuildInformation& build_information();

}  // namespace lyap
