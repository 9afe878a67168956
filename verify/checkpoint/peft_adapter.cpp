#include "verify/checkpoint/peft_adapter.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <system_error>
#include <utility>
#include <variant>

#include "numerics/contract_violation.hpp"
#include "verify/checkpoint/array_file.hpp"
#include "verify/checkpoint/bad_input.hpp"
#include "verify/checkpoint/model_tensors.hpp"
#include "verify/checkpoint/peft_adapter_config.hpp"
#include "verify/checkpoint/weight_digest.hpp"

namespace lyap {
namespace {

namespace fs = std::filesystem;
using theory::Matrix;

constexpr const char* kConfig = "adapter_config.json";
constexpr const char* kSafetensors = "adapter_model.safetensors";
constexpr const char* kTorch = "adapter_model.bin";
const std::string kPrefix = "base_model.model.";

// A matrix of the base that an adapter may change.
struct Candidate {
  PeftAdapterConfig::Module module;
  AdapterTarget target;
  std::size_t rows = 0, columns = 0;
};

// How the adapter's own base was laid out, as far as names go.
struct Naming {
  std::string backbone = "backbone.";
  std::string embedding = "embeddings";
};

struct Shape {
  AdapterTarget target;
  std::size_t rows, columns;
};

std::vector<Shape> projections(const theory::Mamba1Weights& block) {
  return {{AdapterTarget::kInProj, block.in_proj.rows, block.in_proj.columns},
          {AdapterTarget::kXProj, block.x_proj.rows, block.x_proj.columns},
          {AdapterTarget::kDtProj, block.dt_proj.rows, block.dt_proj.columns},
          {AdapterTarget::kOutProj, block.out_proj.rows, block.out_proj.columns}};
}

std::vector<Shape> projections(const theory::Mamba2Weights& block) {
  return {{AdapterTarget::kInProj, block.in_proj.rows, block.in_proj.columns},
          {AdapterTarget::kOutProj, block.out_proj.rows, block.out_proj.columns}};
}

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::symlink_status(path, error).type() != fs::file_type::not_found && !error;
}

ModelTensors open_tensors(const fs::path& folder) {
  ModelFiles files;
  if (is_there(folder / kSafetensors)) {
    files.weights.push_back(open_safetensors(folder / kSafetensors, kSafetensors));
  } else if (is_there(folder / kTorch)) {
    files.weights.push_back(open_torch_archive(folder / kTorch, kTorch));
  } else {
    throw BadInput(folder.string(), std::string("holds no adapter: expected ") + kSafetensors + " or " + kTorch);
  }
  return ModelTensors(std::move(files));
}

Naming find_naming(const ModelTensors& tensors) {
  const auto begins = [&](const std::string& text) {
    const auto first = tensors.places().lower_bound(text);
    return first != tensors.places().end() && first->first.starts_with(text);
  };
  Naming naming;
  if (!begins(kPrefix + naming.backbone) && (begins(kPrefix + "layers.") || begins(kPrefix + "embedding")))
    naming.backbone.clear();
  if (begins(kPrefix + naming.backbone + "embedding.")) naming.embedding = "embedding";
  return naming;
}

std::string block_name(const Naming& naming, std::size_t layer) {
  return naming.backbone + "layers." + std::to_string(layer);
}

std::vector<Candidate> find_candidates(const Naming& naming, const Checkpoint& base) {
  const ModelDescription& model = base.description();
  std::map<LayerKind, std::vector<Shape>> shapes;
  std::vector<Candidate> candidates;
  for (std::size_t layer = 0; layer < model.layers; ++layer) {
    const LayerKind kind = model.kinds[layer];
    if (!shapes.contains(kind))
      shapes[kind] = std::visit([](const auto& block) { return projections(block); }, base.read_block(layer));
    for (const Shape& shape : shapes[kind]) {
      const std::string name = block_name(naming, layer) + ".mixer." + std::string(target_name(shape.target));
      candidates.push_back({{name, layer}, shape.target, shape.rows, shape.columns});
    }
  }
  candidates.push_back({{naming.backbone + naming.embedding, std::nullopt},
                        AdapterTarget::kEmbeddings,
                        model.vocabulary,
                        model.d_model});
  return candidates;
}

// Modules that a model has and that no update here can change.
std::vector<PeftAdapterConfig::Module> other_modules(const Naming& naming, const ModelDescription& model) {
  std::vector<PeftAdapterConfig::Module> modules = {{"lm_head", std::nullopt},
                                                    {naming.backbone + "norm_f", std::nullopt}};
  for (std::size_t layer = 0; layer < model.layers; ++layer) {
    const std::string block = block_name(naming, layer);
    for (const char* name : {"", ".norm", ".mixer", ".mixer.conv1d", ".mixer.act"})
      modules.push_back({block + name, layer});
    if (model.kinds[layer] == LayerKind::kMamba2) modules.push_back({block + ".mixer.norm", layer});
  }
  return modules;
}

// Every name in the list must be that of a module which can be changed, and nothing else may be chosen.
void require_targets_exist(const PeftAdapterConfig& config, const std::vector<Candidate>& candidates,
                           const std::vector<PeftAdapterConfig::Module>& others, std::size_t layers) {
  static const std::string kCanBe =
      "; in_proj, x_proj, dt_proj, out_proj and embeddings can be adapted, where the base has them";
  for (const auto& module : others) {
    if (config.is_targeted(module))
      config.refuse("target_modules", "an update of " + quoted_name(module.name) + " is not supported" + kCanBe);
  }
  for (const std::string& name : config.targets.names) {
    const auto is_named = [&](const Candidate& candidate) { return names_module(name, candidate.module.name); };
    if (std::none_of(candidates.begin(), candidates.end(), is_named))
      config.refuse("target_modules", "the base has no module " + quoted_name(name) + kCanBe);
  }
  if (config.layers && !config.layers->empty() && *config.layers->rbegin() >= layers) {
    config.refuse("layers_to_transform", "the base has no layer " + std::to_string(*config.layers->rbegin()) +
                                             "; it has " + std::to_string(layers));
  }
  const auto is_targeted = [&](const Candidate& candidate) { return config.is_targeted(candidate.module); };
  if (std::none_of(candidates.begin(), candidates.end(), is_targeted))
    config.refuse("target_modules", "chooses no module of the base" + kCanBe);
}

struct TensorNames {
  std::string A, B;
};

TensorNames tensor_names(const AdaptedModule& module) {
  const std::string stem = kPrefix + module.name;
  if (module.target == AdapterTarget::kEmbeddings) return {stem + ".lora_embedding_A", stem + ".lora_embedding_B"};
  return {stem + ".lora_A.weight", stem + ".lora_B.weight"};
}

bool is_zero(const theory::Vector& values) {
  return std::all_of(values.begin(), values.end(), [](double value) { return value == 0.0; });
}

Matrix transposed(const Matrix& matrix) {
  Matrix result(matrix.columns, matrix.rows);
  for (std::size_t i = 0; i < matrix.rows; ++i) {
    for (std::size_t j = 0; j < matrix.columns; ++j) result(j, i) = matrix(i, j);
  }
  return result;
}

AdaptedModule describe(const PeftAdapterConfig& config, const Candidate& candidate) {
  AdaptedModule module;
  module.name = candidate.module.name;
  module.target = candidate.target;
  module.layer = candidate.module.layer;
  module.rank = config.rank_of(module.name);
  module.alpha = config.alpha_of(module.name);
  module.scale = adapter_scale(module.alpha, module.rank, config.rank_stabilised);
  if (!std::isfinite(module.scale.lower_bound) || !std::isfinite(module.scale.upper_bound))
    config.refuse("lora_alpha", "the scale of " + quoted_name(module.name) + " overflows");
  return module;
}

std::vector<AdaptedModule> require_tensors(const PeftAdapterConfig& config, const ModelTensors& tensors,
                                           const std::vector<Candidate>& candidates) {
  std::vector<AdaptedModule> modules;
  std::set<std::string> expected;
  const std::string origin = config.file + " for this base";
  for (const Candidate& candidate : candidates) {
    if (!config.is_targeted(candidate.module)) continue;
    const AdaptedModule module = describe(config, candidate);
    const auto [A, B] = tensor_names(module);
    const bool is_embedding = module.target == AdapterTarget::kEmbeddings;
    tensors.require(A, {module.rank, is_embedding ? candidate.rows : candidate.columns}, origin);
    tensors.require(B, {is_embedding ? candidate.columns : candidate.rows, module.rank}, origin);
    expected.insert({A, B});
    modules.push_back(module);
  }
  for (const auto& [name, place] : tensors.places()) {
    if (!expected.contains(name)) {
      throw BadInput(place.file->path,
                     "tensor " + quoted_name(name) + " is unexpected: " + origin + " implies no such tensor");
    }
  }
  return modules;
}

std::size_t count(const AdapterDescription& adapter, bool (*predicate)(const AdaptedModule&)) {
  return static_cast<std::size_t>(std::count_if(adapter.modules.begin(), adapter.modules.end(), predicate));
}

bool is_step_projection(const AdaptedModule& module) { return module.target == AdapterTarget::kDtProj; }
bool is_embedding(const AdaptedModule& module) { return module.target == AdapterTarget::kEmbeddings; }
bool changes_nothing(const AdaptedModule& module) { return module.changes_nothing; }

void add_merging_differences(const ModelDescription& model, AdapterDescription& adapter) {
  adapter.step_projection_acts_only_merged = count(adapter, is_step_projection) > 0;
  adapter.merging_changes_tied_head = count(adapter, is_embedding) > 0 && model.tied_head;
  if (adapter.step_projection_acts_only_merged) {
    adapter.remarks.push_back(
        "The updates of dt_proj act only after merging: an attached adapter leaves them out, because the library uses "
        "dt_proj.weight directly.");
  }
  if (adapter.merging_changes_tied_head) {
    adapter.remarks.push_back(
        "Merging the update of the embedding changes the tied head too; an attached adapter leaves the head as it is.");
  }
  if (model.layout == "mamba-ssm") {
    adapter.remarks.push_back(
        "mamba-ssm's fused path uses weights directly and passes by attached updates (of all projections in Mamba-1, "
        "of out_proj in Mamba-2); they act after merging.");
  }
}

void add_remarks(const PeftAdapterConfig& config, const std::vector<Candidate>& candidates,
                 AdapterDescription& adapter) {
  if (config.fan_in_fan_out) {
    adapter.remarks.push_back(
        "fan_in_fan_out is true in " + config.file +
        "; it has no effect, because the projections are stored as (outputs, inputs) and PEFT takes it back for them.");
  }
  if (const std::size_t idle = count(adapter, changes_nothing); idle > 0) {
    adapter.remarks.push_back("The updates of " + std::to_string(idle) + " of " +
                              std::to_string(adapter.modules.size()) +
                              " adapted modules are exactly zero and change nothing, as after training on a fused path "
                              "that passes by them.");
  }
  std::vector<PeftAdapterConfig::Module> adapted;
  for (const Candidate& candidate : candidates) {
    if (config.is_targeted(candidate.module)) adapted.push_back(candidate.module);
  }
  for (const std::string& key : config.idle_patterns(adapted)) {
    adapter.remarks.push_back("The pattern " + quoted_name(key) + " in " + config.file +
                              " matches no adapted module and has no effect.");
  }
}

}  // namespace

