#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "tests/check/forged_certificate.hpp"
#include "tests/verify/program_run.hpp"

// lyap-check-native as it is run: exit codes, output.
namespace lyap::check {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const fs::path kModel = fs::path(LYAP_SOURCE_DIR) / "tests/data/fixtures/mamba2";

ProgramResult check(const std::vector<std::string>& arguments) {
  return run_program_of_build("lyap-check-native", arguments);
}

TEST(CheckProgram, AcceptsAndRejects) {
  const TestFolder folder;
  const fs::path certificate = certified(folder.path(), kModel, {});
  const ProgramResult accepted = check({certificate.string(), kModel.string()});
  EXPECT_EQ(accepted.exit_code, 0) << accepted.out << accepted.err;
  EXPECT_THAT(accepted.out, HasSubstr("accepted"));
  EXPECT_THAT(accepted.err, IsEmpty());
  const ProgramResult as_json = check({certificate.string(), kModel.string(), "--json"});
  EXPECT_EQ(as_json.exit_code, 0);
  const json verdict = json::parse(as_json.out);
  EXPECT_TRUE(verdict["accepted"]);
  for (const json& claim : verdict["claims"]) EXPECT_TRUE(claim["checked"]) << claim;

  ForgedCertificate forged(certificate);
  forged.forge(0, "zeta.upper", 0, -1.0);
  const fs::path bad = forged.write(folder.path());
  const ProgramResult rejected = check({bad.string(), kModel.string()});
  EXPECT_EQ(rejected.exit_code, 1);
  EXPECT_THAT(rejected.out, HasSubstr("rejected: layer 0: zeta.upper, channel 0"));
  EXPECT_FALSE(json::parse(check({bad.string(), kModel.string(), "--json"}).out)["accepted"]);
}

TEST(CheckProgram, IsAVerbOfTheFrontProgram) {
  const TestFolder folder;
  const std::string certificate = certified(folder.path(), kModel, {}).string();
  EXPECT_EQ(run_program_of_build("lyap", {"check", certificate, kModel.string(), "--engine", "native"}).exit_code, 0);
  EXPECT_EQ(run_program_of_build("lyap", {"check", "--engine=native", certificate, kModel.string()}).exit_code, 0);
  EXPECT_EQ(run_program_of_build("lyap", {"check", certificate, kModel.string(), "--engine", "other"}).exit_code, 2);
  EXPECT_THAT(run_program_of_build("lyap", {"check", "--help"}).out, HasSubstr("--engine"));
}

TEST(CheckProgram, ExitCodesAndOneLine) {
  const TestFolder folder;
  const auto expect_one_line = [](const ProgramResult& result, int code) {
    EXPECT_EQ(result.exit_code, code) << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_THAT(result.out, IsEmpty());
  };
  expect_one_line(check({}), 2);
  expect_one_line(check({"a.json", "model", "--layers", "3-1"}), 2);
  expect_one_line(check({(folder.path() / "absent.json").string(), kModel.string()}), 65);
  std::ofstream(folder.path() / "c.json") << "no JSON";
  expect_one_line(check({(folder.path() / "c.json").string(), kModel.string()}), 65);
  const fs::path certificate = certified(folder.path(), kModel, {});
  expect_one_line(check({certificate.string(), (folder.path() / "no-model").string()}), 65);
  EXPECT_EQ(check({"--help"}).exit_code, 0);
}

}  // namespace
}  // namespace lyap::check
