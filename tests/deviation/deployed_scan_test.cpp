#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <tuple>
#include <vector>

#include "tests/deviation/deployed_runs.hpp"

namespace lyap::testing {
namespace {

using deviation::accumulation_error;
using deviation::AccumulationError;
using deviation::ErrorModel;
using deviation::IntervalArithmetic;
using deviation::IntervalMatrix;
using Eigen::Index;
using RunArray = PerturbedArithmetic::Array;

constexpr unsigned kSeed = 20261125;

/// Scan inputs as sets, and one choice from them.
struct ScanCase {
  trajectory::StateShape shape;
  theory::Vector A_log, D;
  SetChunk set;
  RunChunk run;
};

class ScanDrawing {
 public:
  explicit ScanDrawing(std::mt19937& random) : random_(random) {}

  ScanCase draw(double relative_width) {
    ScanCase result;
    const bool mamba1 = random_() % 2 == 0;
    const std::size_t heads = 1 + random_() % 3, states = 1 + random_() % 9;
    result.shape = {heads, mamba1 ? 1 : 1 + random_() % 3, states, 1, mamba1};
    const Index tokens = Index(1 + random_() % 48), rows = Index(result.shape.rows());
    result.A_log.resize(mamba1 ? heads * states : heads);
    for (double& x : result.A_log) x = double(float(uniform(-3.0, 3.0)));
    result.D.assign(heads, double(float(uniform(-1.0, 1.0))));
    const double steps = std::exp2(uniform(-12.0, 4.0));
    draw_sets(tokens, Index(heads), steps, relative_width, true, result.set.step_size, result.run.step_size);
    draw_sets(tokens, rows, 1.0, relative_width, false, result.set.x, result.run.x);
    draw_sets(tokens, Index(states), 1.0, relative_width, false, result.set.B, result.run.B);
    draw_sets(tokens, Index(states), 1.0, relative_width, false, result.set.C, result.run.C);
    return result;
  }

 private:
  double uniform(double low, double high) { return std::uniform_real_distribution<double>(low, high)(random_); }

  /// Binary32 numbers, at an end of their set or inside.
  void draw_sets(Index tokens, Index columns, double size, double width, bool positive, IntervalMatrix& set,
                 RunArray& run) {
    set = IntervalMatrix(tokens, columns);
    run.resize(tokens, columns);
    for (Index i = 0; i < run.size(); ++i) {
      const double centre = size * uniform(positive ? 0.0 : -1.0, 1.0);
      const double radius = random_() % 3 == 0 ? 0.0 : width * size * uniform(0.0, 1.0);
      double low = double(float(centre - radius)), high = double(float(centre + radius));
      if (positive) low = std::max(low, 0.0), high = std::max(high, low);
      const double part = random_() % 3 == 0 ? double(random_() % 2) : uniform(0.0, 1.0);
      set.lower.data()[i] = low;
      set.upper.data()[i] = high;
      run.data()[i] = float(std::clamp(double(float(low + part * (high - low))), low, high));
    }
  }

