#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "reports/certificate_record.hpp"

namespace lyap {

/// What a certificate says about one layer under one comparison.
struct LayerDeviations {
  const RecordedLayer* layer = nullptr;
  std::vector<const RecordedDeviation*> bounds;  ///< by domain, within one in the certificate's order
};

/// One thing that was compared with the exact block: a policy, another checkpoint, an adapter, or one of the latter two
/// in the arithmetic of a policy.
struct DeviationGroup {
  std::string comparison, policy;
  std::string policy_summary;               ///< may be empty
  std::string second_name, second_details;  ///< of the other checkpoint or adapter; may be empty
  std::vector<LayerDeviations> layers;
};

enum class Quantity { kState, kOutput, kBlockOutput };
inline constexpr Quantity kQuantities[] = {Quantity::kState, Quantity::kOutput, Quantity::kBlockOutput};

/// Which statements are asked about: the questions of a pair, or every input.
enum class Domain { kSameInput, kOwnInput, kEveryInput };

/// The groups of a certificate that compares something, in its order; they point into `record`.
[[nodiscard]] std::vector<DeviationGroup> deviation_groups(const CertificateRecord& record);

/// The quantity of one bound; nullptr where it was not computed.
[[nodiscard]] const RecordedQuantity* quantity_of(const RecordedDeviation& bound, Quantity quantity);

[[nodiscard]] Domain domain_of(const RecordedDeviation& bound);

/// The bound of a quantity whose relative size is the smallest of all methods; nullptr where there is none.
[[nodiscard]] const RecordedDeviation* sharpest(const LayerDeviations& layer, Quantity quantity, Domain domain);

/// Whether any layer has a bound of that domain.
[[nodiscard]] bool has_domain(const DeviationGroup& group, Domain domain);

/// Index of the layer whose sharpest relative bound of the state is the largest: on the same input, or where there is
/// no such bound, for every input.
[[nodiscard]] std::size_t worst_layer(const DeviationGroup& group);

/// "interval run", "a-priori", "K", .. for people.
[[nodiscard]] std::string method_words(const RecordedDeviation& bound);

}  // namespace lyap
