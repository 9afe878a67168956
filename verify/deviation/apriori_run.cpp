#include <algorithm>
#include <utility>
#include <variant>

#include "numerics/rounded_arrays.hpp"
#include "numerics/rounding.hpp"
#include "verify/deviation/apriori.hpp"
#include "verify/deviation/apriori_output.hpp"
#include "verify/deviation/deployed_interval_arithmetic.hpp"
#include "verify/deviation/deployed_program.hpp"
#include "verify/deviation/deployed_weights.hpp"
#include "verify/deviation/deviation_scan.hpp"

namespace lyap::deviation {
namespace {

using Eigen::Index;
using theory::BlockWeights;
using theory::LinearRounding;
using theory::NumberType;
using theory::PrecisionPolicy;

bool is_tf32(const NumberType& type) { return type.largest == theory::kTf32Type.largest; }

const theory::ScanRounding& scan_rounding(const BlockWeights& block, const PrecisionPolicy& policy) {
  return std::holds_alternative<theory::Mamba1Weights>(block) ? policy.mamba1 : policy.mamba2;
}

template <class Change>
void for_each_layer(PrecisionPolicy& policy, const Change& change) {
  for (LinearRounding* layer :
       {&policy.in_proj, &policy.convolution, &policy.x_proj, &policy.dt_proj, &policy.out_proj}) {
    change(layer->input);
    change(layer->weight);
  }
}

/// The policy of programs that read tf32 operands in one way.
PrecisionPolicy reading_tf32_as(const PrecisionPolicy& policy, const NumberType& type) {
  PrecisionPolicy result = policy;
  for_each_layer(result, [&](NumberType& operand) {
    if (is_tf32(operand)) operand = type;
  });
  return result;
}

bool reads_tf32(const PrecisionPolicy& policy) {
  PrecisionPolicy copy = policy;
  bool result = false;
  for_each_layer(copy, [&](const NumberType& operand) { result = result || is_tf32(operand); });
  return result;
}

/// The weights with ties rounded away from zero, which some conversions to tf32 do.
BlockWeights ties_away(const BlockWeights& block, const PrecisionPolicy& policy) {
  BlockWeights result = weights_as_stored(block, policy);
  const auto round = [](theory::Matrix& weight, const LinearRounding& layer) {
    if (!is_tf32(layer.weight)) return;
    round_array(std::span<double>(weight.entries), kTf32, RoundingRule::kNearestAway);
    for (double& w : weight.entries) w = std::clamp(w, -layer.weight.largest, layer.weight.largest);
  };
  std::visit(
      [&](auto& weights) {
        round(weights.in_proj, policy.in_proj);
        round(weights.conv_weight, policy.convolution);
        round(weights.out_proj, policy.out_proj);
      },
      result);
  if (auto* mamba1 = std::get_if<theory::Mamba1Weights>(&result)) {
    round(mamba1->x_proj, policy.x_proj);
    round(mamba1->dt_proj, policy.dt_proj);
  }
  return result;
}

/// Rows [begin, end) of `inputs` as the norm reads them, written to the same rows of `result`.
void round_inputs(const theory::Matrix& inputs, std::size_t begin, std::size_t end, const NumberType& type,
                  theory::Matrix& result) {
  if (result.entries.size() != inputs.entries.size()) result = theory::Matrix(inputs.rows, inputs.columns);
  const std::span<double> rows(result.entries.data() + begin * inputs.columns, (end - begin) * inputs.columns);
  std::copy_n(inputs.row(begin), rows.size(), rows.begin());
  round_array(rows, IntervalArithmetic(Tf32Reading::kTruncated).rounding_to(type).format);
  for (double& r : rows) r = std::clamp(r, -type.largest, type.largest);
}

/// The second set of weights that programs may read: null where there is one set only, or where it is not tf32.
std::unique_ptr<BlockWeights> other_reading(const BlockWeights& block, const PrecisionPolicy& policy) {
  if (!reads_tf32(policy) || policy.in_proj.weight.rounds_toward_zero) return nullptr;
  return std::make_unique<BlockWeights>(ties_away(block, policy));
}

/// Programs that read all their weights between two sets of rounded weights.
class Variant {
 public:
  Variant(const BlockWeights& block, const PrecisionPolicy& policy, const AprioriTerms& terms)
      : policy_(policy),
        terms_(terms),
        rounded_(rounded_weights(block, policy_, findings_)),
        other_(other_reading(block, policy_)),
        also_(other_ ? other_.get() : &rounded_),
        centre_(rounded_),
        propagation_(rounded_, policy_, also_, terms),
        scan_(rounded_, scan_rounding(block, policy_), terms),
        output_(rounded_, also_, policy_, terms) {}
  Variant(const Variant&) = delete;
  Variant& operator=(const Variant&) = delete;

