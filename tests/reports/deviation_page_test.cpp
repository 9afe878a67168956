#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "reports/deviation_pictures.hpp"
#include "reports/deviation_sentences.hpp"
#include "reports/number_text.hpp"
#include "reports/report_page.hpp"
#include "tests/reports/fabricated_certificate.hpp"
#include "tests/reports/temporary_folder.hpp"

namespace lyap {
namespace {

using lyap::testing::Fabrication;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

CertificateRecord record_of(const Fabrication& what) {
  const lyap::testing::TemporaryFolder folder;
  return read_certificate(lyap::testing::fabricate_certificate(folder.path(), "model", what));
}

Fabrication small() {
  Fabrication what;
  what.layers = 3;
  what.channels = 8;
  what.states = 4;
  what.deviations.emplace();
  what.deviations->policies = {"amp-bf16"};
  return what;
}

DeviationSentence sentence_of(const Fabrication& what, std::size_t group = 0) {
  const CertificateRecord record = record_of(what);
  return deviation_sentence(deviation_groups(record).at(group));
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t result = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++result;
  return result;
}

std::string without_scripts(std::string text) {
  for (const std::string element : {"script", "style"}) {
    const std::string close = "</" + element + ">";
    for (std::size_t begin = text.find("<" + element); begin != std::string::npos;
         begin = text.find("<" + element, begin))
      text.erase(begin, text.find(close, begin) + close.size() - begin);
  }
  return text;
}

TEST(RelativeText, is_percent_below_one_and_a_multiple_from_there_and_rounded_up) {
  EXPECT_EQ(relative_text(0.009711), "0.972\u00a0%");
  EXPECT_EQ(relative_text(0.25), "25\u00a0%");
  EXPECT_EQ(relative_text(0.99999), "100\u00a0%");
  EXPECT_EQ(relative_text(1), "1\u00a0times");
  EXPECT_EQ(relative_text(15.26), "15.3\u00a0times");
  EXPECT_EQ(relative_text(0), "0");
  EXPECT_EQ(relative_text(1e-9), "1.01\u00a0×\u00a010⁻⁷\u00a0%");
  EXPECT_EQ(relative_text(INFINITY), "∞\u00a0times");
}

TEST(DeviationSentences, a_policy_that_is_informative_everywhere_says_when_to_use_it) {
  const DeviationSentence sentence = sentence_of(small());
  EXPECT_EQ(sentence.informative, Informative::kEverywhere);
  EXPECT_EQ(sentence.action,
            "Run every layer in amp-bf16 if your program rounds exactly where the policy says and a change of at most "
            "1.19\u00a0% of a typical state and 1.55\u00a0% of a typical scan output is acceptable.");
  EXPECT_EQ(sentence.basis,
            "Proved on the given 2048 steps, with the same input to the layer, by interval run: at least half of the "
            "states and outputs of a layer never move further than this share of their largest size (most: layer 2). "
            "Measured: 0.72\u00a0% (states) and 0.72\u00a0% (scan outputs).");
  EXPECT_THAT(sentence.description, ::testing::Eq("summary of amp-bf16, weights stored in float32"));
}

TEST(DeviationSentences, a_layer_without_an_informative_bound_is_named) {
  Fabrication what = small();
  what.deviations->vacuous_layers = {1};
  const DeviationSentence sentence = sentence_of(what);
  EXPECT_EQ(sentence.informative, Informative::kInPart);
  EXPECT_THAT(sentence.action, AllOf(HasSubstr("Run layers 0 and 2 in amp-bf16 if"),
                                     HasSubstr("for layer 1 the bounds decide nothing")));
  EXPECT_THAT(sentence.basis, HasSubstr("Layer 1: go by what was measured on this sequence (0.661\u00a0% of a typical "
                                        "state), or certify recorded scan inputs (--trace)."));
}

TEST(DeviationSentences, bounds_that_decide_nothing_are_not_told_as_a_finding_about_the_model) {
  Fabrication what = small();
  what.deviations->looseness = 1e5;
  const DeviationSentence sentence = sentence_of(what);
  EXPECT_EQ(sentence.informative, Informative::kNowhere);
  EXPECT_THAT(sentence.action, AllOf(HasSubstr("Do not decide about amp-bf16 by these bounds"),
                                     HasSubstr("0.72\u00a0%"), Not(HasSubstr("acceptable"))));
  what.deviations->measured = false;
  EXPECT_THAT(sentence_of(what).action, Not(HasSubstr("measured")));
  what.deviations->methods = {"a-priori"};
  EXPECT_THAT(sentence_of(what).action, HasSubstr("--method interval-run"));
}

TEST(DeviationSentences, without_a_sequence_a_bound_for_every_input_is_read_against_the_states_bound) {
  Fabrication what = small();
  what.kind = "mamba2";
  what.deviations->methods = {};
  EXPECT_THAT(sentence_of(what).action,
              AllOf(HasSubstr("whatever the input"), HasSubstr("of what a typical state can reach"),
                    Not(HasSubstr("measured"))));
  what.kind = "mamba1";
  EXPECT_THAT(sentence_of(what).action, HasSubstr("ask for bounds on a sequence"));
}

TEST(DeviationSentences, an_interval_run_always_names_its_condition) {
  Fabrication what = small();
  EXPECT_THAT(sentence_of(what).action, HasSubstr("if your program rounds exactly where the policy says"));
  what.deviations->methods = {"a-priori"};
  EXPECT_THAT(sentence_of(what).action, Not(HasSubstr("your program")));
}

TEST(DeviationSentences, a_pair_names_both_questions_and_the_tensor_that_matters_most) {
  Fabrication what = small();
  what.deviations->policies = {};
  what.deviations->pair = true;
  what.deviations->pair_policy = "amp-bf16";
  const DeviationSentence sentence = sentence_of(what);
  EXPECT_EQ(sentence.title, "The other checkpoint tuned");
  EXPECT_THAT(sentence.action, AllOf(HasSubstr("Expect the other checkpoint tuned to change every layer by at most"),
                                     HasSubstr("the largest part comes from x_proj (layer 2)")));
  EXPECT_THAT(sentence.notes, ::testing::Contains(HasSubstr("Own input")));
  EXPECT_EQ(sentence_of(what, 1).title, "The other checkpoint tuned, in amp-bf16");
}

TEST(DeviationSentences, an_adapter_is_named_with_its_targets_and_ranks) {
  Fabrication what = small();
  what.deviations->policies = {};
  what.deviations->adapter = true;
  const DeviationSentence sentence = sentence_of(what);
  EXPECT_EQ(sentence.title, "The adapter my-lora");
  EXPECT_EQ(sentence.description, "LoRA, merged, on in_proj, x_proj, rank 8; both in exact arithmetic");
  EXPECT_THAT(render_report({record_of(what)}), HasSubstr("my-lora/adapter_model.safetensors"));
}

TEST(DeviationSentences, a_stored_type_that_may_lose_contraction_is_named) {
  Fabrication what = small();
  EXPECT_THAT(sentence_of(what).notes, Not(::testing::Contains(HasSubstr("Contraction may be lost"))));
  what.change_json = [](json& c) { c["layers"][1]["policies"][0]["lost_contraction"][2]["stored_so"] = true; };
  EXPECT_THAT(sentence_of(what).notes, ::testing::Contains(HasSubstr("kept in bfloat16, and in 1 layer some decay")));
}

TEST(DeviationSentences, both_parts_are_named_and_only_the_initial_one_decays) {
  Fabrication what = small();
  EXPECT_THAT(sentence_of(what).notes.back(),
              AllOf(HasSubstr("initial part"), HasSubstr("is 0"), HasSubstr("staying part")));
  what.deviations->initial = true;
  EXPECT_THAT(sentence_of(what).notes.back(), AllOf(HasSubstr("that initial part decays"), HasSubstr("staying part")));
}

TEST(DeviationSentences, possible_overflow_names_tensor_and_channel) {
  Fabrication what = small();
  what.deviations->policies = {"amp-fp16"};
  what.deviations->overflow = true;
  const DeviationSentence sentence = sentence_of(what);
  ASSERT_EQ(sentence.findings.size(), 6u);
  EXPECT_EQ(sentence.findings[0],
            "layer 0, in_proj output: 4 channels, the first is 17, up to 7.13\u00a0×\u00a010⁴ where float16 ends at "
            "65,504, by a-priori.");
  EXPECT_THAT(sentence.findings[1], HasSubstr("x_proj output: channel 17,"));
  EXPECT_THAT(render_report({record_of(what)}),
              AllOf(HasSubstr("Check possible overflow first."), HasSubstr("6 places, such as layer 0, in_proj")));
}

TEST(DeviationPictures, a_picture_has_every_method_once_and_measured_values_and_sizes_once) {
  const CertificateRecord record = record_of(small());
  const std::vector<DeviationGroup> groups = deviation_groups(record);
  const EnvelopePicture picture = draw_envelope(groups[0].layers[1]);
  ASSERT_EQ(picture.curves.size(), 3u + 1u + 1u);
  EXPECT_EQ(picture.curves[0].name, "bound: interval run");
  EXPECT_EQ(picture.curves[3].name, "measured");
  EXPECT_EQ(picture.curves[4].name, "size of the state |h|");
  EXPECT_EQ(picture.spans.size(), 1u);
  const std::vector<RecordedEnvelopePoint>& points = record.layers[1].deviations[0].envelope;
  for (std::size_t i = 0; i < points.size(); ++i) {
    EXPECT_GE(picture.curves[0].log10_value[i], std::log10(points[i].bound));
    EXPECT_LE(picture.curves[0].log10_value[i], std::log10(points[i].bound) + 0.0011);
    EXPECT_GE(picture.curves[0].log10_value[i], picture.curves[3].log10_value[i]);
    EXPECT_LE(picture.curves[4].log10_value[i], std::log10(points[i].size));
  }
}

TEST(DeviationPictures, zeros_and_infinities_leave_gaps) {
  Fabrication what = small();
  what.change_json = [](json& c) {
    json& points = c["layers"][0]["policies"][0]["envelope"];
    points[0]["bound"] = lyap::testing::stated(0.0), points[0]["measured"] = 0.0, points[0]["size"] = 0.0;
    points[1]["bound"] = {{"hex", "inf"}, {"decimal", "inf"}};
  };
  const CertificateRecord record = record_of(what);
  const EnvelopePicture picture = draw_envelope(deviation_groups(record)[0].layers[0]);
  EXPECT_TRUE(picture.has_zero);
  EXPECT_TRUE(std::isnan(picture.curves[0].log10_value[0]) && std::isnan(picture.curves[0].log10_value[1]));
  EXPECT_THAT(render_report({record}), HasSubstr("Zeros are not drawn."));
  const std::string drawn = envelope_json(record);
  EXPECT_THAT(drawn, HasSubstr("\"values\":[null,null,"));
  EXPECT_THAT(drawn, AllOf(Not(HasSubstr("nan")), Not(HasSubstr("inf"))));
}

TEST(DeviationPage, opens_with_what_was_compared_and_what_to_do) {
  Fabrication what = small();
  what.deviations->policies = {"amp-bf16", "amp-fp16"};
  what.deviations->pair = true;
  const std::string text = without_scripts(render_report({record_of(what)}));
  std::size_t last = 0;
  for (const char* part :
       {"<p class=\"word\">", "What was compared, and what to do", "<a href=\"#deviation-0-0\">amp-bf16</a>",
        "Run every layer in amp-bf16 if", "<a href=\"#deviation-0-2\">The other checkpoint tuned</a>",
        "What is proved about this model", "How far other precision or other weights move a layer",
        "id=\"deviation-0-0\"", "data-kind=\"envelope\"", "Where contraction is lost", "id=\"deviation-0-2\"",
        "Where the deviation of layer 0 comes from", "What is not covered"}) {
    const std::size_t at = text.find(part, last);
    ASSERT_NE(at, std::string::npos) << part;
    last = at;
  }
  EXPECT_EQ(count(text, "data-kind=\"envelope\""), 3u * 3u);
  EXPECT_EQ(count(text, "<canvas"), count(text, "role=\"img\" aria-label=\""));
}

TEST(DeviationPage, greys_and_names_what_is_not_informative) {
  Fabrication what = small();
  what.deviations->methods = {"a-priori"};
  what.deviations->universal = false;
  const std::string good = without_scripts(render_report({record_of(what)}));
  EXPECT_EQ(count(good, "class=\"vacuous\""), 3u);  // o of the a-priori bound
  what.deviations->vacuous_layers = {2};
  const std::string text = without_scripts(render_report({record_of(what)}));
  EXPECT_EQ(count(text, "class=\"vacuous\""), 2u + 3u + 1u);
  EXPECT_THAT(text, HasSubstr("504\u00a0times, not informative"));
  EXPECT_THAT(text, HasSubstr("class=\"layer chosen\" data-place=\"2\""));
}

TEST(DeviationPage, a_certificate_that_compares_nothing_says_nothing_of_it) {
  Fabrication what = small();
  what.deviations.reset();
  const std::string text = without_scripts(render_report({record_of(what)}));
  EXPECT_THAT(text,
              AllOf(Not(HasSubstr("What was compared")), Not(HasSubstr("informative")), Not(HasSubstr("envelope"))));
}

TEST(DeviationPage, types_that_a_policy_does_not_store_are_told_apart) {
  const std::string text = without_scripts(render_report({record_of(small())}));
  EXPECT_THAT(text, AllOf(HasSubstr("Decay and state are kept in float32 here"), HasSubstr("5628 of 18432"),
                          HasSubstr("<dt>Programs</dt>"), HasSubstr("class=\"aside\"")));
}

TEST(DeviationPage, three_policies_by_four_methods_on_sixty_four_layers_stay_below_seven_megabytes) {
  Fabrication what = small();
  what.layers = 64;
  what.deviations->policies = {"tf32", "amp-bf16", "amp-fp16"};
  what.deviations->methods = {"interval-run", "trace", "a-priori", "kappa"};
  const std::string page = render_report({record_of(what)});
  EXPECT_LT(page.size(), 7'000'000u);
  EXPECT_THAT(page, HasSubstr("All 64 layers as a table"));
}

TEST(DeviationPage, texts_from_the_certificate_cannot_become_markup_or_script) {
  const std::string attack = "</script><script>alert(1)</script><img src=x onerror=\"alert(2)\">{{{page_script}}}";
  Fabrication what = small();
  what.deviations->pair = true;
  what.deviations->overflow = true;
  what.deviations->policies = {"amp-fp16"};
  const std::string plain = render_report({record_of(what)});
  what.change_json = [&](json& c) {
    for (json& item : c["layers"][0]["policies"]) item["policy"] = attack;
    c["layers"][1]["policies"][1]["may_overflow"][0]["tensor"] = attack;
    c["layers"][1]["policies"][1]["may_overflow"][0]["type"] = attack;
    c["layers"][0]["policies"][0]["lost_contraction"][0]["type"] = attack;
    c["layers"][0]["pairs"][0]["attribution"][0]["tensor"] = attack;
  };
  const std::string page = render_report({record_of(what)});
  EXPECT_EQ(count(page, "<script"), count(plain, "<script"));
  EXPECT_EQ(count(page, "</script"), count(plain, "</script"));
  EXPECT_EQ(count(page, "<img"), 0u);
}

}  // namespace
}  // namespace lyap
