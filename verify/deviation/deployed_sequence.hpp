#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "theory/block_weights.hpp"
#include "theory/precision_policy.hpp"
#include "verify/certify/trajectory_scan.hpp"

/// The deployed program of a block, rounding site by rounding site, written once: in intervals it encloses every
/// program of the policy, in float it is one of them (deployed_interval_arithmetic.hpp, emulated_arithmetic.hpp).
///
/// An Arithmetic has an Array (tokens, columns) and, with `tensor` the name that findings use:
///   void round(Array&, NumberType, tensor)                   to the type; kUnrounded: nothing
///   void normalise(Array&, epsilon, groups, tensor)          r / sqrt(mean(r²) + epsilon) within each group of columns
///   void scale_columns(Array&, Vector, tensor)               one binary32 product
///   Array product(Array, Weight, LinearRounding, bias, tensor)   x W' + bias in one accumulation, rounded to `output`
///   void add_row(Array&, Vector, tensor)                     one binary32 sum
///   void silu(Array&)
///   Array multiply(Array, Array, tensor)                     one binary32 product
///   Array step_sizes(Array p, limits, NumberType)            softplus with its cut-off, clamped, rounded to the type
///   Array columns(Array, first, count); bool is_empty(Array)
///   Weight(Arithmetic, Matrix, NumberType)                   the matrix rounded to the type that the program reads
///   Convolution(Arithmetic, weight, bias, LinearRounding)    apply(x): the next tokens, rounded to `output`
///   Scan(Arithmetic, shape, A_log, D, ScanRounding)          advance(chunk): h and y from p, x, B, C and step_size
namespace lyap::deviation {

/// What a program computes for a chunk of tokens; h has one row more, the state before it first.
template <class Array>
struct ProgramChunk {
  Array p, step_size, x, B, C, z;
  Array h, y, gated, output;
};

/// A linear layer with its roundings.
template <class Arithmetic>
class DeployedLayer {
 public:
  using Array = typename Arithmetic::Array;
  DeployedLayer(Arithmetic& arithmetic, const theory::Matrix& weight, const theory::Vector& bias,
                const theory::LinearRounding& rounding, const char* tensor)
      : arithmetic_(&arithmetic), weight_(arithmetic, weight, rounding.weight), bias_(&bias), rounding_(rounding) {
    input_ = std::string(tensor) + " input";
    output_ = std::string(tensor) + " output";
  }

  [[nodiscard]] Array operator()(Array x) {
    static const theory::Vector kNoBias;
    const bool after = rounding_.placement == theory::BiasPlacement::kAfterOutput;
    arithmetic_->round(x, rounding_.input, input_);
    Array result = arithmetic_->product(x, weight_, rounding_, after ? kNoBias : *bias_, output_);
    if (after && !bias_->empty()) {
      arithmetic_->add_row(result, *bias_, output_);
      arithmetic_->round(result, rounding_.sum, output_);
    }
    return result;
  }

 private:
  Arithmetic* arithmetic_;
  typename Arithmetic::Weight weight_;
  const theory::Vector* bias_;
  theory::LinearRounding rounding_;
  std::string input_, output_;
};

/// The norm before in_proj.
template <class Arithmetic>
void deployed_norm(Arithmetic& arithmetic, const theory::PrecisionPolicy& policy, const theory::Vector& gain,
                   double epsilon, typename Arithmetic::Array& r) {
  arithmetic.round(r, policy.block_input, "block input");
  arithmetic.normalise(r, epsilon, 1, "norm");
  arithmetic.round(r, policy.norm_normalised, "norm before its gain");
  arithmetic.scale_columns(r, gain, "norm output");
  arithmetic.round(r, policy.norm_output, "norm output");
}

/// y silu(z).
template <class Arithmetic>
[[nodiscard]] typename Arithmetic::Array deployed_gate(Arithmetic& arithmetic, const theory::ScanRounding& scan,
                                                       const typename Arithmetic::Array& y,
                                                       typename Arithmetic::Array z) {
  arithmetic.silu(z);
  arithmetic.round(z, scan.gate_silu, "silu of the gate");
  typename Arithmetic::Array gated = arithmetic.multiply(y, z, "gated output");
  arithmetic.round(gated, scan.gated, "gated output");
  return gated;
}

[[nodiscard]] inline trajectory::StateShape deployed_shape(const theory::Mamba1Weights& w) {
  return {w.d_inner, 1, w.d_state, 1, true};
}
[[nodiscard]] inline trajectory::StateShape deployed_shape(const theory::Mamba2Weights& w) {
  return {w.heads, w.head_dim, w.d_state, w.groups, false};
}

/// A Mamba-1 block with the policy's rounded weights; weights, policy and arithmetic must outlive it.
template <class Arithmetic>
class DeployedMamba1 {
 public:
  using Array = typename Arithmetic::Array;
  using Chunk = ProgramChunk<Array>;
  DeployedMamba1(Arithmetic& arithmetic, const theory::Mamba1Weights& w, const theory::PrecisionPolicy& policy)
      : f_(arithmetic),
        w_(w),
        policy_(policy),
        in_proj_(f_, w.in_proj, w.in_proj_bias, policy.in_proj, "in_proj"),
        x_proj_(f_, w.x_proj, no_bias_, policy.x_proj, "x_proj"),
        dt_proj_(f_, w.dt_proj, w.dt_bias, policy.dt_proj, "dt_proj"),
        out_proj_(f_, w.out_proj, w.out_proj_bias, policy.out_proj, "out_proj"),
        convolution_(f_, w.conv_weight, w.conv_bias, policy.convolution),
        scan_(f_, deployed_shape(w), w.A_log.entries, w.D, policy.mamba1) {}

