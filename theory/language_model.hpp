#pragma once

#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

#include "theory/block_weights.hpp"
#include "theory/layers.hpp"
#include "theory/selective_recurrence.hpp"

/// A language model of state-space blocks: embedding, blocks with a residual stream, final RMS norm, head.
namespace lyap::theory {

struct LanguageModelWeights {
  Matrix embedding;  ///< (vocabulary, d_model)
  std::vector<BlockWeights> blocks;
  Vector final_norm_weight;  ///< (d_model)
  double final_norm_epsilon = 0.0;
  Matrix head;  ///< (vocabulary, d_model); a copy of the embedding where the two are tied
};

/// Adds the block's output to every row of the residual stream, (T) arrays of (d_model), from h_0 = 0.
template <class S>
void apply_block(const BlockWeights& block, std::vector<Array<S>>& residuals, const Program& program = {}) {
  std::visit(
      [&](const auto& w) {
        BlockState<S> state = initial_state<S>(w, program);
        for (Array<S>& r : residuals) {
          const BlockStep<S> t = step(w, r, state);
          for (std::size_t i = 0; i < r.size(); ++i) r[i] += t.output[i];
        }
      },
      block);
}

/// Row t of the result, (vocabulary), holds the logits after the tokens 0..t; every token id is below the vocabulary's
/// size.
template <class S>
[[nodiscard]] std::vector<Array<S>> logits(const LanguageModelWeights& model, const std::vector<std::int64_t>& tokens,
                                           const Program& program = {}) {
  std::vector<Array<S>> rows;
  for (const std::int64_t token : tokens) {
    Array<S> r;
    for (std::size_t i = 0; i < model.embedding.columns; ++i)
      r.push_back(exact<S>(model.embedding(static_cast<std::size_t>(token), i)));
    rows.push_back(std::move(r));
  }
  for (const BlockWeights& block : model.blocks) apply_block(block, rows, program);
  for (Array<S>& r : rows) r = linear(model.head, rms_norm(r, model.final_norm_weight, model.final_norm_epsilon));
  return rows;
}

}  // namespace lyap::theory
