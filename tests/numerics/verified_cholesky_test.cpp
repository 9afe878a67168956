#include "numerics/verified_cholesky.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "numerics/mpfr_real.hpp"

namespace lyap {
namespace {

MpfrReal exact(double x) { return MpfrReal::from_exact(x); }

RowMajorMatrix random_matrix(Eigen::Index rows, Eigen::Index columns, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  RowMajorMatrix a(rows, columns);
  for (Eigen::Index k = 0; k < a.size(); ++k) a.data()[k] = normal(random);
  return a;
}

// Positive definiteness in exact-enough arithmetic: Cholesky by 256-bit reals. The entries below have condition numbers
// far below 2^200.
bool is_positive_definite(const RowMajorMatrix& a, double shift) {
  const Eigen::Index n = a.rows();
  std::vector<MpfrReal> l(static_cast<std::size_t>(n * n));
  const auto at = [&](Eigen::Index i, Eigen::Index j) -> MpfrReal& { return l[static_cast<std::size_t>(i * n + j)]; };
  for (Eigen::Index j = 0; j < n; ++j) {
    for (Eigen::Index i = j; i < n; ++i) {
      MpfrReal sum = exact(a(i, j));
      if (i == j) sum -= exact(shift);
      for (Eigen::Index k = 0; k < j; ++k) sum -= at(i, k) * at(j, k);
      if (i == j && sum <= exact(0.0)) return false;
      at(i, j) = i == j ? sqrt(sum) : sum / at(j, j);
    }
  }
  return true;
}

RowMajorMatrix gram(Eigen::Index n, Eigen::Index inner, double shift, std::mt19937_64& random) {
  const RowMajorMatrix b = random_matrix(n, inner, random);
  RowMajorMatrix a = b * b.transpose();
  a.diagonal().array() += shift;
  return a;
}

TEST(VerifiedCholesky, TheBoundNeverExceedsTheSmallestEigenvalue) {
  std::mt19937_64 random(7);
  for (int n = 1; n <= 24; ++n) {
    for (int trial = 0; trial < 8; ++trial) {
      const RowMajorMatrix a =
          gram(n, n + trial % 3 - 1 > 0 ? n + trial % 3 - 1 : 1, std::ldexp(1.0, -5 * trial), random);
      for (const double shift : {0.0, 1e-12, 1e-3, std::ldexp(0.99, -5 * trial), std::ldexp(1.01, -5 * trial)}) {
        const double bound = verified_cholesky(a, shift).smallest_eigenvalue_lower_bound;
        if (bound > -std::numeric_limits<double>::infinity()) {
          EXPECT_TRUE(is_positive_definite(a, std::nextafter(bound, -1e300)))
              << "n = " << n << ", trial " << trial << ", shift " << shift;
        }
      }
    }
  }
}

// [1 1; 1 1 - ulp] is indefinite by one ulp, [1 1; 1 1] singular, and block copies of them hide the defect among good
// directions.
TEST(VerifiedCholesky, MatricesThatAreIndefiniteByOneUlpAreNotProved) {
  for (const double corner : {1.0, std::nextafter(1.0, 0.0)}) {
    for (const Eigen::Index n : {2, 3, 10, 65, 130}) {
      RowMajorMatrix a = RowMajorMatrix::Identity(n, n) * 4.0;
      a(n - 2, n - 2) = 1.0;
      a(n - 1, n - 2) = a(n - 2, n - 1) = 1.0;
      a(n - 1, n - 1) = corner;
      for (const double shift : {0.0, 1e-300, 1e-16, 1e-13}) {
        EXPECT_FALSE(verified_cholesky(a, shift).proves_positive_definite()) << "n = " << n << ", shift " << shift;
      }
    }
  }
  RowMajorMatrix barely(2, 2);
  barely << 1.0, 1.0, 1.0, 1.0 + 0x1p-30;
  EXPECT_TRUE(verified_cholesky(barely, 0x1p-33).proves_positive_definite());
}

TEST(VerifiedCholesky, AnIndefiniteMatrixAndABrokenOneProveNothing) {
  std::mt19937_64 random(3);
  RowMajorMatrix a = gram(40, 60, 0.0, random);
  a(17, 17) = -1.0;
  EXPECT_FALSE(verified_cholesky(a, 0.0).proves_positive_definite());
  a(17, 17) = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(verified_cholesky(a, 0.0).proves_positive_definite());
  a(17, 17) = std::numeric_limits<double>::infinity();
  EXPECT_FALSE(verified_cholesky(a, 0.0).proves_positive_definite());
}

// The bound gives back the shift up to the factor's rounding, of the order of n u |L|_F^2.
TEST(VerifiedCholesky, TheBoundIsTheShiftUpToRounding) {
  std::mt19937_64 random(11);
  for (const Eigen::Index n : {5, 64, 200, 333}) {
    const RowMajorMatrix a = gram(n, 2 * n, 1.0, random);
    const double slack = 4.0 * static_cast<double>(n) * 0x1p-52 * a.trace();
    EXPECT_GE(verified_cholesky(a, 0.5).smallest_eigenvalue_lower_bound, 0.5 - slack) << n;
    EXPECT_LE(verified_cholesky(a, 0.5).smallest_eigenvalue_lower_bound, 0.5) << n;
  }
}

TEST(VerifiedCholesky, AnErrorOfTheMatrixIsTakenOff) {
  std::mt19937_64 random(5);
  const RowMajorMatrix a = gram(30, 60, 1.0, random);
  const double without = verified_cholesky(a, 0.5).smallest_eigenvalue_lower_bound;
  EXPECT_NEAR(verified_cholesky(a, 0.5, 0.25).smallest_eigenvalue_lower_bound, without - 0.25, 1e-12);
}

}  // namespace
}  // namespace lyap
