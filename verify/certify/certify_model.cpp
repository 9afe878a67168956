#include "verify/certify/certify_model.hpp"

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <ctime>

#include "numerics/blas_kernel.hpp"
#include "numerics/parallel.hpp"
#include "numerics/rounding.hpp"
#include "verify/certify/certificate_json.hpp"
#include "verify/certify/certificate_writer.hpp"
#include "verify/certify/claims.hpp"
#include "verify/certify/exit_code.hpp"
#include "verify/certify/interrupt.hpp"
#include "verify/certify/layer_arrays.hpp"
#include "verify/certify/not_covered.hpp"
#include "verify/certify/sequence_input.hpp"

namespace lyap {
namespace {

constexpr double kThoroughFlop = 1e14;
constexpr double kFastShare = 0.5;  // of a layer's progress: the universal tier, the rest is the sequence
constexpr double kThoroughShare = 0.9;

/// Thrown out of the forward pass once the last selected layer is done: the layers above are of no interest.
class SelectionDone {};

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

theory::StepSizeLimits step_limits_of(const theory::BlockWeights& block) {
  const auto* mamba2 = std::get_if<theory::Mamba2Weights>(&block);
  return mamba2 != nullptr ? mamba2->step_limits : theory::StepSizeLimits{};
}

/// layers x channels x (J d)^3 / 3: what one Cholesky factorisation per channel would cost.
double refinement_flop(const ModelDescription& model, const theory::BlockWeights& block) {
  const auto cost = [&](std::size_t channels, std::size_t size) {
    return static_cast<double>(model.layers * channels) * std::pow(static_cast<double>(size), 3) / 3.0;
  };
  if (const auto* mamba1 = std::get_if<theory::Mamba1Weights>(&block))
    return cost(mamba1->d_inner, mamba1->d_conv * mamba1->d_model);
  const auto& mamba2 = std::get<theory::Mamba2Weights>(block);
  return cost(mamba2.heads, mamba2.d_conv * mamba2.d_model);
}

/// The run over the selected layers: one block in memory at a time.
class LayerRun {
 public:
  LayerRun(const CertifyCommand& command, const CertifyTiers& tiers, const Checkpoint& model,
           const std::optional<SequenceInput>& sequence, CertificateWriter& writer, Progress& progress,
           Certificate& certificate)
      : command_(command),
        tiers_(tiers),
        model_(model),
        sequence_(sequence),
        writer_(writer),
        progress_(progress),
        certificate_(certificate) {
    vocabulary_.rows = model.description().vocabulary;
    vocabulary_.read_rows = [&model](std::size_t begin, std::size_t end) {
      return model.read_embedding_rows(begin, end);
    };
  }

  void run() {
    begun_ = std::chrono::steady_clock::now();
    progress_.start(selected_count());
    if (sequence_ && !sequence_->tokens.empty()) {
      run_with_forward_pass();
      return;
    }
    for (std::size_t layer = certificate_.selected.first; layer <= certificate_.selected.last; ++layer) {
      const theory::Matrix* input = nullptr;
      if (sequence_) {
        const auto found = sequence_->activations.find(layer);
        if (found != sequence_->activations.end()) input = &found->second;
      }
      if (input == nullptr && !includes_universal(command_.tier)) continue;
      certify_layer(layer, model_.read_block(layer), input);
    }
  }

 private:
  void run_with_forward_pass() {
    try {
      tiers_.forward(model_, sequence_->tokens,
                     [this](std::size_t layer, const theory::BlockWeights& block, const theory::Matrix& input) {
                       throw_if_interrupted();
                       if (certificate_.selected.contains(layer)) certify_layer(layer, block, &input);
                       if (layer >= certificate_.selected.last) throw SelectionDone();
                     });
    } catch (const SelectionDone&) {
      // All selected layers are certified.
    }
  }

  void certify_layer(std::size_t layer, const theory::BlockWeights& block, const theory::Matrix* input) {
    throw_if_interrupted();
    progress_.begin_layer(layer, certificate_.layers.size());
    LayerSummary summary;
    summary.index = layer;
    summary.kind = model_.description().kinds.at(layer);
    summary.step_limits = step_limits_of(block);
    if (certificate_.layers.empty() && !command_.effort) certificate_.effort = default_effort(block);
    if (includes_universal(command_.tier)) run_universal(block, summary, input != nullptr ? universal_share() : 1.0);
    if (layer == certificate_.selected.last) refinement_.reset();
    if (input != nullptr) run_trajectory(block, *input, summary);
    certificate_.layers.push_back(std::move(summary));
  }

