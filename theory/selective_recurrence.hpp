#pragma once

#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "theory/block_weights.hpp"
#include "theory/discretization.hpp"
#include "theory/layers.hpp"
#include "theory/scalar.hpp"

/// The model on one page: the blocks of Mamba and Mamba-2, token by token, in any scalar S. In float or double this is
/// an ordinary forward pass; in intervals it encloses the real-valued block; in multiple precision it is the oracle.
/// Letters: theory/notation.md. "c" = channels (Mamba-1) or heads (Mamba-2).
namespace lyap::theory {

enum class Softplus { kTextbook, kDeployed };

/// Which variant of the arithmetic is meant: the discretisation, and softplus as written in textbooks or with the
/// cut-off that programs have.
struct Program {
  Discretization discretization = Discretization::kEuler;
  Softplus softplus = Softplus::kTextbook;
};

/// Δ = softplus(p), clamped to the limits where there are any.
template <class S>
[[nodiscard]] S step_size(const S& p, const StepSizeLimits& limits, Softplus kind) {
  S Delta = kind == Softplus::kTextbook ? softplus(p) : deployed_softplus(p);
  if (limits.lower > 0.0) Delta = max(Delta, exact<S>(limits.lower));
  if (limits.upper < std::numeric_limits<double>::infinity()) Delta = min(Delta, exact<S>(limits.upper));
  return Delta;
}

struct ScanShape {
  std::size_t heads, head_dim, d_state, groups;
};

/// The recurrence h_t = a_t h_{t-1} + b_t, y_t = C_t . h_t + D x_t for every head, head dimension and state; h_0 is
/// zero. Mamba-1 is the case of one head per channel with head_dim = 1, one group, and a decay rate per channel and
/// state.
template <class S>
class SelectiveScan {
 public:
  /// A_log is (heads, d_state) or (heads); D is (heads), and is referred to, not copied.
  SelectiveScan(const ScanShape& shape, const Vector& A_log, const Vector& D, Discretization discretization)
      : shape_(shape),
        rates_(A_log.size() / shape.heads),
        D_(&D),
        discretization_(discretization),
        h_(shape.heads * shape.head_dim * shape.d_state, exact<S>(0.0)) {
    for (const double entry : A_log) alpha_.push_back(exp(exact<S>(entry)));
  }

  /// One step. Delta (heads), x (heads, head_dim), B and C (groups, d_state); returns y (heads, head_dim).
  [[nodiscard]] Array<S> step(const Array<S>& Delta, const Array<S>& x, const Array<S>& B, const Array<S>& C) {
    const std::size_t N = shape_.d_state;
    Array<S> y;
    y.reserve(x.size());
    std::vector<DiscreteStep<S>> discrete;
    for (std::size_t k = 0; k < shape_.heads; ++k) {
      discrete.clear();
      for (std::size_t n = 0; n < rates_; ++n) {
        discrete.push_back(discretize(alpha_[k * rates_ + n], Delta[k], discretization_));
      }
      const std::size_t group = k / (shape_.heads / shape_.groups);
      for (std::size_t i = k * shape_.head_dim; i < (k + 1) * shape_.head_dim; ++i) {
        S sum = exact<S>((*D_)[k]) * x[i];
        for (std::size_t n = 0; n < N; ++n) {
          const auto& [a, c] = discrete[rates_ == 1 ? 0 : n];
          S& h = h_[i * N + n];
          h = a * h + c * x[i] * B[group * N + n];
          sum += C[group * N + n] * h;
        }
        y.push_back(std::move(sum));
      }
    }
    return y;
  }

  [[nodiscard]] const Array<S>& alpha() const { return alpha_; }  ///< decay rates exp(A_log), shaped as A_log
  [[nodiscard]] const Array<S>& h() const { return h_; }          ///< the state, (heads, head_dim, d_state)
  [[nodiscard]] Array<S>& h() { return h_; }                      ///< to start from another h_0

