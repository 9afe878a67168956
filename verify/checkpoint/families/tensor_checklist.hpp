#pragma once

#include <set>
#include <string>
#include <vector>

#include "verify/checkpoint/model_config.hpp"
#include "verify/checkpoint/model_tensors.hpp"

namespace lyap {

/// Ticks off the tensors that a family expects, so that what is left over can be refused: a tensor that nobody reads
/// may be part of a computation that nobody certified, and the certificate would be one of another model.
class TensorChecklist {
 public:
  TensorChecklist(const ModelConfig& config, const ModelTensors& tensors) : config_(config), tensors_(tensors) {}

  /// Throws BadInput unless the tensor is there with this shape and a floating-point type.
  void require(const std::string& name, const std::vector<std::size_t>& shape);

  /// Throws BadInput that names both numbers unless the blocks whose tensors are named prefix + "N." are `count`, the
  /// value of `key`.
  void require_block_count(const std::string& key, std::size_t count, const std::string& prefix) const;

  /// Throws BadInput where there is a tensor that was not expected.
  void refuse_the_rest() const;

  [[nodiscard]] const ModelConfig& config() const { return config_; }
  [[nodiscard]] const ModelTensors& tensors() const { return tensors_; }

 private:
  const ModelConfig& config_;
  const ModelTensors& tensors_;
  std::set<std::string> expected_;
};

}  // namespace lyap
