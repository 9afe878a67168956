#include "verify/deviation/every_program_bounds.hpp"

#include <array>
#include <optional>
#include <utility>
#include <variant>

#include "verify/deviation/apriori_output.hpp"
#include "verify/deviation/deviation_scan.hpp"
#include "verify/deviation/kappa_bound.hpp"
#include "verify/deviation/rounded_run.hpp"

namespace lyap::deviation {
namespace {

using theory::BlockWeights;
using theory::PrecisionPolicy;

const theory::ScanRounding& scan_rounding(const RoundedRun::Centre& centre) {
  return std::holds_alternative<theory::Mamba1Weights>(*centre.weights) ? centre.policy.mamba1 : centre.policy.mamba2;
}

/// Both recurrences and the output around one centre.
struct Around {
  std::optional<DeviationScan> scan;
  std::optional<KappaBound> kappa;
  AprioriOutput output;
  Around(const RoundedRun::Centre& centre, EveryProgramBounds::Wanted wanted)
      : output(*centre.weights, centre.also, centre.policy, {}) {
    if (wanted.apriori) scan.emplace(*centre.weights, scan_rounding(centre));
    if (wanted.kappa) kappa.emplace(*centre.weights, scan_rounding(centre));
  }
};

}  // namespace

struct EveryProgramBounds::Impl {
  RoundedRun run;
  std::vector<Around> around;
  OverflowRecord overflow;

  Impl(const BlockWeights& block, const PrecisionPolicy& policy, Wanted wanted) : run(block, policy) {
    for (const RoundedRun::Centre& centre : run.centres()) around.emplace_back(centre, wanted);
  }
};

EveryProgramBounds::EveryProgramBounds(const BlockWeights& block, const PrecisionPolicy& policy, Wanted wanted)
    : impl_(std::make_unique<Impl>(block, policy, wanted)) {}
EveryProgramBounds::EveryProgramBounds(EveryProgramBounds&&) noexcept = default;
EveryProgramBounds::~EveryProgramBounds() = default;

void EveryProgramBounds::advance(const BlockChunk& reference, const theory::Matrix& inputs, DeviationMaxima* apriori,
                                 DeviationMaxima* kappa) {
  const std::vector<RoundedRun::Centre>& centres = impl_->run.advance(inputs, reference.begin, reference.end);
  for (std::size_t i = 0; i < centres.size(); ++i) {
    Around& around = impl_->around[i];
    const RoundedRun::Centre& centre = centres[i];
    std::array<ChunkDeviation, 2> values;
    std::vector<DeviationMaxima::AroundBounds> bounds;
    if (around.scan) {
      ScanDeviation E = around.scan->advance(centre.chunk, centre.radii);
      values[0] = {std::move(E.state), std::move(E.output), {}};
      bounds.push_back({apriori, &values[0]});
    }
    if (around.kappa) {
      values[1] = around.kappa->advance(centre.chunk, centre.radii);
      bounds.push_back({kappa, &values[1]});
    }
    const AprioriOutput::Gate gate(centre.chunk);
    for (ChunkDeviation& part : values) {
      if (part.output.rows() == 0) continue;
      part.block_output = around.output.advance(gate, part.output, centre.radii.z, impl_->overflow);
    }
    DeviationMaxima::add_around(reference, centre.chunk, bounds);
  }
}

std::vector<OverflowFinding> EveryProgramBounds::findings() const {
  std::vector<OverflowFinding> result = merged(impl_->run.findings(), impl_->overflow.findings());
  for (const Around& around : impl_->around) {
    if (around.scan) result = merged(std::move(result), around.scan->findings());
    if (around.kappa) result = merged(std::move(result), around.kappa->findings());
  }
  return result;
}

}  // namespace lyap::deviation
