#include "numerics/rigorous_product.hpp"

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

#include "numerics/contract_violation.hpp"
#include "numerics/mpfr_real.hpp"
#include "vector_targets.hpp"

namespace lyap {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kSmallest = std::numeric_limits<double>::denorm_min();
constexpr mpfr_prec_t kExactBits = 4400;  // sums of products of any binary64 numbers, exactly
constexpr unsigned kSeed = 31337;

MpfrReal exact(double x) { return MpfrReal::from_exact(x, kExactBits); }

double test_scale() {
  const char* scale = std::getenv("LYAP_TEST_SCALE");
  return scale == nullptr ? 1.0 : std::strtod(scale, nullptr);
}

/// Entries with random signs and decimal exponents in [least, greatest], one in eight zero.
class RandomMatrices {
 public:
  explicit RandomMatrices(unsigned seed) : random_(seed) {}
  RowMajorMatrix matrix(Eigen::Index rows, Eigen::Index columns, double least, double greatest) {
    std::uniform_real_distribution<double> exponent(least, greatest);
    RowMajorMatrix m(rows, columns);
    for (Eigen::Index i = 0; i < m.size(); ++i) {
      const double magnitude = random_() % 8 == 0 ? 0.0 : std::pow(10.0, exponent(random_));
      m.data()[i] = random_() % 2 == 0 ? magnitude : -magnitude;
    }
    return m;
  }
  BallMatrix ball(Eigen::Index rows, Eigen::Index columns, double least, double greatest) {
    return {matrix(rows, columns, least, greatest), matrix(rows, columns, least - 6.0, greatest - 3.0).cwiseAbs()};
  }
  Eigen::Index size() {
    constexpr Eigen::Index kSizes[] = {1, 2, 3, 7, 8, 9, 16, 17, 31};
    return kSizes[random_() % std::size(kSizes)];
  }

