#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/verify/program_run.hpp"

namespace lyap {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Front, HelpListsTheVerbsThatExistBesideItAndNamesTheOthers) {
  const ProgramResult result = run_program_of_build("lyap", {"--help"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, HasSubstr("\n  certify "));
  EXPECT_THAT(result.out, HasSubstr("Example:\n  lyap certify"));
  if (!fs::exists(fs::path(LYAP_PROGRAM_DIR) / "lyap-train")) {
    EXPECT_THAT(result.out, Not(HasSubstr("\n  train ")));
    EXPECT_THAT(result.out, HasSubstr("Not in this build: "));
  }
  EXPECT_EQ(result.err, "");
}

TEST(Front, WithoutAVerbItIsAUsageError) {
  const ProgramResult result = run_program_of_build("lyap", {});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.out, "");
}

TEST(Front, AnUnknownVerbGetsASuggestion) {
  const ProgramResult result = run_program_of_build("lyap", {"certifi", "x"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("did you mean 'certify'?"));
  const ProgramResult far = run_program_of_build("lyap", {"dance"});
  EXPECT_EQ(far.exit_code, 2);
  EXPECT_THAT(far.err, Not(HasSubstr("did you mean")));
  EXPECT_EQ(run_program_of_build("lyap", {"../bin/lyap"}).exit_code, 2);
  EXPECT_EQ(run_program_of_build("lyap", {"--frobnicate"}).exit_code, 2);
}

TEST(Front, AVerbOfTheProductThatThisBuildLacksIsCalledSo) {
  const TestFolder folder;
  fs::copy(fs::path(LYAP_PROGRAM_DIR) / "lyap", folder.path() / "lyap");
  const ProgramResult result = run_program_of_build((folder.path() / "lyap").string(), {"train"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("this build does not have it"));
}

TEST(Front, ItIsFoundThroughALinkFromElsewhere) {
  const TestFolder folder;
  fs::create_symlink(fs::path(LYAP_PROGRAM_DIR) / "lyap", folder.path() / "lyap");
  EXPECT_EQ(run_program_of_build((folder.path() / "lyap").string(), {"certify", "--help"}).exit_code, 0);
}

TEST(Front, VersionsAgree) {
  const std::string front = run_program_of_build("lyap", {"--version"}).out;
  const std::string certify = run_program_of_build("lyap", {"certify", "--version"}).out;
  EXPECT_EQ(front.substr(0, 5), "lyap ");
  EXPECT_EQ(certify, "lyap certify " + front.substr(5));
}

TEST(Front, EachVerbExplainsItselfWithAnExample) {
  for (const char* verb : {"certify", "report"}) {
    if (!fs::exists(fs::path(LYAP_PROGRAM_DIR) / (std::string("lyap-") + verb))) continue;
    const ProgramResult result = run_program_of_build("lyap", {verb, "--help"});
    EXPECT_EQ(result.exit_code, 0) << verb;
    EXPECT_THAT(result.out, HasSubstr(std::string("lyap ") + verb)) << verb;
    EXPECT_THAT(result.out, ::testing::ContainsRegex("Example")) << verb;
  }
}

}  // namespace
}  // namespace lyap
