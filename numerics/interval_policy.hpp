#pragma once

#include <boost/numeric/interval/checking.hpp>
#include <boost/numeric/interval/interval.hpp>
#include <boost/numeric/interval/policies.hpp>
#include <cmath>
#include <cstdint>
#include <limits>

#include "numerics/direction.hpp"

#if !defined(__x86_64__)
#error "lyap's directed rounding is written for x86-64 (SSE2)"
#endif

namespace lyap {

/// Value of MXCSR for one direction: exceptions masked, subnormals kept, rounding downward or upward.
template <Direction D>
inline constexpr std::uint32_t kRoundingControl = D == Direction::kUp ? 0x5F80u : 0x3F80u;

/// x op y, correctly rounded in direction D whatever rounding mode or flushing is in force, which stays as it was.
/// One assembly statement sets the direction, computes and restores, so no compiler can move the operation out of it.
/// Cost: two control-word loads per operation, about ten times a plain one.
template <Direction D>
[[nodiscard]] inline double directed_add(double x, double y) {
  std::uint32_t saved;
  asm("stmxcsr %1\n\tldmxcsr %3\n\taddsd %2, %0\n\tldmxcsr %1"
      : "+&x"(x), "=&m"(saved)
      : "x"(y), "m"(kRoundingControl<D>));
  return x;
}
template <Direction D>
[[nodiscard]] inline double directed_subtract(double x, double y) {
  std::uint32_t saved;
  asm("stmxcsr %1\n\tldmxcsr %3\n\tsubsd %2, %0\n\tldmxcsr %1"
      : "+&x"(x), "=&m"(saved)
      : "x"(y), "m"(kRoundingControl<D>));
  return x;
}
template <Direction D>
[[nodiscard]] inline double directed_multiply(double x, double y) {
  std::uint32_t saved;
  asm("stmxcsr %1\n\tldmxcsr %3\n\tmulsd %2, %0\n\tldmxcsr %1"
      : "+&x"(x), "=&m"(saved)
      : "x"(y), "m"(kRoundingControl<D>));
  return x;
}
template <Direction D>
[[nodiscard]] inline double directed_divide(double x, double y) {
  std::uint32_t saved;
  asm("stmxcsr %1\n\tldmxcsr %3\n\tdivsd %2, %0\n\tldmxcsr %1"
      : "+&x"(x), "=&m"(saved)
      : "x"(y), "m"(kRoundingControl<D>));
  return x;
}
template <Direction D>
[[nodiscard]] inline double directed_square_root(double x) {
  std::uint32_t saved;
  asm("stmxcsr %1\n\tldmxcsr %2\n\tsqrtsd %0, %0\n\tldmxcsr %1" : "+&x"(x), "=&m"(saved) : "m"(kRoundingControl<D>));
  return x;
}

/// Rounding policy for boost::numeric::interval. Ends are extended reals, and what IEEE arithmetic calls invalid is
/// settled as the containment contract wants it: 0 * infinity is 0, infinity - infinity and infinity / infinity give
/// the unbounded or zero end.
struct DirectedArithmetic {
  using unprotected_rounding = DirectedArithmetic;

  static double add_down(double x, double y) { return valid_or(directed_add<Direction::kDown>(x, y), -kInfinity); }
  static double add_up(double x, double y) { return valid_or(directed_add<Direction::kUp>(x, y), kInfinity); }
  static double sub_down(double x, double y) { return valid_or(directed_subtract<Direction::kDown>(x, y), -kInfinity); }
  static double sub_up(double x, double y) { return valid_or(directed_subtract<Direction::kUp>(x, y), kInfinity); }
  static double mul_down(double x, double y) { return valid_or(directed_multiply<Direction::kDown>(x, y), 0.0); }
  static double mul_up(double x, double y) { return valid_or(directed_multiply<Direction::kUp>(x, y), 0.0); }
  static double div_down(double x, double y) {
    return valid_or(directed_divide<Direction::kDown>(x, y), std::signbit(x) == std::signbit(y) ? 0.0 : -kInfinity);
  }
  static double div_up(double x, double y) {
    return valid_or(directed_divide<Direction::kUp>(x, y), std::signbit(x) == std::signbit(y) ? kInfinity : 0.0);
  }
  static double sqrt_down(double x) { return directed_square_root<Direction::kDown>(x); }
  static double sqrt_up(double x) { return directed_square_root<Direction::kUp>(x); }

 private:
  static constexpr double kInfinity = std::numeric_limits<double>::infinity();
  static double valid_or(double result, double instead) { return result == result ? result : instead; }
};

using BoostInterval = boost::numeric::interval<
    double,
    boost::numeric::interval_lib::policies<DirectedArithmetic, boost::numeric::interval_lib::checking_base<double>>>;

}  // namespace lyap
