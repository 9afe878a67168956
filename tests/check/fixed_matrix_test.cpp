#include "verify/check/fixed_matrix.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "numerics/contract_violation.hpp"

namespace lyap::check {
namespace {

theory::Matrix random_matrix(std::size_t rows, std::size_t columns, std::uint64_t seed, int exponents, bool is_float) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::uniform_int_distribution<int> exponent(-exponents, exponents);
  theory::Matrix matrix(rows, columns);
  for (double& entry : matrix.entries) {
    entry = std::ldexp(normal(random), exponent(random));
    if (is_float) entry = static_cast<float>(entry);
  }
  return matrix;
}

/// sum_k a_ik b_kj rounded to one side, in MPFR.
Number exact_entry(const theory::Matrix& a, const theory::Matrix& b, std::size_t i, std::size_t j, Toward side) {
  Number sum;
  for (std::size_t k = 0; k < a.columns; ++k) sum = add(sum, multiply(Number(a(i, k)), Number(b(k, j)), side), side);
  return sum;
}

TEST(FixedMatrix, ProductsEncloseTheRealOnes) {
  for (const int exponents : {2, 40}) {
    for (const bool is_float : {true, false}) {
      const theory::Matrix a = random_matrix(5, 37, 3, exponents, is_float);
      const theory::Matrix b = random_matrix(37, 11, 4, exponents, is_float);
      const RightFactor right(fixed_rows(b, 0, 37));
      const FixedMatrix left = fixed_rows(a, 0, 5, {{}, right.exponents()});
      for (std::size_t i = 0; i < 5; ++i) {
        FixedSums sums;
        right.multiply(left, i, sums);
        const Range off = symmetric(scaled(sums.error, sums.exponent));
        for (std::size_t j = 0; j < 11; ++j) {
          const Range found = Range(scaled(sums.values[j], sums.exponent)) + off;
          EXPECT_TRUE(found.lower <= exact_entry(a, b, i, j, Toward::kUp));
          EXPECT_TRUE(found.upper >= exact_entry(a, b, i, j, Toward::kDown));
        }
      }
      if (exponents == 2 && is_float) {
        for (const std::uint64_t error : left.error) EXPECT_EQ(error, 0u);
      }
    }
  }
}

TEST(FixedMatrix, ColumnScalesAreExactForNumbersOfOneSize) {
  theory::Matrix a = random_matrix(3, 20, 5, 0, true), factor = random_matrix(1, 20, 6, 0, true);
  for (double& entry : a.entries)
    entry = static_cast<float>(std::copysign(1.0 + std::fmod(std::fabs(entry), 1.0), entry));
  for (double& entry : factor.entries) entry = static_cast<float>(1.0 + std::fmod(std::fabs(entry), 1.0));
  const FixedMatrix fixed = fixed_rows(a, 0, 3, {{factor.entries}, {}});
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(fixed.error[i], 0u);
    for (std::size_t k = 0; k < 20; ++k) {
      const Number value = scaled(Int128{fixed.row(i)[k]}, fixed.exponent[i]);
      EXPECT_EQ(value.to_double(Toward::kDown), a(i, k) * factor.entries[k]);
    }
  }
}

TEST(FixedMatrix, ScaledColumnsStayWithinTheirError) {
  const theory::Matrix a = random_matrix(3, 20, 7, 20, false);
  const theory::Matrix slopes = random_matrix(1, 20, 8, 0, false), taps = random_matrix(1, 20, 9, 3, true);
  const FixedMatrix fixed = fixed_rows(a, 0, 3, {{slopes.entries, taps.entries}, {}});
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t k = 0; k < 20; ++k) {
      Number exact(a(i, k));
      mpfr_set_prec(exact.set(), 200);
      mpfr_set_d(exact.set(), a(i, k), MPFR_RNDN);
      mpfr_mul_d(exact.set(), exact.get(), slopes.entries[k], MPFR_RNDN);
      mpfr_mul_d(exact.set(), exact.get(), taps.entries[k], MPFR_RNDN);
      mpfr_prec_round(exact.set(), kPrecision, MPFR_RNDN);
      const Number gap = magnitude(subtract(exact, scaled(Int128{fixed.row(i)[k]}, fixed.exponent[i]), Toward::kUp));
      EXPECT_TRUE(gap <= scaled(UInt128{fixed.error[i]}, fixed.exponent[i]));
    }
  }
}

TEST(FixedMatrix, RowNormsAreAtLeastAndNear) {
  const theory::Matrix a = random_matrix(4, 100, 10, 30, false);
  const FixedMatrix fixed = fixed_rows(a, 0, 4);
  for (std::size_t i = 0; i < 4; ++i) {
    Number squares;
    for (std::size_t k = 0; k < 100; ++k)
      squares = add(squares, multiply(Number(a(i, k)), Number(a(i, k)), Toward::kUp), Toward::kUp);
    const Number norm = square_root(squares, Toward::kUp), found = row_norm(fixed, i);
    const Number slack = multiply(norm, Number(0x1p-46), Toward::kUp);
    EXPECT_TRUE(add(found, multiply(norm, Number(0x1p-100), Toward::kUp), Toward::kUp) >= norm);
    EXPECT_TRUE(found <= add(norm, slack, Toward::kUp));
  }
}

TEST(FixedMatrix, WeightedRangesAreTheCorners) {
  std::mt19937_64 random(11);
  std::normal_distribution<double> normal;
  const theory::Matrix a = random_matrix(2, 30, 12, 4, true);
  std::vector<Range> ranges;
  for (int k = 0; k < 30; ++k) {
    const double x = normal(random), y = normal(random);
    ranges.emplace_back(Number(std::min(x, y)), Number(std::max(x, y)));
  }
  const FixedMatrix fixed = fixed_rows(a, 0, 2);
  for (std::size_t i = 0; i < 2; ++i) {
    Range expected;
    for (std::size_t k = 0; k < 30; ++k) expected = expected + Range(a(i, k)) * ranges[k];
    const Range found = weighted_ranges(sums_of(fixed, i), fixed_ranges({ranges})).at(0);
    EXPECT_TRUE(found.lower <= add(expected.lower, Number(1e-30), Toward::kUp));
    EXPECT_TRUE(found.upper >= subtract(expected.upper, Number(1e-30), Toward::kDown));
    EXPECT_NEAR(found.lower.to_double(Toward::kDown), expected.lower.to_double(Toward::kDown), 1e-11);
    EXPECT_NEAR(found.upper.to_double(Toward::kUp), expected.upper.to_double(Toward::kUp), 1e-11);
  }
}

TEST(FixedMatrix, ZerosAndSubnormalsAndTheWidestNumbers) {
  theory::Matrix a(3, 2);
  a(1, 0) = 0x1p-1074;
  a(2, 0) = 1e100, a(2, 1) = -0x1p-1074;
  const FixedMatrix fixed = fixed_rows(a, 0, 3);
  EXPECT_EQ(row_norm(fixed, 0).sign(), 0);
  EXPECT_EQ(row_norm(fixed, 1).to_double(Toward::kDown), 0x1p-1074);
  EXPECT_TRUE(row_norm(fixed, 2) >= Number(1e100));
  EXPECT_EQ(fixed.error[2], 1u);
  EXPECT_THROW((void)fixed_rows(theory::Matrix(1, kMostColumns + 1), 0, 1), ContractViolation);
}

}  // namespace
}  // namespace lyap::check
