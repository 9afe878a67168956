#include "numerics/rounding.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <xmmintrin.h>

#include <cfenv>
#include <cmath>
#include <thread>
#include <vector>

#include "numerics/interval_policy.hpp"
#include "numerics/resource_error.hpp"

namespace lyap {
namespace {

using ::testing::HasSubstr;

/// Sets bits of the control word for its lifetime.
class ControlBits {
 public:
  explicit ControlBits(unsigned bits) : previous_(_mm_getcsr()) { _mm_setcsr(previous_ | bits); }
  ~ControlBits() { _mm_setcsr(previous_); }
  ControlBits(const ControlBits&) = delete;
  ControlBits& operator=(const ControlBits&) = delete;

 private:
  unsigned previous_;
};

/// Arithmetic that rounds to nearest whatever direction is in force, as an emulator or folding compiler does.
template <double (*Operation)(double, double)>
double to_nearest(double x, double y) {
  const int mode = std::fegetround();
  std::fesetround(FE_TONEAREST);
  const double result = pinned(Operation(pinned(x), pinned(y)));
  std::fesetround(mode);
  return result;
}
double plain_add(double x, double y) { return x + y; }
double plain_subtract(double x, double y) { return x - y; }
double plain_multiply(double x, double y) { return x * y; }
double plain_divide(double x, double y) { return x / y; }
double plain_root(double x, double) { return std::sqrt(x); }
double root_to_nearest(double x) { return to_nearest<plain_root>(x, 0.0); }
double flushed_multiply(double x, double y) {
  const double result = x * y;
  return std::fabs(result) < std::numeric_limits<double>::min() ? 0.0 : result;
}

TEST(RoundingSelfTest, passes_here) {
  const RoundingSelfTest outcome = rounding_self_test();
  EXPECT_TRUE(outcome.passed) << outcome.detail;
  EXPECT_EQ(outcome.detail, "passed");
  EXPECT_NO_THROW(require_sound_rounding());
  EXPECT_GE(available_arithmetic().size(), 2u);
}

TEST(RoundingSelfTest, passes_on_other_threads) {
  std::vector<RoundingSelfTest> outcomes(4);
  std::vector<std::thread> threads;
  for (RoundingSelfTest& outcome : outcomes) threads.emplace_back([&outcome] { outcome = rounding_self_test(); });
  for (std::thread& thread : threads) thread.join();
  for (const RoundingSelfTest& outcome : outcomes) EXPECT_TRUE(outcome.passed) << outcome.detail;
}

TEST(RoundingSelfTest, fails_where_results_are_flushed_to_zero) {
  const ControlBits broken(0x8000);
  const RoundingSelfTest outcome = rounding_self_test();
  EXPECT_FALSE(outcome.passed);
  EXPECT_THAT(outcome.detail, HasSubstr("subnormal"));
  EXPECT_THROW(require_sound_rounding(), ResourceError);
}

TEST(RoundingSelfTest, fails_where_subnormal_operands_count_as_zero) {
  const ControlBits broken(0x0040);
  EXPECT_FALSE(rounding_self_test().passed);
}

TEST(RoundingSelfTest, fails_where_another_direction_is_in_force_on_entry_and_leaves_it) {
  for (const int mode : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
    std::fesetround(mode);
    const RoundingSelfTest outcome = rounding_self_test();
    const int after = std::fegetround();
    std::fesetround(FE_TONEAREST);
    EXPECT_FALSE(outcome.passed);
    EXPECT_THAT(outcome.detail, HasSubstr("nearest"));
    EXPECT_EQ(after, mode);
  }
}

TEST(RoundingSelfTest, fails_for_each_operation_that_ignores_the_direction) {
  const ProbedArithmetic sound = available_arithmetic().front();
  std::vector<ProbedArithmetic> broken(5, sound);
  broken[0].add = to_nearest<plain_add>;
  broken[1].subtract = to_nearest<plain_subtract>;
  broken[2].multiply = to_nearest<plain_multiply>;
  broken[3].divide = to_nearest<plain_divide>;
  broken[4].square_root = root_to_nearest;
  const char* const signs[] = {"+", "-", "*", "/", "sqrt"};
  for (std::size_t i = 0; i < broken.size(); ++i) {
    const RoundingSelfTest outcome = rounding_self_test({&broken[i], 1});
    EXPECT_FALSE(outcome.passed) << signs[i];
    EXPECT_THAT(outcome.detail, HasSubstr(signs[i]));
    EXPECT_TRUE(rounding_self_test({&sound, 1}).passed);
  }
}

TEST(RoundingSelfTest, fails_where_only_one_of_several_forms_is_broken) {
  std::vector<ProbedArithmetic> forms(available_arithmetic().begin(), available_arithmetic().end());
  forms.back().multiply = flushed_multiply;
  const RoundingSelfTest outcome = rounding_self_test(forms);
  EXPECT_FALSE(outcome.passed);
  EXPECT_THAT(outcome.detail, HasSubstr(forms.back().name));
}

TEST(RoundingSelfTest, leaves_the_control_word_as_it_was) {
  const unsigned before = _mm_getcsr() & ~0x3Fu;
  (void)rounding_self_test();
  EXPECT_EQ(_mm_getcsr() & ~0x3Fu, before);
  EXPECT_EQ(std::fegetround(), FE_TONEAREST);
}

TEST(RoundingUpward, rounds_upward_within_its_lifetime_and_restores_the_direction_before) {
  {
    const RoundingUpward outer;
    EXPECT_GT(pinned(pinned(1.0) + pinned(0x1p-60)), 1.0);
    {
      const RoundingUpward inner;
      EXPECT_GT(pinned(pinned(1.0) + pinned(0x1p-60)), 1.0);
    }
    EXPECT_EQ(std::fegetround(), FE_UPWARD);
  }
  EXPECT_EQ(std::fegetround(), FE_TONEAREST);
  EXPECT_EQ(pinned(pinned(1.0) + pinned(0x1p-60)), 1.0);
}

TEST(DirectedArithmetic, is_right_in_every_direction_in_force_and_with_flushing_on) {
  for (const int mode : {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
    for (const unsigned flushing : {0u, 0x8040u}) {
      std::fesetround(mode);
      const unsigned before = _mm_getcsr();
      double down[5], up[5];
      {
        const ControlBits bits(flushing);
        down[0] = directed_add<Direction::kDown>(1.0, 0x1p-60), up[0] = directed_add<Direction::kUp>(1.0, 0x1p-60);
        down[1] = directed_subtract<Direction::kDown>(1.0, 0x1p-60),
        up[1] = directed_subtract<Direction::kUp>(1.0, 0x1p-60);
        down[2] = directed_multiply<Direction::kDown>(0x1p-1074, 0.75),
        up[2] = directed_multiply<Direction::kUp>(0x1p-1074, 0.75);
        down[3] = directed_divide<Direction::kDown>(1.0, 3.0), up[3] = directed_divide<Direction::kUp>(1.0, 3.0);
        down[4] = directed_square_root<Direction::kDown>(2.0), up[4] = directed_square_root<Direction::kUp>(2.0);
      }
      EXPECT_EQ(_mm_getcsr(), before);
      std::fesetround(FE_TONEAREST);
      EXPECT_THAT(down,
                  ::testing::ElementsAre(1.0, 0x1.fffffffffffffp-1, 0.0, 0x1.5555555555555p-2, 0x1.6a09e667f3bccp+0));
      EXPECT_THAT(
          up, ::testing::ElementsAre(0x1.0000000000001p+0, 1.0, 0x1p-1074, 0x1.5555555555556p-2, 0x1.6a09e667f3bcdp+0));
    }
  }
}

}  // namespace
}  // namespace lyap
