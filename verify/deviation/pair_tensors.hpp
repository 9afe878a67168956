#pragma once

#include <span>
#include <string>
#include <vector>

#include "theory/block_weights.hpp"
#include "verify/checkpoint/peft_adapter_update.hpp"

namespace lyap::deviation {

/// A block in which only one tensor (or one number of the configuration) is another's.
struct OneTensorChanged {
  std::string tensor;
  bool reaches_state = true;   ///< false: h cannot differ
  bool reaches_scan = true;    ///< false: only what comes after y can differ, and `block` is empty
  theory::BlockWeights block;  ///< without out_proj, which y does not depend on
};

/// One for each tensor in which `other` differs from `block`, blocks of one shape. Names as in checkpoints.
[[nodiscard]] std::vector<OneTensorChanged> one_tensor_changed(const theory::BlockWeights& block,
                                                               const theory::BlockWeights& other);

/// The block without its out_proj: its runs have no output.
[[nodiscard]] theory::BlockWeights without_out_proj(const theory::BlockWeights& block);

}  // namespace lyap::deviation
