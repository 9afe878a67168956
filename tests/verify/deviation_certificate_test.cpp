#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "numerics/contract_violation.hpp"
#include "tests/verify/json_schema.hpp"
#include "tests/verify/sample_deviations.hpp"
#include "verify/certify/certificate_json.hpp"
#include "verify/certify/deviation_claims.hpp"
#include "verify/certify/layer_arrays.hpp"

// What a certificate says of Theorems 3 and 4: claims, JSON and arrays made from fabricated bounds.
namespace lyap {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

json json_of(const Certificate& certificate) { return json::parse(certificate_json(certificate)); }

std::vector<json> claims_with(const json& certificate, const json& part) {
  std::vector<json> found;
  for (const json& claim : certificate["claims"]) {
    bool fits = true;
    for (const auto& [name, value] : part.items()) fits = fits && claim.at(name) == value;
    if (fits) found.push_back(claim);
  }
  return found;
}

json claim_with(const json& certificate, const json& part) {
  const std::vector<json> found = claims_with(certificate, part);
  EXPECT_FALSE(found.empty()) << part;
  return found.empty() ? json() : found.front();
}

TEST(DeviationCertificate, SatisfiesThePublishedSchemaAndUsesNoNameThatItDoesNotList) {
  const json c = json_of(sample_comparison_certificate());
  EXPECT_EQ(schema_violation(certificate_schema(), c, true), "");
  EXPECT_EQ(decimal_violation(c), "");
}

TEST(DeviationCertificate, TheSchemaRefusesSpoiltDeviations) {
  const std::vector<std::function<void(json&)>> faults{
      [](json& item) { item["method"] = "guess"; },
      [](json& item) { item["question"] = "both"; },
      [](json& item) { item["state_deviation"]["bound"] = 0.5; },
      [](json& item) { item["state_deviation"].erase("measured"); },
      [](json& item) { item["state_deviation"]["measured"] = "small"; },
      [](json& item) { item["state_deviation"]["informative"] = 1; },
      [](json& item) { item["steps"] = -1; },
      [](json& item) { item["envelope"][0].erase("bound"); },
      [](json& item) { item["lost_contraction"][0].erase("stored_so"); },
      [](json& item) { item.erase("may_overflow"); },
  };
  for (std::size_t i = 0; i < faults.size(); ++i) {
    json spoilt = json_of(sample_comparison_certificate());
    faults[i](spoilt["layers"][0]["policies"][1]);
    EXPECT_NE(schema_violation(certificate_schema(), spoilt, false), "") << "fault " << i;
  }
}

TEST(DeviationCertificate, LayersListPoliciesAndPairsWithExactBoundsAndPlainMeasurements) {
  const json layer = json_of(sample_comparison_certificate())["layers"][0];
  ASSERT_EQ(layer["policies"].size(), 4u);
  ASSERT_EQ(layer["pairs"].size(), 4u);
  const json& run = layer["policies"][1];
  EXPECT_EQ(run["policy"], "amp-bf16");
  EXPECT_EQ(run["method"], "interval-run");
  EXPECT_EQ(run["question"], "local");
  EXPECT_EQ(run["state_deviation"]["bound"]["hex"], "0x1p-3");
  EXPECT_EQ(run["state_deviation"]["staying"]["hex"], "0x1p-3");
  EXPECT_EQ(run["state_deviation"]["decaying"]["hex"], "0x0p+0");
  EXPECT_EQ(run["state_deviation"]["measured"], 0.0625);
  EXPECT_EQ(run["state_deviation"]["ratio_median"], 2.0);
  EXPECT_EQ(run["state_deviation"]["relative"], 0.015625);
  EXPECT_EQ(run["state_deviation"]["informative"], true);
  EXPECT_EQ(run["lost_contraction"][1]["states_ever"], 4);
  EXPECT_EQ(run["envelope"].size(), 5u);
  const json& universal = layer["policies"][0];
  EXPECT_EQ(universal["steps"], 0);
  EXPECT_EQ(universal["state_deviation"]["informative"], false);
  EXPECT_TRUE(universal["state_deviation"]["measured"].is_null());
  EXPECT_TRUE(universal["block_output_deviation"].is_null());
  EXPECT_EQ(layer["pairs"][1]["attribution"][1]["tensor"], "A_log");
  EXPECT_EQ(layer["pairs"][3]["policy"], "amp-bf16");
}

TEST(DeviationCertificate, TheSecondModelIsNamedWithItsDigests) {
  Certificate certificate = sample_comparison_certificate();
  EXPECT_EQ(json_of(certificate)["model2"]["files"][1]["sha256"], std::string(64, 'f'));
  EXPECT_TRUE(json_of(certificate)["adapter"].is_null());
  certificate.second_model->comparison = Comparison::kAdapter;
  certificate.second_model->modules = 4;
  certificate.second_model->targets = {"dt_proj"};
  certificate.second_model->ranks = {8};
  certificate.second_model->remarks = {"Attached it differs."};
  certificate.trace = FileDigest{"t.safetensors", std::string(64, '0')};
  restate(certificate);
  const json c = json_of(certificate);
  EXPECT_TRUE(c["model2"].is_null());
  EXPECT_EQ(c["adapter"]["remarks"][0], "Attached it differs.");
  EXPECT_EQ(c["trace"]["file"], "t.safetensors");
  EXPECT_EQ(schema_violation(certificate_schema(), c, true), "");
  EXPECT_THAT(c["not_covered"].dump(), AllOf(HasSubstr("Attached it differs."), HasSubstr("merged model")));
}

TEST(DeviationCertificate, BoundsOfPoliciesAreAboutDeployedProgramsThatAreDescribedAndPairsAreAboutRealOnes) {
  const json c = json_of(sample_comparison_certificate());
  const json run =
      claim_with(c, {{"comparison", "policy"}, {"method", "interval-run"}, {"quantity", "state_deviation"}});
  EXPECT_EQ(run["theorem"], "T3");
  EXPECT_EQ(run["tier"], "trajectory");
  EXPECT_EQ(run["soundness"], "DEPLOYED");
  EXPECT_EQ(run["verdict"], "proven");
  EXPECT_THAT(run["program"].get<std::string>(),
              AllOf(HasSubstr("autocast to bfloat16"), HasSubstr("in whichever order"), HasSubstr("Not modelled"),
                    HasSubstr("tensor cores")));
  EXPECT_THAT(run["domain"].get<std::string>(),
              AllOf(HasSubstr("same block inputs"), HasSubstr("5 tokens"), HasSubstr("both states start at zero")));
  EXPECT_EQ(claim_with(c, {{"method", "a-priori"}, {"quantity", "output_deviation"}})["theorem"], "T4");
  for (const json& claim : claims_with(c, {{"comparison", "pair"}, {"policy", nullptr}})) {
    EXPECT_EQ(claim["soundness"], "REAL");
    EXPECT_FALSE(claim.contains("program"));
  }
  const json own =
      claim_with(c, {{"method", "two-trajectories"}, {"quantity", "block_output_deviation"}, {"layer", 1}});
  EXPECT_THAT(own["domain"].get<std::string>(), HasSubstr("same block inputs"));
  EXPECT_THAT(claims_with(c, {{"method", "two-trajectories"}, {"quantity", "state_deviation"}, {"layer", 0}})
                  .at(1)["domain"]
                  .get<std::string>(),
              HasSubstr("float32 run of ft produced from the same tokens"));
  const json second = claim_with(c, {{"comparison", "pair"}, {"policy", "amp-bf16"}});
  EXPECT_EQ(second["soundness"], "DEPLOYED");
  EXPECT_THAT(second["statement"].get<std::string>(), HasSubstr("layer of ft"));
}

TEST(DeviationCertificate, EveryInputMeansEveryInputAndTheScansOwnToleranceIsNotInK) {
  const json c = json_of(sample_comparison_certificate());
  const json k = claim_with(c, {{"tier", "universal"}, {"method", "kappa"}, {"quantity", "state_deviation"}});
  EXPECT_THAT(k["domain"].get<std::string>(), HasSubstr("of any length"));
  EXPECT_THAT(k["formula"].get<std::string>(), HasSubstr("(1 - P_t) K"));
  EXPECT_THAT(k["program"].get<std::string>(), HasSubstr("the recurrence counts as exact"));
  EXPECT_THAT(k["statement"].get<std::string>(),
              AllOf(HasSubstr("not informative"), HasSubstr("its recurrence taken as exact")));
  const json on_sequence = claim_with(c, {{"tier", "trajectory"}, {"method", "kappa"}});
  EXPECT_THAT(on_sequence["program"].get<std::string>(),
              AllOf(HasSubstr("the scan in binary32"), Not(HasSubstr("counts as exact"))));
  EXPECT_EQ(k["verdict"], "proven");
}

TEST(DeviationCertificate, AnInfiniteBoundIsUndecidedAndNamedWithPolicyAndMethod) {
  Certificate certificate = sample_comparison_certificate();
  QuantityDeviation& output = certificate.layers[1].deviations[2].output;
  output.upper[0] = output.staying = output.relative_median = INFINITY;
  output.informative = false;
  restate(certificate);
  const json c = json_of(certificate);
  EXPECT_EQ(c["verdict"], "undecided");
  EXPECT_THAT(c["undecided"].dump(), HasSubstr("layer 1, output_deviation, amp-bf16, a-priori"));
  EXPECT_TRUE(c["layers"][1]["policies"][2]["output_deviation"]["relative"].is_null());
  EXPECT_EQ(c["layers"][1]["policies"][2]["output_deviation"]["bound"]["decimal"], "inf");
  EXPECT_EQ(schema_violation(certificate_schema(), c, true), "");
}

TEST(DeviationCertificate, APossibleOverflowIsAConditionOfTheClaimThatNamesTensorAndChannel) {
  Certificate certificate = sample_comparison_certificate();
  certificate.layers[0].deviations[1].may_overflow = {{"in_proj output", 17, 4, 71234.5, "float16"}};
  restate(certificate);
  const json claim =
      claim_with(json_of(certificate), {{"comparison", "policy"}, {"method", "interval-run"}, {"layer", 0}});
  EXPECT_THAT(claim["domain"].get<std::string>(),
              AllOf(HasSubstr("in_proj output (float16, 4 channels from channel 17"), HasSubstr("not excluded")));
  EXPECT_EQ(decimal_violation(json_of(certificate)), "");
}

TEST(DeviationCertificate, WithoutComparisonsTheoremsThreeAndFourAreSaidToBeMissing) {
  const json c = json_of(sample_certificate());
  EXPECT_THAT(c["not_covered"].dump(), HasSubstr("Theorems 3 and 4"));
  EXPECT_TRUE(c["layers"][0]["policies"].empty());
  const std::string compared = json_of(sample_comparison_certificate())["not_covered"].dump();
  EXPECT_THAT(compared, AllOf(Not(HasSubstr("are not part")), HasSubstr("lyap's own emulation"),
                              HasSubstr("does not decay to zero"), HasSubstr("logits or answers")));
}

TEST(DeviationArrays, AreNamedByPolicyAndMethodOrByThePairsQuestion) {
  std::map<std::string, NamedArray> arrays;
  const ArraySink sink = [&arrays](const NamedArray& array) {
    EXPECT_TRUE(arrays.emplace(array.name, array).second) << array.name;
  };
  const Certificate certificate = sample_comparison_certificate();
  for (const DeviationBounds& bounds : certificate.layers[0].deviations) send_arrays(bounds, 7, sink);
  for (const char* prefix :
       {"policy.amp-bf16.universal.", "policy.amp-bf16.interval-run.", "policy.amp-bf16.a-priori.",
        "policy.amp-bf16.kappa.", "pair.universal.", "pair.local.", "pair.own.", "pair.local.amp-bf16.interval-run."}) {
    const std::string name = std::string("layer.7.") + prefix;
    ASSERT_TRUE(arrays.contains(name + "state_deviation.upper")) << name;
    EXPECT_EQ(arrays.at(name + "state_deviation.upper").shape, std::vector<std::size_t>{3});
    EXPECT_TRUE(arrays.contains(name + "output_deviation.upper"));
    const bool universal = name.find("universal") != std::string::npos;
    EXPECT_EQ(arrays.contains(name + "block_output_deviation.upper"), !universal);
    if (!universal) {
      EXPECT_TRUE(arrays.at(name + "block_output_deviation.upper").shape.empty());
    }
  }
  EXPECT_EQ(arrays.size(), 22u);
}

TEST(DeviationContract, BoundsThatCannotBeACertificateAreRefused) {
  const auto refused = [](const std::function<void(DeviationBounds&)>& spoil) {
    DeviationBounds bounds = sample_deviation({});
    require_consistent(bounds);
    spoil(bounds);
    EXPECT_THROW(require_consistent(bounds), ContractViolation);
  };
  refused([](DeviationBounds& b) { b.state.upper[0] = std::nan(""); });
  refused([](DeviationBounds& b) { b.output.upper[0] = -1.0; });
  refused([](DeviationBounds& b) { b.state.measured = 1e9; });
  refused([](DeviationBounds& b) { b.state.staying = 0.0; });
  refused([](DeviationBounds& b) { b.state.informative = false; });
  refused([](DeviationBounds& b) { b.state.upper.clear(); });
  refused([](DeviationBounds& b) { b.block_output->upper[0] = std::nan(""); });
  refused([](DeviationBounds& b) { b.envelope[0].measured = 1e9; });
  refused([](DeviationBounds& b) { b.envelope.back().end = 6; });
}

}  // namespace
}  // namespace lyap
