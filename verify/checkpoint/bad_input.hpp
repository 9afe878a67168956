#pragma once

#include <stdexcept>
#include <string>

namespace lyap {

/// A file or argument of the user's is missing, malformed or contradictory (exit code 65).
/// The message is one line: the file, the place in it, what was found and what was expected.
class BadInput : public std::runtime_error {
 public:
  BadInput(const std::string& file, const std::string& problem) : std::runtime_error(file + ": " + problem) {}
};

}  // namespace lyap
