#include "reports/deviation_record.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "reports/certificate_record.hpp"
#include "tests/reports/fabricated_certificate.hpp"
#include "tests/reports/temporary_folder.hpp"
#include "verify/checkpoint/bad_input.hpp"

namespace lyap {
namespace {

using lyap::testing::stated;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

lyap::testing::Fabrication small() {
  lyap::testing::Fabrication what;
  what.layers = 2;
  what.channels = 8;
  what.states = 4;
  what.deviations.emplace();
  what.deviations->policies = {"amp-bf16", "amp-fp16"};
  what.deviations->pair = true;
  what.deviations->pair_policy = "all-bf16";
  what.deviations->overflow = true;
  return what;
}

CertificateRecord read(const std::function<void(json& layer)>& change = {}) {
  lyap::testing::Fabrication what = small();
  if (change) what.change_json = [&](json& certificate) { change(certificate["layers"][1]); };
  const lyap::testing::TemporaryFolder folder;
  return read_certificate(lyap::testing::fabricate_certificate(folder.path(), "model", what));
}

std::string refusal(const std::function<void(json& layer)>& change) {
  try {
    (void)read(change);
  } catch (const BadInput& error) {
    return error.what();
  }
  return "accepted";
}

TEST(DeviationRecord, every_number_of_a_comparison_is_read) {
  const CertificateRecord record = read();
  const std::vector<RecordedDeviation>& list = record.layers[1].deviations;
  ASSERT_EQ(list.size(), 2u * 4u + 4u);
  const RecordedDeviation& run = list[0];
  EXPECT_EQ(run.comparison + " " + run.policy + " " + run.method + " " + run.question,
            "policy amp-bf16 interval-run local");
  EXPECT_EQ(run.steps, 2048u);
  EXPECT_GT(run.state.bound, *run.state.measured);
  EXPECT_EQ(run.state.decaying, 0.0);
  EXPECT_EQ(run.state.staying, run.state.bound);
  EXPECT_DOUBLE_EQ(run.state.relative, 0.0066 * 1.65);
  EXPECT_EQ(*run.state.ratio_p90, 2 * *run.state.ratio_median);
  EXPECT_TRUE(run.state.informative);
  EXPECT_TRUE(run.block_output.has_value());
  ASSERT_EQ(run.envelope.size(), 128u);
  EXPECT_EQ(run.envelope[1].begin, 16u);
  ASSERT_EQ(run.lost_contraction.size(), 3u);
  EXPECT_EQ(run.lost_contraction[2].ever, 1876u);
  EXPECT_FALSE(run.lost_contraction[2].stored_so);
  const RecordedDeviation& universal = list[3];
  EXPECT_EQ(universal.question, "universal");
  EXPECT_FALSE(universal.state.measured || universal.block_output || universal.state.informative);
  EXPECT_EQ(list[5].overflow.at(0).channels, 4u);
  EXPECT_EQ(list[8].comparison + " " + list[8].question, "pair local");
  EXPECT_EQ(list[8].attribution.front().tensor, "x_proj");
  EXPECT_EQ(list[11].policy, "all-bf16");
}

TEST(DeviationRecord, a_certificate_that_compares_nothing_has_none) {
  EXPECT_TRUE(
      read([](json& layer) { layer["policies"] = json::object(), layer.erase("pairs"); }).layers[1].deviations.empty());
}

TEST(DeviationRecord, a_relative_bound_that_is_not_finite_is_absent_and_not_informative) {
  const CertificateRecord record = read([](json& layer) {
    layer["policies"][0]["state_deviation"]["relative"] = nullptr;
    layer["policies"][0]["state_deviation"]["informative"] = false;
    layer["policies"][0]["state_deviation"]["bound"] = {{"hex", "inf"}, {"decimal", "inf"}};
  });
  EXPECT_TRUE(std::isinf(record.layers[1].deviations[0].state.relative));
  EXPECT_TRUE(std::isinf(record.layers[1].deviations[0].state.bound));
}

TEST(DeviationRecord, numbers_that_no_honest_certificate_has_are_refused_with_their_place) {
  EXPECT_THAT(refusal([](json& l) { l["policies"][0]["state_deviation"]["bound"] = stated(-1.0); }),
              AllOf(HasSubstr("layers[1].policies[0].state_deviation.bound"), HasSubstr("not negative")));
  EXPECT_THAT(refusal([](json& l) { l["policies"][0]["state_deviation"]["measured"] = 1e9; }),
              HasSubstr("what was measured is above its bound"));
  EXPECT_THAT(refusal([](json& l) { l["policies"][0]["output_deviation"]["informative"] = false; }),
              HasSubstr("contradicts the relative bound"));
  EXPECT_THAT(refusal([](json& l) { l["policies"][0]["output_deviation"]["relative"] = 1.0; }),
              HasSubstr("contradicts the relative bound"));
  EXPECT_THAT(refusal([](json& l) { l["policies"][0]["envelope"][3]["measured"] = 1e9; }),
              AllOf(HasSubstr("envelope[3]"), HasSubstr("above its bound")));
  EXPECT_THAT(refusal([](json& l) { l["policies"][0]["envelope"][3]["begin"] = 1; }), HasSubstr("envelope[3]"));
  EXPECT_THAT(refusal([](json& l) { l["policies"][0]["envelope"][127]["end"] = 2049; }), HasSubstr("envelope[127]"));
  EXPECT_THAT(refusal([](json& l) { l["policies"][0]["lost_contraction"][1]["states_always"] = 5000; }),
              HasSubstr("lost_contraction[1]"));
  EXPECT_THAT(refusal([](json& l) { l["policies"][3]["steps"] = 7; }), HasSubstr("universal statements"));
}

TEST(DeviationRecord, unknown_names_are_refused) {
  EXPECT_THAT(refusal([](json& l) { l["policies"][0]["method"] = "sigma"; }), HasSubstr("one of interval-run, trace"));
  EXPECT_THAT(refusal([](json& l) { l["pairs"][0]["question"] = "both"; }), HasSubstr("one of local, own, universal"));
  EXPECT_THAT(refusal([](json& l) { l["pairs"][0]["comparison"] = "none"; }), HasSubstr("one of pair, adapter"));
  EXPECT_THAT(refusal([](json& l) { l["policies"][0].erase("state_deviation"); }), HasSubstr("state_deviation"));
}

}  // namespace
}  // namespace lyap
