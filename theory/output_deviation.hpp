#pragma once

#include <cstddef>

#include "theory/deviation_bound.hpp"
#include "theory/scalar.hpp"

/// Theorems 2 and 4 as arithmetic: from deviations of the states to those of the output. As in deviation_bound.hpp,
/// arguments named `..._change` and E are bounds, and upper ends are what counts.
namespace lyap::theory {

/// One term of y = Σ C_n h_n + D x: |C' h' - C h| <= |C'| E + |C' - C| |h|. D x is the term with D for C, x for h.
template <class S>
[[nodiscard]] S output_term_change(const S& C_prime, const S& C_change, const S& h, const S& E) {
  return magnitude(C_prime) * E + C_change * magnitude(h);
}

/// Theorem 2, (1): |y' - y| for one channel. C_prime, C_change, h, E: (N).
template <class S>
[[nodiscard]] S output_change(const Array<S>& C_prime, const Array<S>& C_change, const Array<S>& h, const Array<S>& E,
                              const S& Dx_change) {
  S sum = Dx_change;
  for (std::size_t n = 0; n < h.size(); ++n) sum += output_term_change(C_prime[n], C_change[n], h[n], E[n]);
  return sum;
}

/// silu' lies in [-0.09984, 1.09984]: silu is not 1-Lipschitz.
inline constexpr double kSiluSlope = 1.09984;

/// |silu(z') - silu(z)|.
template <class S>
[[nodiscard]] S silu_change(const S& z_change) {
  return exact<S>(kSiluSlope) * z_change;
}

/// |y' silu(z') - y silu(z)| <= |silu(z')| |y' - y| + |silu(z') - silu(z)| |y|.
template <class S>
[[nodiscard]] S gated_change(const S& silu_z_prime, const S& silu_z_change, const S& y, const S& y_change) {
  return magnitude(silu_z_prime) * y_change + silu_z_change * magnitude(y);
}

/// Euclidean norm of the change of w/rms(w), rms(w) = sqrt(mean w² + ε), over a group of `width` entries:
/// 2 |w' - w|_2 / max(rms(w), rms(w')), and never more than 2 sqrt(width). `rms` is that maximum, or either one.
template <class S>
[[nodiscard]] S normalised_change(const S& change, const S& rms, double width) {
  const S two = exact<S>(2.0);
  return min(two * change / rms, two * sqrt(exact<S>(width)));
}

/// |W' o' - W o|_2 <= |W'|_2 |o' - o|_2 + |(W' - W) o|_2, spectral norm (a sum of absolute values is far larger).
template <class S>
[[nodiscard]] S projected_change(const S& spectral_norm, const S& change, const S& weight_part) {
  return spectral_norm * change + weight_part;
}

}  // namespace lyap::theory
