#pragma once

#include "verify/certify/certificate.hpp"

namespace lyap {

/// Consistent bounds of a layer with three channels and known largest entries: zeta -2^-30 (channel 1), witness -2^-29
/// (channel 2).
[[nodiscard]] UniversalBounds sample_universal_bounds();
/// Consistent enclosures of three channels with two states each over five steps.
[[nodiscard]] TrajectoryBounds sample_trajectory_bounds();
/// A certificate of a two-layer model whose first layer has both tiers, complete enough to be printed.
[[nodiscard]] Certificate sample_certificate();

}  // namespace lyap
