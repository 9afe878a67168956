#pragma once

#include <array>
#include <string_view>

#include "theory/number_types.hpp"

/// Which type every operation of a block has in a deployed program. What a policy does not name is binary32 arithmetic,
/// rounded to nearest: the norm's mean, silu, softplus, exp, the recurrence. What a scan adds by its order of
/// operations and its tiles is the kernel's tolerance, not the policy's. Order inside a tensor core is not modelled,
/// only bounded.
///
/// Sources: mamba_ssm (selective_scan_interface.py, kernels "fused" below) and transformers 5.24 without kernels, on a
/// processor ("plain": modeling_mamba.py, modeling_mamba2.py). Other versions of transformers round elsewhere.
namespace lyap::theory {

/// From the step-size pre-activation to the block's output. kUnrounded: stays in binary32.
struct ScanRounding {
  NumberType step_bias;      ///< the dt bias as it is added (Mamba-2; Mamba-1 has it in dt_proj)
  NumberType step_bias_sum;  ///< p after the bias (likewise)
  NumberType step_size;      ///< Δ
  NumberType decay;          ///< a as stored
  NumberType state;          ///< h as carried from step to step
  NumberType state_read;     ///< h as C . h reads it
  NumberType read_out;       ///< C . h
  NumberType skip_product;   ///< D x
  NumberType y;              ///< C . h + D x, before the gate
  NumberType gate_silu;      ///< silu(z)
  NumberType gated;          ///< y silu(z)
  NumberType normalised;     ///< Mamba-2: output of the norm after the gate

  /// How often y is rounded on its way to out_proj.
  [[nodiscard]] constexpr int roundings_of_y() const {
    int count = 0;
    for (const NumberType& site : {read_out, y, gated, normalised}) count += site.u > 0.0 ? 1 : 0;
    return count;
  }
};

struct PrecisionPolicy {
  const char* name;
  const char* summary;
  NumberType stored_weights;   ///< what every stored parameter is rounded to before anything runs
  NumberType block_input;      ///< residual stream as the norm reads it
  NumberType norm_normalised;  ///< r/rms before the gain
  NumberType norm_output;      ///< after the gain
  LinearRounding in_proj, convolution, x_proj, dt_proj, out_proj;
  NumberType conv_silu;  ///< silu after the convolution
  ScanRounding mamba1, mamba2;
  /// false: the real program's scan of Mamba-2 also rounds where `mamba2` does not say. Bounds of the state and of what
  /// follows it then speak of a binary32 scan of the same inputs, not of that program.
  bool mamba2_scan_is_modelled = true;

