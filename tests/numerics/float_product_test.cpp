#include "numerics/float_product.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>

#include "numerics/contract_violation.hpp"

namespace lyap {
namespace {

using Eigen::Index;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

int repetitions() {
  const char* scale = std::getenv("LYAP_TEST_SCALE");
  return std::max(1, static_cast<int>(300.0 * (scale == nullptr ? 1.0 : std::atof(scale))));
}

RowMajorMatrix drawn_magnitudes(std::mt19937_64& random, Index rows, Index columns, double range) {
  std::uniform_real_distribution<double> exponent(-range, range);
  RowMajorMatrix result(rows, columns);
  for (double& x : result.reshaped()) x = random() % 8 == 0 ? 0.0 : std::exp2(exponent(random));
  return result;
}

TEST(FloatProduct, RoundsUpToBinary32) {
  RowMajorMatrix x(1, 6);
  x << 1.0, 1.0 + 0x1p-40, 0x1p-200, 1e300, std::numeric_limits<double>::quiet_NaN(), 0.0;
  const RowMajorFloatMatrix rounded = rounded_up(x);
  EXPECT_EQ(rounded(0, 0), 1.0F);
  EXPECT_EQ(rounded(0, 1), 1.0F + 0x1p-23F);
  EXPECT_EQ(rounded(0, 2), 0x1p-149F);
  EXPECT_EQ(rounded(0, 3), std::numeric_limits<float>::infinity());
  EXPECT_EQ(rounded(0, 4), std::numeric_limits<float>::infinity());
  EXPECT_EQ(rounded(0, 5), 0.0F);
}

TEST(FloatProduct, BoundsTheProductFromAboveAndClosely) {
  std::mt19937_64 random(48);
  const auto size = [&](Index most) { return Index(1 + random() % std::uint64_t(most)); };
  for (int i = 0; i < repetitions(); ++i) {
    const Index m = size(20), n = size(30), k = size(400);
    const double range = random() % 2 == 0 ? 3.0 : 90.0;
    const RowMajorMatrix a = drawn_magnitudes(random, m, k, range), b = drawn_magnitudes(random, n, k, range);
    const RowMajorFloatMatrix b_float = rounded_up(b);
    const RowMajorMatrix bound = product_upper_bound(a, b_float);
    for (Index row = 0; row < m; ++row) {
      for (Index column = 0; column < n; ++column) {
        long double exact = 0.0L;
        for (Index j = 0; j < k; ++j)
          exact += static_cast<long double>(a(row, j)) * static_cast<long double>(b(column, j));
        const long double sure = exact * (1.0L - 0x1p-50L);
        ASSERT_GE(static_cast<long double>(bound(row, column)), sure);
        if (exact > 0x1p100L) continue;
        const long double wide = exact * (1.0L + (static_cast<long double>(k) + 16.0L) * 0x1p-22L);
        ASSERT_LE(static_cast<long double>(bound(row, column)), wide + k * 0x1p-55L);
      }
    }
  }
}

TEST(FloatProduct, KnowsNothingBeyondTheRange) {
  RowMajorMatrix a(1, 2), b(2, 2);
  a << 0x1p100, 1.0;
  b << 0x1p100, 1.0, 0.0, 1.0;
  const RowMajorMatrix bound = product_upper_bound(a, rounded_up(b));
  EXPECT_EQ(bound(0, 0), kInfinity);
  EXPECT_LT(bound(0, 1), 1.001);
  a(0, 0) = kInfinity;
  EXPECT_EQ(product_upper_bound(a, rounded_up(b))(0, 1), kInfinity);
  EXPECT_THROW((void)product_upper_bound(a, RowMajorFloatMatrix::Zero(3, 3)), ContractViolation);
  EXPECT_EQ(product_upper_bound(RowMajorMatrix(2, 0), RowMajorFloatMatrix(3, 0)), RowMajorMatrix::Zero(2, 3));
}

}  // namespace
}  // namespace lyap
