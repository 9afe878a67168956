#include "verify/certify/deviation_command.hpp"

#include <algorithm>
#include <array>

#include "verify/certify/exit_code.hpp"

namespace lyap {
namespace {

constexpr std::array<DeviationMethod, 4> kPolicyMethods{DeviationMethod::kIntervalRun, DeviationMethod::kTrace,
                                                        DeviationMethod::kApriori, DeviationMethod::kKappa};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (std::size_t comma = text.find(','); comma != std::string::npos; comma = text.find(',', begin)) {
    parts.push_back(text.substr(begin, comma - begin));
    begin = comma + 1;
  }
  parts.push_back(text.substr(begin));
  return parts;
}

std::vector<const theory::PrecisionPolicy*> parse_policies(const std::string& text) {
  std::vector<const theory::PrecisionPolicy*> policies;
  if (text.empty()) return policies;
  for (const std::string& name : split(text)) {
    const theory::PrecisionPolicy* policy = theory::find_policy(name);
    if (policy == nullptr) {
      std::string known;
      for (const theory::PrecisionPolicy& candidate : theory::kPrecisionPolicies)
        known.append(known.empty() ? "" : ", ").append(candidate.name);
      throw UsageError("--policy: '" + name + "' is none of " + known);
    }
    if (std::find(policies.begin(), policies.end(), policy) == policies.end()) policies.push_back(policy);
  }
  return policies;
}

/// The methods named in `text`, strongest first.
std::vector<DeviationMethod> parse_methods(const std::string& text) {
  const std::vector<std::string> names = split(text);
  for (const std::string& name : names) {
    const bool known = std::any_of(kPolicyMethods.begin(), kPolicyMethods.end(),
                                   [&](DeviationMethod method) { return name == name_of(method); });
    if (!known) throw UsageError("--method: '" + name + "' is none of interval-run, trace, a-priori, kappa");
  }
  std::vector<DeviationMethod> methods;
  for (const DeviationMethod method : kPolicyMethods) {
    if (std::find(names.begin(), names.end(), name_of(method)) != names.end()) methods.push_back(method);
  }
  return methods;
}

std::vector<DeviationMethod> every_method(const DeviationCommand& command, bool has_sequence) {
  if (command.has_second_model()) return {DeviationMethod::kIntervalRun};
  if (!has_sequence) return {DeviationMethod::kKappa};
  std::vector<DeviationMethod> methods(kPolicyMethods.begin(), kPolicyMethods.end());
  if (!command.trace) std::erase(methods, DeviationMethod::kTrace);
  return methods;
}

void require_policies(const RawDeviationOptions& raw) {
  if (!raw.method.empty()) throw UsageError("--method is about --policy, which is not given");
  if (!raw.trace.empty()) throw UsageError("--trace is about --policy, which is not given");
}

void require_sequence(const DeviationCommand& command) {
  const std::string missing = " needs a sequence: --tokens, --text or --activations";
  if (command.trace) throw UsageError("--trace" + missing);
  if (command.has_second_model()) {
    throw UsageError("--policy with --against or --adapter" + missing +
                     "; without one, leave out --policy and compare the weights in real arithmetic");
  }
  for (const DeviationMethod method : command.methods) {
    if (method != DeviationMethod::kKappa) throw UsageError("--method " + std::string(name_of(method)) + missing);
  }
}

void require_methods_fit(const DeviationCommand& command) {
  if (command.has_second_model()) {
    if (command.trace) throw UsageError("--trace is about the policies of MODEL alone, not about a second model");
    for (const DeviationMethod method : command.methods) {
      if (method == DeviationMethod::kIntervalRun) continue;
      throw UsageError("--method " + std::string(name_of(method)) +
                       ": the program of a second model is bounded by interval-run only");
    }
  }
  if (command.uses(DeviationMethod::kTrace) && !command.trace)
    throw UsageError("--method trace needs --trace FILE: scan inputs that a kernel recorded");
  if (command.trace && !command.uses(DeviationMethod::kTrace))
    throw UsageError("--trace is for the method trace, which --method leaves out");
}

}  // namespace

bool DeviationCommand::uses(DeviationMethod method) const {
  return std::find(methods.begin(), methods.end(), method) != methods.end();
}

DeviationCommand parse_deviation_options(const RawDeviationOptions& raw, bool has_sequence) {
  DeviationCommand command;
  if (!raw.against.empty()) command.against = raw.against;
  if (!raw.adapter.empty()) command.adapter = raw.adapter;
  if (command.against && command.adapter)
    throw UsageError("--against and --adapter exclude each other: one second model at a time");
  command.policies = parse_policies(raw.policy);
  if (command.policies.empty()) {
    require_policies(raw);
    return command;
  }
  if (!raw.trace.empty()) command.trace = raw.trace;
  command.methods = raw.method.empty() ? every_method(command, has_sequence) : parse_methods(raw.method);
  if (!has_sequence) require_sequence(command);
  require_methods_fit(command);
  return command;
}

}  // namespace lyap
