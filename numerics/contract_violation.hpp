#pragma once

#include <stdexcept>
#include <string>

namespace lyap {

/// Misuse of a function: a precondition that its docstring states did not hold.
class ContractViolation : public std::logic_error {
 public:
  explicit ContractViolation(const std::string& what) : std::logic_error(what) {}
};

}  // namespace lyap
