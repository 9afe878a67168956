#pragma once

#include <functional>

#include "verify/certify/command_line.hpp"
#include "verify/certify/progress.hpp"
#include "verify/certify/trajectory.hpp"
#include "verify/certify/universal.hpp"
#include "verify/deviation/certify_deviations.hpp"

namespace lyap {

/// The mathematics behind `lyap certify`, replaceable in tests of everything around it.
struct CertifyTiers {
  std::function<UniversalBounds(const theory::BlockWeights&, const UniversalOptions&)> universal;
  std::function<TrajectoryBounds(const theory::BlockWeights&, const theory::Matrix&, const TrajectoryOptions&)>
      trajectory;
  std::function<std::vector<DeviationBounds>(const theory::BlockWeights&, const theory::Matrix&,
                                             const DeviationRequest&)>
      deviations;
  std::function<std::vector<DeviationBounds>(const theory::BlockWeights&, const DeviationRequest&)>
      universal_deviations;
  std::function<void(const Checkpoint&, const std::vector<std::int64_t>&,
                     const std::function<void(std::size_t, const theory::BlockWeights&, const theory::Matrix&)>&)>
      forward;
};

/// certify_universal, certify_trajectory, certify_deviations, certify_universal_deviations and approx_forward.
[[nodiscard]] CertifyTiers lyap_tiers();

/// A finished run: the certificate as written, and its JSON.
struct CertifyResult {
  Certificate certificate;
  std::string json;
};

/// Opens and checks the model and what it is compared with, runs the tiers layer by layer (each block is read once) and
/// writes both files of the certificate. Nothing is shown on a stream that is not a terminal before all input has been
/// checked. Throws BadInput, UsageError (layers that the model lacks; an output that is an input), ResourceError,
/// Interrupted; then the old files are whole.
[[nodiscard]] CertifyResult certify_model(const CertifyCommand& command, const CertifyTiers& tiers, Progress& progress);

}  // namespace lyap
