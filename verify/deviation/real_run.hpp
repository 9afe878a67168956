#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "theory/block_weights.hpp"
#include "verify/certify/trajectory_scan.hpp"
#include "verify/checkpoint/peft_adapter_update.hpp"

/// The real-valued block on given inputs, enclosed, chunk after chunk: what deviations are measured from.
namespace lyap::deviation {

using trajectory::IntervalMatrix;
using trajectory::StateShape;

/// A block up to its scan, for a chunk of tokens.
struct FrontChunk {
  trajectory::ScanInputs scan;  ///< step_size (tokens, heads), x (tokens, rows), B and C (tokens, groups N)
  IntervalMatrix p;             ///< (tokens, heads) step-size pre-activation, biases included
  IntervalMatrix z;             ///< (tokens, d_inner) gate before silu
  /// Of a real run: (tokens, d_model) the norm with its gain; (tokens, rows of in_proj), (tokens, rows of x_proj) what
  /// these layers make of it, biases included. Empty elsewhere.
  IntervalMatrix normed, projected, selected;
};

/// A whole block for tokens [begin, end) of the sequence.
struct BlockChunk {
  std::size_t begin = 0, end = 0;
  FrontChunk front;
  IntervalMatrix h;       ///< (tokens + 1, rows N); the first row is the state before the chunk
  IntervalMatrix y;       ///< (tokens, rows) scan output, D x included, before the gate
  IntervalMatrix gated;   ///< (tokens, d_inner) what out_proj reads: y silu(z); Mamba-2: after the grouped norm
  IntervalMatrix output;  ///< (tokens, d_model) what the block adds to the residual stream
};

/// Enclosures are at most this many times wider than those of theory's template run in Interval, entry by entry, on
/// ordinary weights of up to 32 columns. Measured, not proved (tests/deviation/real_run_test.cpp).
inline constexpr double kRealRunWidthFactor = 32.0;

[[nodiscard]] StateShape state_shape(const theory::BlockWeights& block);

/// Tokens per chunk such that the states of a chunk fit into about 8 MiB; between 16 and 256.
[[nodiscard]] std::size_t chunk_tokens(const StateShape& shape);

/// Encloses every quantity of the real-valued block, from h_0 = 0, for softplus and the deployed cut-off alike.
class RealRun {
 public:
  /// `block` and `updates` must outlive this object. Every update adds scale B (A x) to the layer it names, exactly:
  /// W + scale B A is never formed. dt_proj's updates are applied like the others (the merged model).
  explicit RealRun(const theory::BlockWeights& block, std::span<const LowRankUpdate> updates = {});
  RealRun(RealRun&&) noexcept;
  ~RealRun();
  /// The next tokens [begin, end) of `inputs` (T, d_model); chunks follow one another without a gap.
  [[nodiscard]] BlockChunk advance(const theory::Matrix& inputs, std::size_t begin, std::size_t end);
  /// Encloses the decay rates exp(A_log), shaped as A_log, rows of heads.
  [[nodiscard]] std::span<const double> alpha_lower() const;
  [[nodiscard]] std::span<const double> alpha_upper() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lyap::deviation
