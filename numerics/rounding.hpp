#pragma once

#include <string>

namespace lyap {

/// Sets the processor's rounding direction to upward for its lifetime and restores the previous one.
/// With values stored as (-lower, upper) every bound is then obtained by upward rounding alone.
class RoundingUpward {
 public:
  RoundingUpward();
  ~RoundingUpward();
  RoundingUpward(const RoundingUpward&) = delete;
  RoundingUpward& operator=(const RoundingUpward&) = delete;

 private:
  int previous_;
};

/// The outcome of the rounding self-test: what failed, in words, or "passed".
struct RoundingSelfTest {
  bool passed = false;
  std::string detail;
};

/// Checks on the calling thread that directed rounding is honoured for + - * / and sqrt, scalar and vector, that the
/// compiler folded none of it, that subnormals are not flushed, and that nearest rounding is in force on entry.
/// Fails under Valgrind and under any fast-math build. Cost: microseconds.
[[nodiscard]] RoundingSelfTest rounding_self_test();

/// Throws ResourceError where rounding_self_test fails on the calling thread.
void require_sound_rounding();

}  // namespace lyap
