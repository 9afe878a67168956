#pragma once

#include <cstddef>
#include <optional>
#include <sstream>
#include <string>
#include <variant>
#include <vector>

#include "numerics/interval.hpp"
#include "numerics/interval_functions.hpp"
#include "numerics/mpfr_real.hpp"
#include "theory/layers.hpp"
#include "theory/selective_recurrence.hpp"
#include "verify/deviation/real_run.hpp"

/// What runs of a block are compared with: theory's template in another scalar, every quantity of every step.
namespace lyap::testing {

/// All quantities of a run that a BlockChunk has, by token; states has one entry more, h_0 first.
template <class S>
struct BlockValues {
  std::vector<theory::BlockStep<S>> steps;
  std::vector<theory::Array<S>> states, gated;
};

template <class S>
theory::Array<S> after_gate(const theory::Mamba1Weights&, theory::Array<S> gated) {
  return gated;
}
template <class S>
theory::Array<S> after_gate(const theory::Mamba2Weights& block, const theory::Array<S>& gated) {
  return theory::rms_norm(gated, block.gated_norm_weight, block.gated_norm_epsilon, block.gated_norm_groups);
}

template <class S, class Weights>
[[nodiscard]] BlockValues<S> block_values(const Weights& block, const theory::Matrix& inputs,
                                          theory::Softplus softplus = theory::Softplus::kTextbook) {
  auto state = theory::initial_state<S>(block, {theory::Discretization::kEuler, softplus});
  BlockValues<S> values;
  values.states.push_back(state.scan.h());
  for (std::size_t t = 0; t < inputs.rows; ++t) {
    theory::Array<S> r;
    for (std::size_t i = 0; i < inputs.columns; ++i) r.push_back(theory::exact<S>(inputs(t, i)));
    values.steps.push_back(theory::step(block, r, state));
    values.states.push_back(state.scan.h());
    const theory::BlockStep<S>& step = values.steps.back();
    theory::Array<S> gated = step.y;
    for (std::size_t i = 0; i < gated.size(); ++i) gated[i] *= silu(step.z[i]);
    values.gated.push_back(after_gate(block, gated));
  }
  return values;
}

template <class S>
[[nodiscard]] BlockValues<S> block_values(const theory::BlockWeights& block, const theory::Matrix& inputs,
                                          theory::Softplus softplus = theory::Softplus::kTextbook) {
  return std::visit([&](const auto& weights) { return block_values<S>(weights, inputs, softplus); }, block);
}

/// Calls visit(name, enclosure, row, values) for each row of each quantity of the chunk. Row 0 of h is the state before
/// it.
template <class S, class Visit>
void visit_rows(const BlockValues<S>& values, const deviation::BlockChunk& chunk, const Visit& visit) {
  for (std::size_t t = chunk.begin; t < chunk.end; ++t) {
    const theory::BlockStep<S>& step = values.steps[t];
    const Eigen::Index row = Eigen::Index(t - chunk.begin);
    visit("z", chunk.front.z, row, step.z);
    visit("x", chunk.front.scan.x, row, step.x);
    visit("B", chunk.front.scan.B, row, step.B);
    visit("C", chunk.front.scan.C, row, step.C);
    visit("p", chunk.front.p, row, step.p);
    visit("step size", chunk.front.scan.step_size, row, step.Delta);
    visit("h before", chunk.h, row, values.states[t]);
    visit("h", chunk.h, row + 1, values.states[t + 1]);
    visit("y", chunk.y, row, step.y);
    visit("gated", chunk.gated, row, values.gated[t]);
    visit("output", chunk.output, row, step.output);
  }
}

/// What lies outside, in words; nothing where all is inside and no end is NaN.
inline std::optional<std::string> first_outside(const BlockValues<MpfrReal>& values,
                                                const deviation::BlockChunk& chunk) {
  std::optional<std::string> result;
  visit_rows(values, chunk,
             [&](const char* name, const deviation::IntervalMatrix& set, Eigen::Index row, const auto& exact) {
               if (result) return;
               std::ostringstream text;
               text.precision(17);
               text << name << " at token " << chunk.begin << " + " << row;
               if (set.columns() != Eigen::Index(exact.size()) || row >= set.rows()) {
                 result = text.str() + ": wrong shape";
                 return;
               }
               for (Eigen::Index i = 0; i < set.columns(); ++i) {
                 const MpfrReal& value = exact[std::size_t(i)];
                 if (value >= set.lower(row, i) && value <= set.upper(row, i)) continue;
                 text << ", entry " << i << ": " << value << " is not in [" << set.lower(row, i) << ", "
                      << set.upper(row, i) << ']';
                 result = text.str();
                 return;
               }
             });
  return result;
}

/// The whole sequence, in chunks of the lengths given (the last length is repeated).
inline std::vector<deviation::BlockChunk> real_chunks(const theory::BlockWeights& block, const theory::Matrix& inputs,
                                                      const std::vector<std::size_t>& lengths,
                                                      std::span<const LowRankUpdate> updates = {}) {
  deviation::RealRun run(block, updates);
  std::vector<deviation::BlockChunk> chunks;
  for (std::size_t begin = 0, i = 0; begin < inputs.rows; ++i) {
    const std::size_t end = std::min(inputs.rows, begin + lengths[std::min(i, lengths.size() - 1)]);
    chunks.push_back(run.advance(inputs, begin, end));
    begin = end;
  }
  return chunks;
}

}  // namespace lyap::testing
