#include "verify/deviation/deployed_program.hpp"

#include <string>
#include <utility>
#include <variant>

#include "numerics/contract_violation.hpp"
#include "verify/deviation/deployed_interval_scan.hpp"
#include "verify/deviation/deployed_weights.hpp"

namespace lyap::deviation {
namespace {

using Array = IntervalArithmetic::Array;
using Mamba1 = DeployedMamba1<IntervalArithmetic>;
using Mamba2 = DeployedMamba2<IntervalArithmetic>;
using Eigen::Index;

bool reads_tf32(const theory::NumberType& type) { return type.largest == theory::kTf32Type.largest; }
bool reads_tf32(const theory::PrecisionPolicy& policy) {
  bool result = false;
  for (const theory::LinearRounding* layer :
       {&policy.in_proj, &policy.convolution, &policy.x_proj, &policy.dt_proj, &policy.out_proj})
    result = result || reads_tf32(layer->input) || reads_tf32(layer->weight);
  return result;
}

void extend(Array& x, const Array& other) {
  x.lower = x.lower.cwiseMin(other.lower);
  x.upper = x.upper.cwiseMax(other.upper);
}

void extend(ProgramChunk<Array>& chunk, const ProgramChunk<Array>& other) {
  for (auto [x, y] : {std::pair{&chunk.p, &other.p}, std::pair{&chunk.step_size, &other.step_size},
                      std::pair{&chunk.x, &other.x}, std::pair{&chunk.B, &other.B}, std::pair{&chunk.C, &other.C},
                      std::pair{&chunk.z, &other.z}, std::pair{&chunk.h, &other.h}, std::pair{&chunk.y, &other.y},
                      std::pair{&chunk.gated, &other.gated}, std::pair{&chunk.output, &other.output}})
    extend(*x, *y);
}

Array rows_of(const Array& x, std::size_t begin, std::size_t end, const char* what) {
  if (x.rows() < Index(end)) throw ContractViolation(std::string("recorded scan inputs end too early: ") + what);
  Array rows;
  rows.lower = x.lower.middleRows(Index(begin), Index(end - begin));
  rows.upper = x.upper.middleRows(Index(begin), Index(end - begin));
  return rows;
}

/// Programs that read tf32 operands in one way.
class Variant {
 public:
  Variant(const theory::BlockWeights& weights, const theory::PrecisionPolicy& policy, Tf32Reading reading)
      : arithmetic_(reading) {
    if (const auto* mamba1 = std::get_if<theory::Mamba1Weights>(&weights)) {
      mamba1_.emplace(arithmetic_, *mamba1, policy);
    } else {
      mamba2_.emplace(arithmetic_, std::get<theory::Mamba2Weights>(weights), policy);
    }
  }

  ProgramChunk<Array> advance(const theory::Matrix& inputs, std::size_t begin, std::size_t end) {
    Array r = arithmetic_.read(inputs, begin, end);
    return mamba1_ ? mamba1_->advance(std::move(r)) : mamba2_->advance(std::move(r));
  }

  ProgramChunk<Array> advance_recorded(const FrontChunk& recorded, std::size_t begin, std::size_t end) {
    ProgramChunk<Array> chunk;
    chunk.p = rows_of(recorded.p, begin, end, "preactivation");
    chunk.x = rows_of(recorded.scan.x, begin, end, "x");
    chunk.B = rows_of(recorded.scan.B, begin, end, "B");
    chunk.C = rows_of(recorded.scan.C, begin, end, "C");
    if (!IntervalArithmetic::is_empty(recorded.z)) chunk.z = rows_of(recorded.z, begin, end, "z");
    if (mamba1_) {
      mamba1_->from_scan_inputs(chunk);
    } else {
      mamba2_->from_scan_inputs(chunk);
    }
    return chunk;
  }

  [[nodiscard]] std::vector<OverflowFinding> findings() { return arithmetic_.overflow().findings(); }

 private:
  IntervalArithmetic arithmetic_;
  std::optional<Mamba1> mamba1_;
  std::optional<Mamba2> mamba2_;
};

}  // namespace

struct DeployedProgram::Impl {
  theory::PrecisionPolicy policy;
  std::vector<OverflowFinding> of_weights;
  theory::BlockWeights weights;
  std::vector<std::unique_ptr<Variant>> variants;

  Impl(const theory::BlockWeights& block, const theory::PrecisionPolicy& asked)
      : policy(asked), weights(weights_as_stored(block, policy)) {
    (void)rounded_weights(block, policy, of_weights);
    variants.push_back(std::make_unique<Variant>(weights, policy, Tf32Reading::kTruncated));
    if (reads_tf32(policy)) variants.push_back(std::make_unique<Variant>(weights, policy, Tf32Reading::kToNearest));
  }

  template <class Step>
  BlockChunk advance(std::size_t begin, std::size_t end, const Step& step) {
    if (begin >= end) throw ContractViolation("a chunk of a deployed program has at least one token");
    ProgramChunk<Array> chunk = step(*variants[0]);
    for (std::size_t i = 1; i < variants.size(); ++i) extend(chunk, step(*variants[i]));
    BlockChunk result;
    result.begin = begin;
    result.end = end;
    result.front.scan = {std::move(chunk.step_size), std::move(chunk.x), std::move(chunk.B), std::move(chunk.C)};
    result.front.p = std::move(chunk.p);
    result.front.z = std::move(chunk.z);
    result.h = std::move(chunk.h);
    result.y = std::move(chunk.y);
    result.gated = std::move(chunk.gated);
    result.output = std::move(chunk.output);
    return result;
  }
};

DeployedProgram::DeployedProgram(const theory::BlockWeights& block, const theory::PrecisionPolicy& policy)
    : impl_(std::make_unique<Impl>(block, policy)) {}
DeployedProgram::DeployedProgram(DeployedProgram&&) noexcept = default;
DeployedProgram::~DeployedProgram() = default;

BlockChunk DeployedProgram::advance(const theory::Matrix& inputs, std::size_t begin, std::size_t end) {
  return impl_->advance(begin, end, [&](Variant& variant) { return variant.advance(inputs, begin, end); });
}

BlockChunk DeployedProgram::advance_recorded(const FrontChunk& recorded, std::size_t begin, std::size_t end) {
  return impl_->advance(begin, end, [&](Variant& variant) { return variant.advance_recorded(recorded, begin, end); });
}

std::vector<OverflowFinding> DeployedProgram::findings() const {
  std::vector<OverflowFinding> result = impl_->of_weights;
  for (const auto& variant : impl_->variants) result = merged(std::move(result), variant->findings());
  return result;
}

}  // namespace lyap::deviation
