#include "tests/reports/wrong_statements.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reports/page_text.hpp"
#include "reports/report_page.hpp"
#include "tests/reports/fabricated_certificate.hpp"
#include "tests/reports/temporary_folder.hpp"

namespace lyap {
namespace {

using lyap::testing::FabricatedDeviations;
using lyap::testing::Fabrication;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const std::vector<std::string> kAllPolicies = {"fp32",           "tf32",          "amp-bf16",       "amp-fp16",
                                               "all-bf16",       "all-fp16",      "plain-amp-bf16", "plain-amp-fp16",
                                               "plain-all-bf16", "plain-all-fp16"};

std::string page_of(const FabricatedDeviations& deviations, const std::string& kind) {
  Fabrication what;
  what.kind = kind;
  what.layers = 2;
  what.channels = 8;
  what.states = 2;
  what.deviations = deviations;
  const lyap::testing::TemporaryFolder folder;
  return render_report({read_certificate(lyap::testing::fabricate_certificate(folder.path(), "model", what))});
}

TEST(WrongStatements, no_page_makes_one_whatever_the_bounds_are) {
  for (const char* kind : {"mamba1", "mamba2"}) {
    for (const double looseness : {1.0, 60.0, 1e5}) {
      for (const bool measured : {true, false}) {
        for (const bool first : {true, false}) {
          FabricatedDeviations deviations;
          deviations.policies = first ? kAllPolicies : std::vector<std::string>{"all-fp16"};
          deviations.methods = first ? std::vector<std::string>{"interval-run", "trace", "a-priori", "kappa"}
                                     : std::vector<std::string>{"a-priori"};
          deviations.looseness = looseness;
          deviations.measured = measured;
          deviations.overflow = deviations.initial = first;
          deviations.pair = true;
          deviations.adapter = first;
          deviations.pair_policy = first ? "amp-bf16" : "";
          deviations.vacuous_layers = {1};
          EXPECT_THAT(lyap::testing::wrong_statements(lyap::testing::sentences_of(page_of(deviations, kind))),
                      IsEmpty());
        }
      }
    }
  }
}

TEST(WrongStatements, no_page_of_universal_bounds_only_makes_one) {
  for (const char* kind : {"mamba1", "mamba2"}) {
    FabricatedDeviations deviations;
    deviations.policies = kAllPolicies;
    deviations.methods = {};
    EXPECT_THAT(lyap::testing::wrong_statements(lyap::testing::sentences_of(page_of(deviations, kind))), IsEmpty());
  }
}

TEST(WrongStatements, the_pictures_labels_make_none) {
  EXPECT_THAT(lyap::testing::wrong_statements({std::string(page_text::page_script())}), IsEmpty());
}

/// The nine that are known to be wrong, and what else nobody may read on a page.
TEST(WrongStatements, planted_ones_are_found) {
  for (const char* sentence :
       {"Theorem 3 certifies amp-bf16 of a Mamba-1 block.",
        "This certificate holds for bf16: the certificate certifies bf16 for every layer.",
        "A universal mixed-precision bound of 3.2 is proved for this Mamba-1 model.",
        "The bound is loose, so layer 3 is unstable in bfloat16.", "A ratio of 35 shows instability.",
        "End to end the logits move by at most 0.7.", "Chaining the block bounds gives 12 for the whole model.",
        "bf16 deviates 8 times more than fp16, so its bound is 8 times worse than fp16's.",
        "Sigma is a certified bound of the deviation.", "The first-order estimate is proved.",
        "The interval run uses the low-rank radius of dt_proj.", "The interval run holds for any kernel.",
        "fp16 is tighter.", "tf32 is better.", "The deviation decays to zero.", "The staying part decays.",
        "In amp-bf16 the deviation dies out: its error will vanish.",
        "amp-bf16 is safe for layer 3, since these are safe.", "The measured values guarantee it."}) {
    EXPECT_THAT(lyap::testing::wrong_statements({sentence}), ::testing::Not(IsEmpty())) << sentence;
  }
}

TEST(WrongStatements, are_looked_for_in_what_a_page_shows_and_in_what_a_screen_reader_says) {
  const auto sentences = lyap::testing::sentences_of(
      "<script>unstable</script><p title=\"x\">Layer 1 is <strong>unstable</strong>. It <em>is</em> fine.</p>"
      "<canvas aria-label=\"The staying part decays.\"></canvas>");
  EXPECT_THAT(sentences, SizeIs(3));
  EXPECT_THAT(lyap::testing::wrong_statements(sentences), SizeIs(2));
}

}  // namespace
}  // namespace lyap
