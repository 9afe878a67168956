#include "verify/deviation/rounded_run.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>
#include <variant>

#include "numerics/contract_violation.hpp"
#include "numerics/rounded_arrays.hpp"
#include "verify/deviation/deployed_interval_arithmetic.hpp"
#include "verify/deviation/deployed_program.hpp"
#include "verify/deviation/deployed_weights.hpp"

namespace lyap::deviation {
namespace {

using theory::BlockWeights;
using theory::LinearRounding;
using theory::Matrix;
using theory::NumberType;
using theory::PrecisionPolicy;

bool is_tf32(const NumberType& type) { return type.largest == theory::kTf32Type.largest; }

/// A truncated tf32 number x' for x (1 - kTruncationShift), over 1 - kTruncationShift: within 1.34375 half units.
constexpr NumberType kCentredTf32{"tf32, truncated", 0x1.58p-11 * (1.0 + 0x1p-10), theory::kTf32Type.u_min,
                                  theory::kTf32Type.largest, false};

template <class Visit>
void for_each_layer(PrecisionPolicy& policy, const Visit& visit) {
  for (LinearRounding* layer :
       {&policy.in_proj, &policy.convolution, &policy.x_proj, &policy.dt_proj, &policy.out_proj})
    visit(*layer);
}

/// visit(weight, its layer's rounding) for every matrix of a block.
template <class Visit>
void for_each_matrix(BlockWeights& block, const PrecisionPolicy& policy, const Visit& visit) {
  std::visit(
      [&](auto& weights) {
        visit(weights.in_proj, policy.in_proj);
        visit(weights.conv_weight, policy.convolution);
        visit(weights.out_proj, policy.out_proj);
      },
      block);
  if (auto* mamba1 = std::get_if<theory::Mamba1Weights>(&block)) {
    visit(mamba1->x_proj, policy.x_proj);
    visit(mamba1->dt_proj, policy.dt_proj);
  }
}

bool reads_tf32(PrecisionPolicy policy) {
  bool result = false;
  for_each_layer(
      policy, [&](const LinearRounding& layer) { result = result || is_tf32(layer.input) || is_tf32(layer.weight); });
  return result;
}

/// The policy of programs that read tf32 operands in one way.
PrecisionPolicy reading_tf32_as(const PrecisionPolicy& policy, const NumberType& type) {
  PrecisionPolicy result = policy;
  for_each_layer(result, [&](LinearRounding& layer) {
    if (is_tf32(layer.input)) layer.input = type;
    if (is_tf32(layer.weight)) layer.weight = type;
  });
  return result;
}

/// One way of reading: its centre's weights and what is rounded around them.
class Reading {
 public:
  Reading(const BlockWeights& block, const PrecisionPolicy& policy, const AprioriTerms& terms,
          std::vector<OverflowFinding>& findings)
      : terms_(terms),
        rounded_(rounded_weights(block, policy, findings)),
        centre_{&rounded_, &rounded_, policy, {}, {}} {
    bool truncates = false, rounds = false;
    for_each_layer(centre_.policy, [&](LinearRounding& layer) {
      if (!is_tf32(layer.weight)) return;
      truncates = truncates || layer.weight.rounds_toward_zero;
      rounds = rounds || !layer.weight.rounds_toward_zero;
    });
    if (rounds) read_ties_away(block);
    if (truncates) shift_truncated();
    run_.emplace(rounded_);
    propagation_.emplace(rounded_, centre_.policy, centre_.also, terms_);
  }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

  [[nodiscard]] const RoundedRun::Centre& centre() const { return centre_; }
  RoundedRun::Centre advance(const Matrix& inputs, std::size_t begin, std::size_t end) {
    RoundedRun::Centre result = centre_;
    result.chunk = run_->advance(inputs, begin, end);
    result.radii = propagation_->advance(inputs, result.chunk);
    return result;
  }
  [[nodiscard]] std::vector<OverflowFinding> findings() const { return propagation_->findings(); }

