#include <utility>
#include <variant>

#include "numerics/parallel.hpp"
#include "numerics/rounding.hpp"
#include "verify/deviation/apriori.hpp"
#include "verify/deviation/deployed_program.hpp"
#include "verify/deviation/kappa_bound.hpp"

namespace lyap::deviation {
namespace {

using Eigen::Index;
using theory::BlockWeights;
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

/// K around the real run of the rounded weights, and that run's distance from the reference.
class KappaRun : public DeviationRun {
 public:
  KappaRun(const BlockWeights& block, const PrecisionPolicy& policy)
      : rounded_(rounded_weights(block, policy, findings_)),
        centre_(rounded_),
        propagation_(rounded_, policy),
        bound_(rounded_, scan_rounding(block, policy)) {}

  ChunkDeviation advance(const BlockChunk& reference, const theory::Matrix& inputs) override {
    const BlockChunk centre = centre_.advance(inputs, reference.begin, reference.end);
    ChunkDeviation result = bound_.advance(centre, propagation_.advance(inputs, centre));
    const ChunkDeviation away = distance(reference, centre);
    add_upward(result.state, away.state);
    add_upward(result.output, away.output);
    return result;
  }
  std::vector<OverflowFinding> findings() const override { return findings_; }

 private:
  std::vector<OverflowFinding> findings_;
  BlockWeights rounded_;
  RealRun centre_;
  AprioriPropagation propagation_;
  KappaBound bound_;
};

}  // namespace

std::unique_ptr<DeviationRun> kappa_run(const BlockWeights& block, const PrecisionPolicy& policy) {
  return std::make_unique<KappaRun>(block, policy);
}

}  // namespace lyap::deviation
