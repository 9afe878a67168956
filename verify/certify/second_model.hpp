#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "verify/certify/command_line.hpp"
#include "verify/certify/float_forward_block.hpp"
#include "verify/certify/second_model_description.hpp"
#include "verify/checkpoint/peft_adapter.hpp"
#include "verify/deviation/certify_deviations.hpp"

namespace lyap {

/// One block of the second model. For a checkpoint its weights; for an adapter what it adds to the base's block.
struct SecondBlock {
  Comparison comparison = Comparison::kPair;
  theory::BlockWeights weights;
  std::vector<LowRankUpdate> updates;
  std::optional<theory::Matrix> own_inputs;  ///< (T, d_model): what the second model's own layers below computed

  /// The same for certify_deviations; refers to this object and to `base`.
  [[nodiscard]] OtherBlock view(const theory::BlockWeights& base) const;
};

/// The second model of a comparison, opened, checked against the first, and read block by block. An adapter means the
/// merged model, W + scale B A.
class SecondModel {
 public:
  /// What --against or --adapter names; empty where neither is given. Throws BadInput: a folder that is no model or no
  /// adapter for `base`; a model of another family or shape, naming both; a number that is not finite.
  /// Cost: one pass over the second model's files, and one block of each kind of both models.
  [[nodiscard]] static std::optional<SecondModel> open(const CertifyCommand& command, const Checkpoint& base);

  [[nodiscard]] const SecondModelDescription& description() const { return description_; }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  /// Block `layer`, without own inputs.
  [[nodiscard]] SecondBlock read_block(std::size_t layer) const;
  /// Rows `tokens` of the second model's embedding, in binary32, (T, d_model). Throws BadInput for a token that it does
  /// not have. `base` is the model that this one was opened against.
  [[nodiscard]] FloatMatrix embed(const Checkpoint& base, const std::vector<std::int64_t>& tokens) const;

 private:
  SecondModel() = default;

  std::filesystem::path folder_;
  std::optional<Checkpoint> checkpoint_;
  std::optional<PeftAdapter> adapter_;
  SecondModelDescription description_;
};

/// The second model's own float32 run on the same tokens, layer after layer beside the first model's. An adapter's
/// blocks are merged in binary64 first, then rounded to binary32.
class SecondStream {
 public:
  SecondStream(const SecondModel& model, const Checkpoint& base, const std::vector<std::int64_t>& tokens);
  /// The input of the next layer, exact float32 numbers, (T, d_model). Throws BadInput where the run is not finite.
  [[nodiscard]] theory::Matrix input() const;
  /// Runs the next layer; `base` is the first model's block of it.
  void advance(const theory::BlockWeights& base, const SecondBlock& block);

 private:
  const SecondModel& model_;
  FloatMatrix residual_;
  std::size_t layer_ = 0;
};

}  // namespace lyap
