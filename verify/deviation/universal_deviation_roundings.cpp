#include <algorithm>
#include <cmath>
#include <variant>

#include "numerics/contract_violation.hpp"
#include "numerics/interval_functions.hpp"
#include "numerics/norm_bounds.hpp"
#include "numerics/rounding.hpp"
#include "theory/output_deviation.hpp"
#include "verify/certify/norm_domain.hpp"
#include "verify/deviation/deployed_float32_errors.hpp"
#include "verify/deviation/deployed_program.hpp"
#include "verify/deviation/deployed_weights.hpp"
#include "verify/deviation/universal_deviation_radii.hpp"

namespace lyap::deviation {
namespace {

using theory::kUnrounded;
using theory::LinearMagnitudes;
using theory::LinearRounding;
using theory::Mamba1Weights;
using theory::Mamba2Weights;
using theory::NumberType;
using theory::PrecisionPolicy;

Interval real(double x) { return Interval::from_exact(x); }

/// |x' - x| <= relative |x| + absolute.
struct RelativeError {
  Interval relative, absolute;
  /// After one more error of the standard model.
  [[nodiscard]] RelativeError then(const Interval& u, const Interval& u_min) const {
    const Interval factor = real(1.0) + u;
    return {relative * factor + u, absolute * factor + u_min};
  }
  [[nodiscard]] RelativeError then(const NumberType& type) const { return then(real(type.u), real(type.u_min)); }
};

/// Of g n as in_proj multiplies it, against the real norm of the same residual stream: relative to |g_j n_j|, with an
/// absolute part per |g_j| and one without.
struct NormError {
  double relative, per_gain, absolute;
};

NormError norm_error(const PrecisionPolicy& policy, std::size_t d, double epsilon) {
  // The residual stream is rounded: r' = r (1 + u) + m, so rms' >= rms (1 - u - rho) with rho = m/sqrt(epsilon).
  const Interval u = real(policy.block_input.u);
  const Interval rho =
      policy.block_input.u_min == 0.0 ? Interval() : real(policy.block_input.u_min) / sqrt(real(epsilon));
  const Interval rest = real(1.0) - u - rho;
  if (!(rest.lower() > 0.0)) return {HUGE_VAL, HUGE_VAL, HUGE_VAL};
  RelativeError n{(real(2.0) * u + rho) / rest, rho / rest};
  // binary32: the root halves the error of the mean of squares.
  const double squares = static_cast<double>(d) + kMeanRoundings;
  const double roundings = 0.5 * squares + kInverseRootError + 1.0;
  const Interval mean = real(squares) * real(kFloat32Roundoff);
  const Interval underflow = real(2.0 * kFlushed) / real(epsilon);
  n = n.then(real(roundings) * real(kFloat32Roundoff) / (real(1.0) - mean) + underflow, real(kFlushed));
  n = n.then(policy.norm_normalised).then(real(kFloat32Roundoff), Interval());
  RelativeError after{n.relative, real(kFlushed)};
  after = after.then(policy.norm_output).then(policy.in_proj.input);
  const Interval scale = (real(1.0) + real(policy.norm_output.u)) * (real(1.0) + real(policy.in_proj.input.u));
  return {after.relative.upper(), (n.absolute * scale).upper(), after.absolute.upper()};
}

bool is_tf32(const NumberType& type) { return type.largest == theory::kTf32Type.largest; }

/// linear_error as what it is, linear in the magnitudes. Weights and biases are taken as rounded already, but for
/// subnormal ones that hardware may flush, and for tf32, which programs read by several rules.
struct LinearError {
  double WX, W, x, bias, constant;

  LinearError(LinearRounding r, std::size_t n, const NumberType& input) {
    r.input = input;
    if (!is_tf32(r.weight)) r.weight = NumberType{"", 0.0, r.weight.u_min, r.weight.largest, false};
    r.bias = kUnrounded;
    const auto at = [&](double WX_, double W_, double x_, double bias_) {
      return theory::linear_error(r, LinearMagnitudes<Interval>{real(WX_), real(W_), real(x_), n, real(bias_)});
    };
    const Interval none = at(0.0, 0.0, 0.0, 0.0);
    constant = none.upper();
    WX = (at(1.0, 0.0, 0.0, 0.0) - none).upper();
    W = (at(0.0, 1.0, 0.0, 0.0) - none).upper();
    x = (at(0.0, 0.0, 1.0, 0.0) - none).upper();
    bias = (at(0.0, 0.0, 0.0, 1.0) - none).upper();
  }
  LinearError(const LinearRounding& r, std::size_t n) : LinearError(r, n, r.input) {}

