#include "verify/certify/certify_model.hpp"

#include <cstdlib>
#include <ctime>

#include "numerics/blas_kernel.hpp"
#include "numerics/parallel.hpp"
#include "numerics/rounding.hpp"
#include "verify/certify/certificate_json.hpp"
#include "verify/certify/certificate_writer.hpp"
#include "verify/certify/claims.hpp"
#include "verify/certify/condition_values.hpp"
#include "verify/certify/deviation_claims.hpp"
#include "verify/certify/exit_code.hpp"
#include "verify/certify/interrupt.hpp"
#include "verify/certify/layer_run.hpp"
#include "verify/certify/not_covered.hpp"
#include "verify/certify/sequence_input.hpp"

namespace lyap {
namespace {

std::string utc_date() {
  std::time_t now = std::time(nullptr);
  if (const char* fixed = std::getenv("SOURCE_DATE_EPOCH"))
    now = static_cast<std::time_t>(std::strtoll(fixed, nullptr, 10));
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

LayerRange selected_layers(const CertifyCommand& command, const ModelDescription& model) {
  if (!command.layers) return {0, model.layers - 1};
  if (command.layers->last >= model.layers) {
    throw UsageError("--layers: the model has layers 0 to " + std::to_string(model.layers - 1) + ", not " +
                     std::to_string(command.layers->last));
  }
  return *command.layers;
}

/// Activations of other layers than the selected ones would leave the trajectory tier empty.
void require_selected_inputs(const SequenceInput& sequence, const LayerRange& selected) {
  if (sequence.description.kind != SequenceKind::kActivations) return;
  for (const auto& [layer, input] : sequence.activations) {
    if (selected.contains(layer)) return;
  }
  throw UsageError("--layers: " + sequence.description.file + " has no input for any of the layers " +
                   std::to_string(selected.first) + " to " + std::to_string(selected.last));
}

void require_safe_outputs(const CertifyCommand& command, const Checkpoint& model, const Certificate& certificate) {
  std::vector<std::filesystem::path> outputs{command.out, command.arrays_file()};
  if (command.report) outputs.push_back(*command.report);
  std::vector<std::filesystem::path> inputs{model.folder() / "tokenizer.json"};
  for (const FileDigest& digest : certificate.files) inputs.push_back(model.folder() / digest.file);
  if (command.sequence_kind) inputs.push_back(command.sequence_file);
  const DeviationCommand& deviations = command.deviations;
  if (deviations.trace) inputs.push_back(*deviations.trace);
  if (certificate.second_model) {
    const std::filesystem::path& folder = deviations.against ? *deviations.against : *deviations.adapter;
    for (const FileDigest& digest : certificate.second_model->files) inputs.push_back(folder / digest.file);
  }
  require_outputs_are_not_inputs(outputs, inputs);
}

Certificate begin_certificate(const CertifyCommand& command, const Checkpoint& model) {
  Certificate certificate;
  certificate.tool = build_information();
  certificate.rounding_self_test = rounding_self_test().detail;
  certificate.blas = blas_kernel_name();
  certificate.model = model.description();
  certificate.model_name = model_name(command.model);
  certificate.hf_compat = command.hf_compat;
  certificate.command = command.text;
  certificate.date = utc_date();
  certificate.tier = command.tier;
  certificate.effort = command.effort.value_or(Effort::kFast);
  certificate.selected = selected_layers(command, certificate.model);
  certificate.policies = command.deviations.policies;
  certificate.methods = command.deviations.methods;
  return certificate;
}

}  // namespace

CertifyResult certify_model(const CertifyCommand& command, const CertifyTiers& tiers, Progress& progress) {
  set_thread_count(command.threads);
  const Checkpoint model = Checkpoint::open(command.model, {command.hf_compat});
  CertifyResult result{begin_certificate(command, model), ""};
  Certificate& certificate = result.certificate;
  progress.announce("Reading " + certificate.model_name);
  const std::optional<SequenceInput> sequence = read_sequence(command, model);
  if (sequence) {
    require_selected_inputs(*sequence, certificate.selected);
    certificate.sequence = sequence->description;
  }
  certificate.files = model.digest_and_require_finite();
  const std::optional<SecondModel> second = SecondModel::open(command, model);
  if (second) certificate.second_model = second->description();
  const LayerRunInputs inputs{model, second ? &*second : nullptr, sequence ? &*sequence : nullptr};
  if (command.deviations.trace)
    certificate.trace = checked_trace(*command.deviations.trace, inputs, certificate.selected);
  require_safe_outputs(command, model, certificate);

  CertificateWriter writer(command.out, command.arrays_file());
  run_layers(command, tiers, inputs, {writer, progress, certificate});
  certificate.claims = structural_claims(certificate.model);
  for (const LayerSummary& layer : certificate.layers) {
    for (Claim& claim : layer_claims(layer, certificate.sequence)) certificate.claims.push_back(std::move(claim));
    for (Claim& claim : deviation_claims(layer, certificate)) certificate.claims.push_back(std::move(claim));
  }
  for (const FailOnCondition& condition : command.fail_on)
    certificate.fail_on.push_back(judge(condition, condition_value(condition, certificate.layers)));
  certificate.not_covered = not_covered_sentences(certificate);
  certificate.arrays = {command.arrays_file().filename().string(), writer.finish_arrays()};
  throw_if_interrupted();
  result.json = certificate_json(certificate);
  writer.commit(result.json);
  return result;
}

}  // namespace lyap
