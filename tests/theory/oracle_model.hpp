#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "theory/language_model.hpp"
#include "verify/checkpoint/array_file.hpp"
#include "verify/checkpoint/checkpoint.hpp"

/// A checkpoint's whole weights, and the answers of an independent implementation beside them.
namespace lyap::theory::testing {

inline std::filesystem::path source_folder() { return LYAP_SOURCE_DIR; }

inline LanguageModelWeights read_whole_model(const std::filesystem::path& folder) {
  const Checkpoint checkpoint = Checkpoint::open(folder);
  const ModelDescription& description = checkpoint.description();
  LanguageModelWeights model;
  model.embedding = checkpoint.read_embedding_rows(0, description.vocabulary);
  for (std::size_t layer = 0; layer < description.layers; ++layer) model.blocks.push_back(checkpoint.read_block(layer));
  model.final_norm_weight = checkpoint.read_final_norm();
  model.final_norm_epsilon = description.final_norm_epsilon;
  model.head = checkpoint.read_head_rows(0, description.vocabulary);
  return model;
}

/// The tensors of an oracle.safetensors, by name.
class Oracle {
 public:
  explicit Oracle(const std::filesystem::path& file) : tensors_(load_tensors(file)) {}

  [[nodiscard]] const LoadedTensor& operator[](const std::string& name) const {
    const auto found =
        std::find_if(tensors_.begin(), tensors_.end(), [&](const LoadedTensor& tensor) { return tensor.name == name; });
    if (found == tensors_.end()) throw std::runtime_error("the oracle has no " + name);
    return *found;
  }

  [[nodiscard]] std::vector<std::int64_t> tokens(std::size_t sequence) const {
    const LoadedTensor& ids = (*this)["input_ids"];
    const auto T = static_cast<std::ptrdiff_t>(ids.shape.at(1));
    const auto first = ids.integers.begin() + static_cast<std::ptrdiff_t>(sequence) * T;
    return {first, first + T};
  }

 private:
  std::vector<LoadedTensor> tensors_;
};

/// max |computed - expected| and max |expected|; shapes must agree in size.
struct Agreement {
  double difference = 0.0;
  double scale = 0.0;
  [[nodiscard]] double relative() const { return difference / scale; }
};

template <class S>
Agreement compare(const std::vector<S>& computed, const double* expected, std::size_t count) {
  EXPECT_EQ(computed.size(), count);
  Agreement result;
  for (std::size_t i = 0; i < std::min(count, computed.size()); ++i) {
    const double difference = std::fabs(static_cast<double>(computed[i]) - expected[i]);
    result.difference = std::isnan(difference) ? INFINITY : std::max(result.difference, difference);
    result.scale = std::max(result.scale, std::fabs(expected[i]));
  }
  return result;
}

template <class S>
Agreement compare(const std::vector<S>& computed, const LoadedTensor& expected) {
  return compare(computed, expected.values.data(), expected.values.size());
}

template <class S>
std::vector<S> concatenated(const std::vector<Array<S>>& rows) {
  std::vector<S> result;
  for (const Array<S>& row : rows) result.insert(result.end(), row.begin(), row.end());
  return result;
}

/// The logits of every sequence of the oracle, one after another, against `name`.
template <class S>
Agreement compare_logits(const LanguageModelWeights& model, const Oracle& oracle, const std::string& name) {
  std::vector<S> computed;
  for (std::size_t sequence = 0; sequence < oracle["input_ids"].shape.at(0); ++sequence) {
    const std::vector<S> part = concatenated(logits<S>(model, oracle.tokens(sequence)));
    computed.insert(computed.end(), part.begin(), part.end());
  }
  return compare(computed, oracle[name]);
}

}  // namespace lyap::theory::testing
