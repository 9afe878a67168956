#include "verify/certify/summary_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "tests/verify/sample_certificate.hpp"

namespace lyap {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// The text with its line breaks and indentation taken back.
std::string unwrapped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    const bool blank = c == ' ' || c == '\n';
    if (!blank)
      result += c;
    else if (!result.empty() && result.back() != ' ')
      result += ' ';
  }
  return result;
}

TEST(SummaryTable, FitsAHundredColumnsEvenWithTheLongestNumbers) {
  Certificate certificate = sample_certificate();
  for (LayerSummary& layer : certificate.layers) {
    layer.index = 100;
    layer.universal->zeta = {-1.11e-307, 0, -1.11e-301, 1};
    layer.universal->exponent.upper = -1.11e-307;
    layer.universal->state_bound_upper = 1.11e307;
    layer.trajectory = certificate.layers[0].trajectory;
    layer.trajectory->exponent_upper = -1.11e-307;
    for (ExponentQuantile& quantile : layer.trajectory->quantiles) quantile.lower = quantile.upper = -1.11e-307;
  }
  std::istringstream lines(summary_table(certificate) + theorem_sentences(certificate));
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), kTableColumns) << line;
}

TEST(SummaryTable, LeavesOutColumnsOfTiersThatWereNotRun) {
  Certificate certificate = sample_certificate();
  certificate.tier = Tier::kUniversal;
  EXPECT_THAT(summary_table(certificate), Not(HasSubstr("median")));
  certificate.tier = Tier::kTrajectory;
  EXPECT_THAT(summary_table(certificate), Not(HasSubstr("worst step")));
}

TEST(TheoremSentences, OnePerTheoremAndTheOnesThatWereNotAskedForAreNamed) {
  const std::string text = unwrapped(theorem_sentences(sample_certificate()));
  EXPECT_THAT(text, HasSubstr("Theorem 1 (states), every input"));
  EXPECT_THAT(text, HasSubstr("Theorem 1 (states), this sequence (5 steps)"));
  EXPECT_THAT(text, HasSubstr("Theorem 2 (outputs)"));
  EXPECT_THAT(text, HasSubstr("Theorems 3 and 4 (mixed precision, fine-tuning): not part"));
}

TEST(TheoremSentences, AZeroBoundIsNotCalledDecay) {
  Certificate certificate = sample_certificate();
  certificate.layers[1].universal->exponent.upper = 0.0;
  certificate.layers[1].universal->zeta.upper = 0.0;
  const std::string text = unwrapped(theorem_sentences(certificate));
  EXPECT_THAT(text, HasSubstr("strict decay is not established (the bound is zero in layer 1)"));
  EXPECT_THAT(text, Not(HasSubstr("shrinks")));
}

TEST(TheoremSentences, ATinyRateIsNotSoldAsUseful) {
  EXPECT_THAT(unwrapped(theorem_sentences(sample_certificate())), HasSubstr("too small to act on"));
  Certificate certificate = sample_certificate();
  for (LayerSummary& layer : certificate.layers) layer.universal->zeta.upper = layer.universal->exponent.upper = -0.01;
  EXPECT_THAT(unwrapped(theorem_sentences(certificate)), Not(HasSubstr("too small")));
}

TEST(ResultLines, NameTheVerdictAndWhatIsOpen) {
  Certificate certificate = sample_certificate();
  EXPECT_THAT(result_lines(certificate, false), HasSubstr("Result: proven; "));
  certificate.claims[2].verdict = Verdict::kUndecided;
  certificate.claims[2].reason = "because of this.";
  EXPECT_THAT(result_lines(certificate, false), HasSubstr("Result: undecided; "));
  EXPECT_THAT(unwrapped(result_lines(certificate, false)),
              HasSubstr("Not established: T1, universal tier, layer 0, zeta: because of this."));
  EXPECT_THAT(result_lines(certificate, false), Not(HasSubstr("\033")));
  EXPECT_THAT(result_lines(certificate, true), HasSubstr("\033[1;33mundecided\033[0m"));
}

}  // namespace
}  // namespace lyap
