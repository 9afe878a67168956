#include "numerics/vector_functions.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "enclosure_check.hpp"
#include "numerics/contract_violation.hpp"
#include "numerics/mpfr_real.hpp"
#include "vector_targets.hpp"

namespace lyap {
namespace {

using enclosure_check::kInfinity;
using enclosure_check::kLargest;
using enclosure_check::kSmallest;

constexpr unsigned kSeed = 20261125;

struct Function {
  std::string name;
  void (*enclose)(ConstIntervalSpan, IntervalSpan);
  std::function<MpfrReal(const MpfrReal&)> exact;
  double width;
  double domain_lower;  ///< arguments must exceed it
};

std::vector<Function> functions() {
  const auto real = [](MpfrReal (*f)(const MpfrReal&)) { return f; };
  return {{"exp", enclose_exp, real(exp), kVectorExpWidth, -kInfinity},
          {"expm1", enclose_expm1, real(expm1), kVectorExpm1Width, -kInfinity},
          {"log1p", enclose_log1p, real(log1p), kVectorLog1pWidth, -1.0},
          {"softplus", enclose_softplus, real(softplus), kVectorSoftplusWidth, -kInfinity},
          {"sigmoid", enclose_sigmoid, real(sigmoid), kVectorSigmoidWidth, -kInfinity},
          {"silu", enclose_silu, real(silu), kVectorSiluWidth, -kInfinity}};
}

/// Extremes with their neighbours, then random numbers of every size, with the places where the kernels change their
/// path.
std::vector<double> arguments(double domain_lower) {
  std::vector<double> x = enclosure_check::extreme_arguments();
  for (const double at : {-40.0, 0.5, -0.29, 0.41, 0.4142135623730951, -0.2928932188134524, 708.0, -708.0,
                          709.782712893384, -1.2784645427610738, -0.99999}) {
    x.push_back(at);
  }
  for (int k = -1100; k <= 1100; k += 7) x.push_back((k + 0.5) * 0.6931471805599453);  // where the reduction changes k
  for (std::size_t i = x.size(); i-- > 0;) {
    x.push_back(std::nextafter(x[i], kLargest));
    x.push_back(std::nextafter(x[i], -kLargest));
  }
  const char* scale = std::getenv("LYAP_TEST_SCALE");
  const auto count = static_cast<std::size_t>(4000 * (scale == nullptr ? 1.0 : std::strtod(scale, nullptr)));
  std::mt19937_64 random(kSeed);
  std::uniform_real_distribution<double> unit(-1.0, 1.0);
  for (std::size_t i = 0; i < count; ++i) {
    for (const double size : {1.0, 4.0, 50.0, 760.0}) x.push_back(size * unit(random));
    x.push_back(std::ldexp(unit(random), static_cast<int>(random() % 1100) - 1074));
  }
  std::erase_if(x, [=](double value) { return !(value > domain_lower); });
  return x;
}

/// What is known of the exact value: the nearest doubles on both sides, and itself to 64 bits.
struct Exact {
  double below;
  double above;
  long double value;
};

std::vector<Exact> exact_values(const Function& function, const std::vector<double>& x) {
  std::vector<Exact> values;
  for (const double point : x) {
    const MpfrReal value = function.exact(MpfrReal::from_exact(point));
    values.push_back(
        {value.to_double(Direction::kDown), value.to_double(Direction::kUp), mpfr_get_ld(value.get(), MPFR_RNDN)});
  }
  return values;
}

struct Arrays {
  std::vector<double> lower;
  std::vector<double> upper;
  [[nodiscard]] ConstIntervalSpan view() const { return {lower, upper}; }
  [[nodiscard]] IntervalSpan span() { return {lower, upper}; }
};

Arrays enclose(const Function& function, const Arrays& x) {
  Arrays result{std::vector<double>(x.lower.size()), std::vector<double>(x.lower.size())};
  function.enclose(x.view(), result.span());
  return result;
}

/// Distance of `end` from the exact value in 2^-52 of that value, beyond one smallest subnormal.
long double relative_distance(double end, long double value) {
  const long double distance = std::fabs(static_cast<long double>(end) - value) - static_cast<long double>(kSmallest);
  return distance <= 0.0L ? 0.0L : distance / (std::fabs(value) * 0x1p-52L);
}

/// The widest distance of either end, where the exact value can be represented.
long double widest(const Arrays& result, const std::vector<Exact>& exact) {
  long double worst = 0.0L;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    if (std::isfinite(result.upper[i])) worst = std::max(worst, relative_distance(result.upper[i], exact[i].value));
    if (result.lower[i] != kLargest) worst = std::max(worst, relative_distance(result.lower[i], exact[i].value));
  }
  return worst;
}

std::size_t count_outside(const Arrays& result, const std::vector<Exact>& exact) {
  std::size_t outside = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const bool held = result.lower[i] <= exact[i].below && exact[i].above <= result.upper[i];
    outside += held ? 0 : 1;
  }
  return outside;
}

