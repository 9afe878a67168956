#pragma once

#include <cstddef>
#include <vector>

#include "theory/block_weights.hpp"
#include "verify/check/arrays_file.hpp"
#include "verify/check/block_domain.hpp"
#include "verify/check/findings.hpp"
#include "verify/check/layer_arrays.hpp"

/// The inputs that a certificate stores as witnesses, run through the block again. A witness that does not reach its
/// value is rejected, and so is every bound of p that a stored input refutes, whatever relaxation it rests on.
namespace lyap::check {

/// p of every channel or head at some steps of an input: step_values[t][c].
struct Replayed {
  std::vector<std::vector<Range>> steps;
};

/// At the last step of `input` (steps, d_model), which begins a sequence; for Mamba-2 at every step.
[[nodiscard]] Replayed replay(const theory::BlockWeights& block, const theory::Matrix& input);
/// At every step of one period, `input` having been repeated for ever.
[[nodiscard]] Replayed replay_period(const theory::BlockWeights& block, const theory::Matrix& input);

/// Rejects witnesses of the layer's largest rates that their stored inputs do not reach, inputs outside the claims'
/// domain (`embeddings` where that is the vocabulary), and bounds of p that the inputs refute.
void check_witnesses(const theory::BlockWeights& block, const Embeddings* embeddings, const ArraysFile& files,
                     const UniversalArrays& arrays, Findings& findings);

}  // namespace lyap::check