  [[nodiscard]] Interval operator()(double WX_, double W_, double x_, double bias_) const {
    return real(WX) * real(WX_) + real(W) * real(W_) + real(x) * real(x_) + real(bias) * real(std::fabs(bias_)) +
           real(constant);
  }
};

/// Their sum, rounded upward.
double total(const std::vector<double>& sizes) {
  Interval sum;
  for (const double size : sizes) sum += real(size);
  return sum.upper();
}

std::vector<double> sums_upward(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> sum = a;
  const RoundingUpward upward;
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += b[i];
  return sum;
}

/// Records the first channel whose magnitude can leave the type's range.
void note_overflow(const char* tensor, const std::vector<double>& magnitudes, const NumberType& type,
                   std::vector<OverflowFinding>& findings) {
  OverflowFinding finding{tensor, 0, 0, 0.0, type.name};
  for (std::size_t i = 0; i < magnitudes.size(); ++i) {
    if (!theory::may_overflow(real(magnitudes[i]), type)) continue;
    if (finding.channels++ == 0) finding.channel = i;
    finding.magnitude_upper = std::max(finding.magnitude_upper, magnitudes[i]);
  }
  if (finding.channels > 0) findings.push_back(finding);
}

/// One block's roundings, operation by operation; `token` etc. are magnitudes of the rounded weights' real run.
class RoundingPropagation {
 public:
  RoundingPropagation(const BallDomain& domain, const ScanInputRadii& away, const theory::BlockWeights& rounded,
                      const PrecisionPolicy& policy, std::vector<OverflowFinding>& findings)
      : domain_(domain),
        away_(away),
        view_(front_view(rounded)),
        policy_(policy),
        findings_(findings),
        norm_(norm_error(policy, view_.gain.size(), view_.epsilon)) {}

  ScanInputRadii finish(const Mamba1Weights& block);
  ScanInputRadii finish(const Mamba2Weights& block);

 private:
  [[nodiscard]] std::vector<double> in_proj(const std::vector<double>& token, std::size_t first) const;
  [[nodiscard]] std::vector<double> convolved(const std::vector<double>& token_error,
                                              const std::vector<double>& silu) const;

