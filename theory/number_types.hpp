#pragma once

#include <cstddef>
#include <limits>

#include "theory/scalar.hpp"

/// The number types of deployed programs as error models: |fl(x) - x| <= u |x| + u_min while |x| is within range.
/// Which operation of a program uses which type is in theory/precision_policy.hpp.
namespace lyap::theory {

struct NumberType {
  const char* name;
  double u;                 ///< unit roundoff of one rounding; 0 where numbers are taken as they are
  double u_min;             ///< underflow term of one rounding
  double largest;           ///< largest finite number
  bool rounds_toward_zero;  ///< instead of to nearest, ties to even
  friend constexpr bool operator==(const NumberType& x, const NumberType& y) {
    return x.u == y.u && x.u_min == y.u_min && x.largest == y.largest && x.rounds_toward_zero == y.rounds_toward_zero;
  }
};

inline constexpr double kLargestFloat32 = 0x1.fffffep127;

/// A binary32 number that is passed on as it is, or already has the type that the next operation reads: no rounding.
inline constexpr NumberType kUnrounded{"float32, not rounded again", 0.0, 0.0, kLargestFloat32, false};
inline constexpr NumberType kFloat32Type{"float32", 0x1p-24, 0x1p-150, kLargestFloat32, false};
inline constexpr NumberType kFlushedFloat32Type{"float32, subnormals flushed", 0x1p-24, 0x1p-126, kLargestFloat32,
                                                false};
/// tf32 as tensor cores read it. Truncated, u = 2^-10 also covers hardware and libraries that round. Subnormals may be
/// flushed.
inline constexpr NumberType kTf32Type{"tf32", 0x1p-11, 0x1p-126, 0x1.ffcp127, false};
inline constexpr NumberType kTruncatedTf32Type{"tf32, truncated", 0x1p-10, 0x1p-126, 0x1.ffcp127, true};
inline constexpr NumberType kBfloat16Type{"bfloat16", 0x1p-8, 0x1p-134, 0x1.fep127, false};
inline constexpr NumberType kFloat16Type{"float16", 0x1p-11, 0x1p-25, 65504.0, false};

/// Whether a number of magnitude at most `bound` can leave the type's range for an infinity: a finding, not an error
/// bound. For a set scalar decided by the upper end.
template <class S>
[[nodiscard]] bool may_overflow(const S& bound, const NumberType& type) {
  if constexpr (SetScalar<S>) {
    return !(bound.upper() <= type.largest);
  } else {
    return !(bound <= exact<S>(type.largest));
  }
}

/// How a program adds up products: unit roundoff per addition, and how many additions count.
struct Accumulation {
  const char* name;
  double u;      ///< per addition
  double u_min;  ///< per product, and per addition where those flush
  bool additions_flush;
  std::size_t hardware_block;  ///< products that a tensor core adds in one operation; 0: ordinary arithmetic
  std::size_t longest_chain;   ///< additions on the longest path where the program states it; 0: any order

  /// m of gamma_m = m u/(1 - m u) for n products (a bias counts as one): additions, plus the product's own rounding or
  /// the number of hardware blocks.
  [[nodiscard]] constexpr std::size_t roundings(std::size_t n) const {
    if (n == 0) return 0;
    const std::size_t additions = longest_chain == 0 || longest_chain > n - 1 ? n - 1 : longest_chain;
    return additions + (hardware_block == 0 ? 1 : (n + hardware_block - 1) / hardware_block);
  }
};

/// binary32, to nearest, fused or not, in any order.
inline constexpr Accumulation kAnyOrder{"float32, any order", 0x1p-24, 0x1p-150, false, 0, 0};
/// Tensor cores add in binary32 and truncate; the least block of four products covers every generation. A library that
/// splits the sum and adds parts in less than binary32 is another policy.
inline constexpr Accumulation kTensorCores{"float32, tensor cores", 0x1p-23, 0x1p-126, true, 4, 0};

enum class BiasPlacement {
  kNone,
  kInAccumulation,  ///< one more term of the sum; rounded with it
  kAfterOutput      ///< added to the rounded output, the sum rounded to `sum`
};

/// A linear layer (or a convolution) W x + bias of n products as a program computes it.
struct LinearRounding {
  NumberType input, weight;  ///< what x and W are rounded to before they are multiplied
  Accumulation accumulation;
  NumberType output;  ///< kUnrounded: the accumulator itself
  BiasPlacement placement;
  NumberType bias, sum;  ///< the bias's type; kAfterOutput: the type of the result
};

/// Sums of magnitudes over one output's n products.
template <class S>
struct LinearMagnitudes {
  S WX, W, x;  ///< Σ |W_j| |x_j|, Σ |W_j|, Σ |x_j|
  std::size_t n;
  S bias;  ///< |bias|
};

/// Bound of |computed - (W x + bias)| for exact W, x, bias, overflow excluded; needs roundings(n + 1) u < 1. Proof:
/// theory/theorems/linear_layer_rounding.md.
template <class S>
[[nodiscard]] S linear_error(const LinearRounding& r, const LinearMagnitudes<S>& m) {
  const S one = exact<S>(1.0);
  const auto real = [](double x) { return exact<S>(x); };
  const bool inside = r.placement == BiasPlacement::kInAccumulation;
  const std::size_t n = m.n + (inside ? 1 : 0);
  const auto count = static_cast<double>(r.accumulation.roundings(n));
  const S mu = real(count) * real(r.accumulation.u);
  const S sum_factor = (one + real(r.output.u)) * (one + mu / (one - mu));
  const S x_factor = one + real(r.input.u);
  const S W_factor = one + real(r.weight.u);
  S error = (x_factor * W_factor * sum_factor - one) * m.WX;
  S underflow = W_factor * real(r.input.u_min) * m.W + x_factor * real(r.weight.u_min) * m.x +
                real(static_cast<double>(m.n)) * real(r.input.u_min) * real(r.weight.u_min);
  if (inside) {
    error += ((one + real(r.bias.u)) * sum_factor - one) * m.bias;
    underflow += real(r.bias.u_min);
  }
  const double flushes = static_cast<double>(n) + (r.accumulation.additions_flush ? count : 0.0);
  underflow += real(flushes) * real(r.accumulation.u_min);
  error += sum_factor * underflow + real(r.output.u_min);
  if (r.placement != BiasPlacement::kAfterOutput) return error;
  error += real(r.bias.u) * m.bias + real(r.bias.u_min);
  return error + real(r.sum.u) * (m.WX + m.bias + error) + real(r.sum.u_min);
}

/// The largest s at which a decay exp(-s), computed within a relative error `exp_error` (its own roundings included)
/// and then rounded to nearest in a type of unit roundoff u, can come out as 1: -log((1 - u/2)/(1 + exp_error)). States
/// with s below it are those where contraction of the computed recurrence cannot be claimed. exp_error = 0: a correctly
/// rounded decay; 2^-24 covers exp in binary32, correctly rounded, then a cast. Upper ends count for a set scalar.
template <class S>
[[nodiscard]] S unit_decay_threshold(const NumberType& type, const S& exp_error) {
  return log1p(exp_error) - log1p(exact<S>(-type.u / 2.0));
}

}  // namespace lyap::theory
