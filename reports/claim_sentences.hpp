#pragma once

#include <string>
#include <vector>

#include "reports/certificate_record.hpp"

namespace lyap {

/// One plain sentence (or two) about this model, with the verdict of the claims it sums up.
struct ClaimSentence {
  std::string theorem;  ///< "Theorem 1 (state)"
  std::string verdict;  ///< proven | undecided | refuted: the weakest of the claims
  std::string text;     ///< says no more than the verdict allows
};

/// The certificate's verdict in words; names the claims that were not established.
[[nodiscard]] std::string verdict_sentence(const CertificateRecord& record);

/// One entry per theorem and tier, in the order T1, T2, T3, T4; structural, universal, trajectory.
[[nodiscard]] std::vector<ClaimSentence> theorem_sentences(const CertificateRecord& record);

/// What the proved rates mean for forgetting, with the number of steps that they guarantee; empty where no universal
/// bound is stored.
[[nodiscard]] std::string forgetting_sentence(const CertificateRecord& record);

/// "layer 3" or "every layer".
[[nodiscard]] std::string layer_words(const RecordedClaim& claim);

/// "Theorem 1 (state)" for T1.
[[nodiscard]] std::string theorem_title(const std::string& theorem);

/// Largest entry over the layers of one array, and the layer that has it; NaN where no layer has any.
struct LargestRate {
  double value;
  std::size_t layer;
};
[[nodiscard]] LargestRate largest_over_layers(const CertificateRecord& record,
                                              std::vector<double> RecordedLayer::*array);

}  // namespace lyap
