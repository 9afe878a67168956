#include "verify/certify/claims.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/verify/sample_certificate.hpp"
#include "verify/certify/not_covered.hpp"

namespace lyap {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

LayerSummary sample_layer() { return sample_certificate().layers[0]; }

Claim claim_named(const LayerSummary& layer, const std::string& quantity) {
  for (const Claim& claim : layer_claims(layer, sample_certificate().sequence)) {
    if (claim.quantity == quantity) return claim;
  }
  throw std::out_of_range(quantity);
}

bool mentions(const std::vector<std::string>& sentences, const std::string& words) {
  return std::any_of(sentences.begin(), sentences.end(),
                     [&words](const std::string& s) { return s.find(words) != std::string::npos; });
}

TEST(Claims, ANegativeBoundGivesStrictDecay) {
  const Claim claim = claim_named(sample_layer(), "strict_decay");
  EXPECT_EQ(claim.verdict, Verdict::kProven);
  EXPECT_EQ(claim.reason, "");
}

TEST(Claims, ABoundOfZeroIsCalledZeroAndLeavesStrictDecayUndecided) {
  LayerSummary layer = sample_layer();
  layer.universal->zeta.upper = 0.0;
  layer.universal->exponent.upper = 0.0;
  const Claim zeta = claim_named(layer, "zeta");
  EXPECT_EQ(zeta.verdict, Verdict::kProven);
  EXPECT_THAT(zeta.statement, HasSubstr("zero"));
  EXPECT_THAT(zeta.statement, Not(HasSubstr("shrinks")));
  const Claim strict = claim_named(layer, "strict_decay");
  EXPECT_EQ(strict.verdict, Verdict::kUndecided);
  EXPECT_THAT(strict.reason, HasSubstr("zero"));
  EXPECT_EQ(claim_named(layer, "exponent").verdict, Verdict::kProven);
}

TEST(Claims, AnInfiniteStateBoundIsUndecidedAndSaysWhy) {
  LayerSummary layer = sample_layer();
  layer.universal->state_bound_upper = std::numeric_limits<double>::infinity();
  const Claim claim = claim_named(layer, "state_bound");
  EXPECT_EQ(claim.verdict, Verdict::kUndecided);
  EXPECT_THAT(claim.reason, HasSubstr("binary64"));
}

TEST(Claims, TheDomainOfTokensIsTheFloatsOfLyapsOwnRun) {
  const Claim claim = claim_named(sample_layer(), "trajectory_exponent");
  EXPECT_THAT(claim.domain, HasSubstr("lyap's float32 run"));
  EXPECT_THAT(claim.domain, HasSubstr("tokens.txt"));
}

TEST(Claims, TheDomainOfActivationsIsTheStoredFloats) {
  SequenceDescription sequence{SequenceKind::kActivations, "a.safetensors", "", "", 5};
  const std::vector<Claim> claims = layer_claims(sample_layer(), sequence);
  EXPECT_THAT(claims.back().domain, HasSubstr("stored for this layer in a.safetensors"));
  EXPECT_THAT(claims.back().domain, Not(HasSubstr("float32 run")));
}

TEST(Claims, BoundsOverTheVocabularySpeakOfTokensOnly) {
  LayerSummary layer = sample_layer();
  EXPECT_THAT(claim_named(layer, "zeta").domain, HasSubstr("real block inputs"));
  layer.universal->over_vocabulary = true;
  EXPECT_THAT(claim_named(layer, "zeta").domain, HasSubstr("sequence of the model's tokens"));
}

TEST(Claims, AClampIsPartOfTheDomain) {
  LayerSummary layer = sample_layer();
  layer.step_limits = {0.004, 0.04};
  EXPECT_THAT(claim_named(layer, "zeta").domain, HasSubstr("clamp the step size"));
  EXPECT_THAT(claim_named(layer, "trajectory_exponent").domain, HasSubstr("clamp the step size"));
}

TEST(Claims, NoSentenceSpeaksOfStabilityOfTheWholeModel) {
  const Certificate certificate = sample_certificate();
  for (const Claim& claim : certificate.claims) EXPECT_THAT(claim.statement, Not(HasSubstr("model is stable")));
  EXPECT_TRUE(mentions(certificate.not_covered, "stacked layers"));
  EXPECT_TRUE(mentions(certificate.not_covered, "rounding"));
  EXPECT_TRUE(mentions(certificate.not_covered, "does not decay to zero"));
}

TEST(NotCovered, NamesTheLayersThatWereLeftOut) {
  Certificate certificate = sample_certificate();
  EXPECT_TRUE(mentions(not_covered_sentences(certificate), "trajectory tier was not run for layers 1."));
  certificate.layers.erase(certificate.layers.begin());
  EXPECT_TRUE(mentions(not_covered_sentences(certificate), "universal tier was not run for layers 0;"));
}

TEST(NotCovered, SaysThatClampsDifferBetweenPromptAndGeneration) {
  Certificate certificate = sample_certificate();
  EXPECT_FALSE(mentions(not_covered_sentences(certificate), "clamp"));
  certificate.layers[0].step_limits = {0.004, 0.04};
  EXPECT_TRUE(mentions(not_covered_sentences(certificate), "clamp"));
}

}  // namespace
}  // namespace lyap