TEST(VectorFunctions, HoldTheExactValueWithinTheirWidthOnEveryTargetInEveryRoundingDirection) {
  for (const Function& function : functions()) {
    const std::vector<double> points = arguments(function.domain_lower);
    const std::vector<Exact> exact = exact_values(function, points);
    const Arrays x{points, points};
    long double worst = 0.0L;
    for (const std::int64_t target : vector_targets::supported()) {
      const vector_targets::OnlyTarget only(target);
      for (const int direction : vector_targets::kDirections) {
        SCOPED_TRACE(function.name + " on " + hwy::TargetName(target) + ", rounding direction " +
                     std::to_string(direction));
        Arrays result;
        {
          const vector_targets::Rounding rounding(direction);
          result = enclose(function, x);
          EXPECT_EQ(std::fegetround(), direction);
        }
        EXPECT_EQ(count_outside(result, exact), 0U);
        for (std::size_t i = 0; i < points.size(); ++i) {
          if (!std::isfinite(result.upper[i])) {
            EXPECT_GT(exact[i].value, static_cast<long double>(kLargest) * (1.0L - function.width * 0x1p-52L))
                << points[i];
          }
        }
        worst = std::max(worst, widest(result, exact));
      }
    }
    EXPECT_LE(worst, function.width) << function.name;
    std::cout << function.name << ": width " << worst << " of " << function.width << " allowed (units of 2^-52), seed "
              << kSeed << "\n";
  }
}

TEST(VectorFunctions, NarrowedByTheirWidthNoLongerHoldTheValueSoTheContainmentTestCanFail) {
  for (const Function& function : functions()) {
    const std::vector<double> points = arguments(function.domain_lower);
    const std::vector<Exact> exact = exact_values(function, points);
    Arrays result = enclose(function, {points, points});
    std::size_t normal = 0;
    for (std::size_t i = 0; i < points.size(); ++i) {
      normal += std::fabs(exact[i].below) > 1e-300 && std::isfinite(exact[i].above) ? 1 : 0;
      result.lower[i] += std::fabs(result.lower[i]) * (function.width + 1.0) * 0x1p-52;
    }
    EXPECT_GE(count_outside(result, exact), normal / 2) << function.name;
    EXPECT_GT(widest(enclose(function, {points, points}), exact), 2.0L) << function.name;
  }
}

TEST(VectorFunctions, MapAnIntervalToTheBoundsAtItsEnds) {
  std::mt19937_64 random(kSeed);
  for (const Function& function : functions()) {
    if (function.name == "silu") continue;
    const std::vector<double> points = arguments(function.domain_lower);
    const Arrays at_points = enclose(function, {points, points});
    Arrays x;
    std::vector<double> lower;
    std::vector<double> upper;
    for (std::size_t i = 0; i < points.size(); ++i) {
      std::size_t a = random() % points.size();
      std::size_t b = random() % points.size();
      if (points[a] > points[b]) std::swap(a, b);
      x.lower.push_back(points[a]);
      x.upper.push_back(points[b]);
      lower.push_back(at_points.lower[a]);
      upper.push_back(at_points.upper[b]);
    }
    const Arrays result = enclose(function, x);
    EXPECT_EQ(result.lower, lower) << function.name;
    EXPECT_EQ(result.upper, upper) << function.name;
  }
}

TEST(VectorFunctions, SiluHoldsItsMinimumExactlyWhereTheIntervalDoes) {
  const double before = -0x1.474973c84120cp+0;
  const double after = -0x1.474973c84120bp+0;
  const MpfrReal minimum = silu(MpfrReal::from_decimal(
      "-1.2784645427610737951093587390229801554394774886197457654531781055350293754599498981920498"));
  std::mt19937_64 random(kSeed);
  std::vector<double> points = arguments(-20.0);
  std::erase_if(points, [](double p) { return p > 20.0; });
  Arrays x;
  for (const double p : points) {
    x.lower.push_back(std::min(p, points[random() % points.size()]));
    x.upper.push_back(std::max(p, x.lower.back()));
  }
  x.lower.insert(x.lower.end(), {before, after, before, std::nextafter(before, -2.0)});
  x.upper.insert(x.upper.end(), {after, 0.0, before, before});
  const Function function = functions().back();
  const Arrays result = enclose(function, x);
  for (std::size_t i = 0; i < x.lower.size(); ++i) {
    const MpfrReal left = silu(MpfrReal::from_exact(x.lower[i]));
    const MpfrReal right = silu(MpfrReal::from_exact(x.upper[i]));
    const MpfrReal least = x.lower[i] <= before && after <= x.upper[i] ? minimum : min(left, right);
    const MpfrReal most = max(left, right);
    ASSERT_TRUE(least >= result.lower[i] && most <= result.upper[i]) << x.lower[i] << " " << x.upper[i];
    EXPECT_LE(relative_distance(result.lower[i], mpfr_get_ld(least.get(), MPFR_RNDN)), kVectorSiluWidth)
        << x.lower[i] << " " << x.upper[i];
    EXPECT_LE(relative_distance(result.upper[i], mpfr_get_ld(most.get(), MPFR_RNDN)), kVectorSiluWidth)
        << x.lower[i] << " " << x.upper[i];
  }
}