  /// How often the value is rounded between convolution and scan: 1 in fused kernels, 2 where the convolution's output
  /// is stored first.
  [[nodiscard]] constexpr int roundings_around_silu() const {
    return (convolution.output.u > 0.0 ? 1 : 0) + (conv_silu.u > 0.0 ? 1 : 0);
  }
};

namespace policies {

inline constexpr ScanRounding kScanInFloat32{kUnrounded, kUnrounded, kUnrounded, kUnrounded, kUnrounded, kUnrounded,
                                             kUnrounded, kUnrounded, kUnrounded, kUnrounded, kUnrounded, kUnrounded};

/// Ordinary binary32 layers, rounded where `type` says so.
constexpr LinearRounding linear(const NumberType& input, const NumberType& weight, const Accumulation& accumulation,
                                const NumberType& output, BiasPlacement placement, const NumberType& bias,
                                const NumberType& sum = kUnrounded) {
  return {input, weight, accumulation, output, placement, bias, sum};
}

/// All layers multiply numbers of one type and keep results in binary32.
constexpr PrecisionPolicy in_float32(const char* name, const char* summary, const NumberType& type,
                                     const Accumulation& accumulation) {
  const LinearRounding layer = linear(type, type, accumulation, kUnrounded, BiasPlacement::kInAccumulation, kUnrounded);
  const LinearRounding step =
      linear(type, type, accumulation, kUnrounded, BiasPlacement::kAfterOutput, kUnrounded, kFloat32Type);
  ScanRounding scan = kScanInFloat32;
  scan.step_bias_sum = kFloat32Type;
  return {name,  summary, kUnrounded, kUnrounded, kUnrounded, kUnrounded, layer,
          layer, layer,   step,       layer,      kUnrounded, scan,       scan};
}

/// Fused kernels: one rounding after convolution and silu, the dt bias added in binary32, y rounded once: after the
/// gate (Mamba-1), or before it and again after the norm (Mamba-2). `weights` is kUnrounded under autocast, where
/// layers round their weights on use and the convolution's kernel reads them in binary32; `half` where all parameters
/// are stored so.
constexpr PrecisionPolicy fused(const char* name, const char* summary, const NumberType& half,
                                const NumberType& weights) {
  const bool autocast = weights == kUnrounded;
  const NumberType cast = autocast ? half : kUnrounded;    // to `half` where the number is not half yet
  const NumberType stored = autocast ? kUnrounded : half;  // rounded already when it is stored
  const auto layer = [&](const NumberType& input) {
    return linear(input, cast, kTensorCores, half, BiasPlacement::kInAccumulation, cast);
  };
  ScanRounding mamba1 = kScanInFloat32;
  mamba1.gated = half;
  ScanRounding mamba2 = kScanInFloat32;
  mamba2.step_bias_sum = kFloat32Type;
  mamba2.y = half;
  mamba2.normalised = half;
  return {name,
          summary,
          weights,
          stored,
          stored,
          stored,
          layer(cast),
          linear(kUnrounded, kUnrounded, kAnyOrder, kUnrounded, BiasPlacement::kInAccumulation, kUnrounded),
          layer(kUnrounded),
          linear(kUnrounded, cast, kTensorCores, half, BiasPlacement::kAfterOutput, kUnrounded, kFloat32Type),
          layer(kUnrounded),
          half,
          mamba1,
          mamba2};
}

/// The same model without kernels, as transformers runs it on a processor: convolution and silu round separately, the
/// dt bias is rounded and its sum rounded again, Δ and silu(z) are rounded, and Mamba-1 casts the state before C . h.
/// D x, y and the gate stay in binary32. Mamba-2 runs its scan, gate and norm in binary32, except that autocast makes
/// the products of its chunked scan half since they are matrix products (5.24; 5.17 summed in binary32): C B', their
/// product with the decays, x Δ and the states between chunks are rounded, which is not modelled.
/// On CUDA (torch 2.11, an H100) two sites differ: autocast keeps softplus and Δ in binary32, and in float16 the
/// convolution is rounded before its bias is added and again after it. Checked operation by operation in
/// tests/oracles/check_policy_sites.py.
constexpr PrecisionPolicy plain(const char* name, const char* summary, const NumberType& half,
                                const NumberType& weights) {
  PrecisionPolicy policy = fused(name, summary, half, weights);
  const bool autocast = weights == kUnrounded;
  const NumberType cast = autocast ? half : kUnrounded;
  const NumberType stored = autocast ? kUnrounded : half;
  policy.convolution = linear(kUnrounded, cast, kTensorCores, half, BiasPlacement::kInAccumulation, cast);
  policy.dt_proj = linear(kUnrounded, cast, kTensorCores, half, BiasPlacement::kAfterOutput, cast, half);
  policy.out_proj.input = cast;
  policy.mamba1 = kScanInFloat32;
  policy.mamba1.step_size = half;
  policy.mamba1.state_read = half;
  policy.mamba1.read_out = half;
  policy.mamba1.gate_silu = half;
  policy.mamba1.gated = stored;
  policy.mamba2 = kScanInFloat32;
  policy.mamba2.step_bias = cast;
  policy.mamba2.step_bias_sum = half;
  policy.mamba2.step_size = half;
  policy.mamba2.normalised = half;  // cast on the way into out_proj, under autocast by out_proj itself
  policy.mamba2_scan_is_modelled = !autocast;
  return policy;
}

}  // namespace policies

inline constexpr std::array<PrecisionPolicy, 10> kPrecisionPolicies{
    policies::in_float32("fp32", "binary32 everywhere, sums in any order", kUnrounded, kAnyOrder),
    policies::in_float32("tf32", "layers and convolution multiply tf32 (truncated) on tensor cores, all else binary32",
                         kTruncatedTf32Type, kTensorCores),
    policies::fused("amp-bf16", "autocast to bfloat16, weights stored in binary32, fused kernels", kBfloat16Type,
                    kUnrounded),
    policies::fused("amp-fp16", "autocast to float16, weights stored in binary32, fused kernels", kFloat16Type,
                    kUnrounded),
    policies::fused("all-bf16", "parameters and residual stream stored in bfloat16, fused kernels", kBfloat16Type,
                    kBfloat16Type),
    policies::fused("all-fp16", "parameters and residual stream stored in float16, fused kernels", kFloat16Type,
                    kFloat16Type),
    policies::plain("plain-amp-bf16", "autocast to bfloat16, weights stored in binary32, without kernels",
                    kBfloat16Type, kUnrounded),
    policies::plain("plain-amp-fp16", "autocast to float16, weights stored in binary32, without kernels", kFloat16Type,
                    kUnrounded),
    policies::plain("plain-all-bf16", "parameters and residual stream stored in bfloat16, without kernels",
                    kBfloat16Type, kBfloat16Type),
    policies::plain("plain-all-fp16", "parameters and residual stream stored in float16, without kernels", kFloat16Type,
                    kFloat16Type)};

/// The policy of that name, or nullptr.
[[nodiscard]] constexpr const PrecisionPolicy* find_policy(std::string_view name) {
  for (const PrecisionPolicy& policy : kPrecisionPolicies) {
    if (name == policy.name) return &policy;
  }
  return nullptr;
}

}  // namespace lyap::theory
