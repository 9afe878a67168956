#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>

#include "numerics/contract_violation.hpp"
#include "numerics/decimal_text.hpp"
#include "tests/verify/json_schema.hpp"
#include "tests/verify/sample_certificate.hpp"
#include "verify/certify/bound_text.hpp"
#include "verify/certify/certificate_json.hpp"

namespace lyap {
namespace {

using nlohmann::json;

json sample_json() { return json::parse(certificate_json(sample_certificate())); }

TEST(CertificateJson, SatisfiesThePublishedSchemaAndUsesNoNameThatItDoesNotList) {
  EXPECT_EQ(schema_violation(certificate_schema(), sample_json(), true), "");
}

TEST(CertificateJson, TheSchemaRefusesCertificatesThatAreNone) {
  const std::vector<std::function<void(json&)>> faults{
      [](json& j) { j.erase("not_covered"); },
      [](json& j) { j["schema_version"] = 2; },
      [](json& j) { j["verdict"] = "stable"; },
      [](json& j) { j["claims"] = json::array(); },
      [](json& j) { j["claims"][0]["soundness"] = "APPROXIMATE"; },
      [](json& j) { j["claims"][0]["layer"] = -1; },
      [](json& j) { j["layers"][0]["zeta"]["upper"] = -1.5e-9; },
      [](json& j) { j["layers"][0]["zeta"]["upper"]["hex"] = "nan"; },
      [](json& j) { j["layers"][0]["zeta"]["upper"]["decimal"] = "nan"; },
      [](json& j) { j["layers"][0]["relaxation_wins"]["magic"] = 3; },
      [](json& j) { j["model"]["files"][0]["sha256"] = "abc"; },
      [](json& j) { j["arrays"].erase("sha256"); },
      [](json& j) { j["tool"]["rounding_self_test"] = "failed"; },
  };
  for (std::size_t i = 0; i < faults.size(); ++i) {
    json spoiled = sample_json();
    faults[i](spoiled);
    EXPECT_NE(schema_violation(certificate_schema(), spoiled, false), "") << "fault " << i;
  }
}

TEST(CertificateJson, MembersThatComeLaterDoNotMakeItInvalidForOldReaders) {
  json later = sample_json();
  later["pair"] = "something new";
  EXPECT_EQ(schema_violation(certificate_schema(), later, false), "");
}

TEST(CertificateJson, EveryDecimalIsOnTheSafeSide) { EXPECT_EQ(decimal_violation(sample_json()), ""); }

TEST(CertificateJson, ADecimalRoundedToNearestIsNoticed) {
  json spoiled = sample_json();
  spoiled["layers"][0]["zeta"]["upper"] = {{"hex", "-0x1p-30"}, {"decimal", "-9.32e-10"}};  // below -9.3132e-10
  EXPECT_NE(decimal_violation(spoiled), "");
  spoiled = sample_json();
  spoiled["layers"][0]["zeta"]["witness"] = {{"hex", "-0x1p-30"}, {"decimal", "-9.31e-10"}};  // above
  EXPECT_NE(decimal_violation(spoiled), "");
}

TEST(CertificateJson, LayersCarryTheExactLargestRateAndItsWitness) {
  const json layer = sample_json()["layers"][0];
  EXPECT_EQ(layer["zeta"]["upper"]["hex"], "-0x1p-30");
  EXPECT_EQ(layer["zeta"]["witness"]["hex"], "-0x1p-24");
  EXPECT_EQ(layer["exponent"]["upper"]["hex"], "-0x1.8p-30");
  EXPECT_EQ(layer["relaxation_wins"], (json{{"linear", 2}, {"vocabulary", 1}}));
  EXPECT_EQ(layer["trajectory"]["steps"], 5);
  EXPECT_TRUE(sample_json()["layers"][1]["trajectory"].is_null());
}

TEST(CertificateJson, ARateWithoutASearchHasANullWitness) {
  Certificate certificate = sample_certificate();
  certificate.layers[0].universal->zeta.witness.reset();
  EXPECT_TRUE(json::parse(certificate_json(certificate))["layers"][0]["zeta"]["witness"].is_null());
}

TEST(CertificateJson, TheVerdictJoinsClaimsAndRequirements) {
  Certificate certificate = sample_certificate();
  EXPECT_EQ(overall_verdict(certificate), Verdict::kProven);
  certificate.claims[3].verdict = Verdict::kUndecided;
  EXPECT_EQ(overall_verdict(certificate), Verdict::kUndecided);
  EXPECT_EQ(undecided_sentences(certificate).size(), 1u);
  certificate.fail_on.push_back(judge(parse_fail_on("zeta>=-1")[0], {-0x1p-30, 0, -0x1p-24}));
  EXPECT_EQ(overall_verdict(certificate), Verdict::kRefuted);
  EXPECT_EQ(schema_violation(certificate_schema(), json::parse(certificate_json(certificate)), true), "");
}

TEST(BoundText, DecimalsAreOutwardForRandomNumbersOfEverySize) {
  std::mt19937_64 bits(20270115);
  for (int i = 0; i < 20000; ++i) {
    const std::uint64_t pattern = bits();
    double value = 0.0;
    std::memcpy(&value, &pattern, sizeof value);
    if (!std::isfinite(value)) continue;
    for (const std::string& up : {upper_bound_text(value).decimal, short_upper_decimal(value)})
      ASSERT_GE(double_from_decimal(up, Direction::kDown), value) << up;
    for (const std::string& down : {lower_bound_text(value).decimal, short_lower_decimal(value)})
      ASSERT_LE(double_from_decimal(down, Direction::kUp), value) << down;
    ASSERT_EQ(std::strtod(upper_bound_text(value).hex.c_str(), nullptr), value);
  }
}

TEST(BoundText, ZeroIsZeroInfinityIsInfiniteAndNaNIsRefused) {
  EXPECT_EQ(upper_bound_text(0.0).decimal, "0");
  EXPECT_EQ(upper_bound_text(-0.0).hex, "0x0p+0");
  EXPECT_EQ(upper_bound_text(std::numeric_limits<double>::infinity()).decimal, "inf");
  EXPECT_EQ(lower_bound_text(-std::numeric_limits<double>::infinity()).hex, "-inf");
  EXPECT_THROW((void)upper_bound_text(std::nan("")), ContractViolation);
}

}  // namespace
}  // namespace lyap
