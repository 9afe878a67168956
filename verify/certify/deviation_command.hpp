#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "theory/precision_policy.hpp"
#include "verify/deviation_certificate.hpp"

namespace lyap {

/// What a command asks for of Theorems 3 and 4.
struct DeviationCommand {
  std::vector<const theory::PrecisionPolicy*> policies;  ///< each once, in the order asked for
  std::vector<DeviationMethod> methods;                  ///< of policies, strongest first; empty without policies
  std::optional<std::filesystem::path> trace;
  std::optional<std::filesystem::path> against, adapter;  ///< at most one of the two

  [[nodiscard]] bool has_second_model() const { return against || adapter; }
  [[nodiscard]] bool compares() const { return has_second_model() || !policies.empty(); }
  [[nodiscard]] bool uses(DeviationMethod method) const;
  /// Whether something is stated for every input: a second model's weights, or K of a policy.
  [[nodiscard]] bool asks_universal() const { return has_second_model() || uses(DeviationMethod::kKappa); }
};

/// The texts of --policy, --method, --trace, --against and --adapter; empty where not given.
struct RawDeviationOptions {
  std::string policy, method, trace, against, adapter;
};

/// What they ask for. Without --method: every method that the input allows. Throws UsageError for an unknown name,
/// which it lists the known ones for, and for options that contradict each other or need a sequence that is not there.
[[nodiscard]] DeviationCommand parse_deviation_options(const RawDeviationOptions& raw, bool has_sequence);

}  // namespace lyap
