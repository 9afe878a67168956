#include "verify/deviation/every_program_bounds.hpp"

#include <algorithm>
#include <span>
#include <utility>
#include <variant>

#include "numerics/contract_violation.hpp"
#include "numerics/rounded_arrays.hpp"
#include "numerics/rounding.hpp"
#include "verify/deviation/apriori_output.hpp"
#include "verify/deviation/deployed_interval_arithmetic.hpp"
#include "verify/deviation/deployed_overflow.hpp"
#include "verify/deviation/deployed_program.hpp"
#include "verify/deviation/deviation_scan.hpp"
#include "verify/deviation/kappa_bound.hpp"

namespace lyap::deviation {
namespace {

using Eigen::Index;
using theory::BlockWeights;
using theory::LinearRounding;
using theory::NumberType;
using theory::PrecisionPolicy;

const theory::ScanRounding& scan_rounding(const BlockWeights& block, const PrecisionPolicy& policy) {
  return std::holds_alternative<theory::Mamba1Weights>(block) ? policy.mamba1 : policy.mamba2;
}

/// sum += away, quantity by quantity.
void add_upward(ChunkDeviation& sum, const ChunkDeviation& away) {
  over_rows_upward(sum.state.rows(), [&](Index t) {
    sum.state.row(t) += away.state.row(t);
    sum.output.row(t) += away.output.row(t);
    sum.block_output[std::size_t(t)] += away.block_output[std::size_t(t)];
  });
}

}  // namespace

bool EveryProgramBounds::serves(const PrecisionPolicy& policy) {
  const auto reads_tf32 = [](const NumberType& type) { return type.largest == theory::kTf32Type.largest; };
  const LinearRounding* const layers[] = {&policy.in_proj, &policy.convolution, &policy.x_proj, &policy.dt_proj,
                                          &policy.out_proj};
  return std::none_of(std::begin(layers), std::end(layers), [&](const LinearRounding* layer) {
    return reads_tf32(layer->input) || reads_tf32(layer->weight);
  });
}

struct EveryProgramBounds::Impl {
  PrecisionPolicy policy;
  std::vector<OverflowFinding> weight_findings;
  BlockWeights rounded;
  theory::Matrix rounded_inputs;  // as the norm reads them, where the policy rounds them; of the chunks so far
  RealRun centre;
  AprioriPropagation propagation;
  DeviationScan scan;
  KappaBound kappa;
  AprioriOutput output;
  OverflowRecord overflow;

  Impl(const BlockWeights& block, const PrecisionPolicy& asked)
      : policy(asked),
        rounded(rounded_weights(block, policy, weight_findings)),
        centre(rounded),
        propagation(rounded, policy, &rounded),
        scan(rounded, scan_rounding(block, policy)),
        kappa(rounded, scan_rounding(block, policy)),
        output(rounded, &rounded, policy, {}) {}

  const theory::Matrix& as_read(const theory::Matrix& inputs, std::size_t begin, std::size_t end) {
    if (policy.block_input.u == 0.0) return inputs;
    if (rounded_inputs.rows != inputs.rows) rounded_inputs = theory::Matrix(inputs.rows, inputs.columns);
    const std::span<double> rows(rounded_inputs.entries.data() + begin * inputs.columns,
                                 (end - begin) * inputs.columns);
    std::copy_n(inputs.row(begin), rows.size(), rows.begin());
    round_array(rows, IntervalArithmetic(Tf32Reading::kTruncated).rounding_to(policy.block_input).format);
    const double largest = policy.block_input.largest;
    for (double& r : rows) r = std::clamp(r, -largest, largest);
    return rounded_inputs;
  }

  Bounds advance(const BlockChunk& reference, const theory::Matrix& given) {
    const theory::Matrix& inputs = as_read(given, reference.begin, reference.end);
    const BlockChunk run = centre.advance(inputs, reference.begin, reference.end);
    const PerturbationRadii radii = propagation.advance(inputs, run);
    const ChunkDeviation away = distance(reference, run);
    ScanDeviation E = scan.advance(run, radii);
    Bounds bounds{{std::move(E.state), std::move(E.output), {}}, kappa.advance(run, radii)};
    for (ChunkDeviation* part : {&bounds.apriori, &bounds.kappa}) {
      part->block_output = output.advance(run, part->output, radii.z, overflow);
      add_upward(*part, away);
    }
    return bounds;
  }
};

EveryProgramBounds::EveryProgramBounds(const BlockWeights& block, const PrecisionPolicy& policy) {
  if (!serves(policy)) throw ContractViolation("EveryProgramBounds: the policy reads numbers by several rules");
  impl_ = std::make_unique<Impl>(block, policy);
}
EveryProgramBounds::EveryProgramBounds(EveryProgramBounds&&) noexcept = default;
EveryProgramBounds::~EveryProgramBounds() = default;

EveryProgramBounds::Bounds EveryProgramBounds::advance(const BlockChunk& reference, const theory::Matrix& inputs) {
  return impl_->advance(reference, inputs);
}

std::vector<OverflowFinding> EveryProgramBounds::findings() const {
  return merged(merged(impl_->weight_findings, impl_->propagation.findings()), impl_->overflow.findings());
}

}  // namespace lyap::deviation
