#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/deviation/block_values.hpp"
#include "theory/precision_policy.hpp"
#include "verify/deviation/deviation_run.hpp"

namespace lyap::testing {

/// What a second run computed: h (T + 1, states), y (T, rows), o (T, d_model); of programs also what the scan got.
struct SecondRun {
  std::string name;
  RowMajorMatrix h, y, o;
  RowMajorMatrix p, x, B, C, z;
};

/// Counts and largest ratios over a campaign. Prints itself.
class Ledger {
 public:
  struct Entry {
    double worst = 0.0;  ///< of measured/bound
    std::size_t judged = 0, unbounded = 0, rejudged = 0, violations = 0;
  };
  /// Of one method, policy and quantity ("h", "y", "o").
  Entry& entry(const std::string& method, const std::string& policy, const std::string& quantity) {
    return entries_[method][policy][quantity];
  }
  /// One more second run with so many states.
  void add_trajectories(std::size_t states, std::size_t steps) {
    trajectories_ += states;
    if (steps >= 64) long_ += states;
    if (steps == 4096) longest_ += states;
    steps_ += double(states) * double(steps);
  }
  void add_skipped(std::size_t states) { skipped_ += states; }
  [[nodiscard]] std::size_t trajectories() const { return trajectories_; }
  [[nodiscard]] std::size_t violations() const;
  /// Largest over policies.
  [[nodiscard]] double worst(const std::string& method, const std::string& quantity) const;
  void print(const std::string& title) const;

 private:
  std::map<std::string, std::map<std::string, std::map<std::string, Entry>>> entries_;
  std::size_t trajectories_ = 0, long_ = 0, longest_ = 0, skipped_ = 0;
  double steps_ = 0.0;
};

/// Judges bounds of one block on one sequence. The real run's enclosures decide where they can; where they are too
/// wide, or a bound seems violated, the real run in 256 bits does.
class Judge {
 public:
  Judge(Ledger& ledger, const theory::BlockWeights& block, const theory::Matrix& inputs, std::string where)
      : ledger_(ledger), block_(block), inputs_(inputs), where_(std::move(where)) {}

  /// For controls that must fail: ratios are noted, nothing is a failure.
  void only_measure() { only_measures_ = true; }

  /// Bounds against one program's numbers.
  void judge(const std::string& method, const std::string& policy, const deviation::BlockChunk& reference,
             const deviation::ChunkDeviation& bound, const SecondRun& second);
  /// Bounds against a real second run of `other` on `other_inputs`, given approximately as `second` beside the first,
  /// given as `first`; the judge is 256 bits.
  void judge_pair(const std::string& method, std::size_t begin, const deviation::ChunkDeviation& bound,
                  const SecondRun& first, const SecondRun& second, const theory::BlockWeights& other,
                  const theory::Matrix& other_inputs);
  /// One number against one bound, where both runs are approximate.
  void judge_supremum(const std::string& method, const std::string& policy, const std::string& quantity,
                      double measured, double bound);
  /// The real numbers of step t, one after another.
  [[nodiscard]] const BlockValues<MpfrReal>& truth(std::size_t steps) {
    return truth_of(truth_, block_, inputs_, steps);
  }

 private:
  using Values = std::optional<BlockValues<MpfrReal>>;
  const BlockValues<MpfrReal>& truth_of(Values& values, const theory::BlockWeights& block, const theory::Matrix& inputs,
                                        std::size_t steps);
  void report(Ledger::Entry& entry, const std::string& what, const MpfrReal& deviation, double bound);

  Ledger& ledger_;
  const theory::BlockWeights& block_;
  const theory::Matrix& inputs_;
  std::string where_;
  bool only_measures_ = false;
  Values truth_, other_truth_;
};

/// A real run of a block in binary64.
[[nodiscard]] SecondRun approx_real_run(const theory::BlockWeights& block, const theory::Matrix& inputs);

}  // namespace lyap::testing
