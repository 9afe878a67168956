#include "verify/deviation/adjoint_estimate.hpp"

#include <cmath>
#include <random>
#include <utility>

#include "numerics/contract_violation.hpp"
#include "verify/deviation/stored_block_run.hpp"

namespace lyap {

namespace {

using deviation::DenseBlock;
using deviation::FirstOrder;
using deviation::Functional;
using deviation::Index;
using deviation::Quantity;
using deviation::StoredBlockRun;

struct NamedFunctional {
  FunctionalKind kind;
  std::string name;
  Functional functional;
};

RowMajorMatrix dense(const theory::Matrix& matrix) {
  return Eigen::Map<const RowMajorMatrix>(matrix.entries.data(), static_cast<Index>(matrix.rows),
                                          static_cast<Index>(matrix.columns));
}

/// A direction drawn uniformly from the unit sphere, as a row.
RowMajorMatrix random_direction(Index width, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  RowMajorMatrix direction(1, width);
  for (double& entry : direction.reshaped()) entry = normal(random);
  return direction / direction.norm();
}

NamedFunctional random_functional(FunctionalKind kind, std::size_t number, const StoredBlockRun& run,
                                  std::mt19937_64& random) {
  const auto below = [&](Index n) { return std::uniform_int_distribution<Index>(0, n - 1)(random); };
  const RowMajorMatrix& state = run.final_state();
  const Index tokens = run.values()[Quantity::kInput].rows();
  NamedFunctional result{kind, name_of(kind), {}};
  if (kind == FunctionalKind::kState) {
    const Index i = below(state.rows()), n = below(state.cols());
    result.functional.final_state = RowMajorMatrix::Zero(state.rows(), state.cols());
    result.functional.final_state(i, n) = 1.0;
    result.name.append("(").append(std::to_string(i)).append(", ").append(std::to_string(n)).append(")");
  } else if (kind == FunctionalKind::kScanOutput) {
    const Index i = below(state.rows());
    result.functional.y = RowMajorMatrix::Zero(tokens, state.rows());
    result.functional.y(tokens - 1, i) = 1.0;
    result.name.append("(").append(std::to_string(i)).append(")");
  } else {
    const Index width = run.values()[Quantity::kOutput].cols();
    result.functional.output = RowMajorMatrix::Zero(tokens, width);
    result.functional.output.row(tokens - 1) = random_direction(width, random);
    result.name.append(" in direction ").append(std::to_string(number));
  }
  return result;
}

}  // namespace

const char* name_of(FunctionalKind kind) {
  switch (kind) {
    case FunctionalKind::kState:
      return "h";
    case FunctionalKind::kScanOutput:
      return "y";
    case FunctionalKind::kBlockOutput:
      return "o";
    default:
      return "logit gap";
  }
}

std::vector<DeviationEstimate> estimate_deviations(const theory::BlockWeights& weights, const theory::Matrix& inputs,
                                                   const theory::PrecisionPolicy& policy,
                                                   const EstimateOptions& options) {
  const DenseBlock block = deviation::dense_block(weights);
  const DenseBlock rounded = deviation::approx_rounded_block(weights, policy);
  const DenseBlock change = deviation::change_of(block, rounded);
  if (inputs.rows == 0 || static_cast<Index>(inputs.columns) != block[deviation::Tensor::kNormWeight].cols())
    throw ContractViolation("estimate_deviations: inputs of shape (T, d_model) with T > 0 are needed");
  const StoredBlockRun run(block, dense(inputs));
  const StoredBlockRun simulated(rounded, dense(inputs), &policy);
  const deviation::LocalDeviations local = deviation::local_deviations(block, run, policy, change);
  std::mt19937_64 random(options.seed);
  std::vector<DeviationEstimate> estimates;
  for (const FunctionalKind kind :
       {FunctionalKind::kState, FunctionalKind::kScanOutput, FunctionalKind::kBlockOutput}) {
    for (std::size_t i = 0; i < options.functionals_of_each_kind; ++i) {
      const NamedFunctional chosen = random_functional(kind, i, run, random);
      const FirstOrder sum = deviation::first_order(run.gradient(chosen.functional, policy, change), local);
      const double value = run.value(chosen.functional);
      estimates.push_back({kind, chosen.name, value, std::sqrt(sum.variance + sum.signed_part * sum.signed_part),
                           sum.signed_part, simulated.value(chosen.functional) - value});
    }
  }
  return estimates;
}

double approx_sigma_ratio(std::span<const DeviationEstimate> estimates, FunctionalKind kind) {
  double estimated = 0.0, simulated = 0.0;
  for (const DeviationEstimate& estimate : estimates) {
    if (estimate.kind != kind) continue;
    estimated += estimate.approx_sigma * estimate.approx_sigma;
    simulated += estimate.approx_simulated * estimate.approx_simulated;
  }
  return simulated == 0.0 ? 0.0 : std::sqrt(estimated / simulated);
}

}  // namespace lyap