 private:
  ScanShape shape_;
  std::size_t rates_;  // decay rates per head: 1 or d_state
  const Vector* D_;
  Discretization discretization_;
  Array<S> alpha_;
  Array<S> h_;
};

/// Everything that a block computes for one token, in the order of computation.
template <class S>
struct BlockStep {
  Array<S> z;       ///< (d_inner) gate before silu
  Array<S> x;       ///< (d_inner) scan input, after convolution and silu; Mamba-2: (heads, head_dim)
  Array<S> B, C;    ///< (groups, d_state); Mamba-1: (d_state)
  Array<S> p;       ///< (c) step-size pre-activation, biases included
  Array<S> Delta;   ///< (c) step size
  Array<S> y;       ///< (d_inner) scan output, D x included, before the gate
  Array<S> output;  ///< (d_model) what the block adds to the residual stream
};

/// What a block carries from token to token. Refers to the weights that it was made for.
template <class S>
struct BlockState {
  CausalConvolution<S> convolution;
  SelectiveScan<S> scan;
  Program program;
};

template <class S>
[[nodiscard]] BlockState<S> initial_state(const Mamba1Weights& w, const Program& program = {}) {
  const ScanShape shape{w.d_inner, 1, w.d_state, 1};
  return {{w.conv_weight, w.conv_bias}, {shape, w.A_log.entries, w.D, program.discretization}, program};
}

template <class S>
[[nodiscard]] BlockState<S> initial_state(const Mamba2Weights& w, const Program& program = {}) {
  const ScanShape shape{w.heads, w.head_dim, w.d_state, w.groups};
  return {{w.conv_weight, w.conv_bias}, {shape, w.A_log, w.D, program.discretization}, program};
}

/// One token through a Mamba-1 block; r is the residual stream, (d_model).
template <class S>
[[nodiscard]] BlockStep<S> step(const Mamba1Weights& w, const Array<S>& r, BlockState<S>& state) {
  BlockStep<S> t;
  const Array<S> xz = linear(w.in_proj, w.in_proj_bias, rms_norm(r, w.norm_weight, w.norm_epsilon));
  t.z = part(xz, w.d_inner, w.d_inner);
  t.x = silu(state.convolution.step(part(xz, 0, w.d_inner)));

  const Array<S> selected = linear(w.x_proj, t.x);
  t.B = part(selected, w.dt_rank, w.d_state);
  t.C = part(selected, w.dt_rank + w.d_state, w.d_state);
  t.p = linear(w.dt_proj, w.dt_bias, part(selected, 0, w.dt_rank));
  for (const S& p : t.p) t.Delta.push_back(step_size(p, StepSizeLimits{}, state.program.softplus));

  t.y = state.scan.step(t.Delta, t.x, t.B, t.C);
  Array<S> gated = t.y;
  for (std::size_t i = 0; i < w.d_inner; ++i) gated[i] *= silu(t.z[i]);
  t.output = linear(w.out_proj, w.out_proj_bias, gated);
  return t;
}

/// One token through a Mamba-2 block: x, B and C share one convolution, and the gate comes before a grouped RMS norm.
template <class S>
[[nodiscard]] BlockStep<S> step(const Mamba2Weights& w, const Array<S>& r, BlockState<S>& state) {
  BlockStep<S> t;
  const std::size_t shared = w.groups * w.d_state;
  const Array<S> zxBCdt = linear(w.in_proj, w.in_proj_bias, rms_norm(r, w.norm_weight, w.norm_epsilon));
  t.z = part(zxBCdt, 0, w.d_inner);
  const Array<S> xBC = silu(state.convolution.step(part(zxBCdt, w.d_inner, w.conv_channels())));
  t.x = part(xBC, 0, w.d_inner);
  t.B = part(xBC, w.d_inner, shared);
  t.C = part(xBC, w.d_inner + shared, shared);
  t.p = part(zxBCdt, w.d_inner + w.conv_channels(), w.heads);
  for (std::size_t k = 0; k < w.heads; ++k) {
    t.p[k] += exact<S>(w.dt_bias[k]);
    t.Delta.push_back(step_size(t.p[k], w.step_limits, state.program.softplus));
  }

  t.y = state.scan.step(t.Delta, t.x, t.B, t.C);
  Array<S> gated = t.y;
  for (std::size_t i = 0; i < w.d_inner; ++i) gated[i] *= silu(t.z[i]);
  t.output = linear(w.out_proj, w.out_proj_bias,
                    rms_norm(gated, w.gated_norm_weight, w.gated_norm_epsilon, w.gated_norm_groups));
  return t;
}

/// A whole sequence through one block, from h_0 = 0.
template <class S>
struct BlockRun {
  std::vector<BlockStep<S>> steps;
  Array<S> sum_of_steps;  ///< (c) Σ Δ_t
  Array<S> alpha;         ///< decay rates, (c, d_state) for Mamba-1, (c) for Mamba-2
  Array<S> h;             ///< final state, (c, d_state) or (heads, head_dim, d_state)
};

/// Runs the block on inputs (T, d_model), the residual stream as exact numbers.
template <class S, class Weights>
[[nodiscard]] BlockRun<S> run(const Weights& w, const Matrix& inputs, const Program& program = {}) {
  BlockState<S> state = initial_state<S>(w, program);
  BlockRun<S> result;
  for (std::size_t t = 0; t < inputs.rows; ++t) {
    Array<S> r;
    for (std::size_t i = 0; i < inputs.columns; ++i) r.push_back(exact<S>(inputs(t, i)));
    result.steps.push_back(step(w, r, state));
    const Array<S>& Delta = result.steps.back().Delta;
    if (t == 0) result.sum_of_steps.assign(Delta.size(), exact<S>(0.0));
    for (std::size_t k = 0; k < Delta.size(); ++k) result.sum_of_steps[k] += Delta[k];
  }
  result.alpha = state.scan.alpha();
  result.h = std::move(state.scan.h());
  return result;
}

}  // namespace lyap::theory
