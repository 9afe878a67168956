#pragma once

#include <string>
#include <vector>

#include "verify/certify/certificate.hpp"

namespace lyap {

/// All methods of one layer for one thing that was compared.
struct LayerDeviations {
  std::size_t layer = 0;
  std::vector<const DeviationBounds*> bounds;  ///< in the certificate's order, at least one
};

/// One policy, or the second model, alone or in the arithmetic of a policy, under one question. A trace is a group of
/// its own: it speaks of the program that recorded it and not of the policy's programs.
struct DeviationGroup {
  Comparison comparison = Comparison::kPolicy;
  std::string policy;  ///< empty: real arithmetic
  DeviationQuestion question = DeviationQuestion::kLocal;
  bool recorded = false;
  std::vector<LayerDeviations> layers;
};

/// The groups of a certificate in the order of its first layers; they point into `layers`.
[[nodiscard]] std::vector<DeviationGroup> deviation_groups(const std::vector<LayerSummary>& layers);

enum class DeviationQuantity { kState, kOutput, kBlockOutput };

/// One quantity of one bound; nullptr where it was not computed.
[[nodiscard]] const QuantityDeviation* quantity_of(const DeviationBounds& bounds, DeviationQuantity quantity);

/// Of a layer's methods the one with the smallest bound relative to what it bounds the change of; nullptr where none
/// bounds the quantity.
[[nodiscard]] const DeviationBounds* sharpest(const LayerDeviations& layer, DeviationQuantity quantity);

/// Bound of the whole difference: decaying and staying part together, rounded upward.
[[nodiscard]] double whole_bound(const QuantityDeviation& quantity);

}  // namespace lyap