  ChunkDeviation advance(const BlockChunk& reference, const theory::Matrix& inputs) {
    if (policy_.block_input.u == 0.0) return advance_on(reference, inputs);
    round_inputs(inputs, reference.begin, reference.end, policy_.block_input, rounded_inputs_);
    return advance_on(reference, rounded_inputs_);
  }

  [[nodiscard]] std::vector<OverflowFinding> findings() const {
    return merged(merged(findings_, propagation_.findings()), overflow_.findings());
  }

 private:
  ChunkDeviation advance_on(const BlockChunk& reference, const theory::Matrix& inputs) {
    const BlockChunk centre = centre_.advance(inputs, reference.begin, reference.end);
    const PerturbationRadii radii = propagation_.advance(inputs, centre);
    ScanDeviation scan = scan_.advance(centre, radii);
    ChunkDeviation result;
    result.block_output = output_.advance(centre, scan.output, radii.z, overflow_);
    result.state = std::move(scan.state);
    result.output = std::move(scan.output);
    add_distance(distance(reference, centre), result);
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

  PrecisionPolicy policy_;
  AprioriTerms terms_;
  std::vector<OverflowFinding> findings_;
  BlockWeights rounded_;
  std::unique_ptr<BlockWeights> other_;
  const BlockWeights* also_;
  theory::Matrix rounded_inputs_;  // of the chunks so far
  RealRun centre_;
  AprioriPropagation propagation_;
  DeviationScan scan_;
  AprioriOutput output_;
  OverflowRecord overflow_;
};

class AprioriRun : public DeviationRun {
 public:
  AprioriRun(const BlockWeights& block, const PrecisionPolicy& policy, const AprioriTerms& terms) {
    if (!reads_tf32(policy)) {
      variants_.push_back(std::make_unique<Variant>(block, policy, terms));
      return;
    }
    for (const NumberType& type : {theory::kTruncatedTf32Type, theory::kTf32Type})
      variants_.push_back(std::make_unique<Variant>(block, reading_tf32_as(policy, type), terms));
  }

  ChunkDeviation advance(const BlockChunk& reference, const theory::Matrix& inputs) override {
    ChunkDeviation result = variants_[0]->advance(reference, inputs);
    for (std::size_t i = 1; i < variants_.size(); ++i) {
      const ChunkDeviation other = variants_[i]->advance(reference, inputs);
      result.state = result.state.cwiseMax(other.state);
      result.output = result.output.cwiseMax(other.output);
      for (std::size_t t = 0; t < result.block_output.size(); ++t)
        result.block_output[t] = std::max(result.block_output[t], other.block_output[t]);
    }
    return result;
  }

  [[nodiscard]] std::vector<OverflowFinding> findings() const override {
    std::vector<OverflowFinding> result;
    for (const auto& variant : variants_) result = merged(std::move(result), variant->findings());
    return result;
  }

 private:
  std::vector<std::unique_ptr<Variant>> variants_;
};

}  // namespace

std::unique_ptr<DeviationRun> apriori_run(const BlockWeights& block, const PrecisionPolicy& policy,
                                          const AprioriTerms& terms) {
  return std::make_unique<AprioriRun>(block, policy, terms);
}

}  // namespace lyap::deviation
