// Bounds of a policy's deviation beside what its arithmetic did, by every method and for every layer, with the targets
// that the methods were specified with, and the time of all methods in one run beside the trajectory tier's own.
//   lyap-deviation-bench [MODEL [TOKENS [POLICY,.. [TEXT [FIRST-LAST [METHOD,..]]]]]]
// Without arguments: both examples, 512 tokens, the policies that have targets. A trace is recorded from the emulated
// program.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "numerics/blas_kernel.hpp"
#include "numerics/memory_reuse.hpp"
#include "numerics/parallel.hpp"
#include "numerics/rounding.hpp"
#include "verify/certify/float_forward.hpp"
#include "verify/certify/trajectory.hpp"
#include "verify/checkpoint/checkpoint.hpp"
#include "verify/checkpoint/token_sequence.hpp"
#include "verify/deviation/certify_deviations.hpp"
#include "verify/deviation/deployed_program.hpp"

namespace {

using lyap::DeviationBounds;
using lyap::DeviationMethod;
using lyap::QuantityDeviation;
using lyap::deviation::FrontChunk;
using lyap::deviation::IntervalMatrix;
using lyap::theory::BlockWeights;
using lyap::theory::Matrix;
using lyap::theory::PrecisionPolicy;

constexpr double kTimeAim = 8.0;
constexpr double kOutputRatioFactor = 1.2;    // y may be looser than h by this much in the interval run
constexpr double kAprioriOutputFactor = 1.3;  // and relatively, a priori

/// Largest values allowed: ratio of bound and measured (median over states), the same for y and o, bound relative to
/// size. 0: no target.
struct Target {
  double state_ratio = 0.0, output_ratio = 0.0, block_output_ratio = 0.0;
  double state_relative = 0.0, output_relative = 0.0;
};

enum class Width { kBfloat16, kFloat16, kTf32, kOther };

Width width_of(const std::string& policy) {
  if (policy == "amp-bf16" || policy == "all-bf16") return Width::kBfloat16;
  if (policy == "amp-fp16" || policy == "all-fp16") return Width::kFloat16;
  return policy == "tf32" ? Width::kTf32 : Width::kOther;
}

Target interval_target(bool mamba1, Width width) {
  const double kRatios[2][3] = {{1.3, 3.0, 3.5}, {2.5, 12.0, 15.0}};
  const double kBlockOutput[3] = {25.0, 190.0, 250.0};
  const double ratio = kRatios[mamba1 ? 1 : 0][int(width)];
  const double relative = width == Width::kBfloat16 ? 0.02 : 0.01;
  return {ratio, kOutputRatioFactor * ratio, kBlockOutput[int(width)], relative, kOutputRatioFactor * relative};
}

Target apriori_target(bool mamba1, Width width, bool all_half) {
  double ratio = mamba1 ? 80.0 : 50.0;
  double relative = mamba1 ? 0.05 : 0.03;
  if (width == Width::kBfloat16) {
    if (all_half) ratio = mamba1 ? 170.0 : 130.0;
    relative = all_half ? (mamba1 ? 1.3 : 1.1) : (mamba1 ? 0.4 : 0.3);
  }
  return {ratio, 0.0, 0.0, relative, kAprioriOutputFactor * relative};
}

Target target_of(bool mamba1, const std::string& policy, DeviationMethod method) {
  const Width width = width_of(policy);
  const bool all_half = policy.rfind("all-", 0) == 0;
  if (width == Width::kOther) return {};
  if (method == DeviationMethod::kIntervalRun) return interval_target(mamba1, width);
  if (method == DeviationMethod::kTrace) return {1.05, 1.05, 0.0, 0.0, 0.0};
  if (method == DeviationMethod::kApriori && !(all_half && width == Width::kFloat16))
    return apriori_target(mamba1, width, all_half);
  return {};
}

struct Verdicts {
  std::size_t met = 0, missed = 0;
  void count(double value, double target) {
    if (target > 0.0) ++(value <= target ? met : missed);
  }
};

std::string with_target(double value, double target) {
  char text[64];
  if (target > 0.0) {
    std::snprintf(text, sizeof text, "%.3g%s%.3g", value, value <= target ? "<=" : " > ", target);
  } else {
    std::snprintf(text, sizeof text, "%.3g", value);
  }
  return text;
}

void print_quantity(const char* name, const QuantityDeviation& q, double ratio_target, double relative_target,
                    Verdicts& verdicts) {
  const double ratio = q.ratio_median.value_or(std::nan(""));
  if (q.ratio_median) verdicts.count(ratio, ratio_target);
  verdicts.count(q.relative_median, relative_target);
  std::printf(" | %s %9.3g %9.3g  %13s %7.3g  %15s%s", name, q.staying, q.measured.value_or(std::nan("")),
              with_target(ratio, ratio_target).c_str(), q.ratio_p90.value_or(std::nan("")),
              with_target(q.relative_median, relative_target).c_str(), q.informative ? " " : "!");
}

void print_bounds(std::size_t layer, const DeviationBounds& b, const Target& target, Verdicts& verdicts) {
  std::printf("%2zu %-14s %-12s", layer, b.policy.c_str(), lyap::name_of(b.method));
  print_quantity("h", b.state, target.state_ratio, target.state_relative, verdicts);
  print_quantity("y", b.output, target.output_ratio, target.output_relative, verdicts);
  if (b.block_output) print_quantity("o", *b.block_output, target.block_output_ratio, 0.0, verdicts);
  std::printf("\n");
}

template <class Action>
double seconds(const Action& action) {
  const auto start = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void append(IntervalMatrix& whole, const IntervalMatrix& part, std::size_t begin, std::size_t steps) {
  if (begin == 0) whole = IntervalMatrix(Eigen::Index(steps), part.columns());
  whole.lower.middleRows(Eigen::Index(begin), part.rows()) = part.lower;
  whole.upper.middleRows(Eigen::Index(begin), part.rows()) = part.upper;
}

/// Scan inputs as the emulated program's scan gets them.
FrontChunk recorded_trace(const BlockWeights& block, const Matrix& inputs, const PrecisionPolicy& policy) {
  FrontChunk trace;
  lyap::deviation::EmulatedProgram program(block, policy);
  const std::size_t chunk = lyap::deviation::chunk_tokens(lyap::deviation::state_shape(block));
  for (std::size_t begin = 0; begin < inputs.rows; begin += chunk) {
    const FrontChunk part = program.advance(inputs, begin, std::min(begin + chunk, inputs.rows)).front;
    append(trace.p, part.p, begin, inputs.rows);
    append(trace.z, part.z, begin, inputs.rows);
    append(trace.scan.x, part.scan.x, begin, inputs.rows);
    append(trace.scan.B, part.scan.B, begin, inputs.rows);
    append(trace.scan.C, part.scan.C, begin, inputs.rows);
  }
  return trace;
}

struct Arguments {
  std::string model, text;
  std::size_t tokens = 512, first_layer = 0, last_layer = std::size_t(-1);
  std::vector<const PrecisionPolicy*> policies;
  std::vector<DeviationMethod> methods{DeviationMethod::kIntervalRun, DeviationMethod::kTrace,
                                       DeviationMethod::kApriori, DeviationMethod::kKappa};
};

struct Times {
  double trajectory = 0.0, methods = 0.0;
};

void compare_layer(std::size_t layer, const BlockWeights& block, const Matrix& inputs, const Arguments& arguments,
                   std::map<std::string, Verdicts>& verdicts, std::map<std::string, Times>& times) {
  const bool mamba1 = std::holds_alternative<lyap::theory::Mamba1Weights>(block);
  const auto trajectory = [&] {
    std::visit([&](const auto& w) { static_cast<void>(lyap::certify_trajectory(w, inputs)); }, block);
  };
  const double tier = std::min(seconds(trajectory), seconds(trajectory));
  for (const PrecisionPolicy* policy : arguments.policies) {
    const FrontChunk trace = recorded_trace(block, inputs, *policy);
    lyap::DeviationRequest request;
    request.policies = {policy};
    request.methods = arguments.methods;
    request.trace = &trace;
    std::vector<DeviationBounds> results;
    times[policy->name].methods += seconds([&] { results = lyap::certify_deviations(block, inputs, request); });
    times[policy->name].trajectory += tier;
    for (const DeviationBounds& bounds : results) {
      const std::string key = std::string(policy->name) + ' ' + lyap::name_of(bounds.method);
      print_bounds(layer, bounds, target_of(mamba1, policy->name, bounds.method), verdicts[key]);
    }
  }
  std::fflush(stdout);
}

void compare(const Arguments& arguments) {
  const lyap::Checkpoint model = lyap::Checkpoint::open(arguments.model);
  std::vector<std::int64_t> tokens =
      lyap::tokenize_text(arguments.text, arguments.model, model.description().vocabulary);
  tokens.resize(std::min(tokens.size(), arguments.tokens));
  std::printf(
      "%s, %zu tokens: per quantity largest bound, largest measured, ratio (median over states, channels or steps; "
      "p90), bound relative to size (median; ! not informative)\n",
      arguments.model.c_str(), tokens.size());
  std::map<std::string, Verdicts> verdicts;
  std::map<std::string, Times> times;
  lyap::approx_forward(model, tokens, [&](std::size_t layer, const BlockWeights& block, const Matrix& inputs) {
    if (layer >= arguments.first_layer && layer <= arguments.last_layer)
      compare_layer(layer, block, inputs, arguments, verdicts, times);
  });
  for (const auto& [name, verdict] : verdicts) {
    if (verdict.met + verdict.missed > 0)
      std::printf("targets of %-26s met %3zu, missed %3zu\n", name.c_str(), verdict.met, verdict.missed);
  }
  for (const auto& [policy, time] : times) {
    std::printf("%-14s trajectory tier %.3f s, all methods %.3f s: %.1f times (aim <= %.0f)\n", policy.c_str(),
                time.trajectory, time.methods, time.methods / time.trajectory, kTimeAim);
  }
}

std::vector<std::string> parts_of(const std::string& names) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= names.size();) {
    const std::size_t end = std::min(names.find(',', begin), names.size());
    parts.push_back(names.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

[[noreturn]] void refuse(const char* what, const std::string& name) {
  std::fprintf(stderr, "no %s named '%s'\n", what, name.c_str());
  std::exit(2);
}

std::vector<const PrecisionPolicy*> policies_named(const std::string& names) {
  std::vector<const PrecisionPolicy*> policies;
  for (const std::string& name : parts_of(names)) {
    policies.push_back(lyap::theory::find_policy(name));
    if (policies.back() == nullptr) refuse("policy", name);
  }
  return policies;
}

std::vector<DeviationMethod> methods_named(const std::string& names) {
  std::vector<DeviationMethod> methods;
  for (const std::string& name : parts_of(names)) {
    const auto all = Arguments().methods;
    const auto found =
        std::find_if(all.begin(), all.end(), [&](DeviationMethod method) { return name == lyap::name_of(method); });
    if (found == all.end()) refuse("method", name);
    methods.push_back(*found);
  }
  return methods;
}

}  // namespace

int main(int count, char** values) {
  lyap::keep_freed_memory();
  lyap::select_blas_kernel(values);
  const char* threads = std::getenv("LYAP_BENCH_THREADS");
  lyap::set_thread_count(threads == nullptr ? 0 : static_cast<std::size_t>(std::strtoul(threads, nullptr, 10)));
  lyap::require_sound_rounding();
  const std::string examples = std::string(LYAP_SOURCE_DIR) + "/verify/examples/";
  Arguments arguments;
  if (count > 2) arguments.tokens = std::size_t(std::strtoul(values[2], nullptr, 10));
  arguments.policies = policies_named(count > 3 ? values[3] : "amp-bf16,all-bf16,amp-fp16,tf32");
  arguments.text = count > 4 ? values[4] : examples + "sample.txt";
  if (count > 5) {
    char* rest = nullptr;
    arguments.first_layer = arguments.last_layer = std::size_t(std::strtoul(values[5], &rest, 10));
    if (*rest == '-') arguments.last_layer = std::size_t(std::strtoul(rest + 1, nullptr, 10));
  }
  if (count > 6) arguments.methods = methods_named(values[6]);
  for (const std::string model : {"mamba-tiny", "mamba2-tiny"}) {
    arguments.model = count > 1 ? values[1] : examples + model;
    compare(arguments);
    if (count > 1) break;
  }
  return 0;
}
