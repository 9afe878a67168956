#include <optional>
#include <utility>
#include <variant>

#include "numerics/contract_violation.hpp"
#include "verify/deviation/deployed_program.hpp"
#include "verify/deviation/deployed_weights.hpp"
#include "verify/deviation/emulated_arithmetic.hpp"

namespace lyap::deviation {
namespace {

using Array = EmulatedArithmetic::Array;

IntervalMatrix points(const Array& x) {
  IntervalMatrix result;
  result.lower = x.cast<double>();
  result.upper = result.lower;
  return result;
}

}  // namespace

struct EmulatedProgram::Impl {
  theory::PrecisionPolicy policy;
  theory::BlockWeights weights;
  EmulatedArithmetic arithmetic;
  std::optional<DeployedMamba1<EmulatedArithmetic>> mamba1;
  std::optional<DeployedMamba2<EmulatedArithmetic>> mamba2;

  Impl(const theory::BlockWeights& block, const theory::PrecisionPolicy& asked)
      : policy(asked), weights(weights_as_stored(block, policy)) {
    if (const auto* first = std::get_if<theory::Mamba1Weights>(&weights)) {
      mamba1.emplace(arithmetic, *first, policy);
    } else {
      mamba2.emplace(arithmetic, std::get<theory::Mamba2Weights>(weights), policy);
    }
  }

  ProgramChunk<Array> advance(const theory::Matrix& inputs, std::size_t begin, std::size_t end) {
    if (begin >= end) throw ContractViolation("a chunk of an emulated program has at least one token");
    Array r = EmulatedArithmetic::read(inputs, begin, end);
    return mamba1 ? mamba1->advance(std::move(r)) : mamba2->advance(std::move(r));
  }
};

EmulatedProgram::EmulatedProgram(const theory::BlockWeights& block, const theory::PrecisionPolicy& policy)
    : impl_(std::make_unique<Impl>(block, policy)) {}
EmulatedProgram::EmulatedProgram(EmulatedProgram&&) noexcept = default;
EmulatedProgram::~EmulatedProgram() = default;

RunNumbers EmulatedProgram::advance_numbers(const theory::Matrix& inputs, std::size_t begin, std::size_t end) {
  ProgramChunk<Array> chunk = impl_->advance(inputs, begin, end);
  return {std::move(chunk.h), std::move(chunk.y), std::move(chunk.output)};
}

BlockChunk EmulatedProgram::advance(const theory::Matrix& inputs, std::size_t begin, std::size_t end) {
  const ProgramChunk<Array> chunk = impl_->advance(inputs, begin, end);
  BlockChunk result;
  result.begin = begin;
  result.end = end;
  result.front.scan = {points(chunk.step_size), points(chunk.x), points(chunk.B), points(chunk.C)};
  result.front.p = points(chunk.p);
  result.front.z = points(chunk.z);
  result.h = points(chunk.h);
  result.y = points(chunk.y);
  result.gated = points(chunk.gated);
  result.output = points(chunk.output);
  return result;
}

}  // namespace lyap::deviation
