#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/reports/fabricated_certificate.hpp"
#include "tests/reports/temporary_folder.hpp"

namespace lyap {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

struct Outcome {
  int code = -1;
  std::string text;  ///< stdout and stderr together
};

Outcome run(const std::string& arguments) {
  FILE* const pipe = popen((std::string(LYAP_REPORT_PROGRAM) + " " + arguments + " 2>&1").c_str(), "r");
  Outcome outcome;
  char buffer[4096];
  while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) outcome.text += buffer;
  const int status = pclose(pipe);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

std::string content(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

class ReportProgramTest : public ::testing::Test {
 protected:
  std::string fabricate(const std::string& name) {
    lyap::testing::Fabrication what;
    what.layers = 1;
    what.channels = 8;
    return lyap::testing::fabricate_certificate(folder_.path(), name, what).string();
  }
  lyap::testing::TemporaryFolder folder_;
};

TEST_F(ReportProgramTest, writes_the_page_beside_the_first_certificate_by_default) {
  const std::string first = fabricate("first"), second = fabricate("second");
  const Outcome outcome = run(first + " " + second);
  EXPECT_EQ(outcome.code, 0) << outcome.text;
  EXPECT_THAT(content(folder_.path() / "first.html"), HasSubstr("Stability of 2 models"));
}

TEST_F(ReportProgramTest, writes_where_out_says) {
  EXPECT_EQ(run(fabricate("first") + " --out " + (folder_.path() / "page.html").string()).code, 0);
  EXPECT_THAT(content(folder_.path() / "page.html"), HasSubstr("<!DOCTYPE html>"));
}

TEST_F(ReportProgramTest, bad_input_is_one_line_and_65_and_leaves_the_old_page_whole) {
  std::ofstream(folder_.path() / "bad.html") << "old page";
  std::ofstream(folder_.path() / "bad.json") << "{\"schema_version\": 1, \"claims\": [}";
  const Outcome outcome = run((folder_.path() / "bad.json").string());
  EXPECT_EQ(outcome.code, 65);
  EXPECT_THAT(outcome.text, HasSubstr("bad.json"));
  EXPECT_EQ(std::count(outcome.text.begin(), outcome.text.end(), '\n'), 1) << outcome.text;
  EXPECT_EQ(content(folder_.path() / "bad.html"), "old page");
}

TEST_F(ReportProgramTest, a_page_that_cannot_be_written_is_70) {
  const Outcome outcome = run(fabricate("first") + " --out " + (folder_.path() / "missing" / "page.html").string());
  EXPECT_EQ(outcome.code, 70) << outcome.text;
  EXPECT_EQ(std::count(outcome.text.begin(), outcome.text.end(), '\n'), 1) << outcome.text;
}

TEST_F(ReportProgramTest, a_page_that_would_replace_a_certificate_is_a_usage_error) {
  const std::string first = fabricate("first");
  const std::string before = content(first);
  EXPECT_EQ(run(first + " --out " + first).code, 2);
  EXPECT_EQ(content(first), before);
}

TEST_F(ReportProgramTest, usage_errors_are_2_and_help_has_an_example) {
  EXPECT_EQ(run("").code, 2);
  EXPECT_EQ(run("--nonsense").code, 2);
  const Outcome help = run("--help");
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.text, AllOf(HasSubstr("Example"), HasSubstr("--out")));
}

}  // namespace
}  // namespace lyap