  /// `share` is the universal tier's part of the layer's progress.
  void run_universal(const theory::BlockWeights& block, LayerSummary& summary, double share) {
    UniversalOptions options;
    if (summary.index == 0) options.vocabulary = &vocabulary_;
    options.thorough = certificate_.effort == Effort::kThorough;
    if (options.thorough && !refinement_) refinement_.emplace();
    options.should_stop = [this] { return is_interrupted() || refinements_were_ended() || is_time_up(); };
    options.progress = [this, share](const UniversalProgress& part) {
      progress_.advance(share * part.fraction, part.p_bound, part.p_reached);
    };
    const UniversalBounds bounds = tiers_.universal(block, options);
    throw_if_interrupted();
    summary.universal = summarize(bounds);
    summary.universal->over_vocabulary = options.vocabulary != nullptr && summary.kind == LayerKind::kMamba1;
    send_arrays(bounds, summary.index, [this](const NamedArray& array) { writer_.add(array); });
  }

  void run_trajectory(const theory::BlockWeights& block, const theory::Matrix& input, LayerSummary& summary) {
    TrajectoryOptions options;
    options.save_outputs = command_.save_outputs;
    const double begun = summary.universal ? universal_share() : 0.0;
    options.progress = [this, begun](double fraction) {
      throw_if_interrupted();
      progress_.advance(begun + (1.0 - begun) * fraction);
    };
    const TrajectoryBounds bounds = tiers_.trajectory(block, input, options);
    throw_if_interrupted();
    summary.trajectory = summarize(bounds);
    send_arrays(bounds, summary.index, [this](const NamedArray& array) { writer_.add(array); });
  }

  /// --minutes is shared out evenly, so that the last layers are refined as well.
  [[nodiscard]] bool is_time_up() const {
    if (!command_.minutes) return false;
    const double share = static_cast<double>(certificate_.layers.size() + 1) / static_cast<double>(selected_count());
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count() >
           60.0 * *command_.minutes * share;
  }

  [[nodiscard]] double universal_share() const {
    return certificate_.effort == Effort::kThorough ? kThoroughShare : kFastShare;
  }
  [[nodiscard]] std::size_t selected_count() const {
    return certificate_.selected.last - certificate_.selected.first + 1;
  }

  [[nodiscard]] Effort default_effort(const theory::BlockWeights& block) const {
    return refinement_flop(model_.description(), block) < kThoroughFlop ? Effort::kThorough : Effort::kFast;
  }

  const CertifyCommand& command_;
  const CertifyTiers& tiers_;
  const Checkpoint& model_;
  const std::optional<SequenceInput>& sequence_;
  CertificateWriter& writer_;
  Progress& progress_;
  Certificate& certificate_;
  Vocabulary vocabulary_;
  std::optional<RefinementSection> refinement_;  // from the first layer's refinements to the last layer's
  std::chrono::steady_clock::time_point begun_;
};

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

void require_safe_outputs(const CertifyCommand& command, const Checkpoint& model,
                          const std::vector<FileDigest>& files) {
  std::vector<std::filesystem::path> outputs{command.out, command.arrays_file()};
  if (command.report) outputs.push_back(*command.report);
  std::vector<std::filesystem::path> inputs{model.folder() / "tokenizer.json"};
  for (const FileDigest& digest : files) inputs.push_back(model.folder() / digest.file);
  if (command.sequence_kind) inputs.push_back(command.sequence_file);
  require_outputs_are_not_inputs(outputs, inputs);
}

std::vector<FailOnOutcome> judge_conditions(const CertifyCommand& command, const std::vector<LayerSummary>& layers) {
  std::vector<FailOnOutcome> outcomes;
  for (const FailOnCondition& condition : command.fail_on) {
    std::optional<FailOnValue> value;
    for (const LayerSummary& layer : layers) {
      if (!layer.universal) continue;
      const UniversalSummary& bounds = *layer.universal;
      const auto consider = [&](double upper, const std::optional<double>& witness) {
        if (!value || upper > value->upper)
          value = FailOnValue{upper, layer.index, value ? value->witness : std::nullopt};
        if (witness && (!value->witness || *witness > *value->witness)) value->witness = witness;
      };
      if (condition.quantity == FailOnQuantity::kExponent) consider(bounds.exponent.upper, bounds.exponent.witness);
      if (condition.quantity == FailOnQuantity::kZeta) consider(bounds.zeta.upper, bounds.zeta.witness);
      if (condition.quantity == FailOnQuantity::kStateBound) consider(bounds.state_bound_upper, std::nullopt);
    }
    if (!value) throw UsageError("--fail-on: '" + condition.text + "' needs a claim that this run does not make");
    outcomes.push_back(judge(condition, *value));
  }
  return outcomes;
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
  require_safe_outputs(command, model, certificate.files);

  CertificateWriter writer(command.out, command.arrays_file());
  LayerRun(command, tiers, model, sequence, writer, progress, certificate).run();
  certificate.claims = structural_claims(certificate.model);
  for (const LayerSummary& layer : certificate.layers) {
    for (Claim& claim : layer_claims(layer, certificate.sequence)) certificate.claims.push_back(std::move(claim));
  }
  certificate.fail_on = judge_conditions(command, certificate.layers);
  certificate.not_covered = not_covered_sentences(certificate);
  certificate.arrays = {command.arrays_file().filename().string(), writer.finish_arrays()};
  throw_if_interrupted();
  result.json = certificate_json(certificate);
  writer.commit(result.json);
  return result;
}

}  // namespace lyap
