#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "verify/certify/command_line.hpp"

namespace lyap {

/// The sequence of the trajectory tier, read and checked: tokens, or the inputs of some blocks.
struct SequenceInput {
  SequenceDescription description;
  std::vector<std::int64_t> tokens;
  std::map<std::size_t, theory::Matrix> activations;
};

/// What the command's --tokens, --text or --activations holds; empty where it names none. Throws BadInput.
[[nodiscard]] std::optional<SequenceInput> read_sequence(const CertifyCommand& command, const Checkpoint& model);

}  // namespace lyap
