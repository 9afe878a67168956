#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "theory/block_weights.hpp"
#include "verify/check/arrays_file.hpp"
#include "verify/check/channel_bounds.hpp"
#include "verify/check/findings.hpp"

/// One layer's arrays against each other and against what the weights imply.
namespace lyap::check {

/// The numbers of a layer's universal tier, as the certificate states them.
struct UniversalArrays {
  std::size_t layer = 0;
  std::map<std::string, std::vector<double>> numbers;  ///< by name, without "layer.{i}."
  std::vector<std::uint8_t> relaxation;

  [[nodiscard]] const std::vector<double>& at(const std::string& name) const { return numbers.at(name); }
  [[nodiscard]] bool has(const std::string& name) const { return numbers.contains(name); }
};

/// Precondition: check_array_shapes() found nothing.
[[nodiscard]] UniversalArrays read_universal_arrays(const ArraysFile& arrays, std::size_t layer);

/// Rejects what no certificate may say, whatever the weights are: NaN in a bound, crossed ends, an exponent above zeta,
/// a rate above zero, a witness above its bound, an unknown relaxation.
void check_array_values(const UniversalArrays& arrays, Findings& findings);

/// Decay rates and clamps of a layer's channels.
struct LayerRates {
  theory::StepSizeLimits limits;
  std::vector<std::span<const double>> A_log;  ///< per channel or head
};
[[nodiscard]] LayerRates rates_of(const theory::BlockWeights& block);

/// Rejects every number on the wrong side of `derived`. Where the layer `may_rest_on_refinements` (quadratic,
/// sustained), numbers beyond `derived` are listed instead, and what follows from the stated range of p, from the
/// sustained bound and from other stated numbers is still required.
void check_against(const std::vector<ChannelBounds>& derived, const LayerRates& rates, const UniversalArrays& arrays,
                   bool may_rest_on_refinements, Findings& findings);

}  // namespace lyap::check
