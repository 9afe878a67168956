#include "verify/certify/sequence_input.hpp"

#include <algorithm>

#include "verify/checkpoint/array_file.hpp"
#include "verify/checkpoint/token_sequence.hpp"

namespace lyap {
namespace {

std::size_t longest(const SequenceInput& input) {
  std::size_t steps = input.tokens.size();
  for (const auto& [layer, matrix] : input.activations) steps = std::max(steps, matrix.rows);
  return steps;
}

/// Keeps the first `steps` steps.
void shorten(SequenceInput& input, std::size_t steps) {
  input.tokens.resize(std::min(steps, input.tokens.size()));
  for (auto& [layer, matrix] : input.activations) {
    matrix.rows = std::min(steps, matrix.rows);
    matrix.entries.resize(matrix.rows * matrix.columns);
  }
}

}  // namespace

std::optional<SequenceInput> read_sequence(const CertifyCommand& command, const Checkpoint& model) {
  if (!command.sequence_kind) return std::nullopt;
  const ModelDescription& description = model.description();
  SequenceInput input;
  input.description.kind = *command.sequence_kind;
  input.description.file = command.sequence_file.string();
  switch (*command.sequence_kind) {
    case SequenceKind::kTokens:
      input.tokens = read_token_ids(command.sequence_file, description.vocabulary);
      break;
    case SequenceKind::kText:
      input.tokens = tokenize_text(command.sequence_file, model.folder(), description.vocabulary);
      input.description.tokenizer_sha256 = sha256_of_file(model.folder() / "tokenizer.json");
      break;
    case SequenceKind::kActivations:
      input.activations = read_activations(command.sequence_file, description.layers, description.d_model);
      break;
  }
  input.description.available = longest(input);
  if (command.max_tokens) shorten(input, *command.max_tokens);
  input.description.steps = longest(input);
  input.description.sha256 = sha256_of_file(command.sequence_file);
  return input;
}

}  // namespace lyap
