#include "verify/certify/layer_run.hpp"

#include <chrono>
#include <cmath>

#include "verify/certify/interrupt.hpp"
#include "verify/certify/layer_arrays.hpp"
#include "verify/deviation/trace_file.hpp"

namespace lyap {
namespace {

constexpr double kThoroughFlop = 1e14;
// Parts of a layer's progress: the universal tier's, and of the rest the trajectory tier's where deviations follow.
constexpr double kFastShare = 0.5;
constexpr double kThoroughShare = 0.9;
constexpr double kTrajectoryShare = 0.15;

/// Thrown out of the forward pass once the last selected layer is done: the layers above are of no interest.
class SelectionDone {};

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

/// Steps of the sequence in `layer`; 0 where it has no input there.
std::size_t steps_in(const SequenceInput* sequence, std::size_t layer) {
  if (sequence == nullptr) return 0;
  if (!sequence->tokens.empty()) return sequence->tokens.size();
  const auto found = sequence->activations.find(layer);
  return found == sequence->activations.end() ? 0 : found->second.rows;
}

/// One layer as it is handed to the tiers; null where there is none.
struct LayerWork {
  std::size_t layer = 0;
  const theory::BlockWeights& block;
  const theory::Matrix* input = nullptr;
  const SecondBlock* second = nullptr;
};

class LayerRun {
 public:
  LayerRun(const CertifyCommand& command, const CertifyTiers& tiers, const LayerRunInputs& inputs,
           const LayerRunOutputs& outputs)
      : command_(command),
        tiers_(tiers),
        inputs_(inputs),
        writer_(outputs.writer),
        progress_(outputs.progress),
        certificate_(outputs.certificate) {
    vocabulary_.rows = inputs.model.description().vocabulary;
    vocabulary_.read_rows = [&model = inputs.model](std::size_t begin, std::size_t end) {
      return model.read_embedding_rows(begin, end);
    };
  }

  void run() {
    begun_ = std::chrono::steady_clock::now();
    progress_.start(selected_count());
    if (inputs_.sequence != nullptr && !inputs_.sequence->tokens.empty()) {
      run_with_forward_pass();
      return;
    }
    for (std::size_t layer = certificate_.selected.first; layer <= certificate_.selected.last; ++layer) {
      const theory::Matrix* input =
          steps_in(inputs_.sequence, layer) > 0 ? &inputs_.sequence->activations.at(layer) : nullptr;
      if (input == nullptr && !includes_universal(command_.tier)) continue;
      const std::optional<SecondBlock> second = read_second_block(layer);
      const theory::BlockWeights block = inputs_.model.read_block(layer);
      certify_layer({layer, block, input, second ? &*second : nullptr});
    }
  }

 private:
  /// Both models on the tokens, layer by layer beside each other.
  void run_with_forward_pass() {
    std::optional<SecondStream> stream;
    if (inputs_.second != nullptr) stream.emplace(*inputs_.second, inputs_.model, inputs_.sequence->tokens);
    try {
      tiers_.forward(inputs_.model, inputs_.sequence->tokens,
                     [&](std::size_t layer, const theory::BlockWeights& block, const theory::Matrix& input) {
                       throw_if_interrupted();
                       std::optional<SecondBlock> second = read_second_block(layer);
                       if (certificate_.selected.contains(layer)) {
                         if (second) second->own_inputs = stream->input();
                         certify_layer({layer, block, &input, second ? &*second : nullptr});
                       }
                       if (layer >= certificate_.selected.last) throw SelectionDone();
                       if (second) stream->advance(block, *second);
                     });
    } catch (const SelectionDone&) {
      // All selected layers are certified.
    }
  }

  [[nodiscard]] std::optional<SecondBlock> read_second_block(std::size_t layer) const {
    if (inputs_.second == nullptr) return std::nullopt;
    return inputs_.second->read_block(layer);
  }

