#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "verify/certify/certificate.hpp"
#include "verify/certify/deviation_command.hpp"

namespace lyap {

/// What `lyap certify` was asked to do; contradictions between flags are already refused.
struct CertifyCommand {
  std::filesystem::path model;
  Tier tier = Tier::kUniversal;
  std::optional<SequenceKind> sequence_kind;
  std::filesystem::path sequence_file;
  std::optional<std::size_t> max_tokens;  ///< steps of the sequence that are used; empty: all
  std::optional<LayerRange> layers;
  std::optional<Effort> effort;  ///< empty: by the model's size
  std::optional<double> minutes;
  std::size_t threads = 0;    ///< 0: one per processor
  std::filesystem::path out;  ///< NAME.json
  std::optional<std::filesystem::path> report;
  bool save_outputs = false;
  bool hf_compat = false;
  DeviationCommand deviations;
  std::vector<FailOnCondition> fail_on;
  bool json = false;
  bool no_progress = false;
  std::string text;  ///< the command as typed, quoted for a shell

  [[nodiscard]] std::filesystem::path arrays_file() const;  ///< NAME.safetensors
};

/// A text that the command line asked for instead of a run (--help, --version).
struct RequestedText {
  std::string text;
};

/// The command in `arguments` (without the program's name). Throws UsageError with one line.
[[nodiscard]] std::variant<CertifyCommand, RequestedText> parse_certify_command(
    const std::vector<std::string>& arguments);

/// The folder's own name, for "." and "x/.." too; "model" where it has none.
[[nodiscard]] std::string model_name(const std::filesystem::path& model);

}  // namespace lyap