  const BallDomain& domain_;
  const ScanInputRadii& away_;
  FrontView view_;
  const PrecisionPolicy& policy_;
  std::vector<OverflowFinding>& findings_;
  NormError norm_;
};

/// Error of in_proj's outputs [first, ..), bias included, from magnitudes of W g n.
std::vector<double> RoundingPropagation::in_proj(const std::vector<double>& token, std::size_t first) const {
  const std::size_t d = view_.gain.size();
  const LinearError error(policy_.in_proj, d, NumberType{"", norm_.relative, 1.0, 0.0, false});
  const Eigen::VectorXd norms = row_norms_upper_bound(rows_of(view_.in_proj, first, first + token.size()));
  const Interval root = real(sqrt_upper_bound(d));
  Interval gain;
  for (const double g : view_.gain) gain += square(real(g));
  const double inputs = (root * sqrt(gain)).upper();
  std::vector<double> result, size;
  for (std::size_t i = 0; i < token.size(); ++i) {
    const Interval absolute =
        real(norm_.per_gain) * real(token[i]) + real(norm_.absolute) * root * real(norms(Eigen::Index(i)));
    const double bias = view_.in_bias_of(first + i);
    result.push_back(error(token[i], absolute.upper(), inputs, bias).upper());
    size.push_back((real(token[i]) + real(result.back()) + abs(real(bias))).upper());
  }
  note_overflow("in_proj output", size, policy_.in_proj.output, findings_);
  return result;
}

/// Error of silu's output of every convolution channel; `silu` are magnitudes of the real ones.
std::vector<double> RoundingPropagation::convolved(const std::vector<double>& token_error,
                                                   const std::vector<double>& silu) const {
  const std::size_t J = view_.conv_weight.columns;
  const LinearError error(policy_.convolution, J);
  std::vector<double> result, before, after;
  for (std::size_t k = 0; k < view_.channels; ++k) {
    Interval taps;
    for (std::size_t j = 0; j < J; ++j) taps += abs(real(view_.conv_weight(k, j)));
    const Interval token = real(domain_.token[k]) + real(away_.token[k]) + abs(real(view_.in_bias_of(view_.first + k)));
    const Interval size = taps * (token + real(token_error[k]));
    const Interval inputs = real(static_cast<double>(J)) * (token + real(token_error[k]));
    const double bias = view_.conv_bias_of(k);
    const Interval q = taps * real(token_error[k]) + error(size.upper(), taps.upper(), inputs.upper(), bias);
    before.push_back((size + abs(real(bias)) + q).upper());
    const Interval exact = theory::silu_change(q), value = real(silu[k]);
    // kExpErrorPerUnit z |silu(z)| for z < 0 is at most kExpErrorPerUnit 0.55 in magnitude.
    const Interval functions = real(kSiluError) * (value + exact) + real(0.55 * kExpErrorPerUnit);
    Interval x = exact + real(kFloat32Roundoff) * functions + real(kSiluFlushed);
    x += real(policy_.conv_silu.u) * (value + x) + real(policy_.conv_silu.u_min);
    result.push_back(x.upper());
    after.push_back((value + x).upper());
  }
  note_overflow("convolution output", before, policy_.convolution.output, findings_);
  note_overflow("scan input", after, policy_.conv_silu, findings_);
  return result;
}

ScanInputRadii RoundingPropagation::finish(const Mamba1Weights& block) {
  const std::size_t rank = block.dt_rank, N = block.d_state;
  ScanInputRadii radii;
  radii.token = in_proj(sums_upward(domain_.token, away_.token), 0);
  const std::vector<double> x = sums_upward(domain_.x, away_.x);
  radii.x = convolved(radii.token, x);
  const std::vector<double> x_prime = sums_upward(x, radii.x);

  const ConstMatrixRef W_x = rows_of(block.x_proj, 0, block.x_proj.rows);
  const std::vector<double> carried = absolute_row_sums(W_x, radii.x), size = absolute_row_sums(W_x, x_prime);
  const std::vector<double> ones = absolute_row_sums(W_x, std::vector<double>(block.d_inner, 1.0));
  const LinearError x_error(policy_.x_proj, block.d_inner);
  const double inputs = total(x_prime);
  std::vector<double> rounded, selected;
  for (std::size_t r = 0; r < carried.size(); ++r) {
    rounded.push_back(x_error(size[r], ones[r], inputs, 0.0).upper());
    const double error = (real(carried[r]) + real(rounded[r])).upper();
    selected.push_back((real(size[r]) + real(rounded[r])).upper());
    if (r >= rank) (r < rank + N ? radii.B : radii.C).push_back(error);
  }
  note_overflow("x_proj output", selected, policy_.x_proj.output, findings_);

  const ConstMatrixRef W_dt = rows_of(block.dt_proj, 0, block.d_inner);
  rounded.resize(rank);
  selected.resize(rank);
  const auto exact = [](const ConstMatrixRef& matrix) {
    return BallMatrix{matrix, RowMajorMatrix::Zero(matrix.rows(), matrix.cols())};
  };
  const std::vector<double> through = composite_row_sums(exact(W_dt), exact(rows_of(block.x_proj, 0, rank)), radii.x);
  const std::vector<double> from_selected = absolute_row_sums(W_dt, rounded);
  const std::vector<double> step_size = absolute_row_sums(W_dt, selected);
  const std::vector<double> step_ones = absolute_row_sums(W_dt, std::vector<double>(rank, 1.0));
  const LinearError step_error(policy_.dt_proj, rank);
  const double step_inputs = total(selected);
  for (std::size_t k = 0; k < block.d_inner; ++k) {
    const Interval p = real(through[k]) + real(from_selected[k]) +
                       step_error(step_size[k], step_ones[k], step_inputs, block.dt_bias[k]);
    radii.p.push_back(p.upper());
  }
  note_overflow("dt_proj output", sums_upward(step_size, radii.p), policy_.dt_proj.output, findings_);
  return radii;
}

ScanInputRadii RoundingPropagation::finish(const Mamba2Weights& block) {
  ScanInputRadii radii;
  radii.token = in_proj(sums_upward(domain_.token, away_.token), view_.first);
  std::vector<double> silu = sums_upward(domain_.x, away_.x);
  const std::vector<double> B = sums_upward(domain_.B, away_.B), C = sums_upward(domain_.C, away_.C);
  silu.insert(silu.end(), B.begin(), B.end());
  silu.insert(silu.end(), C.begin(), C.end());
  const std::vector<double> all = convolved(radii.token, silu);
  const auto C_begin = all.end() - std::ptrdiff_t(C.size()), B_begin = C_begin - std::ptrdiff_t(B.size());
  radii.x.assign(all.begin(), B_begin);
  radii.B.assign(B_begin, C_begin);
  radii.C.assign(C_begin, all.end());

  radii.step_token = in_proj(sums_upward(domain_.step_token, away_.step_token), view_.first + view_.channels);
  const NumberType& sum = policy_.mamba2.step_bias_sum;
  for (std::size_t k = 0; k < block.heads; ++k) {
    const Interval error = real(radii.step_token[k]);
    const Interval p = real(magnitude(domain_.p[k])) + real(away_.p[k]) + error;
    radii.p.push_back((error + real(sum.u) * p + real(sum.u_min)).upper());
  }
  return radii;
}

}  // namespace

theory::BlockWeights weights_for_radii(const theory::BlockWeights& block, const PrecisionPolicy& policy,
                                       std::vector<OverflowFinding>& findings) {
  theory::BlockWeights rounded = rounded_weights(block, policy, findings);
  return is_tf32(policy.in_proj.weight) ? weights_as_stored(block, policy) : rounded;
}

ScanInputRadii rounding_radii(const BallDomain& domain, const ScanInputRadii& from_domain,
                              const theory::BlockWeights& rounded, const PrecisionPolicy& policy,
                              std::vector<OverflowFinding>& findings) {
  RoundingPropagation propagation(domain, from_domain, rounded, policy, findings);
  return std::visit([&](const auto& weights) { return propagation.finish(weights); }, rounded);
}

}  // namespace lyap::deviation