 private:
  /// Conversions to tf32 may round ties away from zero instead of to even.
  void read_ties_away(const BlockWeights& block) {
    ties_away_ = std::make_unique<BlockWeights>(weights_as_stored(block, centre_.policy));
    for_each_matrix(*ties_away_, centre_.policy, [](Matrix& weight, const LinearRounding& layer) {
      if (!is_tf32(layer.weight)) return;
      round_array(std::span<double>(weight.entries), kTf32, RoundingRule::kNearestAway);
      for (double& w : weight.entries) w = std::clamp(w, -layer.weight.largest, layer.weight.largest);
    });
    centre_.also = ties_away_.get();
  }

  void shift_truncated() {
    for_each_matrix(rounded_, centre_.policy, [](Matrix& weight, const LinearRounding& layer) {
      if (!layer.input.rounds_toward_zero) return;
      for (double& w : weight.entries) w *= 1.0 - kTruncationShift;  // exact: 11 bits times 12
    });
    for_each_layer(centre_.policy, [](LinearRounding& layer) {
      if (layer.input.rounds_toward_zero) layer.input = kCentredTf32;
    });
  }

  AprioriTerms terms_;
  BlockWeights rounded_;
  std::unique_ptr<BlockWeights> ties_away_;
  RoundedRun::Centre centre_;
  std::optional<RealRun> run_;
  std::optional<AprioriPropagation> propagation_;
};

}  // namespace

struct RoundedRun::Impl {
  NumberType input_type;
  std::vector<OverflowFinding> findings;
  std::vector<std::unique_ptr<Reading>> readings;
  std::vector<Centre> centres;
  Matrix rounded_inputs;  // of the chunks so far
  std::size_t begin = 0, end = 0;

  const Matrix& read(const Matrix& inputs) {
    if (input_type.u == 0.0) return inputs;
    if (rounded_inputs.entries.size() != inputs.entries.size()) rounded_inputs = Matrix(inputs.rows, inputs.columns);
    const std::span<double> rows(rounded_inputs.entries.data() + begin * inputs.columns,
                                 (end - begin) * inputs.columns);
    std::copy_n(inputs.row(begin), rows.size(), rows.begin());
    round_array(rows, IntervalArithmetic(Tf32Reading::kTruncated).rounding_to(input_type).format);
    for (double& r : rows) r = std::clamp(r, -input_type.largest, input_type.largest);
    return rounded_inputs;
  }
};

RoundedRun::RoundedRun(const BlockWeights& block, const PrecisionPolicy& policy, const AprioriTerms& terms)
    : impl_(std::make_unique<Impl>()) {
  impl_->input_type = policy.block_input;
  const auto add = [&](const PrecisionPolicy& one_way) {
    impl_->readings.push_back(std::make_unique<Reading>(block, one_way, terms, impl_->findings));
    impl_->centres.push_back(impl_->readings.back()->centre());
  };
  if (!reads_tf32(policy)) {
    add(policy);
    return;
  }
  add(reading_tf32_as(policy, theory::kTruncatedTf32Type));
  add(reading_tf32_as(policy, theory::kTf32Type));
}
RoundedRun::RoundedRun(RoundedRun&&) noexcept = default;
RoundedRun::~RoundedRun() = default;

const std::vector<RoundedRun::Centre>& RoundedRun::centres() const { return impl_->centres; }

const std::vector<RoundedRun::Centre>& RoundedRun::advance(const Matrix& inputs, std::size_t begin, std::size_t end) {
  Impl& impl = *impl_;
  if (begin == impl.begin && end == impl.end && end > begin) return impl.centres;
  if (begin != impl.end) throw ContractViolation("RoundedRun: chunks must follow one another");
  impl.begin = begin;
  impl.end = end;
  const Matrix& read = impl.read(inputs);
  for (std::size_t i = 0; i < impl.readings.size(); ++i) impl.centres[i] = impl.readings[i]->advance(read, begin, end);
  return impl.centres;
}

std::vector<OverflowFinding> RoundedRun::findings() const {
  std::vector<OverflowFinding> result = impl_->findings;
  for (const auto& reading : impl_->readings) result = merged(std::move(result), reading->findings());
  return result;
}

}  // namespace lyap::deviation
