#include "numerics/mpfr_real.hpp"

#include <gtest/gtest.h>

#include <sstream>
#include <thread>
#include <utility>
#include <vector>

#include "enclosure_check.hpp"
#include "numerics/contract_violation.hpp"

namespace lyap {
namespace {

using enclosure_check::kInfinity;
using enclosure_check::kLargest;
using enclosure_check::kSmallest;

constexpr double kRelativeError = 0x1p-252;  // "a few 2^-256"

MpfrReal exactly(double x) { return MpfrReal::from_exact(x); }

/// Decimals to 100 digits, computed with mpmath at 600 bits.
struct KnownValue {
  const char* name;
  MpfrReal (*function)(const MpfrReal&);
  double argument;
  const char* value;
};

const KnownValue kKnownValues[] = {
    {"exp", exp, 1.0,
     "2.718281828459045235360287471352662497757247093699959574966967627724076630353547594571382178525166427"},
    {"expm1", expm1, 0x1p-40,
     "9.094947017733418282213157017234997920852119883330021491665533474979060691538856826280479649831028381e-13"},
    {"log", log, 3.0,
     "1.098612288668109691395245236922525704647490557822749451734694333637494293218608966873615754813732089"},
    {"log1p", log1p, 0x1p-40,
     "9.094947017725146476087627994346924709042431104579023069761902898019847480441902994641353065168318656e-13"},
    {"tanh", tanh, 0.5,
     "0.4621171572600097585023184836436725487302892803301130385527318158380809061404092787749490641519624906"},
    {"sqrt", sqrt, 2.0,
     "1.414213562373095048801688724209698078569671875376948073176679737990732478462107038850387534327641573"},
    {"softplus", softplus, -3.0,
     "0.04858735157374205875892591985468999794188164282810862053084698048751981866146678202459978919438585996"},
    {"softplus", softplus, 20.0,
     "20.00000000206115362031438070323898279887791523560266987538764719365981040403405113818796896655096465"},
    {"softplus", softplus, -750.0,
     "1.901684963475006439995456236734016375232973434784904810409553609106263350631860923954363957650259401e-326"},
    {"sigmoid", sigmoid, -2.0,
     "0.1192029220221175559402708586976032047936157013710317242015947499390233777116807582705262391631616428"},
    {"sigmoid", sigmoid, 2.0,
     "0.8807970779778824440597291413023967952063842986289682757984052500609766222883192417294737608368383572"},
    {"silu", silu, -3.0,
     "-0.142277619532700342636544455315256604158538297261827302153664026323346134508130701657350963473180117"},
    {"silu", silu, 5.0,
     "4.966535745378575722203190098093374098031279955463517348653938784700579580427104091946840924461274621"},
};

bool agrees(const MpfrReal& computed, const MpfrReal& known) {
  return abs(computed - known) <= abs(known) * exactly(kRelativeError);
}

TEST(MpfrReal, functions_agree_with_independent_values) {
  for (const KnownValue& known : kKnownValues) {
    EXPECT_TRUE(agrees(known.function(exactly(known.argument)), MpfrReal::from_decimal(known.value)))
        << known.name << known.argument;
  }
}

TEST(MpfrReal, a_value_off_by_a_part_in_ten_to_the_75_is_caught_by_the_same_check) {
  for (const KnownValue& known : kKnownValues) {
    const MpfrReal off = MpfrReal::from_decimal(known.value) * (exactly(1.0) + MpfrReal::from_decimal("1e-75"));
    EXPECT_FALSE(agrees(known.function(exactly(known.argument)), off)) << known.name;
  }
}

TEST(MpfrReal, composed_functions_agree_with_four_times_the_precision_at_extremes) {
  for (const double p : enclosure_check::extreme_arguments()) {
    for (const auto function : {softplus, sigmoid, silu}) {
      EXPECT_TRUE(agrees(function(exactly(p)), function(MpfrReal::from_exact(p, 1024)))) << p;
    }
  }
}

TEST(MpfrReal, arithmetic_and_compound_forms_are_those_of_numbers) {
  const MpfrReal x = exactly(3.0), y = exactly(-0.5);
  EXPECT_EQ(x + y, 2.5);
  EXPECT_EQ(x - y, 3.5);
  EXPECT_EQ(x * y, -1.5);
  EXPECT_EQ(x / y, -6.0);
  EXPECT_EQ(-x, -3.0);
  EXPECT_EQ(abs(y), 0.5);
  EXPECT_EQ(max(x, y), 3.0);
  EXPECT_EQ(min(x, y), -0.5);
  MpfrReal z;
  EXPECT_EQ(z, 0.0);
  z += x;
  z *= z;
  z -= y;
  z /= y;
  EXPECT_EQ(z, -19.0);
  EXPECT_TRUE(y < x && x > y && x >= 3.0 && x <= 3.0 && x != y && y < 0.0);
}

TEST(MpfrReal, copies_are_independent_and_moves_carry_the_value) {
  MpfrReal x = exactly(1.5);
  MpfrReal copy = x;
  copy += exactly(1.0);
  EXPECT_EQ(x, 1.5);
  EXPECT_EQ(copy, 2.5);
  MpfrReal moved = std::move(x);
  EXPECT_EQ(moved, 1.5);
  x = moved;
  EXPECT_EQ(x, 1.5);
  x = std::move(copy);
  EXPECT_EQ(x, 2.5);
  MpfrReal& self = x;
  x = self;
  EXPECT_EQ(x, 2.5);
  std::vector<MpfrReal> many(3, exactly(7.0));
  many.resize(100);
  EXPECT_EQ(many[2], 7.0);
  EXPECT_EQ(many[99], 0.0);
}

TEST(MpfrReal, a_result_has_the_larger_precision_of_its_operands) {
  const MpfrReal tiny = MpfrReal::from_exact(0x1p-1000, 2000);
  EXPECT_EQ((exactly(1.0) + tiny).bits(), 2000);
  EXPECT_GT(exactly(1.0) + tiny, 1.0);
  EXPECT_GT(tiny + exactly(1.0), 1.0);
  EXPECT_EQ(exp(tiny).bits(), 2000);
  EXPECT_EQ(exactly(1.0).bits(), MpfrReal::kDefaultBits);
  EXPECT_THROW((void)MpfrReal::from_exact(1.0, 24), ContractViolation);
  EXPECT_THROW((void)MpfrReal::from_exact(std::nan("")), ContractViolation);
}

TEST(MpfrReal, leaves_to_binary64_in_the_stated_direction) {
  const MpfrReal third = exactly(1.0) / exactly(3.0);
  EXPECT_EQ(third.to_double(Direction::kDown), 0x1.5555555555555p-2);
  EXPECT_EQ(third.to_double(Direction::kUp), 0x1.5555555555556p-2);
  EXPECT_EQ(third.approx_to_double(), 1.0 / 3.0);
  const MpfrReal huge = exactly(kLargest) * exactly(2.0);
  EXPECT_EQ(huge.to_double(Direction::kDown), kLargest);
  EXPECT_EQ(huge.to_double(Direction::kUp), kInfinity);
  const MpfrReal minute = exactly(kSmallest) / exactly(4.0);
  EXPECT_EQ(minute.to_double(Direction::kDown), 0.0);
  EXPECT_EQ(minute.to_double(Direction::kUp), kSmallest);
}

TEST(MpfrReal, what_is_not_a_number_is_unordered_and_in_no_interval) {
  const MpfrReal none = log(exactly(-1.0));
  EXPECT_FALSE(none < 0.0 || none > 0.0 || none == 0.0 || none == none);
  EXPECT_FALSE(contains(Interval::entire(), none));
}

TEST(MpfrReal, is_placed_against_an_interval_exactly) {
  const MpfrReal third = exactly(1.0) / exactly(3.0);
  EXPECT_TRUE(contains(Interval::from_bounds(0x1.5555555555555p-2, 0x1.5555555555556p-2), third));
  EXPECT_FALSE(contains(Interval::from_exact(1.0 / 3.0), third));
  EXPECT_TRUE(contains(Interval::from_exact(0.5), exactly(0.5)));
}

TEST(MpfrReal, gives_the_same_on_every_thread) {
  const MpfrReal expected = softplus(exactly(0.7)) * exp(exactly(-3.1));
  std::vector<MpfrReal> results(4);
  std::vector<std::thread> threads;
  for (MpfrReal& result : results) {
    threads.emplace_back([&result] {
      for (int i = 0; i < 100; ++i) result = softplus(MpfrReal::from_exact(0.7)) * exp(MpfrReal::from_exact(-3.1));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const MpfrReal& result : results) EXPECT_EQ(result, expected);
}

TEST(MpfrReal, is_printed_in_decimal) {
  std::ostringstream out;
  out << exactly(0.5);
  EXPECT_EQ(out.str(), "5.0000000000000000000e-01");
}

}  // namespace
}  // namespace lyap
