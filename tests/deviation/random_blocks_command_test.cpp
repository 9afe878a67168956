#include "verify/deviation/random_blocks_command.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/verify/json_schema.hpp"
#include "tests/verify/program_run.hpp"
#include "verify/certify/exit_code.hpp"

namespace lyap {
namespace {

using ::testing::HasSubstr;
using Arguments = std::vector<std::string>;

std::string refusal(Arguments arguments) {
  arguments.insert(arguments.begin(), "--random-blocks");
  try {
    (void)parse_random_blocks_command(arguments);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "accepted";
}

Arguments small_run(const std::filesystem::path& out, const Arguments& more = {}) {
  Arguments arguments{"--random-blocks", "--blocks=3", "--width", "4", "--steps", "40", "--out", out.string()};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

/// `lyap certify` inside this process.
struct Said {
  int exit_code;
  std::string out, err;
};
Said certify(const Arguments& arguments) {
  std::ostringstream out, err;
  const int code = run_certify(arguments, CertifyTiers{}, Console{out, err, ProgressStyle::kNone});
  return {code, out.str(), err.str()};
}

nlohmann::json schema() {
  std::ifstream file(std::filesystem::path(LYAP_SOURCE_DIR) / "verify/random_blocks.schema.json");
  return nlohmann::json::parse(file);
}

TEST(RandomBlocksCommand, DefaultsAreThePapersExperiment) {
  const RandomBlocksCommand command = parse_random_blocks_command({"--random-blocks"});
  EXPECT_EQ(command.options.blocks, 100u);
  EXPECT_EQ(command.options.shape.width, 64u);
  EXPECT_EQ(command.options.shape.states, 1u);
  EXPECT_EQ(command.options.shape.steps, 2048u);
  EXPECT_EQ(command.options.epsilons, (std::vector<double>{0.1, 0.01, 0.001}));
  EXPECT_TRUE(command.options.distributions.empty());
  EXPECT_EQ(command.out, "random-blocks.json");
}

TEST(RandomBlocksCommand, ReadsEveryOption) {
  const RandomBlocksCommand command = parse_random_blocks_command({"--blocks",
                                                                   "7",
                                                                   "--random-blocks",
                                                                   "--width=8",
                                                                   "--states",
                                                                   "3",
                                                                   "--steps",
                                                                   "5",
                                                                   "--epsilon",
                                                                   "0.5,1e-3",
                                                                   "--distribution=uniform,mamba",
                                                                   "--seed",
                                                                   "12",
                                                                   "--out",
                                                                   "a b.json",
                                                                   "--report",
                                                                   "p.html",
                                                                   "--threads",
                                                                   "2",
                                                                   "--json",
                                                                   "--no-progress"});
  EXPECT_EQ(command.options.blocks, 7u);
  EXPECT_EQ(command.options.shape.width, 8u);
  EXPECT_EQ(command.options.shape.states, 3u);
  EXPECT_EQ(command.options.shape.steps, 5u);
  EXPECT_EQ(command.options.epsilons, (std::vector<double>{0.5, 1e-3}));
  ASSERT_EQ(command.options.distributions.size(), 2u);
  EXPECT_EQ(command.options.distributions[0]->name, "uniform");
  EXPECT_EQ(command.options.seed, 12u);
  EXPECT_EQ(command.out, "a b.json");
  EXPECT_EQ(command.report, std::filesystem::path("p.html"));
  EXPECT_EQ(command.threads, 2u);
  EXPECT_TRUE(command.json && command.no_progress);
  EXPECT_THAT(command.text, HasSubstr("--out 'a b.json'"));
}

TEST(RandomBlocksCommand, IsAskedForByItsFlagOnly) {
  EXPECT_TRUE(asks_for_random_blocks({"--json", "--random-blocks"}));
  EXPECT_TRUE(asks_for_random_blocks({"--random-blocks=3"}));
  EXPECT_FALSE(asks_for_random_blocks({"model", "--", "--random-blocks"}));
  EXPECT_FALSE(asks_for_random_blocks({"random-blocks"}));
}

TEST(RandomBlocksCommand, RefusesWhatItCannotDoInOneLine) {
  const std::pair<Arguments, const char*> cases[] = {
      {{"model"}, "takes no MODEL"},
      {{"--blocks", "0"}, "--blocks 0"},
      {{"--blocks", "1e3"}, "a whole number"},
      {{"--blocks", "99999999999999999999"}, "a whole number"},
      {{"--width", "-1"}, "--width -1"},
      {{"--steps"}, "a value is missing"},
      {{"--steps", "--json"}, "a value is missing"},
      {{"--steps="}, "a whole number"},
      {{"--epsilon", "0"}, "--epsilon 0"},
      {{"--epsilon", "0.1,,0.2"}, "--epsilon"},
      {{"--epsilon", "nan"}, "--epsilon"},
      {{"--epsilon", "0.1,0.1"}, "only once"},
      {{"--distribution", "gauss"}, "mamba, normal, uniform, log-uniform"},
      {{"--distribution", "normal,normal"}, "only once"},
      {{"--seed", "9007199254740992"}, "--seed"},
      {{"--out", "x.txt"}, "ends in .json"},
      {{"--report", "x.json"}, "ends in .html"},
      {{"--json=1"}, "takes no value"},
      {{"--random-blocks=3"}, "takes no value"},
      {{"--tier", "both"}, "does not go with --random-blocks"},
      {{"--width", "4096", "--steps", "4194304"}, "--steps times --width"},
      {{"--width", "4096", "--states", "16", "--steps", "2"}, "--width times --width"}};
  for (const auto& [arguments, words] : cases) {
    EXPECT_THAT(refusal(arguments), HasSubstr(words));
    EXPECT_EQ(refusal(arguments).find('\n'), std::string::npos);
    Arguments all{"--random-blocks"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const Said said = certify(all);
    EXPECT_EQ(said.exit_code, kUsage);
    EXPECT_EQ(std::count(said.err.begin(), said.err.end(), '\n'), 1);
  }
}

TEST(RandomBlocksCommand, WritesARecordThatItsSchemaAccepts) {
  const TestFolder folder;
  const Said said = certify(small_run(folder.path() / "r.json", {"--states", "2"}));
  ASSERT_EQ(said.exit_code, kDone) << said.err;
  EXPECT_THAT(said.out, HasSubstr("No deviation of any block at any step lies above its envelope"));
  const auto record = nlohmann::json::parse(content_of(folder.path() / "r.json"));
  EXPECT_EQ(schema_violation(schema(), record, true), "");
  EXPECT_EQ(record.at("distributions").size(), 4u);
  for (const auto& distribution : record.at("distributions")) {
    EXPECT_EQ(distribution.at("variants").size(), 2u);
    for (const auto& variant : distribution.at("variants")) {
      EXPECT_EQ(variant.at("results").size(), 3u);
      for (const auto& result : variant.at("results")) {
        for (const char* part : {"state", "output"}) {
          for (const auto& [name, curve] : result.at(part).items())
            EXPECT_EQ(curve.size(), record.at("times").size()) << name;
        }
      }
    }
  }
}

TEST(RandomBlocksCommand, WithJsonStdoutIsTheRecordAndTheSameSeedGivesTheSame) {
  const TestFolder folder;
  ASSERT_EQ(setenv("SOURCE_DATE_EPOCH", "0", 1), 0);
  const Arguments arguments = small_run(folder.path() / "r.json", {"--json", "--seed", "5"});
  const Said first = certify(arguments), second = certify(arguments);
  unsetenv("SOURCE_DATE_EPOCH");
  EXPECT_EQ(first.out, content_of(folder.path() / "r.json"));
  EXPECT_EQ(first.out, second.out);
  EXPECT_EQ(folder.names(), (std::vector<std::string>{"r.json"}));
}

TEST(RandomBlocksCommand, AFolderThatIsNotThereIsOneLineAndNoFile) {
  const TestFolder folder;
  const Said said = certify(small_run(folder.path() / "absent" / "r.json"));
  EXPECT_EQ(said.exit_code, kResource);
  EXPECT_EQ(std::count(said.err.begin(), said.err.end(), '\n'), 1);
  EXPECT_TRUE(folder.names().empty());
}

TEST(RandomBlocksCommand, HelpNamesEveryOption) {
  const Said said = certify({"--random-blocks", "--help"});
  EXPECT_EQ(said.exit_code, kDone);
  for (const char* option : {"--blocks", "--width", "--states", "--steps", "--epsilon", "--distribution", "--seed",
                             "--out", "--report", "--threads", "--json", "--no-progress"})
    EXPECT_THAT(said.out, HasSubstr(option));
}

}  // namespace
}  // namespace lyap