TEST(VectorFunctions, AreTrueAtInfinityAndBeyondOverflow) {
  const std::vector<double> lower{-kInfinity, -kInfinity, 800.0, -1e300, 0.0};
  const std::vector<double> upper{kInfinity, -800.0, kInfinity, -1e299, 0.0};
  const auto of = [&](void (*f)(ConstIntervalSpan, IntervalSpan)) {
    return enclose({"", f, nullptr, 0, 0}, {lower, upper});
  };
  const std::vector<double> zero_to{0.0, 0.0};
  const Arrays e = of(enclose_exp);
  EXPECT_EQ(e.lower, (std::vector<double>{0.0, 0.0, kLargest, 0.0, e.lower[4]}));
  EXPECT_EQ(e.upper, (std::vector<double>{kInfinity, kSmallest, kInfinity, kSmallest, e.upper[4]}));
  const Arrays m = of(enclose_expm1);
  EXPECT_EQ(m.lower, (std::vector<double>{-1.0, -1.0, kLargest, -1.0, 0.0}));
  EXPECT_EQ(m.upper[0], kInfinity);
  EXPECT_LT(m.upper[1], -1.0 + 1e-14);
  EXPECT_EQ(m.upper[4], 0.0);
  const Arrays p = of(enclose_softplus);
  EXPECT_EQ(p.lower, (std::vector<double>{0.0, 0.0, 800.0, 0.0, p.lower[4]}));
  EXPECT_EQ(p.upper[1], kSmallest);
  EXPECT_EQ(p.upper[2], kInfinity);
  const Arrays s = of(enclose_sigmoid);
  EXPECT_EQ(s.lower[0], 0.0);
  EXPECT_EQ(s.upper[0], 1.0);
  EXPECT_EQ(s.upper[1], kSmallest);
  EXPECT_EQ(s.upper[2], 1.0);
  const Arrays g = of(enclose_silu);
  EXPECT_EQ(g.upper[0], kInfinity);
  EXPECT_EQ(g.lower[1], -kSmallest);
  EXPECT_EQ(g.upper[1], 0.0);
  EXPECT_LE(g.lower[2], 800.0);
  EXPECT_EQ(g.upper[2], kInfinity);
  EXPECT_EQ(g.lower[4], 0.0);
  EXPECT_EQ(g.upper[4], 0.0);
  const Arrays l =
      enclose({"", enclose_log1p, nullptr, 0, 0}, {{-1.0, -5.0, 0.0, kLargest}, {kInfinity, 0.0, 0.0, kLargest}});
  EXPECT_EQ(l.lower[0], -kInfinity);
  EXPECT_EQ(l.lower[1], -kInfinity);
  EXPECT_EQ(l.upper[0], kInfinity);
  EXPECT_EQ(l.upper[1], 0.0);
  EXPECT_EQ(l.lower[2], 0.0);
  EXPECT_LT(l.upper[3], 709.79);
}

TEST(VectorFunctions, WriteOnlyTheirOwnElementsAtEverySizeAndMayOverwriteTheirArgument) {
  const std::vector<double> points = arguments(0.0);
  for (const std::int64_t target : vector_targets::supported()) {
    const vector_targets::OnlyTarget only(target);
    for (const Function& function : functions()) {
      const Arrays whole = enclose(function, {points, points});
      for (const std::size_t size : {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 61}) {
        Arrays x{points, points};
        const ConstIntervalSpan in{std::span<const double>(x.lower).first(size),
                                   std::span<const double>(x.upper).first(size)};
        function.enclose(in, {std::span<double>(x.lower).first(size), std::span<double>(x.upper).first(size)});
        for (std::size_t i = 0; i < points.size(); ++i) {
          ASSERT_EQ(x.lower[i], i < size ? whole.lower[i] : points[i])
              << function.name << " size " << size << " element " << i;
          ASSERT_EQ(x.upper[i], i < size ? whole.upper[i] : points[i])
              << function.name << " size " << size << " element " << i;
        }
      }
    }
  }
}

TEST(VectorFunctions, RefuseWhatIsNoInterval) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const Function& function : functions()) {
    for (const auto& [lower, upper] : std::vector<std::pair<double, double>>{
             {nan, 1.0}, {0.0, nan}, {2.0, 1.0}, {kInfinity, kInfinity}, {-kInfinity, -kInfinity}}) {
      Arrays x{std::vector<double>(19, 0.5), std::vector<double>(19, 0.5)};
      x.lower[17] = lower;
      x.upper[17] = upper;
      EXPECT_THROW(enclose(function, x), ContractViolation) << function.name << " " << lower << " " << upper;
    }
    Arrays result{{0.0}, {0.0}};
    const std::vector<double> two(2, 0.5);
    EXPECT_THROW(function.enclose({two, two}, result.span()), ContractViolation);
  }
  EXPECT_THROW(enclose(functions()[2], {{-2.0}, {-1.0}}), ContractViolation);
}

}  // namespace
}  // namespace lyap
