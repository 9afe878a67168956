#include "verify/certify/second_model.hpp"

#include <algorithm>
#include <string>
#include <variant>

#include "verify/checkpoint/bad_input.hpp"

namespace lyap {
namespace {

using Eigen::Index;

std::string size_words(const std::vector<std::pair<const char*, std::size_t>>& sizes) {
  std::string text;
  for (const auto& [name, size] : sizes)
    text += (text.empty() ? "" : ", ") + std::string(name) + " " + std::to_string(size);
  return text;
}

std::string shape_words(const theory::Mamba1Weights& w) {
  return size_words({{"d_model", w.d_model},
                     {"d_inner", w.d_inner},
                     {"d_state", w.d_state},
                     {"d_conv", w.d_conv},
                     {"dt_rank", w.dt_rank}});
}

std::string shape_words(const theory::Mamba2Weights& w) {
  return size_words({{"d_model", w.d_model},
                     {"d_inner", w.d_inner},
                     {"heads", w.heads},
                     {"head_dim", w.head_dim},
                     {"d_state", w.d_state},
                     {"groups", w.groups},
                     {"d_conv", w.d_conv}});
}

std::string shape_words(const theory::BlockWeights& block) {
  return std::visit([](const auto& weights) { return shape_words(weights); }, block);
}

std::string model_words(const ModelDescription& model) {
  return "a " + model.family + " model with " + size_words({{"layers", model.layers}, {"d_model", model.d_model}});
}

[[noreturn]] void refuse_pair(const std::filesystem::path& second, const std::string& is,
                              const std::filesystem::path& first, const std::string& was) {
  throw BadInput(second.string(),
                 "has another shape than " + first.string() + ": it is " + is + ", and that is " + was);
}

/// One shape: family, layers, kinds, and the sizes of a block of each kind.
void require_same_shape(const Checkpoint& second, const Checkpoint& first) {
  const ModelDescription& a = first.description();
  const ModelDescription& b = second.description();
  if (a.family != b.family || a.layers != b.layers || a.d_model != b.d_model)
    refuse_pair(second.folder(), model_words(b), first.folder(), model_words(a));
  for (std::size_t layer = 0; layer < a.layers; ++layer) {
    const auto place = std::find(a.kinds.begin(), a.kinds.end(), a.kinds[layer]) - a.kinds.begin();
    const bool first_of_its_kind = std::size_t(place) == layer;
    const std::string name = std::string(name_of(b.kinds[layer])) + " in layer " + std::to_string(layer);
    if (a.kinds[layer] != b.kinds[layer]) refuse_pair(second.folder(), name, first.folder(), name_of(a.kinds[layer]));
    if (!first_of_its_kind) continue;
    const std::string was = shape_words(first.read_block(layer)), is = shape_words(second.read_block(layer));
    if (was != is) refuse_pair(second.folder(), name + " with " + is, first.folder(), "one with " + was);
  }
}

SecondModelDescription describe(const PeftAdapter& adapter) {
  const AdapterDescription& source = adapter.description();
  SecondModelDescription description;
  description.comparison = Comparison::kAdapter;
  description.base_model = source.base_model;
  description.modules = source.modules.size();
  for (const AdaptedModule& module : source.modules) {
    const std::string target(target_name(module.target));
    if (std::find(description.targets.begin(), description.targets.end(), target) == description.targets.end())
      description.targets.push_back(target);
    description.ranks.push_back(module.rank);
  }
  std::sort(description.ranks.begin(), description.ranks.end());
  description.ranks.erase(std::unique(description.ranks.begin(), description.ranks.end()), description.ranks.end());
  description.remarks = source.remarks;
  description.files = source.digests;
  return description;
}

SecondModelDescription describe(const Checkpoint& checkpoint) {
  SecondModelDescription description;
  description.family = checkpoint.description().family;
  description.layout = checkpoint.description().layout;
  description.remarks = checkpoint.description().remarks;
  description.files = checkpoint.digest_and_require_finite();
  return description;
}

}  // namespace

OtherBlock SecondBlock::view(const theory::BlockWeights& base) const {
  OtherBlock other;
  other.comparison = comparison;
  other.block = comparison == Comparison::kAdapter ? &base : &weights;
  other.updates = updates;
  other.own_inputs = own_inputs ? &*own_inputs : nullptr;
  return other;
}

std::optional<SecondModel> SecondModel::open(const CertifyCommand& command, const Checkpoint& base) {
  const DeviationCommand& deviations = command.deviations;
  if (!deviations.has_second_model()) return std::nullopt;
  SecondModel second;
  second.folder_ = deviations.against ? *deviations.against : *deviations.adapter;
  if (deviations.against) {
    second.checkpoint_ = Checkpoint::open(second.folder_, {command.hf_compat});
    require_same_shape(*second.checkpoint_, base);
    second.description_ = describe(*second.checkpoint_);
  } else {
    second.adapter_ = PeftAdapter::open(second.folder_, base);
    second.description_ = describe(*second.adapter_);
  }
  second.description_.name = model_name(second.folder_);
  return second;
}

SecondBlock SecondModel::read_block(std::size_t layer) const {
  SecondBlock block;
  block.comparison = description_.comparison;
  if (checkpoint_)
    block.weights = checkpoint_->read_block(layer);
  else
    block.updates = adapter_->read_block_updates(layer);
  return block;
}

FloatMatrix SecondModel::embed(const Checkpoint& base, const std::vector<std::int64_t>& tokens) const {
  const Checkpoint& source = checkpoint_ ? *checkpoint_ : base;
  const std::optional<LowRankUpdate> update = adapter_ ? adapter_->read_embedding_update() : std::nullopt;
  const ModelDescription& description = source.description();
  FloatMatrix residual(Index(tokens.size()), Index(description.d_model));
  theory::Matrix row(1, description.d_model);
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    const auto token = std::size_t(tokens[t]);
    if (tokens[t] < 0 || token >= description.vocabulary) {
      throw BadInput(source.folder().string(), "token " + std::to_string(tokens[t]) + " at position " +
                                                   std::to_string(t) + " is outside its vocabulary of " +
                                                   std::to_string(description.vocabulary));
    }
    row.entries = source.read_embedding_row(token);
    if (update) approx_add_update(row, *update, token);
    std::transform(row.entries.begin(), row.entries.end(), residual.row(Index(t)).data(),
                   [](double value) { return float(value); });
  }
  return residual;
}

SecondStream::SecondStream(const SecondModel& model, const Checkpoint& base, const std::vector<std::int64_t>& tokens)
    : model_(model), residual_(model.embed(base, tokens)) {}

theory::Matrix SecondStream::input() const {
  for (Index t = 0; t < residual_.rows(); ++t) {
    if (residual_.row(t).allFinite()) continue;
    throw BadInput(model_.folder().string(), "the float32 forward pass is not finite: the input of layer " +
                                                 std::to_string(layer_) + " overflows at token position " +
                                                 std::to_string(t));
  }
  theory::Matrix input(std::size_t(residual_.rows()), std::size_t(residual_.cols()));
  std::copy(residual_.data(), residual_.data() + residual_.size(), input.entries.begin());
  return input;
}

void SecondStream::advance(const theory::BlockWeights& base, const SecondBlock& block) {
  const auto run = [this](const theory::BlockWeights& weights) {
    std::visit([this](const auto& w) { approx_add_block(w, residual_); }, weights);
  };
  if (block.comparison == Comparison::kPair)
    run(block.weights);
  else if (block.updates.empty())
    run(base);
  else
    run(approx_merged_block(base, block.updates));
  ++layer_;
}

}  // namespace lyap
