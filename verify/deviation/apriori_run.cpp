#include <algorithm>
#include <utility>
#include <variant>

#include "verify/deviation/apriori_output.hpp"
#include "verify/deviation/deviation_scan.hpp"
#include "verify/deviation/rounded_run.hpp"

namespace lyap::deviation {
namespace {

using Eigen::Index;
using theory::BlockWeights;
using theory::PrecisionPolicy;

const theory::ScanRounding& scan_rounding(const RoundedRun::Centre& centre) {
  return std::holds_alternative<theory::Mamba1Weights>(*centre.weights) ? centre.policy.mamba1 : centre.policy.mamba2;
}

/// Scan and output around one centre.
struct Around {
  DeviationScan scan;
  AprioriOutput output;
  Around(const RoundedRun::Centre& centre, const AprioriTerms& terms)
      : scan(*centre.weights, scan_rounding(centre), terms),
        output(*centre.weights, centre.also, centre.policy, terms) {}
};

class AprioriRun : public DeviationRun {
 public:
  AprioriRun(std::shared_ptr<RoundedRun> run, const AprioriTerms& terms) : run_(std::move(run)), terms_(terms) {
    for (const RoundedRun::Centre& centre : run_->centres()) around_.push_back(std::make_unique<Around>(centre, terms));
  }

  ChunkDeviation advance(const BlockChunk& reference, const theory::Matrix& inputs) override {
    const std::vector<RoundedRun::Centre>& centres = run_->advance(inputs, reference.begin, reference.end);
    ChunkDeviation result = advance_around(reference, centres[0], *around_[0]);
    for (std::size_t i = 1; i < centres.size(); ++i)
      take_larger(advance_around(reference, centres[i], *around_[i]), result);
    return result;
  }

  [[nodiscard]] std::vector<OverflowFinding> findings() const override {
    std::vector<OverflowFinding> result = merged(run_->findings(), overflow_.findings());
    for (const auto& around : around_) result = merged(std::move(result), around->scan.findings());
    return result;
  }

 private:
  ChunkDeviation advance_around(const BlockChunk& reference, const RoundedRun::Centre& centre, Around& around) {
    ScanDeviation scan = around.scan.advance(centre.chunk, centre.radii);
    ChunkDeviation result;
    result.block_output = around.output.advance(centre.chunk, scan.output, centre.radii.z, overflow_);
    result.state = std::move(scan.state);
    result.output = std::move(scan.output);
    add_distance(distance(reference, centre.chunk), result);
    return result;
  }

  void add_distance(const ChunkDeviation& away, ChunkDeviation& result) const {
    const double factor = terms_.weights;
    over_rows_upward(result.state.rows(), [&](Index t) {
      result.state.row(t) += factor * away.state.row(t);
      result.output.row(t) += factor * away.output.row(t);
      result.block_output[std::size_t(t)] += factor * away.block_output[std::size_t(t)];
    });
  }

  static void take_larger(const ChunkDeviation& other, ChunkDeviation& result) {
    result.state = result.state.cwiseMax(other.state);
    result.output = result.output.cwiseMax(other.output);
    for (std::size_t t = 0; t < result.block_output.size(); ++t)
      result.block_output[t] = std::max(result.block_output[t], other.block_output[t]);
  }

  std::shared_ptr<RoundedRun> run_;
  AprioriTerms terms_;
  std::vector<std::unique_ptr<Around>> around_;
  OverflowRecord overflow_;
};

}  // namespace

std::unique_ptr<DeviationRun> apriori_run(std::shared_ptr<RoundedRun> run, const AprioriTerms& terms) {
  return std::make_unique<AprioriRun>(std::move(run), terms);
}

std::unique_ptr<DeviationRun> apriori_run(const BlockWeights& block, const PrecisionPolicy& policy,
                                          const AprioriTerms& terms) {
  return apriori_run(std::make_shared<RoundedRun>(block, policy, terms), terms);
}

}  // namespace lyap::deviation
