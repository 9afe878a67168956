#include "numerics/interval.hpp"

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <array>
#include <cfenv>
#include <sstream>

#include "enclosure_check.hpp"
#include "numerics/contract_violation.hpp"
#include "numerics/interval_functions.hpp"
#include "numerics/mpfr_real.hpp"
#include "random_arguments.hpp"

namespace lyap {
namespace {

using namespace enclosure_check;

constexpr int kArithmeticUlps = 1;
constexpr mpfr_prec_t kExactBits = 2200;  // holds every sum, difference and product of two binary64 numbers

MpfrReal exactly(double x) { return MpfrReal::from_exact(x, kExactBits); }

struct Operation {
  const char* name;
  Interval (*enclosure)(const Interval&, const Interval&);
  MpfrReal (*judge)(const MpfrReal&, const MpfrReal&);
};

const std::array<Operation, 4> kOperations{{
    {"+", [](const Interval& x, const Interval& y) { return x + y; },
     [](const MpfrReal& x, const MpfrReal& y) { return x + y; }},
    {"-", [](const Interval& x, const Interval& y) { return x - y; },
     [](const MpfrReal& x, const MpfrReal& y) { return x - y; }},
    {"*", [](const Interval& x, const Interval& y) { return x * y; },
     [](const MpfrReal& x, const MpfrReal& y) { return x * y; }},
    {"/", [](const Interval& x, const Interval& y) { return x / y; },
     [](const MpfrReal& x, const MpfrReal& y) { return x / y; }},
}};

/// The exact range over two bounded intervals, from the four corners (for division: y without 0).
Range range_of_corners(const Operation& operation, const Interval& x, const Interval& y) {
  Range range{operation.judge(exactly(x.lower()), exactly(y.lower())), MpfrReal()};
  range.upper = range.lower;
  for (const double p : {x.lower(), x.upper()}) {
    for (const double q : {y.lower(), y.upper()}) {
      const MpfrReal corner = operation.judge(exactly(p), exactly(q));
      range.lower = min(range.lower, corner);
      range.upper = max(range.upper, corner);
    }
  }
  return range;
}

bool is_bounded(const Interval& x) { return std::isfinite(x.lower()) && std::isfinite(x.upper()); }

rc::Gen<Interval> operands() {
  return rc::gen::oneOf(random_arguments::interval(), random_arguments::interval_of(random_arguments::any_finite()),
                        random_arguments::interval_of(random_arguments::between(-2.0, 2.0)));
}

RC_GTEST_PROP(IntervalArithmetic, contains_the_result_at_random_points_and_its_ends_are_numbers_in_order, ()) {
  const Interval x = *operands();
  const Interval y = *operands();
  const MpfrReal p = exactly(*random_arguments::point_of(x));
  const MpfrReal q = exactly(*random_arguments::point_of(y));
  for (const Operation& operation : kOperations) {
    const Interval z = operation.enclosure(x, y);
    RC_ASSERT(z.lower() <= z.upper());
    if (operation.name[0] == '/' && q == 0.0) continue;
    RC_ASSERT(contains(z, operation.judge(p, q)));
  }
}

RC_GTEST_PROP(IntervalArithmetic, ends_are_the_exact_range_correctly_rounded_outward, ()) {
  const Interval x = *operands();
  const Interval y = *operands();
  RC_PRE(is_bounded(x) && is_bounded(y));
  for (const Operation& operation : kOperations) {
    if (operation.name[0] == '/' && y.contains(0.0)) continue;
    const Interval z = operation.enclosure(x, y);
    const Range exact = range_of_corners(operation, x, y);
    RC_ASSERT(z.lower() == exact.lower.to_double(Direction::kDown));
    RC_ASSERT(z.upper() == exact.upper.to_double(Direction::kUp));
    RC_ASSERT(is_within_ulps(z, exact, kArithmeticUlps));
  }
}

RC_GTEST_PROP(IntervalArithmetic, rounding_to_nearest_instead_of_outward_is_caught_by_the_same_check, ()) {
  const double p = *random_arguments::between(1.0, 2.0);
  const double q = *random_arguments::between(1.0, 2.0);
  const MpfrReal exact = exactly(p) * exactly(q);
  RC_PRE(exact != p * q);
  RC_ASSERT(!contains(Interval::from_exact(p * q), exact));
  RC_ASSERT(!contains(with_lower_end_cut(Interval::from_exact(p) * Interval::from_exact(q)), exact));
  RC_ASSERT(!contains(with_upper_end_cut(Interval::from_exact(p) * Interval::from_exact(q)), exact));
}

RC_GTEST_PROP(IntervalArithmetic, compound_forms_and_negation_agree_with_the_operators, ()) {
  const Interval x = *operands();
  const Interval y = *operands();
  Interval sum = x, difference = x, product = x, quotient = x;
  sum += y;
  difference -= y;
  product *= y;
  quotient /= y;
  RC_ASSERT(have_same_bounds(sum, x + y));
  RC_ASSERT(have_same_bounds(difference, x - y));
  RC_ASSERT(have_same_bounds(product, x * y));
  RC_ASSERT(have_same_bounds(quotient, x / y));
  RC_ASSERT(have_same_bounds(-x, Interval::from_bounds(-x.upper(), -x.lower())));
}

RC_GTEST_PROP(IntervalArithmetic, quotient_by_an_interval_around_zero_contains_every_defined_quotient, ()) {
  const Interval x = *operands();
  const double a = std::fabs(*random_arguments::argument());
  const double b = std::fabs(*random_arguments::argument());
  const Interval y = Interval::from_bounds(-a, b);
  const double p = *random_arguments::point_of(x);
  const double q = *random_arguments::point_of(y);
  RC_PRE(q != 0.0);
  RC_ASSERT(contains(x / y, exactly(p) / exactly(q)));
  RC_ASSERT(contains(x / Interval::from_bounds(0.0, b), b == 0.0 ? exactly(0.0) : exactly(p) / exactly(b)));
}

TEST(IntervalArithmetic, extremes_never_give_an_end_that_is_not_a_number) {
  std::vector<double> ends = extreme_arguments();
  ends.push_back(kInfinity);
  ends.push_back(-kInfinity);
  std::vector<Interval> operands;
  for (const double a : ends) {
    for (const double b : {a, 0.0, 1.0, -1.0, kInfinity, -kInfinity, kSmallest})
      operands.push_back(Interval::from_bounds(std::min(a, b), std::max(a, b)));
  }
  for (const Interval& x : operands) {
    for (const Interval& y : operands) {
      for (const Operation& operation : kOperations) {
        const Interval z = operation.enclosure(x, y);
        ASSERT_TRUE(z.lower() <= z.upper()) << x << operation.name << y;
        ASSERT_FALSE(z.lower() == 0.0 && std::signbit(z.lower())) << "negative zero";
      }
    }
  }
}

TEST(IntervalArithmetic, zero_times_infinity_and_infinity_minus_infinity_are_sound) {
  const Interval unbounded = Interval::from_bounds(1.0, kInfinity);
  EXPECT_TRUE(have_same_bounds(Interval() * Interval::entire(), Interval()));
  EXPECT_TRUE(have_same_bounds(Interval::from_bounds(0.0, 1.0) * unbounded, Interval::from_bounds(0.0, kInfinity)));
  EXPECT_TRUE(have_same_bounds(unbounded - unbounded, Interval::entire()));
  EXPECT_TRUE(have_same_bounds(unbounded / unbounded, Interval::from_bounds(0.0, kInfinity)));
  EXPECT_TRUE(have_same_bounds(Interval::from_exact(1.0) / Interval(), Interval::entire()));
  EXPECT_TRUE(have_same_bounds(Interval::from_exact(1.0) / Interval::from_bounds(0.0, 2.0),
                               Interval::from_bounds(0.5, kInfinity)));
  EXPECT_TRUE(have_same_bounds(Interval::from_exact(1.0) / Interval::from_bounds(-2.0, 2.0), Interval::entire()));
  EXPECT_TRUE(have_same_bounds(Interval::from_exact(kLargest) + Interval::from_exact(kLargest),
                               Interval::from_bounds(kLargest, kInfinity)));
}

TEST(IntervalArithmetic, does_not_depend_on_the_rounding_mode) {
  const Interval x = Interval::from_bounds(-0.1, 0.3);
  const Interval y = Interval::from_bounds(0.7, 1.1);
  for (const Operation& operation : kOperations) {
    const Interval expected = operation.enclosure(x, y);
    for (const int mode : {FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO}) {
      std::fesetround(mode);
      const Interval got = operation.enclosure(x, y);
      const int after = std::fegetround();
      std::fesetround(FE_TONEAREST);
      EXPECT_EQ(after, mode);
      EXPECT_TRUE(have_same_bounds(got, expected));
    }
  }
}

TEST(Interval, is_zero_when_not_initialised_and_refuses_what_is_no_interval) {
  EXPECT_TRUE(have_same_bounds(Interval(), Interval::from_exact(0.0)));
  EXPECT_THROW((void)Interval::from_exact(std::nan("")), ContractViolation);
  EXPECT_THROW((void)Interval::from_bounds(0.0, std::nan("")), ContractViolation);
  EXPECT_THROW((void)Interval::from_bounds(1.0, 0.0), ContractViolation);
}

TEST(Interval, a_decimal_is_enclosed_as_tightly_as_can_be) {
  EXPECT_TRUE(have_same_bounds(Interval::from_decimal("0.1"),
                               Interval::from_bounds(0x1.9999999999999p-4, 0x1.999999999999ap-4)));
  EXPECT_TRUE(have_same_bounds(Interval::from_decimal("-.5"), Interval::from_exact(-0.5)));
  EXPECT_TRUE(have_same_bounds(Interval::from_decimal("+12e0"), Interval::from_exact(12.0)));
  EXPECT_TRUE(have_same_bounds(Interval::from_decimal("1e-400"), Interval::from_bounds(0.0, kSmallest)));
  EXPECT_TRUE(have_same_bounds(Interval::from_decimal("-1e400"), Interval::from_bounds(-kInfinity, -kLargest)));
  EXPECT_TRUE(have_same_bounds(Interval::from_decimal("7.4e-324"), Interval::from_bounds(kSmallest, 2 * kSmallest)));
  for (const char* text : {"", ".", "-", "1e", "0x1p3", "inf", "nan", "1 ", " 1", "1,5", "@Inf@", "1e5.0"}) {
    EXPECT_THROW((void)Interval::from_decimal(text), ContractViolation) << text;
  }
}

RC_GTEST_PROP(Interval, set_operations_hold_what_they_should, ()) {
  const Interval x = *operands();
  const Interval y = *operands();
  const double p = *random_arguments::point_of(x);
  const double q = *random_arguments::point_of(y);
  RC_ASSERT(hull(x, y).contains(x) && hull(x, y).contains(y));
  RC_ASSERT(max(x, y).contains(std::max(p, q)) && min(x, y).contains(std::min(p, q)));
  RC_ASSERT(abs(x).contains(std::fabs(p)) && abs(x).lower() >= 0.0);
  RC_ASSERT(contains(square(x), exactly(p) * exactly(p)) && square(x).lower() >= 0.0);
  RC_ASSERT((x * x).contains(square(x)));
  RC_ASSERT(x.magnitude() >= std::fabs(p) && x.mignitude() <= std::fabs(p));
  if (are_disjoint(x, y)) {
    RC_ASSERT(certainly_less(x, y) || certainly_less(y, x));
    RC_ASSERT_THROWS_AS((void)intersect(x, y), ContractViolation);
  } else {
    RC_ASSERT(x.contains(intersect(x, y)) && y.contains(intersect(x, y)));
    RC_ASSERT(intersect(x, y).contains(p) == y.contains(p));
  }
}

RC_GTEST_PROP(Interval, midpoint_lies_inside_and_the_radius_reaches_both_ends, ()) {
  const Interval x = *operands();
  const double m = x.midpoint();
  RC_ASSERT(std::isfinite(m) && x.contains(m));
  const MpfrReal reach = max(exactly(m) - exactly(x.lower()), exactly(x.upper()) - exactly(m));
  RC_ASSERT(x.radius_upper_bound() == reach.to_double(Direction::kUp));
  const MpfrReal width = exactly(x.upper()) - exactly(x.lower());
  RC_ASSERT(x.width_upper_bound() == width.to_double(Direction::kUp));
  if (is_bounded(x) && width < kLargest) {
    const MpfrReal off_middle = abs(exactly(m) - (exactly(x.lower()) + exactly(x.upper())) / exactly(2.0));
    RC_ASSERT(off_middle <= std::nextafter(x.magnitude(), kInfinity) - x.magnitude());
  }
}

TEST(Interval, a_bound_at_infinity_never_binds_in_min) {
  const Interval x = Interval::from_bounds(0.25, 3.0);
  EXPECT_TRUE(have_same_bounds(min(x, Interval::from_exact(kInfinity)), x));
  EXPECT_TRUE(have_same_bounds(max(x, Interval()), x));
}

TEST(Interval, is_printed_exactly) {
  std::ostringstream out;
  out << Interval::from_bounds(-1.5, 0x1p-1074);
  EXPECT_EQ(out.str(), "[-0x1.8p+0, 0x0.0000000000001p-1022]");
}

/// One template over the scalar, as theory writes them: found by argument-dependent look-up with the standard functions
/// beside.
template <class S>
S every_scalar_operation(double x) {
  using std::max;
  using std::min;
  using std::sqrt;
  S sum{};
  sum += S::from_exact(x) * S::from_exact(3.0);
  sum -= S::from_exact(0.1) / S::from_exact(7.0);
  sum *= exp(-sum) + expm1(S::from_exact(x));
  sum /= softplus(S::from_exact(x)) + sigmoid(sum);
  return max(silu(sum), log1p(sqrt(min(sum * sum, S::from_exact(2.0)))));
}

RC_GTEST_PROP(Interval, and_mpfr_real_serve_one_template_and_the_interval_contains, ()) {
  const double x = *random_arguments::between(-20.0, 20.0);
  RC_ASSERT(contains(every_scalar_operation<Interval>(x), every_scalar_operation<MpfrReal>(x)));
}

}  // namespace
}  // namespace lyap