  void certify_layer(const LayerWork& work) {
    throw_if_interrupted();
    progress_.begin_layer(work.layer, certificate_.layers.size());
    LayerSummary summary;
    summary.index = work.layer;
    summary.kind = inputs_.model.description().kinds.at(work.layer);
    summary.step_limits = step_limits_of(work.block);
    if (certificate_.layers.empty() && !command_.effort) certificate_.effort = default_effort(work.block);
    if (includes_universal(command_.tier)) {
      run_universal(work.block, summary, work.input != nullptr ? universal_share() : 1.0);
      if (command_.deviations.asks_universal()) run_universal_deviations(work, summary);
    }
    if (work.layer == certificate_.selected.last) refinement_.reset();
    if (work.input != nullptr) {
      run_trajectory(work, summary);
      if (command_.deviations.compares()) run_deviations(work, summary);
    }
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

  void run_universal_deviations(const LayerWork& work, LayerSummary& summary) {
    DeviationRequest request = request_for(work);
    if (request.other) request.other->own_inputs = nullptr;
    take(tiers_.universal_deviations(work.block, request), summary);
  }

  void run_trajectory(const LayerWork& work, LayerSummary& summary) {
    TrajectoryOptions options;
    options.save_outputs = command_.save_outputs;
    const double begun = summary.universal ? universal_share() : 0.0;
    options.progress = progress_between(begun, begun + (1.0 - begun) * trajectory_share());
    const TrajectoryBounds bounds = tiers_.trajectory(work.block, *work.input, options);
    throw_if_interrupted();
    summary.trajectory = summarize(bounds);
    send_arrays(bounds, summary.index, [this](const NamedArray& array) { writer_.add(array); });
  }

  void run_deviations(const LayerWork& work, LayerSummary& summary) {
    DeviationRequest request = request_for(work);
    ScanTrace trace;
    if (command_.deviations.trace) {
      trace = read_scan_trace(*command_.deviations.trace, inputs_.model, work.input->rows, work.layer, work.layer);
      request.trace = &trace.at(work.layer);
    }
    const double universal = summary.universal ? universal_share() : 0.0;
    request.progress = progress_between(universal + (1.0 - universal) * trajectory_share(), 1.0);
    take(tiers_.deviations(work.block, *work.input, request), summary);
  }

  [[nodiscard]] DeviationRequest request_for(const LayerWork& work) const {
    DeviationRequest request;
    request.policies = command_.deviations.policies;
    request.methods = command_.deviations.methods;
    if (work.second != nullptr) request.other = work.second->view(work.block);
    return request;
  }

  void take(std::vector<DeviationBounds> bounds, LayerSummary& summary) {
    throw_if_interrupted();
    for (DeviationBounds& one : bounds) {
      require_consistent(one);
      send_arrays(one, summary.index, [this](const NamedArray& array) { writer_.add(array); });
      summary.deviations.push_back(std::move(one));
    }
  }

  /// Shows a part's progress as [begin, end] of the layer's.
  [[nodiscard]] std::function<void(double)> progress_between(double begin, double end) {
    return [this, begin, end](double fraction) {
      throw_if_interrupted();
      progress_.advance(begin + (end - begin) * fraction);
    };
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
  [[nodiscard]] double trajectory_share() const { return command_.deviations.compares() ? kTrajectoryShare : 1.0; }
  [[nodiscard]] std::size_t selected_count() const {
    return certificate_.selected.last - certificate_.selected.first + 1;
  }

  [[nodiscard]] Effort default_effort(const theory::BlockWeights& block) const {
    return refinement_flop(inputs_.model.description(), block) < kThoroughFlop ? Effort::kThorough : Effort::kFast;
  }

  const CertifyCommand& command_;
  const CertifyTiers& tiers_;
  const LayerRunInputs& inputs_;
  CertificateWriter& writer_;
  Progress& progress_;
  Certificate& certificate_;
  Vocabulary vocabulary_;
  std::optional<RefinementSection> refinement_;  // from the first layer's refinements to the last layer's
  std::chrono::steady_clock::time_point begun_;
};

}  // namespace

FileDigest checked_trace(const std::filesystem::path& file, const LayerRunInputs& inputs, const LayerRange& selected) {
  for (std::size_t layer = selected.first; layer <= selected.last; ++layer) {
    const std::size_t steps = steps_in(inputs.sequence, layer);
    if (steps > 0) (void)read_scan_trace(file, inputs.model, steps, layer, layer);
  }
  return {file.string(), sha256_of_file(file)};
}

void run_layers(const CertifyCommand& command, const CertifyTiers& tiers, const LayerRunInputs& inputs,
                const LayerRunOutputs& outputs) {
  LayerRun(command, tiers, inputs, outputs).run();
}

}  // namespace lyap
