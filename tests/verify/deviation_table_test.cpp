#include "verify/certify/deviation_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "tests/reports/wrong_statements.hpp"
#include "tests/verify/sample_deviations.hpp"
#include "verify/certify/deviation_sentence.hpp"
#include "verify/certify/summary_table.hpp"

namespace lyap {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

/// The sentences of `text`, one each.
std::vector<std::string> sentences_in(const std::string& text) {
  std::vector<std::string> sentences;
  for (std::string line : lines_of(text)) {
    for (std::size_t stop = line.find(". "); stop != std::string::npos; stop = line.find(". ")) {
      sentences.push_back(line.substr(0, stop + 1));
      line.erase(0, stop + 2);
    }
    sentences.push_back(line);
  }
  return sentences;
}

DeviationGroup only_group(const Certificate& certificate) { return deviation_groups(certificate.layers).at(0); }

/// The sample with these deviations in both layers.
Certificate with_deviations(const std::vector<DeviationBounds>& deviations) {
  Certificate certificate = sample_comparison_certificate();
  for (LayerSummary& layer : certificate.layers) layer.deviations = deviations;
  restate(certificate);
  return certificate;
}

std::string sentence_of(const std::vector<DeviationBounds>& deviations) {
  const Certificate certificate = with_deviations(deviations);
  return deviation_sentence(only_group(certificate), certificate);
}

TEST(DeviationTable, HasOneTablePerPolicyAndQuestionWithTheSharpestMethod) {
  const std::string text = deviation_tables(sample_comparison_certificate());
  EXPECT_THAT(text, HasSubstr("amp-bf16, same block input on the sequence\n(autocast to bfloat16"));
  EXPECT_THAT(text, HasSubstr("ft, each model's own block input"));
  EXPECT_THAT(text, HasSubstr("ft in amp-bf16, same block input"));
  EXPECT_THAT(text, Not(HasSubstr("every input")));
  EXPECT_THAT(text, HasSubstr("interval-run      0.125     0.0625         2"));
  EXPECT_THAT(text, Not(HasSubstr("a-priori")));
  EXPECT_THAT(text, Not(HasSubstr("not informative")));
  EXPECT_THAT(text, HasSubstr("one run of lyap's own emulation"));
}

TEST(DeviationTable, StatementsForEveryInputAreShownWhereThereIsNoSequence) {
  const std::string text = deviation_tables(with_deviations({sample_deviation(
      {.method = DeviationMethod::kKappa, .question = DeviationQuestion::kUniversal, .measured_relative = 2})}));
  EXPECT_THAT(text, AllOf(HasSubstr("amp-bf16, every input, K"), HasSubstr("not informative")));
  EXPECT_THAT(text, Not(HasSubstr("emulation")));
}

TEST(DeviationTable, FitsAHundredColumnsEvenWithTheLongestNumbers) {
  Certificate certificate = sample_comparison_certificate();
  for (LayerSummary& layer : certificate.layers) {
    layer.index = 100 + layer.index;
    for (DeviationBounds& bounds : layer.deviations) {
      for (QuantityDeviation* quantity : {&bounds.state, &bounds.output}) {
        quantity->staying = 1.11e307;
        quantity->ratio_median = 1.11e10;
        quantity->measured = 1.11e-40;
        quantity->relative_median = 1.11e300;
        quantity->informative = false;
      }
    }
  }
  for (const std::string& line : lines_of(deviation_tables(certificate) + theorem_sentences(certificate)))
    EXPECT_LE(line.size(), kTableColumns) << line;
}

TEST(DeviationTable, IsEmptyWhereNothingWasCompared) {
  EXPECT_EQ(deviation_tables(sample_certificate()), "");
  EXPECT_EQ(deviation_sentences(sample_certificate()), "");
}

TEST(DeviationTable, ATraceHasATableAndASentenceOfItsOwnSinceItSpeaksOfAnotherProgram) {
  Certificate certificate =
      with_deviations({sample_deviation({}), sample_deviation({.method = DeviationMethod::kTrace, .ratio = 1})});
  EXPECT_THAT(deviation_tables(certificate),
              AllOf(HasSubstr("amp-bf16, recorded scan inputs against the real block"), HasSubstr("interval-run"),
                    HasSubstr("measured (recorded)"), HasSubstr("measured (policies)")));
  const std::string text = deviation_sentences(certificate);
  EXPECT_THAT(text, HasSubstr("amp-bf16, recorded scan inputs: expect, of the program that recorded them, changes of"));
  EXPECT_THAT(text, HasSubstr("the recorded scan moved a typical state by up to 0.782 %"));
  EXPECT_THAT(text, HasSubstr("rounds exactly where the policy says, changes of at most 1.57 %"));
}

TEST(DeviationSentence, EveryInputBesideASequenceDoesNotAskForOne) {
  const Certificate certificate = sample_comparison_certificate();
  const std::string text = deviation_sentence(only_group(certificate), certificate);
  EXPECT_THAT(text, AllOf(HasSubstr("every input"), HasSubstr("decide nothing"), Not(HasSubstr("--text"))));
}

TEST(DeviationSentence, SaysByHowMuchUnderWhichConditionAndWhatOneRunDid) {
  const std::string text =
      sentence_of({sample_deviation({}), sample_deviation({.method = DeviationMethod::kApriori, .ratio = 32})});
  EXPECT_THAT(text, HasSubstr("amp-bf16, same input to each layer of this sequence"));
  EXPECT_THAT(text, HasSubstr("if your program rounds exactly where the policy says"));
  EXPECT_THAT(text, HasSubstr("at most 1.57 % of a typical state"));
  EXPECT_THAT(text, HasSubstr("in every layer"));
  EXPECT_THAT(text, HasSubstr("one emulated run moved a typical state by up to 0.782 %"));
  EXPECT_THAT(text, HasSubstr("for programs whose roundings merely obey the policy at most 25 % of a typical state"));
}

TEST(DeviationSentence, ALooseBoundDecidesNothingAndTheNextStepIsNamed) {
  const std::string text = sentence_of({sample_deviation({.ratio = 1024})});
  EXPECT_THAT(text, AllOf(HasSubstr("decide nothing, for or against"), HasSubstr("--trace")));
  EXPECT_THAT(text, Not(HasSubstr("at most")));
  EXPECT_THAT(sentence_of({sample_deviation({.method = DeviationMethod::kApriori, .ratio = 1024})}),
              HasSubstr("--method interval-run"));
  Certificate universal = with_deviations({sample_deviation(
      {.method = DeviationMethod::kKappa, .question = DeviationQuestion::kUniversal, .measured_relative = 2})});
  universal.sequence.reset();
  EXPECT_THAT(deviation_sentence(only_group(universal), universal), HasSubstr("--text or --tokens"));
}

TEST(DeviationSentence, LayersThatAreDecidedAndOthersAreToldApart) {
  Certificate certificate = with_deviations({sample_deviation({})});
  certificate.layers[1].deviations = {sample_deviation({.ratio = 1024})};
  const std::string text = deviation_sentence(only_group(certificate), certificate);
  EXPECT_THAT(text, AllOf(HasSubstr("in layer 0 ("), HasSubstr("for layer 1 the bounds decide nothing")));
}

TEST(DeviationSentence, ANearlyInformativeStateWithAVacuousOutputIsNotSold) {
  Certificate certificate = with_deviations({sample_deviation({})});
  for (LayerSummary& layer : certificate.layers) {
    layer.deviations[0].output.relative_median = 1.0;
    layer.deviations[0].output.informative = false;
  }
  EXPECT_THAT(deviation_sentence(only_group(certificate), certificate), HasSubstr("decide nothing"));
}

TEST(DeviationSentence, APairNamesTheTensorThatMovesStatesTheMost) {
  const Certificate certificate = sample_comparison_certificate();
  const std::string text = deviation_sentences(certificate);
  EXPECT_THAT(text, HasSubstr("A_log of layer 0 moves states the most"));
  EXPECT_THAT(text, HasSubstr("ft, every input: "));
}

TEST(DeviationFindings, OverflowAndDecaysThatAStoredTypeRoundsToOneAreNamedOnce) {
  DeviationBounds bounds = sample_deviation({.policy = "all-fp16"});
  bounds.may_overflow = {{"in_proj output", 17, 4, 71234.5, "float16"}};
  bounds.lost_contraction = {{"float32", 6, 0, 0, 0, 0.0, true}, {"float16", 6, 4, 2, 1, 0.125, false}};
  Certificate certificate = with_deviations({bounds});
  const std::vector<std::string> findings = deviation_findings(only_group(certificate));
  EXPECT_THAT(findings, SizeIs(2));  // one per layer: no stored type loses contraction
  EXPECT_THAT(findings, Each(AllOf(HasSubstr("in_proj output"), HasSubstr("first is 17"), HasSubstr("binary32"))));
  bounds.may_overflow.clear();
  bounds.lost_contraction[1].stored_so = true;
  certificate = with_deviations({bounds, bounds});
  EXPECT_THAT(deviation_findings(only_group(certificate)), AllOf(SizeIs(2), Each(HasSubstr("4 of 6 states"))));
}

// Every text that the program makes of deviations, in every state that bounds can be in.
TEST(DeviationWords, NoneOfTheWrongStatementsIsMade) {
  const std::vector<std::string> old = sample_certificate().not_covered;
  std::size_t sentences = 0;
  for (const double ratio : {1.0, 2.0, 64.0, 4096.0}) {
    Certificate certificate = sample_comparison_certificate();
    for (LayerSummary& layer : certificate.layers) {
      for (DeviationBounds& bounds : layer.deviations) {
        for (QuantityDeviation* quantity : {&bounds.state, &bounds.output}) {
          quantity->relative_median *= ratio;
          quantity->informative = quantity->relative_median < 1.0;
        }
        bounds.may_overflow = {{"in_proj output", 17, 1, 71234.5, "float16"}};
        if (!bounds.lost_contraction.empty()) bounds.lost_contraction[1].stored_so = true;
      }
    }
    for (const Comparison comparison : {Comparison::kPair, Comparison::kAdapter}) {
      certificate.second_model->comparison = comparison;
      certificate.second_model->remarks = {"The updates of dt_proj act only after merging."};
      for (LayerSummary& layer : certificate.layers) {
        for (DeviationBounds& bounds : layer.deviations) {
          if (bounds.comparison != Comparison::kPolicy) bounds.comparison = comparison;
        }
      }
      restate(certificate);
      std::string text = deviation_tables(certificate) + deviation_sentences(certificate);
      for (const Claim& claim : certificate.claims) {
        if (claim.comparison == "none") continue;
        text += claim.statement + "\n" + claim.domain + "\n" + claim.program + "\n" + claim.reason + "\n";
      }
      for (const std::string& sentence : certificate.not_covered) {
        if (std::find(old.begin(), old.end(), sentence) == old.end()) text += sentence + "\n";
      }
      const std::vector<std::string> all = sentences_in(text);
      sentences += all.size();
      for (const std::string& wrong : testing::wrong_statements(all)) ADD_FAILURE() << wrong;
    }
  }
  EXPECT_GT(sentences, 500u);
}

}  // namespace
}  // namespace lyap
