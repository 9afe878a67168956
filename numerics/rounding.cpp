#include "numerics/rounding.hpp"

#include <xmmintrin.h>

#include <array>
#include <cfenv>
#include <cstdio>
#include <limits>
#include <optional>

#include "numerics/resource_error.hpp"

#if defined(__GNUC__) && !defined(__clang__)
#define LYAP_OPAQUE [[gnu::noipa]]
#else
#define LYAP_OPAQUE [[gnu::noinline]]
#endif

namespace lyap {

RoundingUpward::RoundingUpward() : previous_(std::fegetround()) { std::fesetround(FE_UPWARD); }
RoundingUpward::~RoundingUpward() { std::fesetround(previous_); }

namespace {

constexpr unsigned kFlushToZero = 0x8000, kDenormalsAreZero = 0x0040;

/// Restores the floating-point control word: rounding direction, masks, flags and flushing.
class ControlWordKeeper {
 public:
  ControlWordKeeper() { std::fegetenv(&environment_); }
  ~ControlWordKeeper() { std::fesetenv(&environment_); }
  ControlWordKeeper(const ControlWordKeeper&) = delete;
  ControlWordKeeper& operator=(const ControlWordKeeper&) = delete;

 private:
  std::fenv_t environment_;
};

struct Mode {
  const char* name;
  int value;
};
constexpr std::array<Mode, 4> kModes{
    {{"nearest", FE_TONEAREST}, {"downward", FE_DOWNWARD}, {"upward", FE_UPWARD}, {"toward zero", FE_TOWARDZERO}}};

enum class Operation { kAdd, kSubtract, kMultiply, kDivide, kSquareRoot };
constexpr std::array<const char*, 5> kOperationNames{"+", "-", "*", "/", "sqrt"};

/// x op y and the correct result in each of kModes, in that order.
struct KnownResult {
  Operation operation;
  double x, y;
  std::array<double, 4> expected;
};

constexpr double kLargest = std::numeric_limits<double>::max();
constexpr double kInfinite = std::numeric_limits<double>::infinity();

constexpr KnownResult kKnownResults[] = {
    {Operation::kAdd, 1.0, 0x1p-60, {1.0, 1.0, 0x1.0000000000001p+0, 1.0}},
    {Operation::kAdd, -1.0, -0x1p-60, {-1.0, -0x1.0000000000001p+0, -1.0, -1.0}},
    {Operation::kAdd, kLargest, kLargest, {kInfinite, kLargest, kInfinite, kLargest}},
    {Operation::kAdd, 0x1p-1074, 0x1p-1074, {0x1p-1073, 0x1p-1073, 0x1p-1073, 0x1p-1073}},
    {Operation::kSubtract, 1.0, 0x1p-60, {1.0, 0x1.fffffffffffffp-1, 1.0, 0x1.fffffffffffffp-1}},
    {Operation::kSubtract, -1.0, 0x1p-60, {-1.0, -0x1.0000000000001p+0, -1.0, -1.0}},
    {Operation::kSubtract, 0x1.8p-1022, 0x1p-1022, {0x1p-1023, 0x1p-1023, 0x1p-1023, 0x1p-1023}},
    {Operation::kMultiply,
     1.0 + 0x1p-30,
     1.0 + 0x1p-30,
     {1.0 + 0x1p-29, 1.0 + 0x1p-29, 1.0 + 0x1p-29 + 0x1p-52, 1.0 + 0x1p-29}},
    {Operation::kMultiply,
     -1.0 - 0x1p-30,
     1.0 + 0x1p-30,
     {-1.0 - 0x1p-29, -1.0 - 0x1p-29 - 0x1p-52, -1.0 - 0x1p-29, -1.0 - 0x1p-29}},
    {Operation::kMultiply, 0x1p-1074, 0.25, {0.0, 0.0, 0x1p-1074, 0.0}},
    {Operation::kMultiply, 0x1p-1022, 0.5, {0x1p-1023, 0x1p-1023, 0x1p-1023, 0x1p-1023}},
    {Operation::kMultiply, 0x1p-1074, 0x1p+1000, {0x1p-74, 0x1p-74, 0x1p-74, 0x1p-74}},
    {Operation::kDivide,
     1.0,
     3.0,
     {0x1.5555555555555p-2, 0x1.5555555555555p-2, 0x1.5555555555556p-2, 0x1.5555555555555p-2}},
    {Operation::kDivide,
     -1.0,
     3.0,
     {-0x1.5555555555555p-2, -0x1.5555555555556p-2, -0x1.5555555555555p-2, -0x1.5555555555555p-2}},
    {Operation::kDivide, 0x1p-1060, 0x1p+10, {0x1p-1070, 0x1p-1070, 0x1p-1070, 0x1p-1070}},
    {Operation::kSquareRoot,
     2.0,
     0.0,
     {0x1.6a09e667f3bcdp+0, 0x1.6a09e667f3bccp+0, 0x1.6a09e667f3bcdp+0, 0x1.6a09e667f3bccp+0}},
    {Operation::kSquareRoot, 0x1p-1074, 0.0, {0x1p-537, 0x1p-537, 0x1p-537, 0x1p-537}},
};

double evaluate(const ProbedArithmetic& arithmetic, const KnownResult& known) {
  const double x = pinned(known.x);
  const double y = pinned(known.y);
  switch (known.operation) {
    case Operation::kAdd:
      return pinned(arithmetic.add(x, y));
    case Operation::kSubtract:
      return pinned(arithmetic.subtract(x, y));
    case Operation::kMultiply:
      return pinned(arithmetic.multiply(x, y));
    case Operation::kDivide:
      return pinned(arithmetic.divide(x, y));
    case Operation::kSquareRoot:
      return pinned(arithmetic.square_root(x));
  }
  return std::numeric_limits<double>::quiet_NaN();
}

/// What is wrong with one arithmetic in one mode, or nothing. The comparison is of bits' values, so flushing cannot
/// hide in it.
std::optional<std::string> first_failure(const ProbedArithmetic& arithmetic, std::size_t mode) {
  for (const KnownResult& known : kKnownResults) {
    std::fesetround(kModes[mode].value);
    const double result = evaluate(arithmetic, known);
    std::fesetround(FE_TONEAREST);
    if (!(result == known.expected[mode])) {
      char text[256];
      std::snprintf(text, sizeof text, "%s arithmetic, rounding %s: %a %s %a gave %a instead of %a", arithmetic.name,
                    kModes[mode].name, known.x, kOperationNames[static_cast<std::size_t>(known.operation)], known.y,
                    result, known.expected[mode]);
      return text;
    }
  }
  return std::nullopt;
}

LYAP_OPAQUE double quotient_of_constants() { return 1.0 / 3.0; }
LYAP_OPAQUE double sum_of_constants() { return 1.0 + 0x1p-60; }

/// Constants are combined at run time, in the direction in force, and not by the compiler.
bool constants_are_folded() {
  std::fesetround(FE_UPWARD);
  const bool upward = quotient_of_constants() == 0x1.5555555555556p-2 && sum_of_constants() == 0x1.0000000000001p+0;
  std::fesetround(FE_DOWNWARD);
  const bool downward = quotient_of_constants() == 0x1.5555555555555p-2 && sum_of_constants() == 1.0;
  std::fesetround(FE_TONEAREST);
  return !(upward && downward);
}

}  // namespace

RoundingSelfTest rounding_self_test() { return rounding_self_test(available_arithmetic()); }

RoundingSelfTest rounding_self_test(std::span<const ProbedArithmetic> arithmetic) {
  const ControlWordKeeper keeper;
  if (std::fegetround() != FE_TONEAREST || (_mm_getcsr() & _MM_ROUND_MASK) != _MM_ROUND_NEAREST) {
    return {false, "rounding to nearest is not in force on entry"};
  }
  if ((_mm_getcsr() & (kFlushToZero | kDenormalsAreZero)) != 0) {
    return {false, "subnormal numbers are flushed to zero (FTZ or DAZ is set, as fast-math start-up code does)"};
  }
  if (constants_are_folded())
    return {false, "the compiler combined constants ahead of time: built without -frounding-math"};
  for (const ProbedArithmetic& probed : arithmetic) {
    for (std::size_t mode = 0; mode < kModes.size(); ++mode) {
      if (const auto failure = first_failure(probed, mode)) return {false, *failure};
    }
  }
  return {true, "passed"};
}

void require_sound_rounding() {
  const RoundingSelfTest outcome = rounding_self_test();
  if (outcome.passed) return;
  throw ResourceError("the floating-point unit cannot be trusted on this thread: " + outcome.detail +
                      "; run outside emulators such as Valgrind, and in a build without fast-math flags");
}

}  // namespace lyap
