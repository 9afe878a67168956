#pragma once

#include <string>
#include <vector>

namespace lyap::testing {

/// What a page shows as sentences: without scripts, styles and markup, each element's text and each sentence on a line
/// of its own, each once. Texts that only a screen reader gets (aria-label) are kept.
std::vector<std::string> sentences_of(const std::string& page);

/// Sentences that say what nobody may say about deviations, each with the reason. They are looked for by their words: a
/// block's bound told as the model's, a loose bound told as instability, an estimate told as proof, a universal bound
/// told where it is not informative, precisions compared by their bounds, an interval run told of any kernel, anything
/// but the initial part said to decay.
std::vector<std::string> wrong_statements(const std::vector<std::string>& sentences);

}  // namespace lyap::testing
