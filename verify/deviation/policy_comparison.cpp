#include "verify/deviation/policy_comparison.hpp"

#include <utility>
#include <variant>

#include "numerics/contract_violation.hpp"
#include "numerics/vector_functions.hpp"
#include "verify/deviation/deployed_program.hpp"
#include "verify/deviation/every_program_bounds.hpp"
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

/// One method of the policy: raises the largest bounds so far by those of a chunk.
class Method {
 public:
  Method(DeviationMethod method, const StateShape& shape, std::size_t steps) : bound(shape, steps), name_(method) {}
  virtual ~Method() = default;
  virtual void advance(const BlockChunk& reference, const theory::Matrix& inputs) = 0;
  [[nodiscard]] virtual std::vector<OverflowFinding> findings() const = 0;
  [[nodiscard]] DeviationMethod name() const { return name_; }

  DeviationMaxima bound;

 private:
  DeviationMethod name_;
};

/// The program itself, from block inputs.
class ProgramMethod : public Method {
 public:
  ProgramMethod(const PolicyQuestion& question, const StateShape& shape, std::size_t steps, LostContractionCount& lost)
      : Method(DeviationMethod::kIntervalRun, shape, steps),
        program_(*question.program_block, *question.policy),
        lost_(lost) {}
  void advance(const BlockChunk& reference, const theory::Matrix& inputs) override {
    const BlockChunk chunk = program_.advance(inputs, reference.begin, reference.end);
    lost_.add(chunk.front.scan.step_size.lower);
    bound.add_distance(reference, chunk);
  }
  std::vector<OverflowFinding> findings() const override { return program_.findings(); }

 private:
  DeployedProgram program_;
  LostContractionCount& lost_;
};

/// The program from recorded scan inputs; what is measured is the recorded kernel, up to the rounding of its scan.
class TraceMethod : public Method {
 public:
  TraceMethod(const PolicyQuestion& question, const StateShape& shape, std::size_t steps, DeviationMaxima& measured)
      : Method(DeviationMethod::kTrace, shape, steps),
        program_(*question.program_block, *question.policy),
        trace_(*question.trace),
        measured_(measured) {}
  void advance(const BlockChunk& reference, const theory::Matrix&) override {
    const BlockChunk chunk = program_.advance_recorded(trace_, reference.begin, reference.end);
    DeviationMaxima::add_recorded(reference, chunk, bound, measured_);
  }
  std::vector<OverflowFinding> findings() const override { return program_.findings(); }

 private:
  DeployedProgram program_;
  const FrontChunk& trace_;
  DeviationMaxima& measured_;
};

/// One of the two bounds for every program, which EveryProgramBounds makes together.
class SharedMethod : public Method {
 public:
  SharedMethod(DeviationMethod method, const StateShape& shape, std::size_t steps, const EveryProgramBounds& bounds)
      : Method(method, shape, steps), bounds_(bounds) {}
  void advance(const BlockChunk&, const theory::Matrix&) override {}  // raised where both are made
  std::vector<OverflowFinding> findings() const override { return bounds_.findings(); }

 private:
  const EveryProgramBounds& bounds_;
};

bool includes(const std::vector<DeviationMethod>& methods, DeviationMethod method) {
  for (const DeviationMethod m : methods) {
    if (m == method) return true;
  }
  return false;
}

}  // namespace

struct PolicyComparison::Impl {
  PolicyQuestion question;
  StateShape shape;
  std::size_t steps;
  EmulatedProgram emulated;
  DeviationMaxima measured, recorded;
  LostContractionCount lost;
  std::optional<EveryProgramBounds> shared;
  std::vector<std::unique_ptr<Method>> methods;

  Impl(const PolicyQuestion& asked, std::size_t step_count)
      : question(asked),
        shape(state_shape(*asked.program_block)),
        steps(step_count),
        emulated(*asked.program_block, *asked.policy),
        measured(shape, steps),
        recorded(shape, steps),
        lost(shape, least_rates(*asked.program_block, *asked.policy)) {
    const EveryProgramBounds::Wanted wanted{includes(asked.methods, DeviationMethod::kApriori),
                                            includes(asked.methods, DeviationMethod::kKappa)};
    if (wanted.apriori || wanted.kappa) shared.emplace(*asked.program_block, *asked.policy, wanted);
    for (const DeviationMethod name : asked.methods) methods.push_back(method_of(name));
  }

  std::unique_ptr<Method> method_of(DeviationMethod name) {
    switch (name) {
      case DeviationMethod::kIntervalRun:
        return std::make_unique<ProgramMethod>(question, shape, steps, lost);
      case DeviationMethod::kTrace:
        if (question.trace == nullptr) throw ContractViolation("the trace method needs recorded scan inputs");
        return std::make_unique<TraceMethod>(question, shape, steps, recorded);
      case DeviationMethod::kApriori:
      case DeviationMethod::kKappa:
        return std::make_unique<SharedMethod>(name, shape, steps, *shared);
      case DeviationMethod::kTwoTrajectories:
      case DeviationMethod::kWeightDifference:
        break;
    }
    throw ContractViolation("not a method of a policy");
  }

  void advance(const BlockChunk& reference, const theory::Matrix& inputs) {
    measured.add_least_distance(reference, emulated.advance_numbers(inputs, reference.begin, reference.end));
    for (const auto& method : methods) method->advance(reference, inputs);
    if (shared) raise_shared(reference, inputs);
    if (!includes(question.methods, DeviationMethod::kIntervalRun)) lost.add(reference.front.scan.step_size.lower);
  }

  void raise_shared(const BlockChunk& reference, const theory::Matrix& inputs) {
    DeviationMaxima *apriori = nullptr, *kappa = nullptr;
    for (const auto& method : methods) {
      if (method->name() == DeviationMethod::kApriori) apriori = &method->bound;
      if (method->name() == DeviationMethod::kKappa) kappa = &method->bound;
    }
    shared->advance(reference, inputs, apriori, kappa);
  }

  [[nodiscard]] DeviationBounds result(const Method& method, const DeviationMaxima& size) const {
    DeviationBounds bounds;
    bounds.comparison = question.comparison;
    bounds.method = method.name();
    bounds.question = question.question;
    bounds.policy = question.policy->name;
    write_quantities(method.bound, size, method.name() == DeviationMethod::kTrace ? &recorded : &measured, bounds);
    bounds.may_overflow = method.findings();
    bounds.lost_contraction = lost.counts(*question.policy);
    require_consistent(bounds);
    return bounds;
  }
};

PolicyComparison::PolicyComparison(const PolicyQuestion& question, std::size_t steps)
    : impl_(std::make_unique<Impl>(question, steps)) {}
PolicyComparison::PolicyComparison(PolicyComparison&&) noexcept = default;
PolicyComparison::~PolicyComparison() = default;

void PolicyComparison::advance(const BlockChunk& reference, const theory::Matrix& inputs) {
  impl_->advance(reference, inputs);
}

std::vector<DeviationBounds> PolicyComparison::results(const DeviationMaxima& size) const {
  std::vector<DeviationBounds> results;
  for (const auto& method : impl_->methods) results.push_back(impl_->result(*method, size));
  return results;
}

}  // namespace lyap::deviation
