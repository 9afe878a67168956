#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "verify/deviation/deviation_run.hpp"

namespace lyap::deviation {

/// Largest values over a sequence, taken chunk after chunk, of one nonnegative thing that every state, scan output and
/// block output has at each step: a bound of its deviation, what was measured of it, or its size. Parallel over states;
/// the cost is one pass over what is handed in.
class DeviationMaxima {
 public:
  /// steps: length of the whole sequence, at least 1.
  DeviationMaxima(const StateShape& shape, std::size_t steps);

  /// Bounds of tokens [begin, begin + values.state.rows()). NaN counts as infinity.
  void add(std::size_t begin, const ChunkDeviation& values);
  /// The same as add(distance(reference, other)), in one pass.
  void add_distance(const BlockChunk& reference, const BlockChunk& other);
  /// At most the deviation of any run in `other` from any run in `reference`: |difference| where both are points.
  void add_least_distance(const BlockChunk& reference, const BlockChunk& other);
  /// The same from the middle of each set of `other`, as if it were a run.
  void add_distance_of_middle(const BlockChunk& reference, const BlockChunk& other);
  /// add_least_distance of one run's numbers.
  void add_least_distance(const BlockChunk& reference, const RunNumbers& run);
  /// add_distance to `bound` and add_distance_of_middle to `measured`, in one pass.
  static void add_recorded(const BlockChunk& reference, const BlockChunk& other, DeviationMaxima& bound,
                           DeviationMaxima& measured);
  /// Bounds around a second run of the same tokens and what they raise, steps and shape alike.
  struct AroundBounds {
    DeviationMaxima* maxima;
    const ChunkDeviation* values;
  };
  /// As `add`, with the centre's distance from the reference added to each bound. Where the same tokens are added again
  /// around another centre, the larger bound counts.
  static void add_around(const BlockChunk& reference, const BlockChunk& centre, std::span<const AroundBounds> bounds);
  /// At most |h|, |y| and |o|_2.
  void add_size(const BlockChunk& chunk);

  [[nodiscard]] const std::vector<double>& state() const { return state_; }    ///< (rows N), over all steps
  [[nodiscard]] const std::vector<double>& output() const { return output_; }  ///< (rows), over all steps
  /// (steps) where all chunks so far had one; else empty.
  [[nodiscard]] const std::vector<double>& block_output() const { return block_output_; }
  /// Over all states, within steps [i bucket_steps(), (i + 1) bucket_steps()): at most kEnvelopePoints of them.
  [[nodiscard]] std::vector<double> envelope() const;
  [[nodiscard]] std::size_t bucket_steps() const { return bucket_steps_; }
  [[nodiscard]] const StateShape& shape() const { return shape_; }
  [[nodiscard]] std::size_t steps() const { return steps_; }

 private:
  /// Of the states [first, last).
  template <class Value>
  void raise_states(std::size_t begin, Eigen::Index tokens, std::size_t first, std::size_t last, const Value& value);
  template <class Value>
  void raise_state(std::size_t begin, Eigen::Index tokens, const Value& value);
  template <class Value>
  void raise_output(Eigen::Index tokens, const Value& value);
  void require_pair(const BlockChunk& reference, const BlockChunk& other) const;
  template <class Distance>
  void add_pair_outputs(const BlockChunk& reference, const BlockChunk& other);
  template <class Distance>
  void add_pair(const BlockChunk& reference, const BlockChunk& other);
  void set_block_output(std::size_t begin, const std::vector<double>& norms);

  StateShape shape_;
  std::size_t steps_, bucket_steps_;
  std::vector<double> state_, output_, block_output_;
  RowMajorMatrix envelope_;  // (blocks of states, buckets)
};

inline constexpr std::size_t kEnvelopePoints = 128;

/// Fills the quantities and the envelope of `result` from what was accumulated over its `steps`. `measured` may be
/// null. Throws ContractViolation where the three are of different shape or length.
void write_quantities(const DeviationMaxima& bound, const DeviationMaxima& size, const DeviationMaxima* measured,
                      DeviationBounds& result);

}  // namespace lyap::deviation