struct PeftAdapter::Impl {
  ModelTensors tensors;
  std::size_t layers = 0;
  AdapterDescription description;

  [[nodiscard]] LowRankUpdate read(const AdaptedModule& module) const {
    const auto [A, B] = tensor_names(module);
    if (module.target == AdapterTarget::kEmbeddings)
      return {module.target, transposed(tensors.read_matrix(B)), transposed(tensors.read_matrix(A)), module.scale};
    return {module.target, tensors.read_matrix(A), tensors.read_matrix(B), module.scale};
  }

  void find_idle_modules() {
    for (AdaptedModule& module : description.modules) {
      const auto [A, B] = tensor_names(module);
      module.changes_nothing = (module.scale.lower_bound == 0.0 && module.scale.upper_bound == 0.0) ||
                               is_zero(tensors.read(A)) || is_zero(tensors.read(B));
    }
  }
};

PeftAdapter PeftAdapter::open(const fs::path& folder, const Checkpoint& base) {
  const PeftAdapterConfig config = PeftAdapterConfig::read(folder / kConfig);
  auto impl = std::make_unique<Impl>(Impl{open_tensors(folder), base.description().layers, {}});
  const Naming naming = find_naming(impl->tensors);
  const std::vector<Candidate> candidates = find_candidates(naming, base);
  require_targets_exist(config, candidates, other_modules(naming, base.description()), base.description().layers);
  AdapterDescription& description = impl->description;
  description.base_model = config.base_model;
  description.modules = require_tensors(config, impl->tensors, candidates);
  const std::vector<WeightFile>& files = impl->tensors.files().weights;
  description.digests = {{kConfig, sha256_of_file(config.file)},
                         {files.front().name, digest_finite_files(files).front()}};
  impl->find_idle_modules();
  add_merging_differences(base.description(), description);
  add_remarks(config, candidates, description);
  return PeftAdapter(std::move(impl));
}

PeftAdapter::PeftAdapter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PeftAdapter::PeftAdapter(PeftAdapter&&) noexcept = default;
PeftAdapter& PeftAdapter::operator=(PeftAdapter&&) noexcept = default;
PeftAdapter::~PeftAdapter() = default;

const AdapterDescription& PeftAdapter::description() const { return impl_->description; }

std::vector<LowRankUpdate> PeftAdapter::read_block_updates(std::size_t layer) const {
  if (layer >= impl_->layers)
    throw ContractViolation("read_block_updates: the base has no layer " + std::to_string(layer));
  std::vector<LowRankUpdate> updates;
  for (const AdaptedModule& module : impl_->description.modules) {
    if (module.layer == layer) updates.push_back(impl_->read(module));
  }
  return updates;
}

std::optional<LowRankUpdate> PeftAdapter::read_embedding_update() const {
  for (const AdaptedModule& module : impl_->description.modules) {
    if (module.target == AdapterTarget::kEmbeddings) return impl_->read(module);
  }
  return std::nullopt;
}

}  // namespace lyap
