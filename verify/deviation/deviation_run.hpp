#pragma once

#include <vector>

#include "numerics/float_product.hpp"
#include "verify/deviation/real_run.hpp"
#include "verify/deviation_certificate.hpp"

namespace lyap::deviation {

/// Bounds for one chunk, step by step.
struct ChunkDeviation {
  RowMajorMatrix state;   ///< (tokens, rows N) upper bounds of |h'_t - h_t|; +infinity where nothing is known
  RowMajorMatrix output;  ///< (tokens, rows) of |y'_t - y_t|
  std::vector<double> block_output;  ///< (tokens) of the 2-norm |o'_t - o_t|; empty where the method says nothing of it
};

/// What one run in binary32 computed for one chunk.
struct RunNumbers {
  RowMajorFloatMatrix h;       ///< (tokens + 1, rows N), the first row being the state before the chunk
  RowMajorFloatMatrix y;       ///< (tokens, rows)
  RowMajorFloatMatrix output;  ///< (tokens, d_model)
};

/// A second run of a block beside the real one, chunk after chunk: what bounds its distance.
class DeviationRun {
 public:
  virtual ~DeviationRun() = default;
  /// `reference` is the real run of the reference block for tokens [reference.begin, reference.end) of `inputs`, the
  /// second run's block inputs (T, d_model).
  [[nodiscard]] virtual ChunkDeviation advance(const BlockChunk& reference, const theory::Matrix& inputs) = 0;
  /// What may have left a type's range so far.
  [[nodiscard]] virtual std::vector<OverflowFinding> findings() const { return {}; }
};

/// |h'_t - h_t|, |y'_t - y_t| and |o'_t - o_t|_2 from enclosures of both: the larger of upper' - lower and
/// upper - lower', rounded upward. `other.output` may be empty.
[[nodiscard]] ChunkDeviation distance(const BlockChunk& reference, const BlockChunk& other);

}  // namespace lyap::deviation
