#pragma once

#include <functional>

#include "verify/lyapunov_certificate.hpp"

namespace lyap {

struct TrajectoryOptions {
  bool save_outputs = false;
  std::function<void(double fraction)> progress;  ///< called now and then with the part done, in [0, 1]
};

/// Enclosures are at most this many times wider than those of theory's template run in Interval, entry by entry, on
/// ordinary weights of up to 32 columns: the price of the a-priori error bounds of fast matrix products, which grow
/// with |A||B| where a directed sum grows with its partial sums. Measured, not proved
/// (tests/verify/trajectory_test.cpp).
inline constexpr double kTrajectoryWidthFactor = 24.0;

/// Encloses every finite-time exponent, the final state and the outputs of the real-valued block on exactly `inputs`
/// (T, d_model), from h_0 = 0. Containment: for softplus and for the deployed cut-off at p > 20 alike, and for the
/// textbook arithmetic of the reals: no float is involved. Finite wherever nothing on the way exceeds binary64; a bound
/// of zero is 0, and no bound is NaN. The exponent's upper end is never positive. Throws ContractViolation for T = 0, a
/// width that is not d_model, an input that is not finite, a zero row where epsilon is 0. Source: theory.md's
/// trajectory tier, theorems/theorem_1_state_deviation.md. Cost: about 2 T d_inner d_model flop three times over, one
/// rigorous exponential per token and state; memory beyond weights and results is bounded: tokens pass in chunks.
[[nodiscard]] TrajectoryBounds certify_trajectory(const theory::Mamba1Weights& block, const theory::Matrix& inputs,
                                                  const TrajectoryOptions& options = {});
[[nodiscard]] TrajectoryBounds certify_trajectory(const theory::Mamba2Weights& block, const theory::Matrix& inputs,
                                                  const TrajectoryOptions& options = {});

}  // namespace lyap
