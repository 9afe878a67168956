#pragma once

#include <cstddef>
#include <random>
#include <vector>

#include "numerics/mpfr_real.hpp"
#include "theory/discretization.hpp"

/// One scalar state in 256 bits, step by step: what the theorem pages speak about.
namespace lyap::theory::testing {

using Real = MpfrReal;

inline Real real(double x) { return Real::from_exact(x); }

/// The parameters of one step of one state: h_t = a h_{t-1} + c B x.
struct Parameters {
  Real alpha, Delta, B, x;

  [[nodiscard]] DiscreteStep<Real> discrete(Discretization d) const { return discretize(alpha, Delta, d); }
  [[nodiscard]] Real v(Discretization d) const { return target(alpha, Delta, B * x, d); }
  [[nodiscard]] Real next(const Real& h, Discretization d) const {
    const auto [a, c] = discrete(d);
    return a * h + c * B * x;
  }
};

/// Relative slack for inequalities that hold with equality in real arithmetic: 256-bit rounding of a few thousand
/// operations stays far below it.
inline Real with_slack(const Real& bound) { return bound * (real(1.0) + real(0x1p-200)) + real(0x1p-1000); }

/// Random numbers from a seed that RapidCheck chose.
class Draw {
 public:
  explicit Draw(unsigned seed) : engine_(seed) {}
  double uniform(double low, double high) { return std::uniform_real_distribution<double>(low, high)(engine_); }
  /// e to a uniform power: step sizes and decay rates over many orders of magnitude.
  double log_uniform(double low, double high) { return std::exp(uniform(std::log(low), std::log(high))); }
  std::size_t below(std::size_t count) { return std::uniform_int_distribution<std::size_t>(0, count - 1)(engine_); }

 private:
  std::mt19937_64 engine_;
};

}  // namespace lyap::theory::testing
