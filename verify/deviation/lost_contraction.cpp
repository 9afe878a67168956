#include "verify/deviation/lost_contraction.hpp"

#include <algorithm>

#include "numerics/contract_violation.hpp"
#include "numerics/interval_functions.hpp"
#include "numerics/parallel.hpp"
#include "theory/number_types.hpp"

namespace lyap::deviation {
namespace {

using Eigen::Index;

constexpr std::size_t kHeadGrain = 16;

struct CountedType {
  const char* name;
  theory::NumberType type;
};
constexpr std::array<CountedType, 3> kCountedTypes{
    {{"float32", theory::kFloat32Type}, {"float16", theory::kFloat16Type}, {"bfloat16", theory::kBfloat16Type}}};

/// At least every step size at which a decay of the rate may come out as 1.
double limit_of(const theory::NumberType& type, double alpha) {
  const Interval threshold = theory::unit_decay_threshold(type, Interval::from_exact(kDecayExpError));
  const Interval widened = threshold * (Interval::from_exact(1.0) + Interval::from_exact(kDecayArgumentError));
  if (alpha <= 0.0) return std::numeric_limits<double>::infinity();
  return (widened / Interval::from_exact(alpha)).upper();
}

bool is_stored_as(const theory::NumberType& stored, const theory::NumberType& type) {
  const bool binary32 = stored.u == theory::kUnrounded.u || stored.u == theory::kFloat32Type.u;
  return type == theory::kFloat32Type ? binary32 : stored == type;
}

}  // namespace

LostContractionCount::LostContractionCount(const StateShape& shape, std::span<const double> alpha)
    : shape_(shape), largest_limit_(shape.heads) {
  if (shape.heads == 0 || alpha.size() % shape.heads != 0)
    throw ContractViolation("LostContractionCount: the rates do not fit the state's shape");
  for (std::size_t k = 0; k < kTypes; ++k) {
    counts_[k].resize(alpha.size());
    for (const double rate : alpha) limits_[k].push_back(limit_of(kCountedTypes[k].type, rate));
    for (std::size_t i = 0; i < alpha.size(); ++i) {
      double& largest = largest_limit_[i / (alpha.size() / shape.heads)];
      largest = std::max(largest, limits_[k][i]);
    }
  }
}

void LostContractionCount::add(const RowMajorMatrix& step_size) {
  if (std::size_t(step_size.cols()) != shape_.heads)
    throw ContractViolation("LostContractionCount: one step size per head is needed");
  steps_ += std::size_t(step_size.rows());
  const std::size_t decays = counts_[0].size() / shape_.heads;
  parallel_for(shape_.heads, kHeadGrain, [&](std::size_t first, std::size_t last) {
    for (Index t = 0; t < step_size.rows(); ++t) {
      for (std::size_t head = first; head < last; ++head) {
        const double delta = step_size(t, Index(head));
        if (delta > largest_limit_[head]) continue;
        for (std::size_t k = 0; k < kTypes; ++k) {
          const double* limit = limits_[k].data() + head * decays;
          double* count = counts_[k].data() + head * decays;
          for (std::size_t n = 0; n < decays; ++n) count[n] += delta > limit[n] ? 0.0 : 1.0;
        }
      }
    }
  });
}

std::vector<LostContraction> LostContractionCount::counts(const theory::PrecisionPolicy& policy) const {
  const theory::ScanRounding& scan = shape_.decay_per_state ? policy.mamba1 : policy.mamba2;
  const double steps = double(steps_);
  std::vector<LostContraction> result;
  for (std::size_t k = 0; k < kTypes; ++k) {
    LostContraction lost;
    lost.type = kCountedTypes[k].name;
    lost.states = counts_[k].size();
    double total = 0.0;
    for (const double count : counts_[k]) {
      lost.states_ever += count > 0.0 ? 1 : 0;
      lost.states_in_most_steps += count > 0.5 * steps ? 1 : 0;
      lost.states_always += steps > 0.0 && count == steps ? 1 : 0;
      total += count;
    }
    lost.share_of_steps = steps > 0.0 ? total / (steps * double(lost.states)) : 0.0;
    lost.stored_so = is_stored_as(scan.decay, kCountedTypes[k].type) || is_stored_as(scan.state, kCountedTypes[k].type);
    result.push_back(std::move(lost));
  }
  return result;
}

}  // namespace lyap::deviation
