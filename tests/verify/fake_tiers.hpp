#pragma once

#include <cmath>
#include <optional>
#include <vector>

#include "tests/verify/sample_deviations.hpp"
#include "verify/certify/certify_model.hpp"

namespace lyap {

inline UniversalBounds fake_universal_bounds(std::size_t channels, double zeta) {
  UniversalBounds b;
  const std::vector<double> ones(channels, 1.0), rates(channels, zeta);
  b.preactivation_lower = std::vector<double>(channels, -1.0);
  b.preactivation_upper = b.step_size_lower = b.step_size_upper = ones;
  b.zeta_lower = std::vector<double>(channels, -10.0);
  b.zeta_upper = b.exponent_upper = rates;
  b.zeta_witness = b.exponent_witness = std::vector<double>(channels, std::nan(""));
  b.relaxation = std::vector<std::uint8_t>(channels, 2);
  b.state_bound_upper = b.gain_initial_upper = b.gain_x_upper = b.gain_B_upper = b.gain_C_upper = b.gain_step_upper =
      b.gain_A_log_upper = ones;
  return b;
}

/// Tiers of Mamba-1 models that give layer after layer the rates in `rates`, deviations of 2^-7 of every size, and
/// record what they were given.
struct FakeTiers {
  std::vector<double> rates = std::vector<double>(6, -0.25);
  std::size_t universal_calls = 0, vocabularies = 0, thorough = 0, stopped = 0;
  std::vector<std::size_t> trajectory_steps, forward_layers;

  struct DeviationCall {
    std::size_t steps = 0;  ///< 0: universal
    std::size_t policies = 0, methods = 0, trace_steps = 0;
    std::optional<Comparison> other;
    std::size_t updates = 0;
    std::optional<theory::Matrix> own_inputs;
    std::optional<theory::BlockWeights> other_block;
  };
  std::vector<DeviationCall> deviation_calls;
  double measured_relative = 0.0078125, ratio = 2.0;

  CertifyTiers tiers() {
    CertifyTiers t;
    t.deviations = [this](const theory::BlockWeights& block, const theory::Matrix& input,
                          const DeviationRequest& request) {
      if (request.progress) request.progress(1.0);
      record(request, input.rows);
      return deviations_for(block, request, input.rows);
    };
    t.universal_deviations = [this](const theory::BlockWeights& block, const DeviationRequest& request) {
      record(request, 0);
      return deviations_for(block, request, 0);
    };
    t.universal = [this](const theory::BlockWeights& block, const UniversalOptions& options) {
      vocabularies += options.vocabulary != nullptr ? 1 : 0;
      thorough += options.thorough ? 1 : 0;
      stopped += options.should_stop() ? 1 : 0;
      return fake_universal_bounds(std::get<theory::Mamba1Weights>(block).d_inner, rates.at(universal_calls++));
    };
    t.trajectory = [this](const theory::BlockWeights& block, const theory::Matrix& input,
                          const TrajectoryOptions& options) {
      trajectory_steps.push_back(input.rows);
      if (options.progress) options.progress(1.0);
      const auto& weights = std::get<theory::Mamba1Weights>(block);
      TrajectoryBounds b;
      b.steps = input.rows;
      b.exponent_shape = b.state_shape = {weights.d_inner, weights.d_state};
      b.exponent_lower = std::vector<double>(weights.d_inner * weights.d_state, -0.5);
      b.exponent_upper = std::vector<double>(weights.d_inner * weights.d_state, -0.25);
      b.final_state_lower = b.final_state_upper = std::vector<double>(weights.d_inner * weights.d_state, 1.0);
      if (options.save_outputs)
        b.output_lower = b.output_upper = std::vector<double>(input.rows * weights.d_inner, 0.0);
      return b;
    };
    t.forward = [this](const Checkpoint& model, const std::vector<std::int64_t>& tokens, const auto& visit) {
      for (std::size_t layer = 0; layer < model.description().layers; ++layer) {
        forward_layers.push_back(layer);
        visit(layer, model.read_block(layer), theory::Matrix(tokens.size(), model.description().d_model));
      }
    };
    return t;
  }

 private:
  void record(const DeviationRequest& request, std::size_t steps) {
    DeviationCall call{steps, request.policies.size(), request.methods.size(), 0, std::nullopt, 0, {}, {}};
    if (request.trace != nullptr) call.trace_steps = static_cast<std::size_t>(request.trace->scan.x.rows());
    if (request.other) {
      call.other = request.other->comparison;
      call.updates = request.other->updates.size();
      if (request.other->own_inputs != nullptr) call.own_inputs = *request.other->own_inputs;
      call.other_block = *request.other->block;
    }
    deviation_calls.push_back(std::move(call));
  }

  [[nodiscard]] std::vector<DeviationBounds> deviations_for(const theory::BlockWeights& block,
                                                            const DeviationRequest& request, std::size_t steps) const {
    std::vector<DeviationBounds> bounds;
    SampleDeviation sample;
    sample.channels = std::get<theory::Mamba1Weights>(block).d_inner;
    sample.steps = steps;
    sample.measured_relative = measured_relative;
    sample.ratio = ratio;
    sample.question = steps == 0 ? DeviationQuestion::kUniversal : DeviationQuestion::kLocal;
    if (request.other) {
      sample.comparison = request.other->comparison;
      sample.policy.clear();
      sample.method = steps == 0 ? DeviationMethod::kWeightDifference : DeviationMethod::kTwoTrajectories;
      bounds.push_back(sample_deviation(sample));
      if (request.other->own_inputs != nullptr) {
        sample.question = DeviationQuestion::kOwn;
        bounds.push_back(sample_deviation(sample));
        sample.question = DeviationQuestion::kLocal;
      }
      if (steps == 0) return bounds;
    }
    for (const theory::PrecisionPolicy* policy : request.policies) {
      sample.policy = policy->name;
      for (const DeviationMethod method : request.methods) {
        if (steps == 0 && method != DeviationMethod::kKappa) continue;
        sample.method = method;
        bounds.push_back(sample_deviation(sample));
      }
    }
    return bounds;
  }
};

}  // namespace lyap
