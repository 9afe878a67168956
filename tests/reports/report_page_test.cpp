#include "reports/report_page.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <regex>
#include <string>

#include "reports/claim_sentences.hpp"
#include "tests/reports/fabricated_certificate.hpp"
#include "tests/reports/temporary_folder.hpp"

namespace lyap {
namespace {

using lyap::testing::Fabrication;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

CertificateRecord record_of(const Fabrication& what, const std::string& name = "model") {
  const lyap::testing::TemporaryFolder folder;
  return read_certificate(lyap::testing::fabricate_certificate(folder.path(), name, what));
}

Fabrication small() {
  Fabrication what;
  what.layers = 2;
  what.channels = 24;
  what.states = 4;
  what.steps = 100;
  return what;
}

/// Everything that a page shows, without its scripts and style sheet.
std::string shown(const std::string& page) {
  std::string text = page;
  for (const char* element : {"script", "style"}) {
    const std::string open = std::string("<") + element, close = std::string("</") + element + ">";
    for (std::size_t begin = text.find(open); begin != std::string::npos; begin = text.find(open, begin))
      text.erase(begin, text.find(close, begin) + close.size() - begin);
  }
  return text;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t result = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++result;
  return result;
}

TEST(ReportPage, opens_with_the_verdict_and_has_every_section) {
  const std::string page = render_report({record_of(small())});
  const std::string text = shown(page);
  std::size_t last = 0;
  for (const char* part : {"<h1>Stability of model</h1>", "Proved</p>", "All 10 claims that were asked for are proved.",
                           "What is proved about this model", "Theorem 1 (state)", "Theorem 2 (outputs)",
                           "What this means", "What it does not mean", "<h3>Layers</h3>", "data-kind=\"overview\"",
                           "data-kind=\"rates\"", "data-kind=\"halfLives\"", "data-kind=\"survival\"",
                           "What is not covered", "Trajectory claims say nothing about other sequences",
                           "The 10 claims", "Where these numbers come from", "rounding_self_test", "SHA-256"}) {
    const std::size_t at = text.find(part, last);
    ASSERT_NE(at, std::string::npos) << part;
    last = at;
  }
}

TEST(ReportPage, loads_nothing_from_the_network) {
  const std::string page = render_report({record_of(small())});
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  const std::string text = shown(page);
  EXPECT_EQ(count(text, " src="), 0u);
  EXPECT_EQ(count(text, "<link"), 1u);
  EXPECT_THAT(text, HasSubstr("<link rel=\"icon\" href=\"data:,\">"));
  EXPECT_THAT(page, HasSubstr("Chart.js v"));
  EXPECT_THAT(text, HasSubstr("The MIT License"));
}

TEST(ReportPage, every_picture_has_a_text_and_its_numbers_as_a_table) {
  const std::string text = shown(render_report({record_of(small())}));
  EXPECT_EQ(count(text, "<canvas"), 1u + 2u * 3u);
  EXPECT_EQ(count(text, "<canvas"), count(text, "role=\"img\" aria-label=\""));
  EXPECT_EQ(count(text, "<summary>Numbers</summary>"), 6u);
}

TEST(ReportPage, a_certificate_without_trajectory_has_no_trajectory_pictures) {
  Fabrication what = small();
  what.kind = "mamba2";
  what.trajectory = false;
  const std::string text = shown(render_report({record_of(what)}));
  EXPECT_EQ(count(text, "data-kind=\"rates\""), 2u);
  EXPECT_EQ(count(text, "data-kind=\"halfLives\""), 0u);
  EXPECT_EQ(count(text, "data-kind=\"survival\""), 0u);
  EXPECT_THAT(text, Not(HasSubstr("On the given sequence")));
  EXPECT_THAT(text, HasSubstr("24 heads"));
}

TEST(ReportPage, texts_from_the_certificate_cannot_become_markup_or_script) {
  Fabrication what = small();
  const std::string attack = "</script><script>alert(1)</script><img src=x onerror=\"alert(2)\">'{{{page_script}}}<!--";
  what.change_json = [&](json& c) {
    c["model"]["name"] = attack, c["model"]["family"] = attack, c["command"] = attack, c["tool"][attack] = attack;
    c["claims"][2]["statement"] = attack, c["claims"][2]["formula"] = attack, c["claims"][2]["domain"] = attack,
    c["claims"][2]["quantity"] = attack;
    c["claims"][2]["witness"]["how"] = attack, c["claims"][2]["bound"]["decimal"] = attack,
    c["claims"][2]["method"] = attack;
    c["not_covered"].push_back(attack), c["layers"][0]["kind"] = attack, c["layers"][0]["relaxation_wins"][attack] = 3;
    c["model"]["files"][0]["file"] = attack, c["model"]["files"][0]["sha256"] = attack, c["date"] = attack;
  };
  const std::string plain = render_report({record_of(small())}), page = render_report({record_of(what)});
  EXPECT_EQ(count(page, "<script"), count(plain, "<script"));
  EXPECT_EQ(count(page, "</script"), count(plain, "</script"));
  EXPECT_EQ(count(page, "<img"), 0u);
  EXPECT_EQ(count(page, "<!--"), count(plain, "<!--"));
  EXPECT_THAT(page, HasSubstr("&lt;/script&gt;&lt;script&gt;alert(1)"));
  EXPECT_THAT(page, HasSubstr("{{{page_script}}}"));
  EXPECT_THAT(page, Not(HasSubstr("onerror=\"")));
}

TEST(ReportPage, extreme_rates_are_said_in_words) {
  Fabrication what = small();
  what.change_arrays = [](std::vector<NamedArray>& arrays) {
    for (NamedArray& array : arrays) {
      if (array.name == "layer.0.zeta.upper" || array.name == "layer.0.exponent.upper")
        array.f64[0] = 0, array.f64[1] = -0.0, array.f64[2] = -5e-324,
        array.f64[3] = -std::numeric_limits<double>::max();
      if (array.name.find("witness") != std::string::npos) std::fill(array.f64.begin(), array.f64.end(), std::nan(""));
      if (array.name == "layer.0.state_bound.upper") array.f64[0] = std::numeric_limits<double>::infinity();
      if (array.name == "layer.0.trajectory.exponent.upper") array.f64[0] = 0;
    }
  };
  const std::string page = render_report({record_of(what)}), text = shown(page);
  EXPECT_THAT(text, HasSubstr("For 2 of them the bound of one step is exactly zero"));
  EXPECT_THAT(text, HasSubstr("The bound is zero: no rate of forgetting"));
  EXPECT_THAT(text, HasSubstr("That it contracts is not proved for layer 0"));
  EXPECT_THAT(text, HasSubstr("∞"));
  EXPECT_THAT(text, HasSubstr("possibly all of a deviation"));
  EXPECT_THAT(text, HasSubstr("States without a finite bound, not drawn: 1."));
  for (const char* word : {">nan", " nan", "NaN", ">inf", " inf", "-inf"}) EXPECT_THAT(text, Not(HasSubstr(word)));
}

TEST(ReportPage, proved_sentences_carry_rounded_bounds_and_their_layers) {
  Fabrication what = small();
  what.change_arrays = [](std::vector<NamedArray>& arrays) {
    for (NamedArray& array : arrays) {
      if (array.name == "layer.1.zeta.upper") array.f64[0] = -1.23456e-16;
      if (array.name == "layer.1.exponent.upper") array.f64[0] = -2.34567e-15;
      if (array.name == "layer.1.zeta.witness" || array.name == "layer.1.exponent.witness") array.f64[0] = -1;
    }
  };
  const std::vector<ClaimSentence> sentences = theorem_sentences(record_of(what));
  ASSERT_EQ(sentences.size(), 5u);
  EXPECT_THAT(sentences[1].text, AllOf(HasSubstr("exp(−1.23\u00a0×\u00a010⁻¹⁶) (slowest: layer 1)"),
                                       HasSubstr("−2.34\u00a0×\u00a010⁻¹⁵ nats per step (layer 1)")));
  EXPECT_THAT(forgetting_sentence(record_of(what)), HasSubstr("no uniform forgetting"));
}

TEST(ReportPage, an_undecided_claim_is_named_and_never_told_as_proved) {
  Fabrication what = small();
  what.change_json = [](json& c) {
    c["verdict"] = "undecided", c["claims"][2]["verdict"] = "undecided",
    c["claims"][2]["reason"] = "the bound is zero.";
  };
  const CertificateRecord record = record_of(what);
  EXPECT_THAT(verdict_sentence(record),
              AllOf(HasSubstr("9 of 10 claims are proved"),
                    HasSubstr("Neither proved nor contradicted: Theorem 1 (state), universal, layer 0, zeta")));
  const std::vector<ClaimSentence> sentences = theorem_sentences(record);
  EXPECT_EQ(sentences[1].verdict, "undecided");
  EXPECT_THAT(sentences[1].text, AllOf(HasSubstr("not established for layer 0, zeta (the bound is zero)"),
                                       HasSubstr("Proved for the rest (3 of 4 claims)"), Not(HasSubstr("contracts"))));
  EXPECT_THAT(shown(render_report({record})),
              AllOf(HasSubstr("class=\"verdict undecided\""), HasSubstr("Why not: the bound is zero.")));
}

TEST(ReportPage, a_refuted_claim_is_told_as_contradicted) {
  Fabrication what = small();
  what.change_json = [](json& c) {
    c["verdict"] = "refuted", c["claims"][2]["verdict"] = "refuted", c["claims"][6]["verdict"] = "undecided";
  };
  const CertificateRecord record = record_of(what);
  EXPECT_THAT(verdict_sentence(record),
              AllOf(HasSubstr("8 of 10 claims are proved"),
                    HasSubstr("Contradicted by a rigorous witness: Theorem 1 (state), universal, layer 0")));
  EXPECT_EQ(theorem_sentences(record)[1].verdict, "refuted");
  EXPECT_THAT(theorem_sentences(record)[1].text, AllOf(HasSubstr("contradicted by a rigorous witness for layer 0"),
                                                       HasSubstr("Not established either: layer 1")));
}

TEST(ReportPage, a_condition_that_was_set_shows_its_own_verdict) {
  Fabrication what = small();
  what.change_json = [](json& c) {
    c["verdict"] = "refuted",
    c["fail_on"].push_back({{"condition", "exponent>=-1"}, {"verdict", "refuted"}, {"holds", true}});
  };
  const std::string text = shown(render_report({record_of(what)}));
  EXPECT_THAT(
      text,
      AllOf(
          HasSubstr("10 of 10 claims are proved. A requirement that was set for this run (--fail-on) is contradicted"),
          HasSubstr("--fail-on exponent&gt;=-1</code>: the condition holds")));
}

TEST(ReportPage, a_bound_over_tokens_only_is_not_told_as_one_over_every_input) {
  Fabrication what = small();
  what.change_json = [](json& c) { c["layers"][0]["domain"] = "vocabulary"; };
  EXPECT_THAT(theorem_sentences(record_of(what))[1].text,
              HasSubstr("every real input sequence (layer 0: every sequence of the model's tokens)"));
}

TEST(ReportPage, several_certificates_open_with_a_comparison) {
  Fabrication second = small();
  second.kind = "mamba2";
  second.trajectory = false;
  const std::string text = shown(render_report({record_of(small(), "first"), record_of(second, "second")}));
  EXPECT_THAT(text, AllOf(HasSubstr("Stability of 2 models"), HasSubstr("<a href=\"#record-0\">first</a>"),
                          HasSubstr("<a href=\"#record-1\">second</a>"), HasSubstr("id=\"record-1\"")));
}

TEST(ReportPage, sixty_four_layers_of_5120_channels_stay_below_three_megabytes_and_get_a_selector) {
  Fabrication what;
  what.layers = 64;
  what.channels = 5120;
  what.states = 4;
  const std::string page = render_report({record_of(what)});
  EXPECT_LT(page.size(), 3'000'000u);
  EXPECT_THAT(page, AllOf(HasSubstr("class=\"selector\""), HasSubstr("Each point stands for 20 neighbouring channels"),
                          HasSubstr("All 64 layers as a table")));
}

}  // namespace
}  // namespace lyap