  std::mt19937& random_;
};

void run_scans(ScanCase& c, const theory::ScanRounding& rounding, const Perturbation& how, unsigned seed,
               const ErrorModel& errors = {}) {
  IntervalArithmetic sets(deviation::Tf32Reading::kTruncated, errors);
  IntervalArithmetic::Scan(sets, c.shape, c.A_log, c.D, rounding).advance(c.set);
  PerturbedArithmetic numbers(how, seed);
  PerturbedArithmetic::Scan(numbers, c.shape, c.A_log, c.D, rounding).advance(c.run);
}

std::optional<std::string> outside_of(const ScanCase& c) {
  Outside outside;
  outside.look("h", c.set.h, c.run.h);
  outside.look("y", c.set.y, c.run.y);
  return outside.first();
}

TEST(DeployedScan, ContainsEveryScanOfNumbersFromTheSets) {
  std::mt19937 random(kSeed);
  for (int i = 0; i < scaled(3000); ++i) {
    ScanCase c = ScanDrawing(random).draw(std::exp2(-double(random() % 30)));
    run_scans(c, theory::policies::kScanInFloat32, draw_perturbation(random), random());
    const auto outside = outside_of(c);
    ASSERT_FALSE(outside) << "case " << i << ": " << *outside;
  }
}

TEST(DeployedScan, ContainsScansThatStoreStatesAndDecaysInAnyType) {
  std::mt19937 random(kSeed);
  const theory::NumberType types[] = {theory::kUnrounded, theory::kBfloat16Type, theory::kFloat16Type};
  for (int i = 0; i < scaled(2000); ++i) {
    theory::ScanRounding rounding = theory::policies::kScanInFloat32;
    for (theory::NumberType* site : {&rounding.decay, &rounding.state, &rounding.state_read, &rounding.read_out,
                                     &rounding.skip_product, &rounding.y})
      *site = types[random() % 3];
    ScanCase c = ScanDrawing(random).draw(std::exp2(-double(random() % 30)));
    run_scans(c, rounding, draw_perturbation(random), random());
    const auto outside = outside_of(c);
    ASSERT_FALSE(outside) << "case " << i << ": " << *outside;
  }
}

/// A slow state that sums up inputs of one sign for `tokens` steps.
ScanCase slow_state(Index tokens) {
  ScanCase c;
  c.shape = {1, 1, 1, 1, true};
  c.A_log = {0.0};
  c.D = {0.0};
  for (const auto& [set, run, value] :
       {std::tuple{&c.set.step_size, &c.run.step_size, 0x1p-9}, std::tuple{&c.set.x, &c.run.x, 1.0},
        std::tuple{&c.set.B, &c.run.B, 1.0}, std::tuple{&c.set.C, &c.run.C, 1.0}}) {
    *set = IntervalMatrix(tokens, 1);
    set->lower.setConstant(value);
    set->upper.setConstant(value);
    *run = RunArray::Constant(tokens, 1, float(value));
  }
  return c;
}

TEST(DeployedScan, NeedsTheErrorOfTheDecay) {
  for (const double functions : {0.0, 1.0}) {
    ScanCase c = slow_state(600);
    run_scans(c, theory::policies::kScanInFloat32, {.sign = 1.0, .serial = true}, kSeed, {.functions = functions});
    EXPECT_EQ(outside_of(c).has_value(), functions == 0.0);
  }
}

/// h_1 = Δ v with v < 0 and Δ large, then a step whose Δ may be anything in [0.5, 2.5]: exp(-Δ) h + Δ v is largest
/// inside.
TEST(DeployedScan, CoversStepSizesInsideTheirIntervalWhereTheirEndsAreExceeded) {
  const auto at = [](double Delta) { return -4.0 * std::exp(-Delta) - Delta; };
  const double best = std::log(4.0);
  ASSERT_GT(at(best), std::max(at(0.5), at(2.5)) + 0.4);  // ends alone would not do
  ScanCase c;
  c.shape = {1, 1, 1, 1, true};
  c.A_log = {0.0};
  c.D = {0.0};
  const auto rows = [](double first_low, double first_high, double second_low, double second_high) {
    IntervalMatrix m(2, 1);
    m.lower << first_low, second_low;
    m.upper << first_high, second_high;
    return m;
  };
  c.set.step_size = rows(4.0, 4.0, 0.5, 2.5);
  c.set.x = rows(-1.0, -1.0, -1.0, -1.0);
  c.set.B = rows(1.0, 1.0, 1.0, 1.0);
  c.set.C = rows(1.0, 1.0, 1.0, 1.0);
  IntervalArithmetic sets(deviation::Tf32Reading::kTruncated);
  IntervalArithmetic::Scan(sets, c.shape, c.A_log, c.D, theory::policies::kScanInFloat32).advance(c.set);
  EXPECT_GE(c.set.h.upper(2, 0), at(best));
  EXPECT_LE(c.set.h.upper(2, 0), at(best) + 1.3);  // |h| a (s' - s)²/8 < 1.3
  EXPECT_LE(c.set.h.lower(2, 0), at(0.5));
}

/// One operation of a tensor core: addends aligned to the largest and truncated there, their sum truncated.
float fused_block(float sum, const double* terms, std::size_t count) {
  double largest = std::fabs(double(sum));
  for (std::size_t j = 0; j < count; ++j) largest = std::max(largest, std::fabs(terms[j]));
  if (largest == 0.0) return 0.0F;
  const double unit = std::ldexp(1.0, std::ilogb(largest) - 23);
  double total = std::trunc(double(sum) / unit);
  for (std::size_t j = 0; j < count; ++j) total += std::trunc(terms[j] / unit);
  const double exact = total * unit;
  const float result = float(exact);
  return std::fabs(double(result)) > std::fabs(exact) ? std::nextafter(result, 0.0F) : result;
}

/// Errors of one sum over the bound, in the worst order: positive terms first, largest first, then negative ones,
/// smallest first.
double worst_part(std::vector<double> terms, const theory::Accumulation& accumulation) {
  std::sort(terms.begin(), terms.end(), [](double x, double y) {
    if ((x > 0.0) != (y > 0.0)) return x > 0.0;
    return x > y;
  });
  const bool truncated = accumulation.hardware_block > 0;
  float fused = 0.0F;
  for (std::size_t j = 0; truncated && j < terms.size(); j += accumulation.hardware_block)
    fused = fused_block(fused, &terms[j], std::min(accumulation.hardware_block, terms.size() - j));
  double exact = 0.0, sizes = 0.0;
  float sum = 0.0F;
  for (const double term : terms) {
    exact += term;  // multiples of 2^-24 below 2^9: exact
    sizes += std::abs(term);
    const double next = double(sum) + term;
    sum = float(next);
    if (truncated && std::fabs(double(sum)) > std::fabs(next)) sum = std::nextafter(sum, 0.0F);
  }
  const AccumulationError error = accumulation_error(accumulation, terms.size(), {});
  const double fused_error = truncated ? std::abs(double(fused) - exact) : 0.0;
  return std::max(std::abs(double(sum) - exact), fused_error) /
         (error.of_sizes * sizes + error.of_sum * std::abs(exact) + error.absolute);
}

TEST(AccumulationErrors, CoverTheWorstOrderOfPositiveAndNegativeTerms) {
  std::mt19937 random(kSeed);
  for (const theory::Accumulation& accumulation : {theory::kAnyOrder, theory::kTensorCores}) {
    double worst = 0.0;
    for (int i = 0; i < scaled(3000); ++i) {
      const int n = 2 + int(random() % 400);
      const double balance = double(random() % 5) / 4.0;
      std::vector<double> terms;
      for (int j = 0; j < n; ++j) {
        const double size = std::ldexp(double(1 + random() % 0xffffff), -24);
        terms.push_back(double(random() % 1000) < 1000.0 * balance ? size : -size);
      }
      worst = std::max(worst, worst_part(terms, accumulation));
    }
    // Sums that stay just above a power of two and lose nearly a unit each time: half of what the bound allows.
    for (const int n : {3, 10, 100}) {
      std::vector<double> terms(std::size_t(n), std::ldexp(double(0xffffff), -48));
      terms[0] = 1.0;
      worst = std::max(worst, worst_part(terms, accumulation));
    }
    std::printf("%s: largest error over bound %.3f\n", accumulation.name, worst);
    EXPECT_LE(worst, 1.0);
    EXPECT_GE(worst, 0.1);
  }
}

}  // namespace
}  // namespace lyap::testing
