#pragma once

#include <span>
#include <string>

namespace lyap {

/// Sets the processor's rounding direction to upward for its lifetime and restores the previous one.
/// With values stored as (-lower, upper) every bound is then obtained by upward rounding alone.
/// A compiler may move arithmetic on local variables past the change of direction, -frounding-math or not: read the
/// operands from memory that the compiler cannot see through, or pass operands and results through pinned().
class RoundingUpward {
 public:
  RoundingUpward();
  ~RoundingUpward();
  RoundingUpward(const RoundingUpward&) = delete;
  RoundingUpward& operator=(const RoundingUpward&) = delete;

 private:
  int previous_;
};

/// x itself, but the compiler takes it as an unknown number that exists at this point of the program and not before.
[[nodiscard]] inline double pinned(double x) {
  asm volatile("" : "+x"(x) : : "memory");
  return x;
}

/// The outcome of the rounding self-test: what failed, in words, or "passed".
struct RoundingSelfTest {
  bool passed = false;
  std::string detail;
};

/// Arithmetic that the self-test examines: one way of computing + - * / and sqrt in the rounding direction in force.
struct ProbedArithmetic {
  const char* name;
  double (*add)(double, double);
  double (*subtract)(double, double);
  double (*multiply)(double, double);
  double (*divide)(double, double);
  double (*square_root)(double);
};

/// The ways of computing that this processor has: scalar, SSE2, and AVX, FMA and AVX-512 where present.
/// A vector form answers NaN where its lanes disagree.
[[nodiscard]] std::span<const ProbedArithmetic> available_arithmetic();

/// Checks on the calling thread that directed rounding is honoured for + - * / and sqrt, scalar and vector, that the
/// compiler folded none of it, that subnormals are not flushed, and that nearest rounding is in force on entry.
/// The rounding direction on return is that on entry. Fails under Valgrind and under any fast-math build. Cost:
/// microseconds.
[[nodiscard]] RoundingSelfTest rounding_self_test();
/// The same on the given arithmetic instead of the processor's.
[[nodiscard]] RoundingSelfTest rounding_self_test(std::span<const ProbedArithmetic> arithmetic);

/// Throws ResourceError where rounding_self_test fails on the calling thread.
void require_sound_rounding();

}  // namespace lyap
