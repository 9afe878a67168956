#include "verify/deviation/pair_comparison.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "numerics/contract_violation.hpp"
#include "verify/deviation/pair_tensors.hpp"

namespace lyap::deviation {
namespace {

std::vector<std::size_t> sizes_of(const theory::Mamba1Weights& w) {
  return {w.d_model, w.d_inner, w.d_state, w.d_conv, w.dt_rank};
}
std::vector<std::size_t> sizes_of(const theory::Mamba2Weights& w) {
  return {w.d_model, w.d_inner, w.heads, w.head_dim, w.d_state, w.groups, w.d_conv};
}

/// The larger of the entries of all chunks.
void raise(double& largest, const RowMajorMatrix& values) {
  if (values.size() > 0) largest = std::max(largest, values.maxCoeff());
}

/// One tensor's part, measured on the local question.
struct Part {
  TensorAttribution attribution;
  bool reaches_state = true;
  std::unique_ptr<theory::BlockWeights> block;  // stays where RealRun found it
  std::optional<RealRun> run;

  void advance(const BlockChunk& reference, const theory::Matrix& inputs) {
    if (!run) return;
    BlockChunk chunk = run->advance(inputs, reference.begin, reference.end);
    chunk.output = {};  // the run's block has no out_proj
    const ChunkDeviation d = distance(reference, chunk);
    if (reaches_state) raise(attribution.state_upper, d.state);
    raise(attribution.output_upper, d.output);
  }
};

std::vector<Part> parts_of_pair(const theory::BlockWeights& block, const theory::BlockWeights& other) {
  std::vector<Part> parts;
  for (OneTensorChanged& change : one_tensor_changed(block, other)) {
    Part part{{change.tensor, 0.0, 0.0}, change.reaches_state, nullptr, std::nullopt};
    if (change.reaches_scan) {
      part.block = std::make_unique<theory::BlockWeights>(std::move(change.block));
      part.run.emplace(*part.block);
    }
    parts.push_back(std::move(part));
  }
  return parts;
}

bool changes_nothing(const LowRankUpdate& update) {
  const auto is_zero = [](const theory::Matrix& m) {
    return std::all_of(m.entries.begin(), m.entries.end(), [](double x) { return x == 0.0; });
  };
  return is_zero(update.A) || is_zero(update.B) || (update.scale.lower_bound == 0.0 && update.scale.upper_bound == 0.0);
}

std::vector<Part> parts_of_adapter(const theory::BlockWeights& base, std::span<const LowRankUpdate> updates) {
  std::vector<Part> parts;
  for (std::size_t i = 0; i < updates.size(); ++i) {
    if (changes_nothing(updates[i])) continue;
    Part part{{std::string(target_name(updates[i].target)), 0.0, 0.0}, true, nullptr, std::nullopt};
    if (updates[i].target != AdapterTarget::kOutProj) {
      part.block = std::make_unique<theory::BlockWeights>(without_out_proj(base));
      part.run.emplace(*part.block, updates.subspan(i, 1));
    }
    parts.push_back(std::move(part));
  }
  return parts;
}

}  // namespace

void require_same_shape(const theory::BlockWeights& block, const theory::BlockWeights& other) {
  const bool same = std::visit(
      [&](const auto& weights) {
        const auto* second = std::get_if<std::decay_t<decltype(weights)>>(&other);
        return second != nullptr && sizes_of(weights) == sizes_of(*second);
      },
      block);
  if (!same) throw ContractViolation("the two blocks of a pair are of different kind or shape");
}

struct PairComparison::Impl {
  /// The other block's run on inputs of one question.
  struct Run {
    DeviationQuestion question;
    const theory::Matrix* inputs;  // null: those handed to advance
    RealRun run;
    DeviationMaxima bound, measured;
  };

  Comparison comparison;
  std::vector<Run> runs;
  std::vector<Part> parts;

  Impl(const theory::BlockWeights& block, const OtherBlock& other, std::size_t steps) : comparison(other.comparison) {
    if (other.block == nullptr) throw ContractViolation("a pair needs a second block");
    require_same_shape(block, *other.block);
    const bool adapter = comparison == Comparison::kAdapter;
    const auto updates = adapter ? other.updates : std::span<const LowRankUpdate>();
    const auto add = [&](DeviationQuestion question, const theory::Matrix* inputs) {
      const StateShape shape = state_shape(block);
      runs.push_back({question, inputs, RealRun(*other.block, updates), DeviationMaxima(shape, steps),
                      DeviationMaxima(shape, steps)});
    };
    add(DeviationQuestion::kLocal, nullptr);
    if (other.own_inputs != nullptr) add(DeviationQuestion::kOwn, other.own_inputs);
    parts = adapter ? parts_of_adapter(*other.block, updates) : parts_of_pair(block, *other.block);
  }

  void advance(const BlockChunk& reference, const theory::Matrix& inputs) {
    for (Run& run : runs) {
      const theory::Matrix& own = run.inputs == nullptr ? inputs : *run.inputs;
      const BlockChunk chunk = run.run.advance(own, reference.begin, reference.end);
      run.bound.add_distance(reference, chunk);
      run.measured.add_least_distance(reference, chunk);
    }
    for (Part& part : parts) part.advance(reference, inputs);
  }
};

PairComparison::PairComparison(const theory::BlockWeights& block, const OtherBlock& other, std::size_t steps)
    : impl_(std::make_unique<Impl>(block, other, steps)) {}
PairComparison::PairComparison(PairComparison&&) noexcept = default;
PairComparison::~PairComparison() = default;

void PairComparison::advance(const BlockChunk& reference, const theory::Matrix& inputs) {
  impl_->advance(reference, inputs);
}

std::vector<DeviationBounds> PairComparison::results(const DeviationMaxima& size) const {
  std::vector<DeviationBounds> results;
  for (const Impl::Run& run : impl_->runs) {
    DeviationBounds bounds;
    bounds.comparison = impl_->comparison;
    bounds.method = DeviationMethod::kTwoTrajectories;
    bounds.question = run.question;
    write_quantities(run.bound, size, &run.measured, bounds);
    if (run.question == DeviationQuestion::kLocal) {
      for (const Part& part : impl_->parts) bounds.attribution.push_back(part.attribution);
    }
    require_consistent(bounds);
    results.push_back(std::move(bounds));
  }
  return results;
}

}  // namespace lyap::deviation