 private:
  std::mt19937_64 random_;
};

/// The exact range of entry (i, j) of X Y over X in a, Y in b, and |A||B| there.
struct EntryRange {
  MpfrReal lower = exact(0.0);
  MpfrReal upper = exact(0.0);
  MpfrReal magnitude = exact(0.0);
};

EntryRange entry_range(const BallMatrix& a, const BallMatrix& b, Eigen::Index i, Eigen::Index j) {
  EntryRange range;
  for (Eigen::Index k = 0; k < a.midpoint.cols(); ++k) {
    const MpfrReal x = exact(a.midpoint(i, k));
    const MpfrReal y = exact(b.midpoint(k, j));
    const MpfrReal x_radius = exact(a.radius(i, k));
    const MpfrReal y_radius = exact(b.radius(k, j));
    const MpfrReal corners[] = {(x - x_radius) * (y - y_radius), (x - x_radius) * (y + y_radius),
                                (x + x_radius) * (y - y_radius), (x + x_radius) * (y + y_radius)};
    range.lower += min(min(corners[0], corners[1]), min(corners[2], corners[3]));
    range.upper += max(max(corners[0], corners[1]), max(corners[2], corners[3]));
    range.magnitude += abs(x * y);
  }
  return range;
}

BallMatrix exact_ball(const RowMajorMatrix& m) { return {m, RowMajorMatrix::Zero(m.rows(), m.cols())}; }

/// Greatest (distance of the exact range from the midpoint)/radius; above 1 means that a result does not hold it.
double worst_use(const BallMatrix& result, const BallMatrix& a, const BallMatrix& b) {
  double worst = 0.0;
  for (Eigen::Index i = 0; i < result.midpoint.rows(); ++i) {
    for (Eigen::Index j = 0; j < result.midpoint.cols(); ++j) {
      const EntryRange range = entry_range(a, b, i, j);
      const MpfrReal m = exact(result.midpoint(i, j));
      const MpfrReal distance = max(range.upper - m, m - range.lower);
      if (distance == 0.0) continue;
      if (result.radius(i, j) == 0.0) return kInfinity;
      worst = std::max(worst, (distance / exact(result.radius(i, j))).to_double(Direction::kUp));
    }
  }
  return worst;
}

/// Whether every radius keeps the promise of kProductRadiusFactor.
bool radii_are_tight(const BallMatrix& result, const BallMatrix& a, const BallMatrix& b) {
  const auto inner = static_cast<double>(a.midpoint.cols());
  for (Eigen::Index i = 0; i < result.midpoint.rows(); ++i) {
    for (Eigen::Index j = 0; j < result.midpoint.cols(); ++j) {
      const EntryRange range = entry_range(a, b, i, j);
      const MpfrReal spread = (range.upper - range.lower) * exact(0.5);
      MpfrReal sums = exact(16.0 * (inner + 1.0));
      MpfrReal magnified = exact(0.0);  // |A| R_B + R_A |B| + R_A R_B, at least the spread
      for (Eigen::Index k = 0; k < a.midpoint.cols(); ++k) {
        const MpfrReal x = exact(std::fabs(a.midpoint(i, k)));
        const MpfrReal y = exact(std::fabs(b.midpoint(k, j)));
        magnified += x * exact(b.radius(k, j)) + exact(a.radius(i, k)) * (y + exact(b.radius(k, j)));
      }
      EXPECT_TRUE(spread <= magnified);
      const MpfrReal factor = exact(kProductRadiusFactor * inner * 0x1p-52);
      const bool is_exact = a.radius.isZero(0.0) && b.radius.isZero(0.0);
      for (Eigen::Index k = 0; !is_exact && k < a.midpoint.cols(); ++k) {
        sums += exact(2.0) * exact(std::fabs(a.radius.isZero(0.0) ? a.midpoint(i, k) : b.midpoint(k, j)));
        if (!a.radius.isZero(0.0) && !b.radius.isZero(0.0))
          sums += exact(2.0) * (exact(std::fabs(a.midpoint(i, k))) + exact(a.radius(i, k)));
      }
      const MpfrReal allowed =
          exact(is_exact ? 1.0 : 1.0 + 4.0 * (inner + 4.0) * 0x1p-52) * (magnified + factor * range.magnitude);
      if (!(exact(result.radius(i, j)) <= allowed + sums * exact(kSmallest))) return false;
    }
  }
  return true;
}

struct Case {
  std::string name;
  double least;
  double greatest;
  double b_least;
  double b_greatest;
};
const std::vector<Case> kCases{{"ordinary", -3, 3, -3, 3},
                               {"spread", -30, 30, -30, 30},
                               {"products underflow", -165, -155, -165, -155},
                               {"subnormal factor", -323, -300, -5, 5},
                               {"subnormal times huge", -323, -305, 290, 300},
                               {"tiny", -320, -160, -320, -160},
                               {"large", 100, 150, 100, 140}};

TEST(RigorousProduct, HoldsTheExactRangeOfEveryFormAtEverySizeInEveryRoundingDirection) {
  RandomMatrices random(kSeed);
  const int repetitions = std::max(1, static_cast<int>(6 * test_scale()));
  for (const Case& c : kCases) {
    double worst = 0.0;
    for (int repetition = 0; repetition < repetitions; ++repetition) {
      const Eigen::Index m = random.size();
      const Eigen::Index k = random.size();
      const Eigen::Index n = random.size();
      const BallMatrix a = random.ball(m, k, c.least, c.greatest);
      const BallMatrix b = random.ball(k, n, c.b_least, c.b_greatest);
      const BallMatrix b_transposed{b.midpoint.transpose(), b.radius.transpose()};
      const vector_targets::Rounding rounding(vector_targets::kDirections[repetition % 4]);
      const std::vector<std::tuple<BallMatrix, BallMatrix, BallMatrix>> results{
          {enclose_product(a.midpoint, b.midpoint), exact_ball(a.midpoint), exact_ball(b.midpoint)},
          {enclose_product(a.midpoint, b), exact_ball(a.midpoint), b},
          {enclose_product(a, b.midpoint), a, exact_ball(b.midpoint)},
          {enclose_product(a, b), a, b},
          {enclose_product_transposed(a.midpoint, b_transposed.midpoint), exact_ball(a.midpoint),
           exact_ball(b.midpoint)},
          {enclose_product_transposed(a.midpoint, b_transposed), exact_ball(a.midpoint), b},
          {enclose_product_transposed(a, b_transposed.midpoint), a, exact_ball(b.midpoint)},
          {enclose_product_transposed(a, b_transposed), a, b}};
      for (std::size_t form = 0; form < results.size(); ++form) {
        const auto& [result, x, y] = results[form];
        const double use = worst_use(result, x, y);
        EXPECT_LE(use, 1.0) << c.name << ", form " << form << ", sizes " << m << " " << k << " " << n;
        EXPECT_TRUE(radii_are_tight(result, x, y))
            << c.name << ", form " << form << ", sizes " << m << " " << k << " " << n;
        if (form == 0) worst = std::max(worst, use);
      }
    }
    std::cout << c.name << ": largest error/radius of an exact product " << worst << ", seed " << kSeed << "\n";
  }
}

TEST(RigorousProduct, WithoutItsRadiusWouldNotHoldTheProductSoTheContainmentTestCanFail) {
  RandomMatrices random(kSeed);
  const RowMajorMatrix a = random.matrix(17, 31, -3, 3);
  const RowMajorMatrix b = random.matrix(31, 9, -3, 3);
  BallMatrix result = enclose_product(a, b);
  result.radius /= 31.0 * 16.0;
  EXPECT_GT(worst_use(result, exact_ball(a), exact_ball(b)), 1.0);
}

TEST(RigorousProduct, OfExactSubnormalIntegersIsTheirProductAndAZeroRowGivesZero) {
  const RowMajorMatrix a = RowMajorMatrix::Constant(3, 4, 2.0);
  RowMajorMatrix b = RowMajorMatrix::Constant(4, 2, 3.0 * kSmallest);
  const BallMatrix tiny = enclose_product(a, b);
  EXPECT_TRUE((tiny.midpoint.array() == 24.0 * kSmallest).all());
  EXPECT_GT(tiny.radius.minCoeff(), 0.0);
  RowMajorMatrix with_zeros = RowMajorMatrix::Constant(3, 4, 0.1);
  with_zeros.row(1).setZero();
  const BallMatrix zero = enclose_product(
      with_zeros, BallMatrix{RowMajorMatrix::Constant(4, 2, 0.3), RowMajorMatrix::Constant(4, 2, 1e-9)});
  EXPECT_TRUE((zero.midpoint.row(1).array() == 0.0).all());
  EXPECT_TRUE((zero.radius.row(1).array() == 0.0).all());
  EXPECT_GT(zero.radius.row(0).minCoeff(), 0.0);
}

TEST(RigorousProduct, IsUnknownNeverNaNWhereSumsOverflowOrTheInputIsNotFinite) {
  for (const int direction : vector_targets::kDirections) {
    const vector_targets::Rounding rounding(direction);
    RowMajorMatrix a = RowMajorMatrix::Constant(3, 4, 1.0);
    a.row(1) << 1e200, -1e200, 1e200, -1e200;
    const RowMajorMatrix b = RowMajorMatrix::Constant(4, 2, 1e200);
    for (const BallMatrix& result :
         {enclose_product(a, b), enclose_product(a, exact_ball(b)), enclose_product(exact_ball(a), exact_ball(b))}) {
      EXPECT_TRUE((result.midpoint.row(1).array() == 0.0).all());
      EXPECT_TRUE((result.radius.row(1).array() == kInfinity).all());
      EXPECT_TRUE(result.radius.row(0).allFinite());
    }
    BallMatrix wide = exact_ball(RowMajorMatrix::Constant(4, 2, 1.0));
    wide.radius(2, 1) = kInfinity;
    const BallMatrix result = enclose_product(a, wide);
    EXPECT_EQ(result.radius(0, 1), kInfinity);
    EXPECT_EQ(result.midpoint(0, 1), 0.0);
    EXPECT_TRUE(std::isfinite(result.radius(0, 0)));
    for (const double bad : {kInfinity, std::numeric_limits<double>::quiet_NaN()}) {
      RowMajorMatrix c = RowMajorMatrix::Constant(4, 2, 1.0);
      c(0, 0) = bad;
      const BallMatrix none = enclose_product(a, c);
      EXPECT_TRUE((none.radius.array() == kInfinity).all());
      EXPECT_TRUE((none.midpoint.array() == 0.0).all());
    }
  }
}

TEST(RigorousProduct, TakesBlocksEmptyMatricesAndRefusesShapesThatDoNotFit) {
  RandomMatrices random(kSeed);
  const RowMajorMatrix whole = random.matrix(20, 30, -2, 2);
  const BallMatrix of_block = enclose_product(whole.block(2, 3, 5, 7), whole.block(1, 11, 7, 4));
  const BallMatrix of_copy =
      enclose_product(RowMajorMatrix(whole.block(2, 3, 5, 7)), RowMajorMatrix(whole.block(1, 11, 7, 4)));
  EXPECT_EQ(of_block.midpoint, of_copy.midpoint);
  EXPECT_EQ(of_block.radius, of_copy.radius);
  const BallMatrix empty_sum = enclose_product(RowMajorMatrix(2, 0), RowMajorMatrix(0, 3));
  EXPECT_TRUE((empty_sum.midpoint.array() == 0.0).all());
  EXPECT_TRUE((empty_sum.radius.array() == 0.0).all());
  EXPECT_EQ(enclose_product(RowMajorMatrix(0, 4), RowMajorMatrix(4, 3)).midpoint.cols(), 3);
  EXPECT_THROW((void)enclose_product(whole, whole), ContractViolation);
  EXPECT_THROW((void)enclose_product_transposed(whole, RowMajorMatrix(whole.transpose())), ContractViolation);
}

TEST(Balls, AndBoundsHoldEachOther) {
  RandomMatrices random(kSeed);
  for (const int direction : vector_targets::kDirections) {
    const BallMatrix ball = random.ball(13, 17, -310, 300);
    const vector_targets::Rounding rounding(direction);
    RowMajorMatrix lower;
    RowMajorMatrix upper;
    bounds_of(ball, lower, upper);
    const BallMatrix again = ball_of(lower, upper);
    for (Eigen::Index i = 0; i < ball.midpoint.size(); ++i) {
      const MpfrReal m = exact(ball.midpoint.data()[i]);
      const MpfrReal r = exact(ball.radius.data()[i]);
      EXPECT_TRUE(m - r >= lower.data()[i] && m + r <= upper.data()[i]);
      EXPECT_EQ((m - r).to_double(Direction::kDown), lower.data()[i]);
      EXPECT_EQ((m + r).to_double(Direction::kUp), upper.data()[i]);
      const MpfrReal middle = exact(again.midpoint.data()[i]);
      const MpfrReal radius = exact(again.radius.data()[i]);
      EXPECT_TRUE(middle - radius <= lower.data()[i] && middle + radius >= upper.data()[i]);
      const MpfrReal half = (exact(upper.data()[i]) - exact(lower.data()[i])) * exact(0.5);
      const double slack = 0x1p-51 * std::max(std::fabs(lower.data()[i]), std::fabs(upper.data()[i])) + kSmallest;
      EXPECT_TRUE(radius <= half + exact(slack));
    }
  }
  RowMajorMatrix lower(1, 3);
  RowMajorMatrix upper(1, 3);
  lower << -kInfinity, 1.0, -1e308;
  upper << 0.0, 1.0, 1.7e308;
  const BallMatrix ball = ball_of(lower, upper);
  EXPECT_EQ(ball.midpoint(0, 0), 0.0);
  EXPECT_EQ(ball.radius(0, 0), kInfinity);
  EXPECT_EQ(ball.midpoint(0, 1), 1.0);
  EXPECT_EQ(ball.radius(0, 1), 0.0);
  EXPECT_TRUE(std::isfinite(ball.radius(0, 2)));
  bounds_of(ball, lower, upper);
  EXPECT_EQ(lower(0, 0), -kInfinity);
  EXPECT_EQ(upper(0, 0), kInfinity);
}

}  // namespace
}  // namespace lyap
