#include "tests/verify/sample_certificate.hpp"

#include <cmath>

#include "verify/certify/claims.hpp"
#include "verify/certify/not_covered.hpp"

namespace lyap {

UniversalBounds sample_universal_bounds() {
  UniversalBounds b;
  b.preactivation_lower = {-30, -20.5, -40};
  b.preactivation_lower_by_relaxation = {
      {-90, -80, -70}, {}, {-30, -20.5, -45}, {}, {-33, -21, -50}, {-60, -INFINITY, -40}, {}};
  b.preactivation_upper = {3, 2, 1};
  b.step_size_lower = {0x1p-40, 0x1p-30, 0x1p-50};
  b.step_size_upper = {3.1, 2.2, 1.4};
  b.zeta_lower = {-50, -60, -70};
  b.zeta_upper = {-0x1p-20, -0x1p-30, -0x1p-25};
  b.exponent_upper = {-0x1p-19, -0x1.8p-30, -0x1p-24};
  b.zeta_witness = {-0x1p-10, std::nan(""), -0x1p-24};
  b.exponent_witness = {-0x1p-9, std::nan(""), -0x1p-20};
  b.relaxation = {2, 2, 5};
  b.state_bound_upper = {1.5, 1e300, 3};
  b.gain_initial_upper = {1, 1, 0.75};
  b.gain_x_upper = b.gain_B_upper = b.gain_C_upper = b.gain_step_upper = b.gain_A_log_upper = {1, 2, 3};
  b.output_gain_upper = {7, 8, 9.1};
  b.witness_input = theory::Matrix(2, 4);
  b.witness_input(1, 2) = 0.5;
  return b;
}

TrajectoryBounds sample_trajectory_bounds() {
  TrajectoryBounds b;
  b.steps = 5;
  b.exponent_shape = {3, 2};
  b.exponent_lower = {-1, -2, -3, -0.1, -0.2, -0.3};
  b.exponent_upper = {-0.99, -1.9, -2.9, -0.09, -0.19, -0.29};
  b.state_shape = {3, 2};
  b.final_state_lower = {-1, 0, 1, 2, 3, -8.5};
  b.final_state_upper = {-0.5, 0.5, 1.5, 2.5, 3.5, -8};
  return b;
}

Certificate sample_certificate() {
  Certificate c;
  c.tool = {"0.1.0", "0123456789ab", "GNU 12.2.0", "-O3"};
  c.rounding_self_test = "passed";
  c.blas = "OpenBLAS 0.3.21 SkylakeX";
  c.model.family = "mamba";
  c.model.layout = "huggingface";
  c.model.layers = 2;
  c.model.d_model = 4;
  c.model.vocabulary = 97;
  c.model.kinds = {LayerKind::kMamba1, LayerKind::kMamba1};
  c.model.weight_types = {"F32"};
  c.model_name = "sample";
  c.files = {{"config.json", std::string(64, 'a')}, {"model.safetensors", std::string(64, 'b')}};
  c.command = "lyap certify sample";
  c.date = "2027-01-02T03:04:05Z";
  c.tier = Tier::kBoth;
  c.selected = {0, 1};
  c.sequence = SequenceDescription{SequenceKind::kTokens, "tokens.txt", std::string(64, 'c'), "", 5};
  LayerSummary first;
  first.universal = summarize(sample_universal_bounds());
  first.trajectory = summarize(sample_trajectory_bounds());
  LayerSummary second;
  second.index = 1;
  second.universal = first.universal;
  c.layers = {first, second};
  c.claims = structural_claims(c.model);
  for (const LayerSummary& layer : c.layers) {
    for (const Claim& claim : layer_claims(layer, c.sequence)) c.claims.push_back(claim);
  }
  c.not_covered = not_covered_sentences(c);
  c.arrays = {"sample.safetensors", std::string(64, 'd')};
  return c;
}

}  // namespace lyap
