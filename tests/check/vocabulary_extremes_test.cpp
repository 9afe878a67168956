#include "verify/check/vocabulary_extremes.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace lyap::check {
namespace {

theory::Matrix random_floats(std::size_t rows, std::size_t columns, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  theory::Matrix matrix(rows, columns);
  for (double& entry : matrix.entries) entry = normal(random);
  return matrix;
}

constexpr double kEpsilon = 1e-5;

/// Rows over their rms in long double.
std::vector<long double> normalised(const theory::Matrix& rows) {
  std::vector<long double> result;
  for (std::size_t v = 0; v < rows.rows; ++v) {
    long double squares = 0.0L;
    for (std::size_t k = 0; k < rows.columns; ++k) squares += static_cast<long double>(rows(v, k)) * rows(v, k);
    const long double scale = 1.0L / std::sqrt(squares / rows.columns + static_cast<long double>(kEpsilon));
    for (std::size_t k = 0; k < rows.columns; ++k) result.push_back(rows(v, k) * scale);
  }
  return result;
}

Embeddings embeddings_of(const theory::Matrix& rows) {
  return {rows.rows, [&rows](std::size_t begin, std::size_t end) {
            theory::Matrix part(end - begin, rows.columns);
            std::copy(rows.row(begin), rows.row(begin) + part.entries.size(), part.entries.begin());
            return part;
          }};
}

void expect_encloses(const Range& found, long double lowest, long double highest) {
  EXPECT_LE(static_cast<long double>(found.lower.to_double(Toward::kDown)), lowest);
  EXPECT_GE(static_cast<long double>(found.upper.to_double(Toward::kUp)), highest);
  EXPECT_NEAR(found.lower.to_double(Toward::kDown), static_cast<double>(lowest), 1e-11);
  EXPECT_NEAR(found.upper.to_double(Toward::kUp), static_cast<double>(highest), 1e-11);
}

TEST(VocabularyExtremes, EncloseEveryTokensValueClosely) {
  const theory::Matrix vocabulary = random_floats(700, 48, 1), rows = random_floats(7, 48, 2);
  const std::vector<long double> tokens = normalised(vocabulary);
  const std::vector<Range> found = vocabulary_ranges(embeddings_of(vocabulary), kEpsilon, {fixed_rows(rows, 0, 7)});
  ASSERT_EQ(found.size(), 7u);
  for (std::size_t i = 0; i < 7; ++i) {
    long double lowest = HUGE_VALL, highest = -HUGE_VALL;
    for (std::size_t v = 0; v < 700; ++v) {
      long double sum = 0.0L;
      for (std::size_t k = 0; k < 48; ++k) sum += tokens[v * 48 + k] * rows(i, k);
      lowest = std::min(lowest, sum), highest = std::max(highest, sum);
    }
    expect_encloses(found[i], lowest, highest);
  }
}

TEST(VocabularyExtremes, GoThroughANarrowMatrix) {
  const theory::Matrix vocabulary = random_floats(300, 32, 3), inner = random_floats(3, 32, 4),
                       outer = random_floats(9, 3, 5), rest = random_floats(2, 32, 6);
  const std::vector<long double> tokens = normalised(vocabulary);
  NarrowFunctionals set{fixed_rows(inner, 0, 3), {}};
  for (std::size_t r = 0; r < 2; ++r) set.rest.push_back(fixed_rows(rest, r, r + 1));
  const auto found = vocabulary_ranges(embeddings_of(vocabulary), kEpsilon, outer, {set});
  ASSERT_EQ(found.size(), 1u);
  ASSERT_EQ(found[0].size(), 11u);
  for (std::size_t i = 0; i < 11; ++i) {
    long double lowest = HUGE_VALL, highest = -HUGE_VALL;
    for (std::size_t v = 0; v < 300; ++v) {
      long double sum = 0.0L;
      for (std::size_t k = 0; k < 32; ++k) {
        long double weight = i < 9 ? 0.0L : static_cast<long double>(rest(i - 9, k));
        for (std::size_t r = 0; i < 9 && r < 3; ++r) weight += static_cast<long double>(outer(i, r)) * inner(r, k);
        sum += tokens[v * 32 + k] * weight;
      }
      lowest = std::min(lowest, sum), highest = std::max(highest, sum);
    }
    expect_encloses(found[0][i], lowest, highest);
  }
}

}  // namespace
}  // namespace lyap::check
