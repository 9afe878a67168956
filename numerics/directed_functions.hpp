#pragma once

#include "numerics/direction.hpp"

/// Elementary functions at one binary64 number, rounded in a stated direction: the largest binary64 number at most the
/// exact value (kDown) or the least at least it (kUp), through MPFR. The interval functions are made of these.
/// exp, expm1, log, log1p and tanh are correctly rounded. softplus, sigmoid and silu are composed of directed steps at
/// kWorkingBits: always on the right side, and at most kComposedUlps ulps from the exact value.
/// Arguments may be infinite: the value is the limit there. Zeros are +0. Callable in any rounding mode, which stays as
/// it was.
/// Throw ContractViolation for NaN, and log and log1p outside their closed domains [0, infinity], [-1, infinity].
/// Cost: 2 to 10 microseconds.
namespace lyap {

inline constexpr int kWorkingBits = 128;
inline constexpr int kComposedUlps = 1;

[[nodiscard]] double exp_bound(double p, Direction direction);
[[nodiscard]] double expm1_bound(double p, Direction direction);
[[nodiscard]] double log_bound(double p, Direction direction);
[[nodiscard]] double log1p_bound(double p, Direction direction);
[[nodiscard]] double tanh_bound(double p, Direction direction);
[[nodiscard]] double softplus_bound(double p, Direction direction);
[[nodiscard]] double sigmoid_bound(double p, Direction direction);
[[nodiscard]] double silu_bound(double p, Direction direction);

}  // namespace lyap
