#pragma once

#include <string>
#include <vector>

#include "reports/deviation_groups.hpp"

namespace lyap {

/// In how many layers the sharpest bounds of state and scan output are smaller than state and output.
enum class Informative { kEverywhere, kInPart, kNowhere };

/// One comparison in words. Says "proved" of bounds only, "decays" of the part due to the initial state only, and draws
/// no conclusion from a bound that is not informative.
struct DeviationSentence {
  std::string title;        ///< "amp-bf16", "The adapter, in amp-bf16"
  std::string description;  ///< what that is, for a stranger
  Informative informative = Informative::kNowhere;
  std::string action;                 ///< one sentence to act on
  std::string basis;                  ///< what is proved, under which condition, and what was measured
  std::vector<std::string> findings;  ///< numbers that may leave their type's range
  std::vector<std::string> notes;     ///< own inputs, every input, block outputs, both parts
};

[[nodiscard]] DeviationSentence deviation_sentence(const DeviationGroup& group);

/// What the certificate's verdict leaves open: empty where every comparison is informative everywhere.
[[nodiscard]] std::string verdict_caution(const CertificateRecord& record);

/// One sentence per method that occurs: what its bounds hold for.
[[nodiscard]] std::vector<std::string> method_sentences(const std::vector<DeviationGroup>& groups);

/// "tag informative" | "tag partly" | "tag vacuous" and the word in it.
[[nodiscard]] const char* informative_class(Informative informative);
[[nodiscard]] const char* informative_word(Informative informative);

}  // namespace lyap
