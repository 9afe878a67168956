#pragma once

#include <cmath>
#include <cstdint>
#include <variant>
#include <vector>

#include "theory/layers.hpp"
#include "theory/precision_policy.hpp"
#include "theory/selective_recurrence.hpp"
#include "verify/deviation/universal_deviation_domain.hpp"

/// A program inside a policy's rounding model whose every rounding error is chosen by the test: what bounds for all
/// programs of a policy are held against. In binary64, whose own roundings are far smaller.
namespace lyap::testing {

/// How the errors are chosen: none, at random, all of one sign, by position, or of random sign and full size.
struct ErrorChoice {
  enum class Kind { kNone, kRandom, kPositive, kNegative, kAlternating, kSigns } kind;
  std::uint64_t state = 1;
  double flip = 1.0;

  /// A number in [-1, 1].
  double next() {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const auto bits = static_cast<double>(state >> 11) * 0x1p-53;
    switch (kind) {
      case Kind::kNone:
        return 0.0;
      case Kind::kRandom:
        return 2.0 * bits - 1.0;
      case Kind::kPositive:
        return 1.0;
      case Kind::kNegative:
        return -1.0;
      case Kind::kAlternating:
        flip = -flip;
        return flip;
      case Kind::kSigns:
        return bits < 0.5 ? -1.0 : 1.0;
    }
    return 0.0;
  }
};

/// The scan inputs of one token, flattened.
struct TokenInputs {
  std::vector<double> p, x, B, C;
};

class PerturbedProgram {
 public:
  /// `rounded` are the policy's rounded weights.
  PerturbedProgram(const theory::BlockWeights& rounded, const theory::PrecisionPolicy& policy, ErrorChoice choice)
      : block_(rounded),
        policy_(policy),
        choice_(choice),
        view_(deviation::front_view(rounded)),
        window_(view_.conv_weight.rows * view_.conv_weight.columns, 0.0) {}

  TokenInputs next(const std::vector<double>& residual) {
    return std::visit([&](const auto& weights) { return next(weights, residual); }, block_);
  }

 private:
  using Array = std::vector<double>;

  double rounded(double x, const theory::NumberType& type) {
    return type.u == 0.0 ? x : x + choice_.next() * (type.u * std::fabs(x) + type.u_min);
  }
  Array rounded(Array x, const theory::NumberType& type) {
    for (double& entry : x) entry = rounded(entry, type);
    return x;
  }
  Array float32(Array x, double roundings) {
    for (double& entry : x) entry += choice_.next() * roundings * 0x1p-24 * std::fabs(entry);
    return x;
  }

  Array normed(const Array& residual) {
    Array n = rounded(residual, policy_.block_input);
    double squares = 0.0;
    for (const double r : n) squares += r * r;
    const double mean = squares / static_cast<double>(n.size()) * (1.0 + choice_.next() * 0x1p-23);
    const double rms = std::sqrt(mean + view_.epsilon);
    for (double& r : n) r /= rms;
    n = rounded(float32(n, 2.0), policy_.norm_normalised);
    for (std::size_t i = 0; i < n.size(); ++i) n[i] *= view_.gain[i];
    return rounded(rounded(float32(n, 1.0), policy_.norm_output), policy_.in_proj.input);
  }

  /// A sum of products as accumulated, then rounded; `bias` may be null.
  double layer(const theory::LinearRounding& r, const double* W, const double* x, std::size_t n, const double* bias) {
    const bool inside = bias != nullptr && r.placement == theory::BiasPlacement::kInAccumulation;
    double sum = inside ? *bias : 0.0, size = std::fabs(sum);
    for (std::size_t j = 0; j < n; ++j) {
      sum += W[j] * x[j];
      size += std::fabs(W[j] * x[j]);
    }
    const double mu = static_cast<double>(r.accumulation.roundings(n + (inside ? 1 : 0))) * r.accumulation.u;
    sum = rounded(sum + choice_.next() * mu * size, r.output);
    return bias == nullptr || inside ? sum : rounded(sum + *bias, r.sum);
  }
  Array layer(const theory::LinearRounding& r, const theory::Matrix& W, const theory::Vector& bias, const Array& x) {
    Array result;
    for (std::size_t i = 0; i < W.rows; ++i)
      result.push_back(layer(r, W.row(i), x.data(), W.columns, bias.empty() ? nullptr : &bias[i]));
    return result;
  }

