#include "verify/certify/claim_domain.hpp"

#include <limits>

#include "verify/certify/bound_text.hpp"

namespace lyap {
namespace {

constexpr const char* kAnyInput =
    "every sequence of real block inputs of any length, the first steps included (the block's own norm layer bounds "
    "what it can see)";
constexpr const char* kAnyTokens =
    "every sequence of the model's tokens, of any length, the first steps included (this block reads their embeddings)";

}  // namespace

std::string clamp_words(const LayerSummary& layer) {
  const theory::StepSizeLimits& limits = layer.step_limits;
  if (!(limits.lower > 0.0 || limits.upper < std::numeric_limits<double>::infinity())) return "";
  return "; for programs that clamp the step size to [" + short_lower_decimal(limits.lower) + ", " +
         short_upper_decimal(limits.upper) + "]";
}

std::string universal_domain(const LayerSummary& layer, bool over_vocabulary) {
  return (over_vocabulary ? kAnyTokens : kAnyInput) + clamp_words(layer);
}

std::string sequence_domain(const SequenceDescription& sequence, std::size_t steps) {
  const std::string count = std::to_string(steps);
  std::string domain = "exactly the " + count + " block inputs ";
  if (sequence.kind == SequenceKind::kActivations) {
    domain += "stored for this layer in " + sequence.file + ", as stored";
    if (sequence.available > sequence.steps) domain += " (the first " + count + ")";
    return domain;
  }
  const bool is_cut = sequence.available > sequence.steps;
  return domain + "that lyap's float32 run of the " + (is_cut ? "first " : "") + count + " tokens of " + sequence.file +
         " produced, taken as the floats they are";
}

}  // namespace lyap