  [[nodiscard]] Chunk advance(Array r) {
    Chunk chunk;
    deployed_norm(f_, policy_, w_.norm_weight, w_.norm_epsilon, r);
    const Array xz = in_proj_(std::move(r));
    chunk.z = f_.columns(xz, w_.d_inner, w_.d_inner);
    chunk.x = convolution_.apply(f_.columns(xz, 0, w_.d_inner));
    f_.silu(chunk.x);
    f_.round(chunk.x, policy_.conv_silu, "silu of the convolution");
    const Array selected = x_proj_(chunk.x);
    chunk.B = f_.columns(selected, w_.dt_rank, w_.d_state);
    chunk.C = f_.columns(selected, w_.dt_rank + w_.d_state, w_.d_state);
    chunk.p = dt_proj_(f_.columns(selected, 0, w_.dt_rank));
    from_scan_inputs(chunk);
    return chunk;
  }

  /// From p, x, B, C and z, the last empty where unknown.
  void from_scan_inputs(Chunk& chunk) {
    chunk.step_size = f_.step_sizes(chunk.p, theory::StepSizeLimits{}, policy_.mamba1.step_size);
    scan_.advance(chunk);
    if (f_.is_empty(chunk.z)) return;
    chunk.gated = deployed_gate(f_, policy_.mamba1, chunk.y, chunk.z);
    chunk.output = out_proj_(chunk.gated);
  }

 private:
  Arithmetic& f_;
  const theory::Mamba1Weights& w_;
  const theory::PrecisionPolicy& policy_;
  theory::Vector no_bias_;
  DeployedLayer<Arithmetic> in_proj_, x_proj_, dt_proj_, out_proj_;
  typename Arithmetic::Convolution convolution_;
  typename Arithmetic::Scan scan_;
};

/// A Mamba-2 block with the policy's rounded weights.
template <class Arithmetic>
class DeployedMamba2 {
 public:
  using Array = typename Arithmetic::Array;
  using Chunk = ProgramChunk<Array>;
  DeployedMamba2(Arithmetic& arithmetic, const theory::Mamba2Weights& w, const theory::PrecisionPolicy& policy)
      : f_(arithmetic),
        w_(w),
        policy_(policy),
        in_proj_(f_, w.in_proj, w.in_proj_bias, policy.in_proj, "in_proj"),
        out_proj_(f_, w.out_proj, w.out_proj_bias, policy.out_proj, "out_proj"),
        convolution_(f_, w.conv_weight, w.conv_bias, policy.convolution),
        scan_(f_, deployed_shape(w), w.A_log, w.D, policy.mamba2) {}

  [[nodiscard]] Chunk advance(Array r) {
    Chunk chunk;
    const std::size_t shared = w_.groups * w_.d_state;
    deployed_norm(f_, policy_, w_.norm_weight, w_.norm_epsilon, r);
    const Array projected = in_proj_(std::move(r));
    chunk.z = f_.columns(projected, 0, w_.d_inner);
    Array xBC = convolution_.apply(f_.columns(projected, w_.d_inner, w_.conv_channels()));
    f_.silu(xBC);
    f_.round(xBC, policy_.conv_silu, "silu of the convolution");
    chunk.x = f_.columns(xBC, 0, w_.d_inner);
    chunk.B = f_.columns(xBC, w_.d_inner, shared);
    chunk.C = f_.columns(xBC, w_.d_inner + shared, shared);
    chunk.p = f_.columns(projected, w_.d_inner + w_.conv_channels(), w_.heads);
    f_.add_row(chunk.p, w_.dt_bias, "step size before softplus");
    f_.round(chunk.p, policy_.mamba2.step_bias_sum, "step size before softplus");
    from_scan_inputs(chunk);
    return chunk;
  }

  void from_scan_inputs(Chunk& chunk) {
    chunk.step_size = f_.step_sizes(chunk.p, w_.step_limits, policy_.mamba2.step_size);
    scan_.advance(chunk);
    if (f_.is_empty(chunk.z)) return;
    chunk.gated = deployed_gate(f_, policy_.mamba2, chunk.y, chunk.z);
    f_.normalise(chunk.gated, w_.gated_norm_epsilon, w_.gated_norm_groups, "gated norm");
    f_.scale_columns(chunk.gated, w_.gated_norm_weight, "gated norm output");
    f_.round(chunk.gated, policy_.mamba2.normalised, "gated norm output");
    chunk.output = out_proj_(chunk.gated);
  }

 private:
  Arithmetic& f_;
  const theory::Mamba2Weights& w_;
  const theory::PrecisionPolicy& policy_;
  DeployedLayer<Arithmetic> in_proj_, out_proj_;
  typename Arithmetic::Convolution convolution_;
  typename Arithmetic::Scan scan_;
};

}  // namespace lyap::deviation
