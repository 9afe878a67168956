#include "verify/deviation/universal_deviation.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <variant>

#include "numerics/contract_violation.hpp"
#include "numerics/interval_functions.hpp"
#include "numerics/rounding.hpp"
#include "verify/deviation/deployed_overflow.hpp"
#include "verify/deviation/kappa_bound.hpp"
#include "verify/deviation/kappa_over_ball.hpp"
#include "verify/deviation/pair_tensors.hpp"

namespace lyap::deviation {
namespace {

using theory::BlockWeights;
using theory::NumberType;
using theory::PrecisionPolicy;
using theory::ScanRounding;

Interval real(double x) { return Interval::from_exact(x); }
double product(double a, double b) { return a == 0.0 || b == 0.0 ? 0.0 : a * b; }

/// Two blocks and what separates their scan inputs.
struct Comparands {
  const BallDomain& domain;
  const ScanInputRadii& radii;
  const BlockWeights& base;
  const BlockWeights& other;
  NumberType step_size;
  ReadOutError read_out;
};

struct OutputBound {
  std::vector<double> change, size;  ///< (rows) of |y' - y| and |y|
};

/// Theorem 4 with E = K.
OutputBound output_bound(const Comparands& c, const BallKappa& states) {
  const StateShape& shape = c.domain.shape;
  const std::size_t N = shape.states;
  const theory::Vector& D = skip_of(c.base);
  const theory::Vector& D_prime = skip_of(c.other);
  OutputBound result{std::vector<double>(shape.rows()), std::vector<double>(shape.rows())};
  const RoundingUpward upward;
  for (std::size_t i = 0; i < shape.rows(); ++i) {
    const std::size_t head = i / shape.head_dim, group = head / (shape.heads / shape.groups);
    double change = 0.0, size = 0.0, C_sum = 0.0, Ch = 0.0;
    for (std::size_t n = 0; n < N; ++n) {
      const double C = c.domain.C[group * N + n], dC = c.radii.C[group * N + n], C_prime = C + dC;
      const std::size_t s = i * N + n;
      change += product(C_prime, states.kappa[s]) + product(dC, states.H[s]);
      size += product(C, states.H[s]);
      Ch += product(C_prime, states.H_prime[s]);
      C_sum += C_prime;
    }
    const double dD = std::max(D_prime[head] - D[head], D[head] - D_prime[head]);
    const double x = c.domain.x[i], dx = c.radii.x[i], D_size = std::fabs(D_prime[head]);
    change += product(D_size, dx) + product(dD, x);
    change += product(c.read_out.Ch, Ch) + product(c.read_out.C, C_sum) +
              product(c.read_out.Dx, product(D_size, x + dx)) + c.read_out.absolute;
    result.change[i] = change;
    result.size[i] = size + product(std::fabs(D[head]), x);
  }
  return result;
}

double median_ratio(const std::vector<double>& bound, const std::vector<double>& size) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < bound.size(); ++i) ratios.push_back(bound[i] == 0.0 ? 0.0 : bound[i] / size[i]);
  for (double& ratio : ratios) ratio = std::isnan(ratio) ? HUGE_VAL : ratio;
  const auto middle = ratios.begin() + std::ptrdiff_t(ratios.size() / 2);
  std::nth_element(ratios.begin(), middle, ratios.end());
  return *middle;
}

QuantityDeviation quantity(const std::vector<double>& bound, const std::vector<double>& size, std::size_t heads) {
  QuantityDeviation result;
  result.upper.assign(heads, 0.0);
  const std::size_t entries = bound.size() / heads;
  for (std::size_t i = 0; i < bound.size(); ++i) {
    const double value = std::isnan(bound[i]) ? HUGE_VAL : bound[i];
    result.upper[i / entries] = std::max(result.upper[i / entries], value);
  }
  result.staying = *std::max_element(result.upper.begin(), result.upper.end());
  result.relative_median = median_ratio(bound, size);
  result.informative = result.relative_median < 1.0;
  return result;
}

/// Numbers between softplus and y that may leave their types, over every input.
std::vector<OverflowFinding> scan_findings(const Comparands& c, const ScanRounding& scan, const BallKappa& states,
                                           const OutputBound& output) {
  OverflowRecord record;
  const auto note = [&](const char* tensor, const NumberType& type, std::size_t i, std::size_t width, double size) {
    if (type.u > 0.0 && !(size <= type.largest)) record.add(tensor, type.name, i, width, size);
  };
  const StateShape& shape = c.domain.shape;
  for (std::size_t k = 0; k < shape.heads; ++k)
    note("step size", scan.step_size, k, shape.heads, (real(c.domain.p[k].upper()) + real(c.radii.p[k])).upper());
  for (std::size_t s = 0; s < states.H_prime.size(); ++s)
    note("state", scan.state_read, s, states.H_prime.size(), states.H_prime[s]);
  for (std::size_t i = 0; i < shape.rows(); ++i) {
    // |D x| is part of the size; C h and D x are at most twice it.
    const double size = (real(2.0) * (real(output.size[i]) + real(output.change[i]))).upper();
    note("scan output", scan.y, i, shape.rows(), 0.5 * size);
    note("scan output", scan.read_out, i, shape.rows(), size);
    note("scan output", scan.skip_product, i, shape.rows(), size);
  }
  return record.findings();
}

