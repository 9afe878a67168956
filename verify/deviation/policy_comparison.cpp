#include "verify/deviation/policy_comparison.hpp"

#include <utility>
#include <variant>

#include "numerics/contract_violation.hpp"
#include "numerics/vector_functions.hpp"
#include "verify/deviation/apriori.hpp"
#include "verify/deviation/deployed_program.hpp"
#include "verify/deviation/lost_contraction.hpp"

namespace lyap::deviation {
namespace {

/// Lower bounds of the decay rates that the policy's weights mean.
std::vector<double> least_rates(const theory::BlockWeights& block, const theory::PrecisionPolicy& policy) {
  std::vector<OverflowFinding> findings;
  const theory::BlockWeights rounded = rounded_weights(block, policy, findings);
  std::vector<double> lower, upper;
  if (const auto* mamba1 = std::get_if<theory::Mamba1Weights>(&rounded)) {
    lower = mamba1->A_log.entries;
  } else {
    lower = std::get<theory::Mamba2Weights>(rounded).A_log;
  }
  upper = lower;
  enclose_exp({lower, upper}, {lower, upper});
  return lower;
}

/// The program itself, from block inputs.
class ProgramRun : public DeviationRun {
 public:
  ProgramRun(const PolicyQuestion& question, LostContractionCount& lost)
      : program_(*question.program_block, *question.policy), lost_(lost) {}
  ChunkDeviation advance(const BlockChunk& reference, const theory::Matrix& inputs) override {
    const BlockChunk chunk = program_.advance(inputs, reference.begin, reference.end);
    lost_.add(chunk.front.scan.step_size.lower);
    return distance(reference, chunk);
  }
  std::vector<OverflowFinding> findings() const override { return program_.findings(); }

 private:
  DeployedProgram program_;
  LostContractionCount& lost_;
};

/// The program from recorded scan inputs; what it measures is the recorded kernel, up to its scan.
class TraceRun : public DeviationRun {
 public:
  TraceRun(const PolicyQuestion& question, DeviationMaxima& measured)
      : program_(*question.program_block, *question.policy), trace_(*question.trace), measured_(measured) {}
  ChunkDeviation advance(const BlockChunk& reference, const theory::Matrix&) override {
    const BlockChunk chunk = program_.advance_recorded(trace_, reference.begin, reference.end);
    measured_.add_least_distance(reference, chunk);
    return distance(reference, chunk);
  }
  std::vector<OverflowFinding> findings() const override { return program_.findings(); }

 private:
  DeployedProgram program_;
  const FrontChunk& trace_;
  DeviationMaxima& measured_;
};

bool includes(const std::vector<DeviationMethod>& methods, DeviationMethod method) {
  for (const DeviationMethod m : methods) {
    if (m == method) return true;
  }
  return false;
}

}  // namespace

struct PolicyComparison::Impl {
  struct Method {
    DeviationMethod method;
    std::unique_ptr<DeviationRun> run;
    DeviationMaxima bound;
  };

  PolicyQuestion question;
  EmulatedProgram emulated;
  DeviationMaxima measured, recorded;
  LostContractionCount lost;
  std::vector<Method> methods;

  Impl(const PolicyQuestion& asked, const StateShape& shape, std::size_t steps)
      : question(asked),
        emulated(*asked.program_block, *asked.policy),
        measured(shape, steps),
        recorded(shape, steps),
        lost(shape, least_rates(*asked.program_block, *asked.policy)) {
    for (const DeviationMethod method : asked.methods)
      methods.push_back({method, run_of(method), DeviationMaxima(shape, steps)});
  }

  std::unique_ptr<DeviationRun> run_of(DeviationMethod method) {
    switch (method) {
      case DeviationMethod::kIntervalRun:
        return std::make_unique<ProgramRun>(question, lost);
      case DeviationMethod::kTrace:
        if (question.trace == nullptr) throw ContractViolation("the trace method needs recorded scan inputs");
        return std::make_unique<TraceRun>(question, recorded);
      case DeviationMethod::kApriori:
        return apriori_run(*question.program_block, *question.policy);
      case DeviationMethod::kKappa:
        return kappa_run(*question.program_block, *question.policy);
      case DeviationMethod::kTwoTrajectories:
      case DeviationMethod::kWeightDifference:
        break;
    }
    throw ContractViolation("not a method of a policy");
  }

  void advance(const BlockChunk& reference, const theory::Matrix& inputs) {
    measured.add_least_distance(reference, emulated.advance(inputs, reference.begin, reference.end));
    for (Method& method : methods) method.bound.add(reference.begin, method.run->advance(reference, inputs));
    if (!includes(question.methods, DeviationMethod::kIntervalRun)) lost.add(reference.front.scan.step_size.lower);
  }

  [[nodiscard]] DeviationBounds result(const Method& method, const DeviationMaxima& size) const {
    DeviationBounds bounds;
    bounds.comparison = question.comparison;
    bounds.method = method.method;
    bounds.question = question.question;
    bounds.policy = question.policy->name;
    write_quantities(method.bound, size, method.method == DeviationMethod::kTrace ? &recorded : &measured, bounds);
    bounds.may_overflow = method.run->findings();
    bounds.lost_contraction = lost.counts(*question.policy);
    require_consistent(bounds);
    return bounds;
  }
};

PolicyComparison::PolicyComparison(const PolicyQuestion& question, std::size_t steps)
    : impl_(std::make_unique<Impl>(question, state_shape(*question.program_block), steps)) {}
PolicyComparison::PolicyComparison(PolicyComparison&&) noexcept = default;
PolicyComparison::~PolicyComparison() = default;

void PolicyComparison::advance(const BlockChunk& reference, const theory::Matrix& inputs) {
  impl_->advance(reference, inputs);
}

std::vector<DeviationBounds> PolicyComparison::results(const DeviationMaxima& size) const {
  std::vector<DeviationBounds> results;
  for (const auto& method : impl_->methods) results.push_back(impl_->result(method, size));
  return results;
}

}  // namespace lyap::deviation
