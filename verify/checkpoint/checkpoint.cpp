#include "verify/checkpoint/checkpoint.hpp"

#include <system_error>
#include <utility>

#include "numerics/contract_violation.hpp"
#include "verify/checkpoint/array_file.hpp"
#include "verify/checkpoint/bad_input.hpp"
#include "verify/checkpoint/families/family.hpp"
#include "verify/checkpoint/model_config.hpp"
#include "verify/checkpoint/model_files.hpp"
#include "verify/checkpoint/model_tensors.hpp"
#include "verify/checkpoint/weight_digest.hpp"

namespace lyap {
namespace {

namespace fs = std::filesystem;

constexpr char kConfig[] = "config.json";

void require_model_folder(const fs::path& folder) {
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  if (status.type() == fs::file_type::not_found) throw BadInput(folder.string(), "no such folder");
  if (error) throw BadInput(folder.string(), "cannot be opened: " + error.message());
  if (!fs::is_directory(status))
    throw BadInput(folder.string(), "is not a folder; a model is a folder with config.json and its weights");
  if (!fs::exists(folder / kConfig, error) && fs::exists(folder / "adapter_config.json", error)) {
    throw BadInput((folder / kConfig).string(), "no such file: the folder holds an adapter, not a model");
  }
}

}  // namespace

struct Checkpoint::Impl {
  fs::path folder;
  ModelTensors tensors;
  ModelLayout layout;
};

Checkpoint Checkpoint::open(const fs::path& folder, const CheckpointOptions& options) {
  require_model_folder(folder);
  const ModelConfig config = ModelConfig::read(folder / kConfig);
  const ModelFamily& family = find_family(config);
  ModelTensors tensors(open_model_files(folder));
  ModelLayout layout = family.lay_out(config, tensors, options);
  layout.description.weight_types = tensors.element_types();
  return Checkpoint(std::make_unique<Impl>(Impl{folder, std::move(tensors), std::move(layout)}));
}

Checkpoint::Checkpoint(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;
Checkpoint::~Checkpoint() = default;

const ModelDescription& Checkpoint::description() const { return impl_->layout.description; }

const fs::path& Checkpoint::folder() const { return impl_->folder; }

theory::BlockWeights Checkpoint::read_block(std::size_t layer) const {
  if (layer >= description().layers)
    throw ContractViolation("read_block: the model has no layer " + std::to_string(layer));
  return impl_->layout.read_block(impl_->tensors, layer);
}

theory::Vector Checkpoint::read_embedding_row(std::size_t token) const {
  return read_embedding_rows(token, token + 1).entries;
}

theory::Matrix Checkpoint::read_embedding_rows(std::size_t begin, std::size_t end) const {
  return impl_->tensors.read_rows(impl_->layout.embedding, begin, end);
}

theory::Vector Checkpoint::read_final_norm() const { return impl_->tensors.read(impl_->layout.final_norm); }

theory::Matrix Checkpoint::read_head_rows(std::size_t begin, std::size_t end) const {
  return impl_->tensors.read_rows(impl_->layout.head, begin, end);
}

std::vector<FileDigest> Checkpoint::digest_and_require_finite() const {
  const ModelFiles& files = impl_->tensors.files();
  std::vector<FileDigest> digests = {{kConfig, sha256_of_file(impl_->folder / kConfig)}};
  if (!files.index.empty()) digests.push_back({files.index, sha256_of_file(impl_->folder / files.index)});
  const std::vector<std::string> weights = digest_finite_files(files.weights);
  for (std::size_t i = 0; i < weights.size(); ++i) digests.push_back({files.weights[i].name, weights[i]});
  return digests;
}

}  // namespace lyap
