#pragma once

/// Errors of binary32 operations that no policy names: elementary functions, roots, subnormals. One constant per
/// function covers every implementation listed beside it, on graphics processors and on ordinary ones.
///
/// Covered: CUDA's functions (table of maximum errors in the CUDA C programming guide: expf 2, log1pf 2, rsqrtf 2 ulp
/// away from the correctly rounded value), the same with --use_fast_math (__expf 2 + |1.173 x|, __fdividef 2,
/// rsqrt.approx 2, ex2.approx 2 ulp, subnormals flushed), which mamba_ssm's kernels are built with, glibc (expf 1,
/// log1pf 2 ulp) and vectorised libraries of 1 ulp. Not covered: softplus as log(1 + exp(p)), whose error is absolute,
/// in Triton kernels since version 3; tanh forms of silu.
namespace lyap::deviation {

inline constexpr double kFloat32Roundoff = 0x1p-24;  ///< u
/// Results below this may be flushed, and so may operands.
inline constexpr double kFlushed = 0x1p-126;

/// exp(x): relative error at most (kExpError + kExpErrorPerUnit |x|) u, and kFlushed. 3 ulp and 1.2 ulp per unit.
inline constexpr double kExpError = 6.0;
inline constexpr double kExpErrorPerUnit = 2.4;
/// The argument of the decay's exp: s = Δ A, times log2 e where exp2 is used: products and constants, in u.
inline constexpr double kDecayArgumentRoundings = 3.0;
/// softplus(p) as log1p(exp(p)), p <= 20; p itself above: relative error at most (kSoftplusError + kExpErrorPerUnit
/// max(-p, min(p, 20))) u, and kFlushed. exp's error is passed on by at most 1; log1p adds 3 ulp.
inline constexpr double kSoftplusError = kExpError + 6.0;
/// silu(z) as z/(1 + exp(-z)) or z sigmoid(z): relative error at most (kSiluError + kExpErrorPerUnit max(-z, 0)) u, and
/// kSiluFlushed where exp(-z) leaves the range. exp's error is passed on by sigmoid(-z): for z > 0 less than
/// kExpError; sum, division (2 ulp) and product add at most 7 u.
inline constexpr double kSiluError = kExpError + 8.0;
inline constexpr double kSiluFlushed = 0x1p-118;
/// 1/sqrt(m) and its product with one number: 3 ulp for rsqrt, or root and division, and one product.
inline constexpr double kInverseRootError = 7.0;
/// The norms' mean of squares: at most kMeanDepth additions on a term's path (threads' own sums and a tree; torch's and
/// Triton's reductions of up to 8,192 numbers stay below; a single running sum over more numbers is not covered),
/// or n - 1 where that is less, and kMeanRoundings more (square, division, epsilon's own rounding and its sum).
inline constexpr double kMeanDepth = 48.0;
inline constexpr double kMeanRoundings = 4.0;

/// Factors on what the interval run adds at its sites. All are 1; tests set one to 0 and must then see a violation.
struct ErrorModel {
  double accumulation = 1.0;           ///< of layers, convolution, C . h, the norm's mean
  double functions = 1.0;              ///< exp, softplus, silu, 1/sqrt
  double underflow = 1.0;              ///< what a flush adds
  double scan = 1.0;                   ///< products and sums of the recurrence
  bool widens_before_rounding = true;  ///< false: rounds the set, then adds accumulation errors
};

}  // namespace lyap::deviation
