#pragma once

#include <hwy/highway.h>
#include <hwy/targets.h>

#include <cfenv>
#include <cstdint>
#include <vector>

/// Runs a piece of code once per instruction set that this processor has and in each rounding direction.
namespace lyap::vector_targets {

inline constexpr int kDirections[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};

/// The rounding direction for a scope.
class Rounding {
 public:
  explicit Rounding(int direction) : previous_(std::fegetround()) { std::fesetround(direction); }
  ~Rounding() { std::fesetround(previous_); }
  Rounding(const Rounding&) = delete;
  Rounding& operator=(const Rounding&) = delete;

 private:
  int previous_;
};

/// Restricts Highway's dispatch to one target for a scope.
class OnlyTarget {
 public:
  explicit OnlyTarget(std::int64_t target) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(target);
  }
  ~OnlyTarget() {
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().DeInit();
  }
  OnlyTarget(const OnlyTarget&) = delete;
  OnlyTarget& operator=(const OnlyTarget&) = delete;
};

/// Every target that the processor has and the kernels are compiled for, and the portable one.
inline std::vector<std::int64_t> supported() {
  std::vector<std::int64_t> targets{HWY_SCALAR};
  for (std::int64_t rest = hwy::SupportedTargets() & HWY_TARGETS & ~HWY_SCALAR & ~HWY_EMU128; rest != 0;
       rest &= rest - 1) {
    targets.push_back(rest & ~(rest - 1));
  }
  return targets;
}

}  // namespace lyap::vector_targets
