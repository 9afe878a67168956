#include "reports/random_blocks_record.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "reports/report_page.hpp"
#include "tests/reports/random_blocks_file.hpp"
#include "tests/reports/temporary_folder.hpp"
#include "verify/checkpoint/bad_input.hpp"

namespace lyap {
namespace {

using lyap::testing::TemporaryFolder;
using lyap::testing::write_random_blocks;
using nlohmann::json;
using ::testing::HasSubstr;

std::string refusal(const std::function<void(json&)>& change) {
  const TemporaryFolder folder;
  try {
    (void)read_random_blocks_record(write_random_blocks(folder.path() / "r.json", change));
  } catch (const BadInput& error) {
    return error.what();
  }
  return "accepted";
}

json& first_result(json& record) { return record["distributions"][0]["variants"][0]["results"][0]; }

TEST(RandomBlocksRecord, ReadsWhatCertifyWrites) {
  const TemporaryFolder folder;
  const auto path = write_random_blocks(folder.path() / "r.json");
  ASSERT_TRUE(is_random_blocks_record(path));
  const RandomBlocksRecord record = read_random_blocks_record(path);
  EXPECT_EQ(record.blocks, 3u);
  EXPECT_EQ(record.width, 4u);
  EXPECT_EQ(record.states, 2u);
  EXPECT_EQ(record.steps, 300u);
  ASSERT_EQ(record.distributions.size(), 2u);
  EXPECT_EQ(record.distributions[1].name, "normal");
  ASSERT_EQ(record.distributions[1].variants.size(), 2u);
  EXPECT_EQ(record.distributions[1].variants[1].results[1].epsilon, 0.01);
  EXPECT_EQ(record.distributions[1].variants[1].results[1].state.closed_form.size(), record.times.size());
  EXPECT_TRUE(record.distributions[1].variants[1].results[1].output.closed_form.empty());
}

TEST(RandomBlocksRecord, IsToldFromCertificatesAndFromAnythingElse) {
  const TemporaryFolder folder;
  const auto write = [&](const std::string& text) {
    std::ofstream(folder.path() / "x.json") << text;
    return folder.path() / "x.json";
  };
  EXPECT_TRUE(is_random_blocks_record(write("{ \"record\" :\n \"random-blocks\"}")));
  EXPECT_FALSE(is_random_blocks_record(write("{\"record\": \"training\"}")));
  EXPECT_FALSE(is_random_blocks_record(write("{\"name\": \"random-blocks\"}")));
  EXPECT_FALSE(is_random_blocks_record(write("\"record\"")));
  EXPECT_FALSE(is_random_blocks_record(write("")));
  EXPECT_FALSE(is_random_blocks_record(folder.path() / "absent.json"));
}

TEST(RandomBlocksRecord, RefusesEnvelopesThatAreNone) {
  EXPECT_THAT(refusal([](json& r) { first_result(r)["violations"] = 1; }), HasSubstr("violations"));
  for (const char* part : {"state", "output"}) {
    EXPECT_THAT(refusal([&](json& r) {
                  first_result(r)[part]["envelope"][0] = first_result(r)[part]["largest"][0].get<double>() * 0.99;
                }),
                HasSubstr("lies below the largest deviation"));
    EXPECT_THAT(refusal([&](json& r) {
                  first_result(r)[part]["mean_envelope"][3] = first_result(r)[part]["mean"][3].get<double>() * 0.99;
                }),
                HasSubstr("lies below the mean deviation"));
  }
  EXPECT_THAT(refusal([](json& r) {
                first_result(r)["state"]["envelope"][5] = first_result(r)["state"]["envelope"][4].get<double>() * 2;
              }),
              HasSubstr("against Theorem 1"));
}

TEST(RandomBlocksRecord, RefusesWhatIsNotWholeAndNamesThePlace) {
  EXPECT_THAT(refusal([](json& r) { first_result(r)["output"]["mean"].erase(0); }),
              HasSubstr("results[0].output.mean"));
  EXPECT_THAT(refusal([](json& r) { first_result(r)["output"]["mean"][2] = -1; }), HasSubstr("mean[2]"));
  EXPECT_THAT(refusal([](json& r) { first_result(r)["output"]["mean"][2] = nullptr; }), HasSubstr("a number"));
  EXPECT_THAT(refusal([](json& r) { r["times"][3] = 1; }), HasSubstr("times[3]"));
  EXPECT_THAT(refusal([](json& r) { r["times"][0] = 0; }), HasSubstr("times[0]"));
  EXPECT_THAT(refusal([](json& r) { r["schema_version"] = 2; }), HasSubstr("schema_version"));
  EXPECT_THAT(refusal([](json& r) { r["distributions"] = json::array(); }), HasSubstr("distributions"));
  EXPECT_THAT(refusal([](json& r) { r["distributions"][0]["variants"][0]["name"] = "other"; }),
              HasSubstr("given, selective"));
  for (const char* key : {"tool", "command", "experiment", "shown", "not_covered", "times", "distributions"})
    EXPECT_THAT(refusal([&](json& r) { r.erase(key); }), HasSubstr(key));
}

TEST(RandomBlocksRecord, HasAPageOfItsOwn) {
  const TemporaryFolder folder;
  const auto record = write_random_blocks(folder.path() / "r.json");
  std::ofstream(folder.path() / "c.json") << "{}";
  try {
    write_report({folder.path() / "c.json", record}, folder.path() / "p.html");
    FAIL() << "accepted";
  } catch (const BadInput& error) {
    EXPECT_THAT(std::string(error.what()), HasSubstr("a page of its own"));
  }
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "p.html"));
  write_report({record}, folder.path() / "p.html");
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "p.html"));
}

}  // namespace
}  // namespace lyap