DeviationBounds bounds_of(const Comparands& c, const ScanRounding& scan) {
  const BallKappa states = kappa_over_ball({c.domain, c.radii, step_limits(c.base), step_limits(c.other),
                                            log_rates(c.base), log_rates(c.other), c.step_size});
  const OutputBound output = output_bound(c, states);
  DeviationBounds bounds;
  bounds.question = DeviationQuestion::kUniversal;
  bounds.state = quantity(states.kappa, states.H, c.domain.shape.heads);
  bounds.output = quantity(output.change, output.size, c.domain.shape.heads);
  bounds.may_overflow = scan_findings(c, scan, states, output);
  return bounds;
}

DeviationBounds bounds_of_change(const BallDomain& domain, const BlockChange& change) {
  const ScanInputRadii radii = weight_radii(domain, change);
  return bounds_of({domain, radii, change.base, change.other, theory::kUnrounded, ReadOutError{}},
                   theory::policies::kScanInFloat32);
}

void finish_pair(Comparison comparison, DeviationBounds& bounds) {
  bounds.comparison = comparison;
  bounds.method = DeviationMethod::kWeightDifference;
  require_consistent(bounds);
}

TensorAttribution part(const std::string& tensor, const DeviationBounds& bounds) {
  return {tensor, bounds.state.staying, bounds.output.staying};
}

const ScanRounding& scan_rounding(const BlockWeights& block, const PrecisionPolicy& policy) {
  return std::holds_alternative<theory::Mamba1Weights>(block) ? policy.mamba1 : policy.mamba2;
}

/// Every program of `other` under the policy against the real `block`.
DeviationBounds program_deviation(const BlockWeights& block, const BlockWeights& other, const PrecisionPolicy& policy) {
  const ScanRounding& scan = scan_rounding(block, policy);
  if (scan.decay.u > 0.0 || scan.state.u > 0.0)
    throw ContractViolation("universal deviation: K does not cover decays or states stored in low precision");
  std::vector<OverflowFinding> findings;
  const BlockWeights rounded = weights_for_radii(other, policy, findings);
  const BallDomain domain = ball_domain(block);
  const ScanInputRadii by_weights = weight_radii(domain, change_between(block, rounded));
  const ScanInputRadii radii = sum_of(by_weights, rounding_radii(domain, by_weights, rounded, policy, findings));
  DeviationBounds bounds =
      bounds_of({domain, radii, block, rounded, scan.step_size, read_out_error(scan, domain.shape.states)}, scan);
  bounds.method = DeviationMethod::kKappa;
  bounds.policy = policy.name;
  bounds.may_overflow = merged(std::move(findings), bounds.may_overflow);
  return bounds;
}

}  // namespace

DeviationBounds universal_policy_deviation(const BlockWeights& block, const PrecisionPolicy& policy) {
  DeviationBounds bounds = program_deviation(block, block, policy);
  bounds.comparison = Comparison::kPolicy;
  require_consistent(bounds);
  return bounds;
}

DeviationBounds universal_pair_deviation(const BlockWeights& block, const BlockWeights& other,
                                         const PrecisionPolicy& policy) {
  DeviationBounds bounds = program_deviation(block, other, policy);
  bounds.comparison = Comparison::kPair;
  require_consistent(bounds);
  return bounds;
}

DeviationBounds universal_pair_deviation(const BlockWeights& block, const BlockWeights& other) {
  const BallDomain domain = ball_domain(block);
  DeviationBounds bounds = bounds_of_change(domain, change_between(block, other));
  for (const OneTensorChanged& one : one_tensor_changed(block, other)) {
    if (one.reaches_scan)
      bounds.attribution.push_back(part(one.tensor, bounds_of_change(domain, change_between(block, one.block))));
    else
      bounds.attribution.push_back({one.tensor, 0.0, 0.0});
  }
  finish_pair(Comparison::kPair, bounds);
  return bounds;
}

DeviationBounds universal_adapter_deviation(const BlockWeights& block, std::span<const LowRankUpdate> updates) {
  const BallDomain domain = ball_domain(block);
  DeviationBounds bounds = bounds_of_change(domain, change_by(block, updates));
  for (const LowRankUpdate& update : updates) {
    const DeviationBounds alone = bounds_of_change(domain, change_by(block, std::span(&update, 1)));
    bounds.attribution.push_back(update.target == AdapterTarget::kOutProj
                                     ? TensorAttribution{std::string(target_name(update.target)), 0.0, 0.0}
                                     : part(std::string(target_name(update.target)), alone));
  }
  finish_pair(Comparison::kAdapter, bounds);
  return bounds;
}

}  // namespace lyap::deviation
