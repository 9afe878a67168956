#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "tests/check/forged_certificate.hpp"
#include "tests/verify/program_run.hpp"
#include "verify/check/check_certificate.hpp"

// Honest certificates are accepted, and what they claim for every input is derived anew.
namespace lyap::check {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const fs::path kSource = LYAP_SOURCE_DIR;
const std::string kTokens = "5 17 3 80 41 2 9 33 60 12 7 7 7 1 90 55 23 4 68 11";

std::vector<std::string> not_checked(const Findings& findings, const std::string& tier) {
  std::vector<std::string> names;
  for (const ClaimStanding& claim : findings.claims) {
    if (!claim.checked && claim.name.find(tier + " tier") != std::string::npos) names.push_back(claim.name);
  }
  return names;
}

class EveryModel : public ::testing::TestWithParam<std::string> {};

TEST_P(EveryModel, FastCertificatesAreDerivedWhole) {
  const TestFolder folder;
  const fs::path model = kSource / GetParam();
  const Findings findings = check_certificate({certified(folder.path(), model, {"--effort", "fast"}), model, {}});
  EXPECT_THAT(findings.rejections, IsEmpty());
  EXPECT_THAT(not_checked(findings, "universal"), IsEmpty());
  EXPECT_THAT(findings.unchecked_arrays, IsEmpty());
  EXPECT_GT(findings.layers_derived, 0u);
}

INSTANTIATE_TEST_SUITE_P(Models, EveryModel,
                         ::testing::Values("verify/examples/mamba-tiny", "verify/examples/mamba2-tiny",
                                           "tests/data/fixtures/mamba", "tests/data/fixtures/mamba-bf16",
                                           "tests/data/fixtures/mamba-bin", "tests/data/fixtures/mamba-fp16",
                                           "tests/data/fixtures/mamba-original", "tests/data/fixtures/mamba-sharded",
                                           "tests/data/fixtures/mamba-untied",
                                           "tests/data/fixtures/mamba-untied-original", "tests/data/fixtures/mamba2",
                                           "tests/data/fixtures/mamba2-bf16", "tests/data/fixtures/mamba2-bin",
                                           "tests/data/fixtures/mamba2-codestral", "tests/data/fixtures/mamba2-fp16",
                                           "tests/data/fixtures/mamba2-limit", "tests/data/fixtures/mamba2-original",
                                           "tests/data/fixtures/mamba2-sharded"),
                         [](const ::testing::TestParamInfo<std::string>& information) {
                           std::string name = fs::path(information.param).filename().string();
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(AcceptedCertificates, RefinedBoundsAreNamedAsNotChecked) {
  const TestFolder folder;
  const fs::path model = kSource / "tests/data/fixtures/mamba";
  const Findings findings = check_certificate({certified(folder.path(), model, {"--effort", "thorough"}), model, {}});
  EXPECT_THAT(findings.rejections, IsEmpty());
  ASSERT_FALSE(findings.unchecked_arrays.empty());
  EXPECT_THAT(findings.unchecked_arrays[0].reason, HasSubstr("quadratic"));
  EXPECT_FALSE(not_checked(findings, "universal").empty());
}

TEST(AcceptedCertificates, TrajectoriesAndPoliciesAreNamedAsNotChecked) {
  const TestFolder folder;
  std::ofstream(folder.path() / "tokens.txt") << kTokens;
  for (const char* name : {"mamba", "mamba2"}) {
    const fs::path model = kSource / "tests/data/fixtures" / name;
    const fs::path certificate = certified(folder.path(), model,
                                           {"--effort", "fast", "--tokens", (folder.path() / "tokens.txt").string(),
                                            "--policy", "amp-bf16", "--save-outputs"});
    const Findings findings = check_certificate({certificate, model, {}});
    EXPECT_THAT(findings.rejections, IsEmpty());
    EXPECT_FALSE(not_checked(findings, "trajectory").empty());
  }
}

TEST(AcceptedCertificates, LayersThatWereLeftOutAreNamed) {
  const TestFolder folder;
  const fs::path model = kSource / "tests/data/fixtures/mamba2";
  const fs::path certificate = certified(folder.path(), model, {});
  const Findings findings = check_certificate({certificate, model, std::pair<std::size_t, std::size_t>{0, 0}});
  EXPECT_THAT(findings.rejections, IsEmpty());
  EXPECT_EQ(findings.layers_derived, 1u);
  EXPECT_FALSE(not_checked(findings, "universal").empty());
}

}  // namespace
}  // namespace lyap::check
