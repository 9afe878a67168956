#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "verify/checkpoint/array_file.hpp"
#include "verify/deviation_certificate.hpp"
#include "verify/lyapunov_certificate.hpp"

namespace lyap {

using ArraySink = std::function<void(const NamedArray&)>;

/// Hands the universal arrays of layer `layer` to `sink` one by one, named `layer.{i}.zeta.lower` and so on
/// (verify/README.md lists them). The input that reaches the largest zeta witness goes out as `layer.{i}.input`, F32:
/// the file itself can then be given to --activations; one period of the input that reaches the largest exponent
/// witness as `layer.{i}.sustained_input`.
void send_arrays(const UniversalBounds& bounds, std::size_t layer, const ArraySink& sink);
/// The same for the trajectory arrays, outputs included where there are any. The witness input is not sent where
/// `bounds` has none.
void send_arrays(const TrajectoryBounds& bounds, std::size_t layer, const ArraySink& sink);
/// The bounds of one comparison by one method, under `layer.{i}.` and deviation_array_prefix.
void send_arrays(const DeviationBounds& bounds, std::size_t layer, const ArraySink& sink);

/// "policy.amp-bf16.interval-run.", "policy.amp-bf16.universal." (K for every input), "pair.local." (adapters too),
/// "pair.local.amp-bf16.interval-run." (the second model's program).
[[nodiscard]] std::string deviation_array_prefix(const DeviationBounds& bounds);

}  // namespace lyap
