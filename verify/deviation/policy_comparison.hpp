#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "theory/precision_policy.hpp"
#include "verify/deviation/deviation_maxima.hpp"
#include "verify/deviation_certificate.hpp"

namespace lyap::deviation {

/// What one policy's program of a block is compared by.
struct PolicyQuestion {
  const theory::BlockWeights* program_block = nullptr;  ///< whose program runs; must outlive the comparison
  const theory::PrecisionPolicy* policy = nullptr;
  std::vector<DeviationMethod> methods;  ///< kIntervalRun, kTrace, kApriori, kKappa; the last two only of one block
  const FrontChunk* trace = nullptr;     ///< the whole sequence, for kTrace
  Comparison comparison = Comparison::kPolicy;
  DeviationQuestion question = DeviationQuestion::kLocal;
};

/// Every method of one policy beside the real reference run, chunk after chunk, all with one measured run.
class PolicyComparison {
 public:
  PolicyComparison(const PolicyQuestion& question, std::size_t steps);
  PolicyComparison(PolicyComparison&&) noexcept;
  ~PolicyComparison();
  /// `reference` is the real run for tokens [begin, end); `inputs` (T, d_model) are the program's block inputs.
  void advance(const BlockChunk& reference, const theory::Matrix& inputs);
  /// One result per method, in the order asked for. `size`: of the reference.
  [[nodiscard]] std::vector<DeviationBounds> results(const DeviationMaxima& size) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lyap::deviation
