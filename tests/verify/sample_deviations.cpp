#include "tests/verify/sample_deviations.hpp"

#include "verify/certify/claims.hpp"
#include "verify/certify/deviation_claims.hpp"
#include "verify/certify/not_covered.hpp"

namespace lyap {
namespace {

constexpr double kSize = 8.0;

QuantityDeviation quantity(const SampleDeviation& sample, std::size_t entries, bool with_measured) {
  QuantityDeviation result;
  const double measured = kSize * sample.measured_relative, bound = measured * sample.ratio;
  result.upper = std::vector<double>(entries, bound / 2);
  result.upper[entries / 2] = bound;
  result.staying = bound;
  result.relative_median = sample.measured_relative * sample.ratio;
  result.informative = result.relative_median < 1.0;
  if (!with_measured) return result;
  result.measured = measured;
  result.measured_relative_median = sample.measured_relative;
  result.ratio_median = sample.ratio;
  result.ratio_p90 = 2 * sample.ratio;
  return result;
}

}  // namespace

DeviationBounds sample_deviation(const SampleDeviation& sample) {
  const bool universal = sample.question == DeviationQuestion::kUniversal;
  DeviationBounds bounds;
  bounds.comparison = sample.comparison;
  bounds.method = sample.method;
  bounds.question = sample.question;
  bounds.policy = sample.policy;
  bounds.steps = universal ? 0 : sample.steps;
  bounds.state = bounds.output = quantity(sample, sample.channels, !universal);
  if (universal) return bounds;
  bounds.block_output = quantity(sample, 1, true);
  for (std::size_t t = 0; t < sample.steps; ++t)
    bounds.envelope.push_back({t, t + 1, bounds.state.staying, *bounds.state.measured, kSize});
  if (!sample.policy.empty())
    bounds.lost_contraction = {{"float32", 6, 0, 0, 0, 0.0, true}, {"bfloat16", 6, 4, 2, 1, 0.125, false}};
  return bounds;
}

void restate(Certificate& c) {
  c.claims = structural_claims(c.model);
  for (const LayerSummary& layer : c.layers) {
    for (const Claim& claim : layer_claims(layer, c.sequence)) c.claims.push_back(claim);
    for (const Claim& claim : deviation_claims(layer, c)) c.claims.push_back(claim);
  }
  c.not_covered = not_covered_sentences(c);
}

Certificate sample_comparison_certificate() {
  using enum DeviationMethod;
  using enum DeviationQuestion;
  Certificate c = sample_certificate();
  c.policies = {theory::find_policy("amp-bf16")};
  c.methods = {kIntervalRun, kApriori, kKappa};
  c.second_model = SecondModelDescription{};
  c.second_model->name = "ft";
  c.second_model->family = "mamba";
  c.second_model->layout = "huggingface";
  c.second_model->files = {{"config.json", std::string(64, 'e')}, {"model.safetensors", std::string(64, 'f')}};
  for (LayerSummary& layer : c.layers) {
    layer.deviations = {
        sample_deviation({.method = kKappa, .question = kUniversal, .measured_relative = 0.5, .ratio = 1024}),
        sample_deviation({.method = kIntervalRun}),
        sample_deviation({.method = kApriori, .ratio = 32}),
        sample_deviation({.method = kKappa, .ratio = 64}),
        sample_deviation({Comparison::kPair, kWeightDifference, kUniversal, "", 0.25, 1}),
        sample_deviation({Comparison::kPair, kTwoTrajectories, kLocal, "", 0.015625, 1}),
        sample_deviation({Comparison::kPair, kTwoTrajectories, kOwn, "", 0.03125, 1}),
        sample_deviation({Comparison::kPair, kIntervalRun, kLocal, "amp-bf16", 0.0625, 2}),
    };
    layer.deviations[5].attribution = {{"in_proj", 0.0625, 0.25}, {"A_log", 0.125, 0.0}};
  }
  restate(c);
  return c;
}

}  // namespace lyap
