#pragma once

#include <memory>
#include <vector>

#include "theory/precision_policy.hpp"
#include "verify/deviation/deviation_run.hpp"

namespace lyap::deviation {

/// The block whose every weight is the number that a program of the policy multiplies with: stored, then rounded on
/// use. Exact. Where a weight leaves the range it is the infinity's side's largest number, and `findings` names it.
[[nodiscard]] theory::BlockWeights rounded_weights(const theory::BlockWeights& block,
                                                   const theory::PrecisionPolicy& policy,
                                                   std::vector<OverflowFinding>& findings);

/// Encloses every number that any program of the policy computes on given inputs: at each rounding site the exact
/// operation on the set, widened by the operation's own error, then rounded, which is monotone. The sites are in
/// deployed_sequence.hpp, the errors of binary32 functions in deployed_float32_errors.hpp.
///
/// Every program: layers and convolution add up in any order within the policy's accumulation; the norms' mean and the
/// scan have a bounded depth (kMeanDepth, kScanDepth additions on a term's path, in any bracketing; a scan step by step
/// is covered too); binary32 subnormals are kept or flushed; tf32 operands are truncated throughout or rounded to
/// nearest throughout. Not covered: scans that round between their steps (chunked products in half precision), a
/// program that reads one tf32 operand one way and another one differently.
///
/// Where a number may leave its type's range `findings` names it, and what follows holds for programs in which it does
/// not happen: the set goes on with its part within the range, or with the largest number. All ends are finite.
///
/// Width: `tests/deviation/deployed_tightness_test.cpp`. Cost: two matrix products in binary64 for each of the block's,
/// one rigorous exponential per state and token; twice that for tf32.
class DeployedProgram {
 public:
  /// `block` must outlive this object.
  DeployedProgram(const theory::BlockWeights& block, const theory::PrecisionPolicy& policy);
  DeployedProgram(DeployedProgram&&) noexcept;
  ~DeployedProgram();
  /// Tokens [begin, end) of `inputs` (T, d_model), read as binary32 numbers; chunks follow one another without a gap.
  /// The chunk's step sizes and p are the computed ones. Throws ContractViolation for an empty chunk.
  [[nodiscard]] BlockChunk advance(const theory::Matrix& inputs, std::size_t begin, std::size_t end);
  /// The same from scan inputs that a kernel recorded for the whole sequence, `recorded.z` empty where unknown (then
  /// `gated` and `output` are). `recorded.p` is the pre-activation as the kernel's softplus gets it. Throws
  /// ContractViolation where fewer than `end` tokens were recorded.
  [[nodiscard]] BlockChunk advance_recorded(const FrontChunk& recorded, std::size_t begin, std::size_t end);
  [[nodiscard]] std::vector<OverflowFinding> findings() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

inline constexpr int kScanDepth = 64;  ///< of bracketed scans; mamba_ssm's has 43

/// One run of that program in its own arithmetic on the processor, bit for bit at every rounding site; sums in binary32
/// in the order of the matrix library, tf32 truncated, scan step by step. Not rigorous: what "measured" columns show.
/// Intervals are points; they are infinite or NaN where the program overflows.
class EmulatedProgram {
 public:
  EmulatedProgram(const theory::BlockWeights& block, const theory::PrecisionPolicy& policy);
  EmulatedProgram(EmulatedProgram&&) noexcept;
  ~EmulatedProgram();
  [[nodiscard]] BlockChunk advance(const theory::Matrix& inputs, std::size_t begin, std::size_t end);
  /// The same run, as far as it is compared.
  [[nodiscard]] RunNumbers advance_numbers(const theory::Matrix& inputs, std::size_t begin, std::size_t end);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lyap::deviation
