#include "verify/checkpoint/peft_adapter_update.hpp"

#include <gtest/gtest.h>
#include <mpfr.h>

#include <cmath>
#include <limits>
#include <random>

#include "tests/checkpoint/crafted_model.hpp"

// The scale of a low-rank update against multiple precision.
namespace lyap {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// How alpha / r or alpha / sqrt(r), known to 400 bits, lies to x: the sign of the real number minus x.
class ExactScale {
 public:
  ExactScale(double alpha, std::size_t rank, bool rank_stabilised) {
    mpfr_init2(value_, 400);
    mpfr_t divisor;
    mpfr_init2(divisor, 400);
    mpfr_set_ui(divisor, rank, MPFR_RNDN);
    if (rank_stabilised) mpfr_sqrt(divisor, divisor, MPFR_RNDN);
    mpfr_set_d(value_, alpha, MPFR_RNDN);
    mpfr_div(value_, value_, divisor, MPFR_RNDN);
    mpfr_clear(divisor);
  }
  ~ExactScale() { mpfr_clear(value_); }
  ExactScale(const ExactScale&) = delete;
  ExactScale& operator=(const ExactScale&) = delete;

  [[nodiscard]] int compare(double x) const { return mpfr_cmp_d(value_, x); }
  [[nodiscard]] bool lies_in(double lower, double upper) const { return compare(lower) >= 0 && compare(upper) <= 0; }

 private:
  mpfr_t value_;
};

double stepped(double x, int steps) {
  for (int i = 0; i < std::abs(steps); ++i) x = std::nextafter(x, steps < 0 ? -kInfinity : kInfinity);
  return x;
}

double random_alpha(std::mt19937_64& random) {
  switch (random() % 4) {
    case 0:
      return static_cast<double>(1 + random() % 512);
    case 1:
      return -static_cast<double>(1 + random() % 512);
    case 2:
      return std::ldexp(std::uniform_real_distribution<>(1.0, 2.0)(random), static_cast<int>(random() % 200) - 100);
    default:
      return std::ldexp(std::uniform_real_distribution<>(1.0, 2.0)(random), -1060 - static_cast<int>(random() % 15));
  }
}

TEST(AdapterScale, ContainsTheRealNumberAndPeftsOwnIsAsWideAsStatedAndIsAPointWhereItCanBe) {
  std::mt19937_64 random(11);
  std::size_t points = 0, beyond_one_step = 0;
  const std::size_t cases = testing::scaled(20000);
  for (std::size_t i = 0; i < cases; ++i) {
    const double alpha = random_alpha(random);
    const std::size_t rank = 1 + random() % 1024;
    const bool rank_stabilised = random() % 2 == 0;
    const ExactScale exact(alpha, rank, rank_stabilised);
    const AdapterScale scale = adapter_scale(alpha, rank, rank_stabilised);
    const double root = std::sqrt(static_cast<double>(rank));
    ASSERT_EQ(scale.nearest, alpha / (rank_stabilised ? root : static_cast<double>(rank)));
    ASSERT_TRUE(exact.lies_in(scale.lower_bound, scale.upper_bound)) << alpha << " " << rank << " " << rank_stabilised;
    ASSERT_LE(scale.lower_bound, scale.nearest);
    ASSERT_GE(scale.upper_bound, scale.nearest);
    const bool is_rational = !rank_stabilised || root == std::floor(root);
    const int steps = exact.compare(scale.nearest) == 0 && is_rational ? 0 : is_rational ? 1 : 3;
    ASSERT_EQ(scale.lower_bound, stepped(scale.nearest, -steps));
    ASSERT_EQ(scale.upper_bound, stepped(scale.nearest, steps));
    points += steps == 0 ? 1 : 0;
    // Negative controls: a point would not do, and for the two roundings of the rank-stabilised scale nor would the
    // neighbours.
    if (steps > 0) {
      ASSERT_NE(exact.compare(scale.nearest), 0);
    }
    if (!exact.lies_in(stepped(scale.nearest, -1), stepped(scale.nearest, 1))) {
      ASSERT_TRUE(rank_stabilised);
      ++beyond_one_step;
    }
  }
  EXPECT_GT(points, cases / 100);
  EXPECT_LT(points, cases / 2);
  EXPECT_GT(beyond_one_step, 0u);
}

TEST(AdapterScale, IsExactForRanksThatArePowersOfTwo) {
  for (std::size_t power = 0; power < 12; ++power) {
    const AdapterScale plain = adapter_scale(13.0, std::size_t{1} << power, false);
    EXPECT_EQ(plain.lower_bound, plain.upper_bound);
    EXPECT_EQ(plain.nearest, std::ldexp(13.0, -static_cast<int>(power)));
    const AdapterScale stabilised = adapter_scale(13.0, std::size_t{1} << (2 * power), true);
    EXPECT_EQ(stabilised.lower_bound, stabilised.upper_bound);
    EXPECT_EQ(stabilised.nearest, std::ldexp(13.0, -static_cast<int>(power)));
  }
  EXPECT_LT(adapter_scale(8.0, 3, false).lower_bound, adapter_scale(8.0, 3, false).upper_bound);
  EXPECT_LT(adapter_scale(8.0, 2, true).lower_bound, adapter_scale(8.0, 2, true).upper_bound);
}

TEST(LowRankUpdate, AddsScaleTimesBTimesA) {
  LowRankUpdate update;
  update.A = theory::Matrix(2, 3);
  update.A.entries = {1, 2, 3, 10, 20, 30};
  update.B = theory::Matrix(2, 2);
  update.B.entries = {1, 0, 2, -1};
  update.scale = adapter_scale(2.0, 4, false);
  theory::Matrix W(2, 3);
  W.entries = {100, 100, 100, 200, 200, 200};
  approx_add_update(W, update);
  EXPECT_EQ(W.entries, (theory::Vector{100.5, 101, 101.5, 196, 192, 188}));
}

TEST(LowRankUpdate, OfTheStepProjectionActsInTheMergedBlockOnly) {
  theory::Mamba1Weights block;
  block.dt_proj = theory::Matrix(2, 1);
  block.in_proj = theory::Matrix(2, 1);
  LowRankUpdate update;
  update.A = theory::Matrix(1, 1);
  update.A.entries = {1};
  update.B = theory::Matrix(2, 1);
  update.B.entries = {3, 4};
  update.scale = adapter_scale(1.0, 1, false);
  std::vector<LowRankUpdate> updates{update, update};
  updates[0].target = AdapterTarget::kDtProj;
  const auto merged = std::get<theory::Mamba1Weights>(approx_merged_block(block, updates));
  const auto attached = std::get<theory::Mamba1Weights>(approx_adapted_block(block, updates));
  EXPECT_EQ(merged.dt_proj.entries, (theory::Vector{3, 4}));
  EXPECT_EQ(attached.dt_proj.entries, (theory::Vector{0, 0}));
  EXPECT_EQ(merged.in_proj.entries, (theory::Vector{3, 4}));
  EXPECT_EQ(attached.in_proj.entries, (theory::Vector{3, 4}));
}

}  // namespace
}  // namespace lyap
