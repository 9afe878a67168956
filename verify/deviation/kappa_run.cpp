#include <algorithm>
#include <cmath>
#include <span>
#include <utility>
#include <variant>

#include "numerics/parallel.hpp"
#include "numerics/rounded_arrays.hpp"
#include "numerics/rounding.hpp"
#include "verify/deviation/apriori.hpp"
#include "verify/deviation/apriori_layer.hpp"
#include "verify/deviation/apriori_output.hpp"
#include "verify/deviation/deployed_interval_arithmetic.hpp"
#include "verify/deviation/deployed_overflow.hpp"
#include "verify/deviation/deployed_program.hpp"
#include "verify/deviation/kappa_bound.hpp"
#include "verify/deviation/universal_deviation_domain.hpp"

namespace lyap::deviation {
namespace {

using Eigen::Index;
using theory::BlockWeights;
using theory::NumberType;
using theory::PrecisionPolicy;

const theory::ScanRounding& scan_rounding(const BlockWeights& block, const PrecisionPolicy& policy) {
  return std::holds_alternative<theory::Mamba1Weights>(block) ? policy.mamba1 : policy.mamba2;
}

void add_upward(RowMajorMatrix& sum, const RowMajorMatrix& other) {
  parallel_for(std::size_t(sum.rows()), 4, [&](std::size_t begin, std::size_t end) {
    const RoundingUpward upward;
    for (Index t = Index(begin); t < Index(end); ++t) sum.row(t) += other.row(t);
  });
}

/// Tokens [begin, end) of the inputs as a program reads them that stores its residual stream in `type`; others as
/// given.
theory::Matrix rounded_inputs(const theory::Matrix& inputs, std::size_t begin, std::size_t end,
                              const NumberType& type) {
  theory::Matrix result = inputs;
  if (type.u == 0.0) return result;
  const std::span<double> rows(result.entries.data() + begin * inputs.columns, (end - begin) * inputs.columns);
  round_array(rows, IntervalArithmetic(Tf32Reading::kTruncated).rounding_to(type).format);
  for (double& r : rows) r = std::clamp(r, -type.largest, type.largest);
  return result;
}

/// K around the real run of the rounded weights on the rounded inputs, and that run's distance from the reference.
/// Where weights may be read by several rules (tf32), the radii cover all of them.
class KappaRun : public DeviationRun {
 public:
  KappaRun(const BlockWeights& block, const PrecisionPolicy& policy)
      : policy_(policy),
        rounded_(rounded_weights(block, policy, findings_)),
        centre_(rounded_),
        propagation_(rounded_, policy),
        bound_(rounded_, scan_rounding(block, policy)),
        output_(rounded_, nullptr, policy, {}) {}
  KappaRun(const KappaRun&) = delete;
  KappaRun& operator=(const KappaRun&) = delete;

  ChunkDeviation advance(const BlockChunk& reference, const theory::Matrix& inputs) override {
    if (policy_.block_input.u == 0.0) return advance_on(reference, inputs);
    return advance_on(reference, rounded_inputs(inputs, reference.begin, reference.end, policy_.block_input));
  }
  [[nodiscard]] std::vector<OverflowFinding> findings() const override {
    return merged(merged(findings_, propagation_.findings()), merged(bound_.findings(), overflow_.findings()));
  }

 private:
  ChunkDeviation advance_on(const BlockChunk& reference, const theory::Matrix& inputs) {
    const BlockChunk centre = centre_.advance(inputs, reference.begin, reference.end);
    const PerturbationRadii radii = propagation_.advance(inputs, centre);
    ChunkDeviation result = bound_.advance(centre, radii);
    result.block_output = output_.advance(centre, result.output, radii.z, overflow_);
    const ChunkDeviation away = distance(reference, centre);
    add_upward(result.state, away.state);
    add_upward(result.output, away.output);
    const RoundingUpward upward;
    for (std::size_t t = 0; t < result.block_output.size(); ++t) result.block_output[t] += away.block_output[t];
    return result;
  }

  PrecisionPolicy policy_;
  std::vector<OverflowFinding> findings_;
  BlockWeights rounded_;
  RealRun centre_;
  AprioriPropagation propagation_;
  KappaBound bound_;
  AprioriOutput output_;
  OverflowRecord overflow_;
};

}  // namespace

std::unique_ptr<DeviationRun> kappa_run(const BlockWeights& block, const PrecisionPolicy& policy) {
  return std::make_unique<KappaRun>(block, policy);
}

}  // namespace lyap::deviation
