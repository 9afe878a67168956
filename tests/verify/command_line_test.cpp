#include "verify/certify/command_line.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "verify/certify/exit_code.hpp"

namespace lyap {
namespace {

using ::testing::HasSubstr;

CertifyCommand command(const std::vector<std::string>& arguments) {
  return std::get<CertifyCommand>(parse_certify_command(arguments));
}

std::string refusal(const std::vector<std::string>& arguments) {
  try {
    (void)parse_certify_command(arguments);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(CommandLine, DefaultsAreTheUniversalTierAndTheFoldersName) {
  const CertifyCommand c = command({"some/where/mamba-130m/"});
  EXPECT_EQ(c.tier, Tier::kUniversal);
  EXPECT_EQ(c.out, "mamba-130m.json");
  EXPECT_EQ(c.arrays_file(), "mamba-130m.safetensors");
  EXPECT_FALSE(c.effort.has_value());
  EXPECT_EQ(c.text, "lyap certify some/where/mamba-130m/");
}

TEST(CommandLine, ASequenceAsksForBothTiers) {
  EXPECT_EQ(command({"m", "--tokens", "t"}).tier, Tier::kBoth);
  EXPECT_EQ(command({"m", "--text", "t"}).sequence_kind, SequenceKind::kText);
  EXPECT_EQ(command({"m", "--activations", "t", "--tier", "trajectory"}).tier, Tier::kTrajectory);
}

TEST(CommandLine, LayersAreARangeOrOneNumber) {
  EXPECT_EQ(command({"m", "--layers", "2-5"}).layers->last, 5u);
  EXPECT_EQ(command({"m", "--layers", "3"}).layers->first, 3u);
  EXPECT_EQ(command({"m", "--tokens", "t", "--max-tokens", "2048"}).max_tokens, 2048u);
  EXPECT_EQ(command({"m", "--tokens", "t"}).max_tokens, std::nullopt);
  EXPECT_NE(refusal({"m", "--max-tokens", "2048"}), "accepted");
  EXPECT_NE(refusal({"m", "--tokens", "t", "--max-tokens", "0"}), "accepted");
  for (const char* text : {"5-2", "-1", "a", "1-", "1-2-3", "1 - 2", "18446744073709551616"})
    EXPECT_NE(refusal({"m", "--layers", text}), "accepted") << text;
}

TEST(CommandLine, ArgumentsAreQuotedInTheRecordedCommand) {
  EXPECT_EQ(command({"my model", "--out", "it's.json"}).text, "lyap certify 'my model' --out 'it'\\''s.json'");
}

TEST(CommandLine, ContradictionsAreUsageErrors) {
  EXPECT_THAT(refusal({}), HasSubstr("MODEL is missing"));
  EXPECT_THAT(refusal({"m", "--tier", "trajectory"}), HasSubstr("needs a sequence"));
  EXPECT_THAT(refusal({"m", "--tier", "both"}), HasSubstr("needs a sequence"));
  EXPECT_NE(refusal({"m", "--tier", "universal", "--tokens", "t"}), "accepted");
  EXPECT_NE(refusal({"m", "--tokens", "t", "--text", "u"}), "accepted");
  EXPECT_NE(refusal({"m", "--activations", "t", "--text", "u"}), "accepted");
  EXPECT_NE(refusal({"m", "--tier", "local"}), "accepted");
  EXPECT_NE(refusal({"m", "--effort", "heroic"}), "accepted");
  EXPECT_NE(refusal({"m", "--save-outputs"}), "accepted");
  EXPECT_NE(refusal({"m", "--out", "x.txt"}), "accepted");
  EXPECT_NE(refusal({"m", "--report", "x.pdf"}), "accepted");
  EXPECT_NE(refusal({"m", "--minutes", "0"}), "accepted");
  EXPECT_NE(refusal({"m", "--minutes", "nan"}), "accepted");
  EXPECT_NE(refusal({"m", "--threads", "-1"}), "accepted");
  EXPECT_NE(refusal({"m", "n"}), "accepted");
  EXPECT_NE(refusal({"m", "--frobnicate"}), "accepted");
}

TEST(CommandLine, TheHelpListsEveryFlag) {
  const std::string help = std::get<RequestedText>(parse_certify_command({"--help"})).text;
  for (const char* flag :
       {"--tier",      "--tokens",     "--text",    "--activations",   "--layers",      "--effort",
        "--minutes",   "--max-tokens", "--threads", "--out",           "--report",      "--save-outputs",
        "--hf-compat", "--fail-on",    "--json",    "--no-progress",   "--policy",      "--method",
        "--trace",     "--against",    "--adapter", "state_deviation", "uninformative", "Examples:"}) {
    EXPECT_THAT(help, HasSubstr(flag));
  }
}

TEST(CommandLine, APolicyWithoutASequenceAsksForKAndWithOneForEveryMethodThatTheInputAllows) {
  using enum DeviationMethod;
  const DeviationCommand universal = command({"m", "--policy", "amp-bf16,fp32,amp-bf16"}).deviations;
  ASSERT_EQ(universal.policies.size(), 2u);
  EXPECT_STREQ(universal.policies[0]->name, "amp-bf16");
  EXPECT_STREQ(universal.policies[1]->name, "fp32");
  EXPECT_EQ(universal.methods, std::vector{kKappa});
  EXPECT_TRUE(universal.asks_universal());
  EXPECT_EQ(command({"m", "--policy", "fp32", "--tokens", "t"}).deviations.methods,
            (std::vector{kIntervalRun, kApriori, kKappa}));
  const DeviationCommand traced = command({"m", "--policy", "fp32", "--tokens", "t", "--trace", "f"}).deviations;
  EXPECT_EQ(traced.methods, (std::vector{kIntervalRun, kTrace, kApriori, kKappa}));
  EXPECT_EQ(traced.trace, "f");
  const DeviationCommand chosen =
      command({"m", "--policy", "fp32", "--tokens", "t", "--method", "a-priori,interval-run"}).deviations;
  EXPECT_EQ(chosen.methods, (std::vector{kIntervalRun, kApriori}));
  EXPECT_FALSE(chosen.asks_universal());
  EXPECT_FALSE(command({"m"}).deviations.compares());
}

TEST(CommandLine, EveryPolicyIsKnownAndAnUnknownOneIsAnsweredWithTheirList) {
  for (const theory::PrecisionPolicy& policy : theory::kPrecisionPolicies)
    EXPECT_EQ(command({"m", "--policy", policy.name}).deviations.policies, std::vector{&policy}) << policy.name;
  const std::string answer = refusal({"m", "--policy", "fp32,int8"});
  EXPECT_THAT(answer, HasSubstr("'int8'"));
  for (const theory::PrecisionPolicy& policy : theory::kPrecisionPolicies) EXPECT_THAT(answer, HasSubstr(policy.name));
  EXPECT_THAT(refusal({"m", "--policy", "fp32,"}), HasSubstr("'' is none of"));
  EXPECT_THAT(refusal({"m", "--policy", "fp32", "--method", "magic"}), HasSubstr("interval-run, trace, a-priori"));
}

TEST(CommandLine, MethodsThatNeedWhatIsNotGivenAreUsageErrors) {
  for (const char* method : {"interval-run", "a-priori", "trace", "kappa,a-priori"})
    EXPECT_THAT(refusal({"m", "--policy", "fp32", "--method", method}), HasSubstr("needs a sequence")) << method;
  EXPECT_THAT(refusal({"m", "--policy", "fp32", "--trace", "f"}), HasSubstr("--trace needs a sequence"));
  EXPECT_THAT(refusal({"m", "--method", "kappa"}), HasSubstr("--policy"));
  EXPECT_THAT(refusal({"m", "--trace", "f", "--tokens", "t"}), HasSubstr("--policy"));
  EXPECT_THAT(refusal({"m", "--policy", "fp32", "--tokens", "t", "--method", "trace"}), HasSubstr("needs --trace"));
  EXPECT_THAT(refusal({"m", "--policy", "fp32", "--tokens", "t", "--method", "kappa", "--trace", "f"}),
              HasSubstr("leaves out"));
}

TEST(CommandLine, OneSecondModelAtATimeAndItsProgramByItsIntervalRun) {
  using enum DeviationMethod;
  EXPECT_EQ(command({"m", "--against", "n"}).deviations.against, "n");
  EXPECT_EQ(command({"m", "--adapter", "a"}).deviations.adapter, "a");
  EXPECT_TRUE(command({"m", "--adapter", "a"}).deviations.asks_universal());
  EXPECT_NE(refusal({"m", "--against", "n", "--adapter", "a"}), "accepted");
  EXPECT_EQ(command({"m", "--against", "n", "--policy", "fp32", "--text", "t"}).deviations.methods,
            std::vector{kIntervalRun});
  EXPECT_THAT(refusal({"m", "--against", "n", "--policy", "fp32"}), HasSubstr("needs a sequence"));
  EXPECT_THAT(refusal({"m", "--against", "n", "--policy", "fp32", "--text", "t", "--method", "a-priori"}),
              HasSubstr("interval-run only"));
  EXPECT_THAT(refusal({"m", "--adapter", "n", "--policy", "fp32", "--text", "t", "--trace", "f"}),
              HasSubstr("--trace"));
}

TEST(CommandLine, FailOnNamesWithoutAClaimInThisRunAreUsageErrors) {
  EXPECT_EQ(command({"m", "--fail-on", "exponent>=-1e-9,state_bound>1"}).fail_on.size(), 2u);
  EXPECT_THAT(refusal({"m", "--fail-on", "state_deviation>1"}), HasSubstr("policy"));
  EXPECT_THAT(refusal({"m", "--fail-on", "output_deviation>1"}), HasSubstr("policy"));
  EXPECT_THAT(refusal({"m", "--fail-on", "uninformative>0"}), HasSubstr("policy"));
  EXPECT_EQ(command({"m", "--policy", "fp32", "--fail-on", "uninformative>0,state_deviation>1"}).fail_on.size(), 2u);
  EXPECT_EQ(command({"m", "--against", "n", "--fail-on", "output_deviation>1"}).fail_on.size(), 1u);
  EXPECT_THAT(refusal({"m", "--tier", "trajectory", "--tokens", "t", "--fail-on", "zeta>0"}),
              HasSubstr("universal tier"));
  EXPECT_THAT(refusal({"m", "--fail-on", "nonsense"}), HasSubstr("nonsense"));
}

TEST(ModelName, IsTheFoldersOwnName) {
  EXPECT_EQ(model_name("/a/b/model-x"), "model-x");
  EXPECT_EQ(model_name("/a/b/model-x/"), "model-x");
  EXPECT_EQ(model_name("."), std::filesystem::current_path().filename().string());
  EXPECT_EQ(model_name("/"), "model");
}

}  // namespace
}  // namespace lyap
