#include "verify/certify/certify_model.hpp"
#include "verify/certify/float_forward.hpp"

namespace lyap {

CertifyTiers lyap_tiers() {
  CertifyTiers tiers;
  tiers.universal = [](const theory::BlockWeights& block, const UniversalOptions& options) {
    return std::visit([&options](const auto& weights) { return certify_universal(weights, options); }, block);
  };
  tiers.trajectory = [](const theory::BlockWeights& block, const theory::Matrix& input,
                        const TrajectoryOptions& options) {
    return std::visit([&](const auto& weights) { return certify_trajectory(weights, input, options); }, block);
  };
  tiers.deviations = certify_deviations;
  tiers.universal_deviations = certify_universal_deviations;
  tiers.forward = approx_forward;
  return tiers;
}

}  // namespace lyap
