#pragma once

#include <functional>

#include "verify/lyapunov_certificate.hpp"

namespace lyap {

struct TrajectoryOptions {
  bool save_outputs = false;
  std::function<void(double fraction)> progress;  ///< called now and then with the part done, in [0, 1]
};

/// Trajectory tier: encloses exponents, final state and outputs of the real-valued block on exactly `inputs` (T, d_model), h_0 = 0,
/// T >= 1, every input finite. Rigorous for both softplus and the deployed cut-off at p > 20.
[[nodiscard]] TrajectoryBounds certify_trajectory(const theory::Mamba1Weights& block, const theory::Matrix& inputs, const TrajectoryOptions& options = {});
[[nodiscard]] TrajectoryBounds certify_trajectory(const theory::Mamba2Weights& block, const theory::Matrix& inputs, const TrajectoryOptions& options = {});

}  // namespace lyap
