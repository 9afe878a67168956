#include "verify/certify/condition_values.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/verify/sample_deviations.hpp"
#include "verify/certify/exit_code.hpp"

namespace lyap {
namespace {

FailOnCondition parsed(const std::string& text) { return parse_fail_on(text).at(0); }

FailOnValue value_in(const std::string& text, const Certificate& certificate) {
  return condition_value(parsed(text), certificate.layers);
}

Certificate with_deviations(const std::vector<DeviationBounds>& first, const std::vector<DeviationBounds>& second) {
  Certificate certificate = sample_comparison_certificate();
  certificate.layers[0].deviations = first;
  certificate.layers[1].deviations = second;
  return certificate;
}

constexpr SampleDeviation kUniversalK{.method = DeviationMethod::kKappa,
                                      .question = DeviationQuestion::kUniversal,
                                      .policy = "",
                                      .measured_relative = 2,
                                      .ratio = 1024};

TEST(ConditionValues, ADeviationIsTheLargestOverLayersOfTheSharpestMethod) {
  using enum DeviationMethod;
  const auto bounds = [](DeviationMethod method, double ratio) {
    return sample_deviation({.method = method, .ratio = ratio});
  };
  const Certificate certificate =
      with_deviations({bounds(kIntervalRun, 2), bounds(kApriori, 32)}, {bounds(kIntervalRun, 16), bounds(kApriori, 8)});
  EXPECT_EQ(value_in("state_deviation>1", certificate).upper, 8 * 0.0078125 * 8);
  EXPECT_EQ(value_in("state_deviation>1", certificate).layer, 1u);
  EXPECT_EQ(value_in("output_deviation>1", certificate).upper, 0.5);
  EXPECT_FALSE(value_in("state_deviation>1", certificate).witness.has_value());
}

TEST(ConditionValues, StatementsForEveryInputCountOnlyWhereThereIsNoneOnASequence) {
  SampleDeviation universal = kUniversalK;
  universal.policy = "amp-bf16";
  const DeviationBounds k = sample_deviation(universal), run = sample_deviation({});
  EXPECT_EQ(value_in("state_deviation>1", with_deviations({k, run}, {k, run})).upper, 0.125);
  EXPECT_EQ(value_in("state_deviation>1", with_deviations({k}, {k})).upper, 8 * 2 * 1024.0);
  EXPECT_EQ(value_in("uninformative>0", with_deviations({k, run}, {k, run})).upper, 0.0);
  universal.policy = "fp32";  // another policy, without a sequence
  EXPECT_EQ(value_in("state_deviation>1", with_deviations({sample_deviation(universal), run}, {run})).upper,
            8 * 2 * 1024.0);
}

TEST(ConditionValues, UninformativeCountsStatesAndOutputsThatNoMethodDecides) {
  using enum DeviationMethod;
  const DeviationBounds loose = sample_deviation({.method = kApriori, .ratio = 1024}), sharp = sample_deviation({});
  EXPECT_EQ(value_in("uninformative>0", with_deviations({loose, sharp}, {loose})).upper, 2.0);
  EXPECT_EQ(value_in("uninformative>0", with_deviations({loose, sharp}, {loose})).layer, 1u);
  EXPECT_EQ(value_in("uninformative>0", with_deviations({sharp}, {sharp})).upper, 0.0);
}

TEST(ConditionValues, ALooseBoundRefutesNothing) {
  const FailOnCondition condition = parsed("uninformative>0");
  EXPECT_EQ(judge(condition, {3, 0, std::nullopt}).verdict, Verdict::kUndecided);
  EXPECT_TRUE(judge(condition, {3, 0, std::nullopt}).holds);
  EXPECT_EQ(judge(condition, {0, 0, std::nullopt}).verdict, Verdict::kProven);
  EXPECT_FALSE(judge(condition, {0, 0, std::nullopt}).holds);
  EXPECT_EQ(judge(parsed("uninformative==0"), {0, 0, std::nullopt}).verdict, Verdict::kUndecided);
}

TEST(ConditionValues, AQuantityWithoutAClaimIsAUsageError) {
  EXPECT_THROW((void)value_in("state_deviation>1", sample_certificate()), UsageError);
  EXPECT_THROW((void)value_in("uninformative>0", sample_certificate()), UsageError);
  EXPECT_EQ(value_in("zeta>1", sample_certificate()).upper, -0x1p-30);
}

}  // namespace
}  // namespace lyap
