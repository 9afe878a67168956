#include "verify/checkpoint/peft_adapter_update.hpp"

#include <cmath>
#include <limits>
#include <string>
#include <variant>

#include "numerics/contract_violation.hpp"

namespace lyap {
namespace {

using theory::Matrix;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

AdapterScale widened(double nearest, int steps) {
  AdapterScale scale{nearest, nearest, nearest};
  for (int i = 0; i < steps; ++i) {
    scale.lower_bound = std::nextafter(scale.lower_bound, -kInfinity);
    scale.upper_bound = std::nextafter(scale.upper_bound, kInfinity);
  }
  return scale;
}

Matrix* find_target(theory::Mamba1Weights& block, AdapterTarget target) {
  switch (target) {
    case AdapterTarget::kInProj:
      return &block.in_proj;
    case AdapterTarget::kXProj:
      return &block.x_proj;
    case AdapterTarget::kDtProj:
      return &block.dt_proj;
    case AdapterTarget::kOutProj:
      return &block.out_proj;
    case AdapterTarget::kEmbeddings:
      break;
  }
  return nullptr;
}

Matrix* find_target(theory::Mamba2Weights& block, AdapterTarget target) {
  if (target == AdapterTarget::kInProj) return &block.in_proj;
  return target == AdapterTarget::kOutProj ? &block.out_proj : nullptr;
}

void approx_update_block(theory::BlockWeights& block, const LowRankUpdate& update) {
  Matrix* matrix = std::visit([&](auto& weights) { return find_target(weights, update.target); }, block);
  if (matrix == nullptr)
    throw ContractViolation("the block has no " + std::string(target_name(update.target)) + " that could be updated");
  if (matrix->rows != update.B.rows)
    throw ContractViolation("the update of " + std::string(target_name(update.target)) + " has another shape");
  approx_add_update(*matrix, update);
}

}  // namespace

std::string_view target_name(AdapterTarget target) {
  switch (target) {
    case AdapterTarget::kInProj:
      return "in_proj";
    case AdapterTarget::kXProj:
      return "x_proj";
    case AdapterTarget::kDtProj:
      return "dt_proj";
    case AdapterTarget::kOutProj:
      return "out_proj";
    case AdapterTarget::kEmbeddings:
      break;
  }
  return "embeddings";
}

AdapterScale adapter_scale(double alpha, std::size_t rank, bool rank_stabilised) {
  const auto r = static_cast<double>(rank);
  const double root = std::sqrt(r);
  const double divisor = rank_stabilised ? root : r;
  const double nearest = alpha / divisor;
  // Both are exact: a remainder of finite numbers is a multiple of the smallest of all, and does not round to 0.
  const bool exact_divisor = !rank_stabilised || std::fma(root, root, -r) == 0.0;
  const bool exact = exact_divisor && std::fma(nearest, divisor, -alpha) == 0.0;
  if (exact) return {nearest, nearest, nearest};
  return widened(nearest, exact_divisor ? 1 : 3);
}

void approx_add_update(Matrix& W, const LowRankUpdate& update, std::size_t first_row) {
  const Matrix& A = update.A;
  const Matrix& B = update.B;
  if (A.columns != W.columns || B.columns != A.rows || first_row > B.rows || W.rows > B.rows - first_row) {
    throw ContractViolation("the update of " + std::string(target_name(update.target)) + " has another shape");
  }
  theory::Vector change(W.columns);
  for (std::size_t i = 0; i < W.rows; ++i) {
    change.assign(W.columns, 0.0);
    for (std::size_t k = 0; k < A.rows; ++k) {
      const double factor = B(first_row + i, k);
      for (std::size_t j = 0; j < W.columns; ++j) change[j] += factor * A(k, j);
    }
    for (std::size_t j = 0; j < W.columns; ++j) W(i, j) += update.scale.nearest * change[j];
  }
}

theory::BlockWeights approx_merged_block(const theory::BlockWeights& block, std::span<const LowRankUpdate> updates) {
  theory::BlockWeights merged = block;
  for (const LowRankUpdate& update : updates) approx_update_block(merged, update);
  return merged;
}

theory::BlockWeights approx_adapted_block(const theory::BlockWeights& block, std::span<const LowRankUpdate> updates) {
  theory::BlockWeights adapted = block;
  for (const LowRankUpdate& update : updates) {
    if (update.target != AdapterTarget::kDtProj) approx_update_block(adapted, update);
  }
  return adapted;
}

}  // namespace lyap
