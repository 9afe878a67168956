#pragma once

#include "verify/check/arrays_file.hpp"
#include "verify/check/document.hpp"
#include "verify/check/findings.hpp"
#include "verify/check/layer_arrays.hpp"

/// Whether a certificate says one thing: JSON against arrays, claims against layers, the verdict against the claims.
namespace lyap::check {

/// Layers in order, each once, within the model; claims and conditions about layers that are there.
void check_layers(const Document& document, Findings& findings);

/// The channels that universal claims name for their witnesses hold those values in the arrays.
void check_claimed_witnesses(const Document& document, const UniversalArrays& arrays, Findings& findings);

/// A layer's JSON numbers are those of its arrays.
void check_universal_summary(const StatedLayer& layer, const UniversalArrays& arrays, Findings& findings);
void check_trajectory_summary(const StatedLayer& layer, const ArraysFile& arrays, Findings& findings);
void check_deviation_summary(const StatedLayer& layer, const ArraysFile& arrays, Findings& findings);

/// Every claim's number is its layer's, proven claims claim something, none is there twice or missing, and verdicts
/// agree.
void check_claims(const Document& document, Findings& findings);
void check_verdict(const Document& document, Findings& findings);

}  // namespace lyap::check
