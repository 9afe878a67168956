#include "numerics/norm_bounds.hpp"

#include <gtest/gtest.h>

#include <Eigen/SVD>
#include <cmath>
#include <iostream>
#include <limits>
#include <random>

#include "numerics/contract_violation.hpp"
#include "numerics/mpfr_real.hpp"
#include "vector_targets.hpp"

namespace lyap {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kSmallest = std::numeric_limits<double>::denorm_min();
constexpr mpfr_prec_t kExactBits = 4400;
constexpr double kNormWidth = 4.0;  // in units of 2^-52 times the length, relative

MpfrReal exact(double x) { return MpfrReal::from_exact(x, kExactBits); }

RowMajorMatrix random_matrix(std::mt19937_64& random, Eigen::Index rows, Eigen::Index columns, double least,
                             double greatest) {
  std::uniform_real_distribution<double> exponent(least, greatest);
  RowMajorMatrix m(rows, columns);
  for (Eigen::Index i = 0; i < m.size(); ++i)
    m.data()[i] = (random() % 2 == 0 ? 1.0 : -1.0) * std::pow(10.0, exponent(random));
  return m;
}

MpfrReal exact_norm(const Eigen::VectorXd& row) {
  MpfrReal sum = exact(0.0);
  for (Eigen::Index j = 0; j < row.size(); ++j) sum += exact(row(j)) * exact(row(j));
  return sqrt(sum);
}

TEST(RowNorms, AreTightUpperBoundsFromTheSubnormalsToOverflowInEveryRoundingDirection) {
  std::mt19937_64 random(7);
  for (const auto& [least, greatest] :
       {std::pair{-3.0, 3.0}, {-323.0, -305.0}, {-170.0, -150.0}, {150.0, 300.0}, {307.0, 308.0}, {-320.0, 300.0}}) {
    for (const Eigen::Index columns : {1, 3, 8, 17, 100}) {
      const RowMajorMatrix a = random_matrix(random, 5, columns, least, greatest);
      for (const int direction : vector_targets::kDirections) {
        const vector_targets::Rounding rounding(direction);
        const Eigen::VectorXd norms = row_norms_upper_bound(ConstMatrixRef(a));
        for (Eigen::Index i = 0; i < a.rows(); ++i) {
          const MpfrReal norm = exact_norm(a.row(i));
          ASSERT_TRUE(norm <= norms(i)) << least << " " << columns;
          const MpfrReal allowed =
              norm * exact(1.0 + kNormWidth * static_cast<double>(columns + 2) * 0x1p-52) + exact(kSmallest);
          if (norm < 1e308) {
            ASSERT_TRUE(allowed >= norms(i)) << least << " " << columns << " " << norms(i);
          }
        }
      }
    }
  }
}

TEST(RowNorms, OfZeroAreZeroAndOfInfinityOrNaNInfinite) {
  RowMajorMatrix a = RowMajorMatrix::Zero(3, 5);
  a(1, 2) = kInfinity;
  a(2, 4) = std::numeric_limits<double>::quiet_NaN();
  const Eigen::VectorXd norms = row_norms_upper_bound(ConstMatrixRef(a));
  EXPECT_EQ(norms(0), 0.0);
  EXPECT_EQ(norms(1), kInfinity);
  EXPECT_EQ(norms(2), kInfinity);
}

TEST(RowNorms, OfABallHoldForItsFarthestPoint) {
  std::mt19937_64 random(8);
  const BallMatrix ball{random_matrix(random, 6, 19, -5, 5), random_matrix(random, 6, 19, -8, 2).cwiseAbs()};
  const Eigen::VectorXd norms = row_norms_upper_bound(ball);
  for (Eigen::Index i = 0; i < 6; ++i) {
    MpfrReal sum = exact(0.0);
    for (Eigen::Index j = 0; j < 19; ++j) {
      const MpfrReal farthest = exact(std::fabs(ball.midpoint(i, j))) + exact(ball.radius(i, j));
      sum += farthest * farthest;
    }
    EXPECT_TRUE(sqrt(sum) <= norms(i));
    EXPECT_TRUE(sqrt(sum) * exact(1.0 + 100 * 0x1p-52) >= norms(i));
  }
}

TEST(ProductRowNorms, BoundTheExactProductAndCannotBeTightenedByTheirError) {
  std::mt19937_64 random(9);
  for (const auto& [least, greatest] : {std::pair{-3.0, 3.0}, {-165.0, -155.0}, {-320.0, -150.0}, {100.0, 140.0}}) {
    const RowMajorMatrix a = random_matrix(random, 9, 23, least, greatest);
    const RowMajorMatrix b = random_matrix(random, 23, 14, least, greatest);
    const BallMatrix ball{b, random_matrix(random, 23, 14, least - 9, greatest - 6).cwiseAbs()};
    for (const int direction : vector_targets::kDirections) {
      const vector_targets::Rounding rounding(direction);
      const Eigen::VectorXd norms = product_row_norms_upper_bound(a, ConstMatrixRef(b));
      const Eigen::VectorXd ball_norms = product_row_norms_upper_bound(a, ball);
      for (Eigen::Index i = 0; i < a.rows(); ++i) {
        MpfrReal sum = exact(0.0);
        MpfrReal far_sum = exact(0.0);
        for (Eigen::Index j = 0; j < b.cols(); ++j) {
          MpfrReal entry = exact(0.0);
          MpfrReal spread = exact(0.0);
          for (Eigen::Index k = 0; k < b.rows(); ++k) {
            entry += exact(a(i, k)) * exact(b(k, j));
            spread += exact(std::fabs(a(i, k))) * exact(ball.radius(k, j));
          }
          sum += entry * entry;
          far_sum += (abs(entry) + spread) * (abs(entry) + spread);  // reached by a choice of signs in each column
        }
        ASSERT_TRUE(sqrt(sum) <= norms(i)) << least;
        ASSERT_TRUE(sqrt(far_sum) <= ball_norms(i)) << least;
        if (least > -10.0) {
          EXPECT_TRUE(sqrt(sum) * exact(1.0 + 1e-9) >= norms(i));
        }
      }
    }
  }
  const RowMajorMatrix large = RowMajorMatrix::Constant(2, 2, 1e200);
  EXPECT_EQ(product_row_norms_upper_bound(large, ConstMatrixRef(large))(0), kInfinity);
  EXPECT_EQ(product_row_norms_upper_bound(RowMajorMatrix::Zero(2, 2), ConstMatrixRef(large))(0), 0.0);
}

TEST(SpectralNorm, IsBoundedAboveAndSharpenedBySquarings) {
  std::mt19937_64 random(10);
  for (const auto& [rows, columns] : {std::pair{1, 1}, {5, 9}, {9, 5}, {40, 40}, {64, 17}}) {
    for (const double scale : {1.0, 1e-300, 1e-322, 1e300}) {
      RowMajorMatrix a = random_matrix(random, rows, columns, -1, 0) * scale;
      const RowMajorMatrix scaled_up = scale < 1e-310 ? RowMajorMatrix(a * 0x1p1000) : RowMajorMatrix(a / scale);
      const double unit = scale < 1e-310 ? 0x1p-1000 : scale;
      const double reference =
          Eigen::JacobiSVD<Eigen::MatrixXd>(scaled_up).singularValues()(0);  // accurate to about 1e-14
      double previous = kInfinity;
      for (const int squarings : {0, 1, 2, 4, 8, 16, 30}) {
        const double bound = spectral_norm_upper_bound(a, squarings);
        EXPECT_GE(bound, reference * (1.0 - 1e-13) * unit)
            << rows << " " << columns << " " << scale << " " << squarings;
        EXPECT_LE(bound, previous);
        previous = bound;
      }
      if (scale == 1.0) {
        EXPECT_LE(previous, reference * (1.0 + 1e-6)) << rows << " " << columns;
      }
    }
  }
  // Known exactly: the norm of a diagonal matrix, and of a matrix of ones.
  RowMajorMatrix diagonal = RowMajorMatrix::Zero(4, 4);
  diagonal.diagonal() << 1.0, -3.0, 0.5, 2.0;
  EXPECT_GE(spectral_norm_upper_bound(diagonal, 12), 3.0);
  EXPECT_LE(spectral_norm_upper_bound(diagonal, 12), 3.0 * (1.0 + 1e-11));
  EXPECT_GE(spectral_norm_upper_bound(RowMajorMatrix::Ones(9, 16)), 12.0);
  EXPECT_EQ(spectral_norm_upper_bound(RowMajorMatrix::Zero(3, 4), 3), 0.0);
  EXPECT_THROW((void)spectral_norm_upper_bound(diagonal, -1), ContractViolation);
}

}  // namespace
}  // namespace lyap
