#include "verify/deviation/certify_deviations.hpp"

#include <algorithm>
#include <iterator>
#include <utility>
#include <variant>

#include "numerics/contract_violation.hpp"
#include "verify/deviation/pair_comparison.hpp"
#include "verify/deviation/policy_comparison.hpp"
#include "verify/deviation/universal_deviation.hpp"

namespace lyap {
namespace {

using deviation::BlockChunk;
using deviation::DeviationMaxima;
using deviation::PairComparison;
using deviation::PolicyComparison;
using deviation::PolicyQuestion;
using deviation::RealRun;

std::size_t model_width(const theory::BlockWeights& block) {
  return std::visit([](const auto& weights) { return weights.d_model; }, block);
}

void require_request(const theory::BlockWeights& block, const theory::Matrix& inputs, const DeviationRequest& request) {
  if (inputs.rows == 0) throw ContractViolation("certify_deviations: a sequence has at least one step");
  if (request.trace != nullptr && std::size_t(request.trace->scan.x.rows()) != inputs.rows)
    throw ContractViolation("certify_deviations: the trace has another length than the sequence");
  if (std::find(request.policies.begin(), request.policies.end(), nullptr) != request.policies.end())
    throw ContractViolation("certify_deviations: a policy is missing");
  if (!request.other) return;
  if (request.other->block == nullptr) throw ContractViolation("certify_deviations: a pair needs a second block");
  deviation::require_same_shape(block, *request.other->block);
  const theory::Matrix* own = request.other->own_inputs;
  if (own != nullptr && (own->rows != inputs.rows || own->columns != model_width(block)))
    throw ContractViolation("certify_deviations: the other model's own inputs have another shape");
}

/// The comparisons of one layer, advanced together beside one reference run.
class Comparisons {
 public:
  Comparisons(const theory::BlockWeights& block, const theory::Matrix& inputs, const DeviationRequest& request)
      : inputs_(inputs) {
    if (!request.other) {
      for (const theory::PrecisionPolicy* policy : request.policies)
        add_policy({&block, policy, request.methods, request.trace}, inputs);
      return;
    }
    pair_.emplace(block, *request.other, inputs.rows);
    for (const theory::PrecisionPolicy* policy : request.policies) add_pair_policy(*request.other, policy);
  }

  void advance(const BlockChunk& reference) {
    if (pair_) pair_->advance(reference, inputs_);
    for (auto& [comparison, inputs] : policies_) comparison.advance(reference, *inputs);
  }

  [[nodiscard]] std::vector<DeviationBounds> results(const DeviationMaxima& size) const {
    std::vector<DeviationBounds> results;
    if (pair_) results = pair_->results(size);
    for (const auto& [comparison, inputs] : policies_) {
      std::vector<DeviationBounds> more = comparison.results(size);
      std::move(more.begin(), more.end(), std::back_inserter(results));
    }
    return results;
  }

 private:
  void add_policy(const PolicyQuestion& question, const theory::Matrix& inputs) {
    policies_.emplace_back(PolicyComparison(question, inputs.rows), &inputs);
  }

  /// The second model's program, by its interval run; an adapter is merged in binary64 first.
  void add_pair_policy(const OtherBlock& other, const theory::PrecisionPolicy* policy) {
    if (other.comparison == Comparison::kAdapter && !merged_)
      merged_ = std::make_unique<theory::BlockWeights>(approx_merged_block(*other.block, other.updates));
    PolicyQuestion question{merged_ ? merged_.get() : other.block, policy, {DeviationMethod::kIntervalRun}};
    question.comparison = other.comparison;
    add_policy(question, inputs_);
    if (other.own_inputs == nullptr) return;
    question.question = DeviationQuestion::kOwn;
    add_policy(question, *other.own_inputs);
  }

  const theory::Matrix& inputs_;
  std::unique_ptr<theory::BlockWeights> merged_;
  std::optional<PairComparison> pair_;
  std::vector<std::pair<PolicyComparison, const theory::Matrix*>> policies_;
};

}  // namespace

std::vector<DeviationBounds> certify_deviations(const theory::BlockWeights& block, const theory::Matrix& inputs,
                                                const DeviationRequest& request) {
  require_request(block, inputs, request);
  const deviation::StateShape shape = deviation::state_shape(block);
  Comparisons comparisons(block, inputs, request);
  RealRun reference(block);
  DeviationMaxima size(shape, inputs.rows);
  const std::size_t chunk = deviation::chunk_tokens(shape);
  for (std::size_t begin = 0; begin < inputs.rows; begin += chunk) {
    const std::size_t end = std::min(begin + chunk, inputs.rows);
    const BlockChunk tokens = reference.advance(inputs, begin, end);
    size.add_size(tokens);
    comparisons.advance(tokens);
    if (request.progress) request.progress(double(end) / double(inputs.rows));
  }
  return comparisons.results(size);
}

std::vector<DeviationBounds> certify_universal_deviations(const theory::BlockWeights& block,
                                                          const DeviationRequest& request) {
  std::vector<DeviationBounds> results;
  if (request.other) {
    if (request.other->block == nullptr) throw ContractViolation("certify_deviations: a pair needs a second block");
    deviation::require_same_shape(block, *request.other->block);
    results.push_back(request.other->comparison == Comparison::kAdapter
                          ? deviation::universal_adapter_deviation(*request.other->block, request.other->updates)
                          : deviation::universal_pair_deviation(block, *request.other->block));
    return results;
  }
  for (const theory::PrecisionPolicy* policy : request.policies) {
    if (policy == nullptr) throw ContractViolation("certify_deviations: a policy is missing");
    results.push_back(deviation::universal_policy_deviation(block, *policy));
  }
  return results;
}

}  // namespace lyap