  Array convolved(const Array& input) {
    const std::size_t J = view_.conv_weight.columns;
    Array result;
    for (std::size_t k = 0; k < view_.channels; ++k) {
      double* taps = window_.data() + k * J;
      for (std::size_t j = 0; j + 1 < J; ++j) taps[j] = taps[j + 1];
      taps[J - 1] = rounded(input[k], policy_.convolution.input);
      const double bias = view_.conv_bias_of(k);
      const double q = layer(policy_.convolution, view_.conv_weight.row(k), taps, J, &bias);
      result.push_back(q / (1.0 + std::exp(-q)));
    }
    return rounded(float32(result, 3.0), policy_.conv_silu);
  }

  TokenInputs next(const theory::Mamba1Weights& w, const Array& residual) {
    const Array xz = layer(policy_.in_proj, w.in_proj, w.in_proj_bias, normed(residual));
    TokenInputs t;
    t.x = convolved(theory::part(xz, 0, w.d_inner));
    const Array selected = layer(policy_.x_proj, w.x_proj, {}, rounded(t.x, policy_.x_proj.input));
    t.B = theory::part(selected, w.dt_rank, w.d_state);
    t.C = theory::part(selected, w.dt_rank + w.d_state, w.d_state);
    t.p = layer(policy_.dt_proj, w.dt_proj, w.dt_bias,
                rounded(theory::part(selected, 0, w.dt_rank), policy_.dt_proj.input));
    return t;
  }

  TokenInputs next(const theory::Mamba2Weights& w, const Array& residual) {
    const Array rows = layer(policy_.in_proj, w.in_proj, w.in_proj_bias, normed(residual));
    const Array xbc = convolved(theory::part(rows, w.d_inner, w.conv_channels()));
    const std::size_t shared = w.groups * w.d_state;
    TokenInputs t;
    t.x = theory::part(xbc, 0, w.d_inner);
    t.B = theory::part(xbc, w.d_inner, shared);
    t.C = theory::part(xbc, w.d_inner + shared, shared);
    t.p = theory::part(rows, w.d_inner + w.conv_channels(), w.heads);
    for (std::size_t k = 0; k < w.heads; ++k) t.p[k] = rounded(t.p[k] + w.dt_bias[k], policy_.mamba2.step_bias_sum);
    return t;
  }

  const theory::BlockWeights& block_;
  const theory::PrecisionPolicy& policy_;
  ErrorChoice choice_;
  deviation::FrontView view_;
  Array window_;
};

/// The scan of a block, in binary64.
class PlainScan {
 public:
  explicit PlainScan(const theory::BlockWeights& block)
      : shape_(deviation::state_shape(block)),
        limits_(deviation::step_limits(block)),
        scan_({shape_.heads, shape_.head_dim, shape_.states, shape_.groups}, deviation::log_rates(block),
              deviation::skip_of(block), theory::Discretization::kEuler) {}

  /// y; `step_error` in [-1, 1] is the rounding of step sizes.
  std::vector<double> next(const TokenInputs& t, const theory::NumberType& step_type, double step_error) {
    std::vector<double> Delta;
    for (const double p : t.p) {
      const double exact = theory::step_size(p, limits_, theory::Softplus::kTextbook);
      const double error = step_type.u * exact + step_type.u_min;
      Delta.push_back(std::max(exact + (step_type.u == 0.0 ? 0.0 : step_error * error), 0.0));
    }
    return scan_.step(Delta, t.x, t.B, t.C);
  }
  [[nodiscard]] const std::vector<double>& h() const { return scan_.h(); }

 private:
  deviation::StateShape shape_;
  theory::StepSizeLimits limits_;
  theory::SelectiveScan<double> scan_;
};

}  // namespace lyap::testing
