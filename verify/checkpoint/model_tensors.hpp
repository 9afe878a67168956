#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "theory/block_weights.hpp"
#include "verify/checkpoint/model_files.hpp"

namespace lyap {

/// The tensors of a model by name, wherever they are stored. Reading widens exactly and releases the pages that it
/// touched. Reads are independent of each other and may run in several threads.
class ModelTensors {
 public:
  /// Throws BadInput where two files hold a tensor of the same name.
  explicit ModelTensors(ModelFiles files);

  struct Place {
    const WeightFile* file = nullptr;
    const StoredTensor* tensor = nullptr;
  };

  [[nodiscard]] const ModelFiles& files() const { return files_; }
  [[nodiscard]] const std::map<std::string, Place>& places() const { return places_; }
  [[nodiscard]] bool contains(const std::string& name) const { return places_.contains(name); }

  /// The tensor's place. Throws BadInput where the model has none of this name.
  [[nodiscard]] const Place& at(const std::string& name) const;

  /// Throws BadInput unless there is such a tensor, of this shape, in F64, F32, F16 or BF16. `origin` says in messages
  /// where the expected shape comes from.
  void require(const std::string& name, const std::vector<std::size_t>& shape, const std::string& origin) const;

  /// All elements in row-major order.
  [[nodiscard]] theory::Vector read(const std::string& name) const;
  /// The same, as the matrix whose rows are the first index.
  [[nodiscard]] theory::Matrix read_matrix(const std::string& name) const;
  /// Rows [begin, end) of a tensor with two indices.
  [[nodiscard]] theory::Matrix read_rows(const std::string& name, std::size_t begin, std::size_t end) const;

  /// Names of the element types in the files, each once, sorted.
  [[nodiscard]] std::vector<std::string> element_types() const;

 private:
  [[nodiscard]] std::string where() const;  ///< the file that would say where a missing tensor is

  ModelFiles files_;
  std::map<std::string, Place> places_;
};

}  // namespace lyap
