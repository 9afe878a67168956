#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "tests/checkpoint/crafted_model.hpp"
#include "tests/reports/wrong_statements.hpp"
#include "tests/verify/json_schema.hpp"
#include "tests/verify/program_run.hpp"
#include "theory/precision_policy.hpp"
#include "verify/checkpoint/array_file.hpp"

// `lyap certify` with policies, pairs, adapters and traces, as a stranger runs it: the built program on real files.
namespace lyap {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using nlohmann::json;
using ::testing::AllOf;
using testing::fixture;
using ::testing::HasSubstr;

const fs::path kExamples = fs::path(LYAP_SOURCE_DIR) / "verify/examples";
const fs::path kTraces = fs::path(LYAP_SOURCE_DIR) / "tests/data/traces";

double number_in(const json& bound) { return std::strtod(bound.at("hex").get<std::string>().c_str(), nullptr); }
json parsed(const fs::path& file) { return json::parse(content_of(file)); }

std::map<std::string, std::vector<double>> arrays_in(const fs::path& file) {
  std::map<std::string, std::vector<double>> arrays;
  for (LoadedTensor& tensor : load_tensors(file)) arrays[tensor.name] = std::move(tensor.values);
  return arrays;
}

/// The arrays of one item of `policies` or `pairs`, by the names that verify/README.md gives.
std::string array_prefix(const json& item) {
  const std::string question = item["question"];
  if (item["comparison"] == "policy")
    return "policy." + item["policy"].get<std::string>() + "." +
           (question == "universal" ? question : item["method"].get<std::string>()) + ".";
  const std::string pair = "pair." + question + ".";
  return item["policy"].is_null()
             ? pair
             : pair + item["policy"].get<std::string>() + "." + item["method"].get<std::string>() + ".";
}

/// What of a quantity contradicts its array or itself; empty where nothing does.
std::string quantity_problem(const json& quantity, const std::vector<double>& upper) {
  const double bound = number_in(quantity["bound"]);
  if (bound != *std::max_element(upper.begin(), upper.end())) return "the bound is not the largest of its array";
  if (!quantity["measured"].is_null() && quantity["measured"].get<double>() > bound) return "measured above the bound";
  const bool below_one = !quantity["relative"].is_null() && quantity["relative"].get<double>() < 1.0;
  return quantity["informative"] == below_one ? "" : "informative contradicts the relative bound";
}

std::string item_problem(const json& item, const std::string& layer,
                         const std::map<std::string, std::vector<double>>& arrays) {
  const std::string prefix = layer + array_prefix(item);
  for (const char* quantity : {"state_deviation", "output_deviation", "block_output_deviation"}) {
    if (item[quantity].is_null()) continue;
    const auto found = arrays.find(prefix + quantity + ".upper");
    if (found == arrays.end()) return prefix + quantity + ".upper is missing";
    const std::string problem = quantity_problem(item[quantity], found->second);
    if (!problem.empty()) return prefix + quantity + ": " + problem;
  }
  return "";
}

/// The first rule that the pair of files breaks, in words.
std::string broken_rule(const fs::path& json_file) {
  const json c = parsed(json_file);
  const std::string schema = schema_violation(certificate_schema(), c, true);
  if (!schema.empty()) return schema;
  const std::string decimals = decimal_violation(c);
  if (!decimals.empty()) return decimals;
  const fs::path arrays_file = json_file.parent_path() / c["arrays"]["file"].get<std::string>();
  if (sha256_of_file(arrays_file) != c["arrays"]["sha256"]) return "the arrays' SHA-256 differs";
  const auto arrays = arrays_in(arrays_file);
  for (const auto& [name, values] : arrays) {
    if (name.ends_with(".upper") && std::any_of(values.begin(), values.end(), [](double x) { return std::isnan(x); }))
      return "NaN in " + name;
  }
  for (const json& layer : c["layers"]) {
    const std::string prefix = "layer." + std::to_string(layer["index"].get<int>()) + ".";
    for (const char* list : {"policies", "pairs"}) {
      for (const json& item : layer[list]) {
        const std::string problem = item_problem(item, prefix, arrays);
        if (!problem.empty()) return problem;
      }
    }
  }
  return "";
}

/// Everything that the certificate and the terminal say about deviations, sentence by sentence.
std::vector<std::string> sentences_in(const ProgramResult& result, const json& certificate) {
  std::string page = result.out;
  const std::size_t begin = std::min(page.find("Distance from the real block"), page.size());
  page = page.substr(begin, page.find("Theorem 1 (states)") - begin);
  for (const json& claim : certificate["claims"]) {
    if (claim["comparison"] == "none") continue;
    for (const char* text : {"statement", "domain"}) page += claim[text].get<std::string>() + "\n";
  }
  return testing::sentences_of(page);
}

class CertifyProgramDeviation : public ::testing::Test {
 protected:
  CertifyProgramDeviation() {
    std::ofstream(path("tokens.txt")) << "5 17 3 80 41 2 9 33 60 12 7 7 7 1 90 55 23 4 68 11";
    std::ofstream(path("eight.txt")) << "5 17 3 80 41 2 9 33";
  }
  [[nodiscard]] fs::path path(const std::string& name) const { return folder_.path() / name; }

  ProgramResult run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "certify");
    arguments.insert(arguments.end(), {"--out", "c.json", "--effort", "fast"});
    return run_program_of_build("lyap", arguments, in_folder(folder_.path()));
  }
  /// A finished run whose files keep the rules.
  json certificate_of(const std::vector<std::string>& arguments) {
    const ProgramResult result = run(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    if (result.exit_code != 0) return json();
    EXPECT_EQ(broken_rule(path("c.json")), "");
    json c = parsed(path("c.json"));
    for (const std::string& wrong : testing::wrong_statements(sentences_in(result, c))) ADD_FAILURE() << wrong;
    std::istringstream lines(result.out);
    for (std::string line; std::getline(lines, line);) {
      if (line.rfind("Wrote ", 0) == 0 || line.rfind("Note", 0) == 0) continue;
      EXPECT_LE(line.size(), 100u) << line;
    }
    return c;
  }
  void expect_bad_input(const std::vector<std::string>& arguments, const std::vector<std::string>& parts) {
    const std::vector<std::string> before = folder_.names();
    const ProgramResult result = run(arguments);
    EXPECT_EQ(result.exit_code, 65) << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    for (const std::string& part : parts) EXPECT_THAT(result.err, HasSubstr(part));
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(folder_.names(), before);
  }
  /// A copy of a fixture in which every third number of the matrices is 2^-8 of itself larger.
  void write_perturbed(const std::string& base, const std::string& name) const {
    testing::CraftedModel model(base);
    for (auto& [tensor_name, tensor] : model.tensors) {
      if (tensor.shape.size() != 2) continue;
      const std::vector<double> values = testing::plain_values(tensor);
      std::vector<float> changed(values.begin(), values.end());
      for (std::size_t i = 0; i < changed.size(); i += 3) changed[i] += 0x1p-8F * changed[i];
      tensor = testing::float_tensor(tensor.shape, changed);
    }
    fs::create_directory(path(name));
    model.write(path(name));
  }

  TestFolder folder_;
};

TEST_F(CertifyProgramDeviation, EveryPolicyByEveryMethodOnBothFamilies) {
  for (const char* model : {"mamba", "mamba2"}) {
    std::string policies;
    for (const theory::PrecisionPolicy& policy : theory::kPrecisionPolicies)
      policies.append(policies.empty() ? "" : ",").append(policy.name);
    const json c =
        certificate_of({fixture(model).string(), "--tokens", "tokens.txt", "--policy", policies, "--layers", "1"});
    const json& items = c["layers"][0]["policies"];
    EXPECT_EQ(items.size(), 4 * theory::kPrecisionPolicies.size()) << model;
    for (const json& item : items) {
      const bool on_sequence = item["question"] == "local";
      EXPECT_EQ(item["steps"], on_sequence ? 20 : 0);
      EXPECT_EQ(item["state_deviation"]["measured"].is_null(), !on_sequence);
      EXPECT_EQ(item["lost_contraction"].empty(), !on_sequence);
    }
  }
}

TEST_F(CertifyProgramDeviation, UniversalKNeedsNoSequence) {
  const json c = certificate_of({fixture("mamba2").string(), "--policy", "amp-bf16"});
  for (const json& layer : c["layers"]) {
    ASSERT_EQ(layer["policies"].size(), 1u);
    EXPECT_EQ(layer["policies"][0]["question"], "universal");
  }
}

TEST_F(CertifyProgramDeviation, ACheckpointAgainstItselfMovesByNoMoreThanTheEnclosuresAreWide) {
  const json c =
      certificate_of({fixture("mamba").string(), "--against", fixture("mamba").string(), "--tokens", "tokens.txt"});
  for (const json& layer : c["layers"]) {
    for (const json& item : layer["pairs"]) {
      const bool universal = item["question"] == "universal";
      EXPECT_LT(item["state_deviation"]["relative"].get<double>(), universal ? 0x1p-20 : 0x1p-32) << item["question"];
      EXPECT_TRUE(item["attribution"].empty()) << item["attribution"];
    }
  }
}

TEST_F(CertifyProgramDeviation, APerturbedCopyIsTightlyBoundedOnTheSameInputAndOnItsOwn) {
  for (const char* model : {"mamba", "mamba2"}) {
    write_perturbed(model, std::string("copy-of-") + model);
    const json c = certificate_of({fixture(model).string(), "--against", std::string("copy-of-") + model, "--tokens",
                                   "tokens.txt", "--policy", "fp32"});
    for (const json& layer : c["layers"]) {
      ASSERT_EQ(layer["pairs"].size(), 5u);
      for (const json& item : layer["pairs"]) {
        if (item["method"] != "two-trajectories") continue;
        EXPECT_LT(item["state_deviation"]["ratio_median"].get<double>(), 1.02);
        EXPECT_TRUE(item["state_deviation"]["informative"].get<bool>());
      }
    }
    EXPECT_EQ(c["model2"]["name"], std::string("copy-of-") + model);
  }
}

TEST_F(CertifyProgramDeviation, EveryAdapterFixtureIsCertifiedAsTheMergedModel) {
  const std::map<std::string, std::string> bases{
      {"mamba-lora", "mamba"}, {"mamba-lora-dt", "mamba"}, {"mamba2-lora", "mamba2"}};
  for (const auto& [adapter, base] : bases) {
    const json c = certificate_of({fixture(base).string(), "--adapter", fixture(adapter).string(), "--tokens",
                                   (fixture(adapter) / "oracle.safetensors").string(), "--policy", "amp-bf16"});
    EXPECT_EQ(c["adapter"]["name"], adapter);
    for (const json& layer : c["layers"]) {
      ASSERT_EQ(layer["pairs"].size(), 5u);
      for (const json& item : layer["pairs"]) {
        EXPECT_EQ(item["comparison"], "adapter");
        if (item["method"] == "two-trajectories") {
          EXPECT_LT(item["state_deviation"]["ratio_median"].get<double>(), 1.02);
        }
      }
    }
  }
}

TEST_F(CertifyProgramDeviation, ARecordedTraceIsFollowedClosely) {
  for (const char* model : {"mamba-tiny", "mamba2-tiny"}) {
    const std::string trace = (kTraces / (std::string(model) + "-autocast-bf16.safetensors")).string();
    const json c = certificate_of({(kExamples / model).string(), "--tokens", trace, "--trace", trace, "--policy",
                                   "plain-amp-bf16", "--method", "trace", "--tier", "trajectory"});
    for (const json& layer : c["layers"]) {
      ASSERT_EQ(layer["policies"].size(), 1u);
      EXPECT_LT(layer["policies"][0]["state_deviation"]["ratio_median"].get<double>(), 1.05);
    }
  }
}

TEST_F(CertifyProgramDeviation, TheSameCommandGivesTheSameFilesWithAnyNumberOfThreads) {
  std::vector<std::string> digests;
  for (const char* threads : {"1", "2"}) {
    (void)certificate_of(
        {fixture("mamba").string(), "--tokens", "tokens.txt", "--policy", "amp-bf16", "--threads", threads});
    digests.push_back(sha256_of_file(path("c.safetensors")));
  }
  EXPECT_EQ(digests[0], digests[1]);
}

TEST_F(CertifyProgramDeviation, WithJsonStdoutHoldsTheCertificateAndNothingElse) {
  const ProgramResult result =
      run({fixture("mamba").string(), "--tokens", "tokens.txt", "--policy", "amp-bf16", "--json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, content_of(path("c.json")));
  EXPECT_THAT(result.err, HasSubstr("one emulated run"));
}

TEST_F(CertifyProgramDeviation, FailOnStopsAPipelineAfterTheCertificateIsWritten) {
  const std::vector<std::string> common{fixture("mamba").string(), "--tokens", "tokens.txt", "--policy", "amp-bf16"};
  const auto with = [&](const std::string& expression) {
    std::vector<std::string> all = common;
    all.insert(all.end(), {"--fail-on", expression});
    return run(all);
  };
  EXPECT_EQ(with("state_deviation>1e-9").exit_code, 1);
  EXPECT_EQ(broken_rule(path("c.json")), "");
  EXPECT_EQ(with("state_deviation>1e9").exit_code, 0);
  EXPECT_EQ(with("uninformative>0").exit_code, 0);
}

TEST_F(CertifyProgramDeviation, TheReportShowsTheCertificate) {
  if (!fs::exists(fs::path(LYAP_PROGRAM_DIR) / "lyap-report")) GTEST_SKIP() << "lyap-report is not in this build";
  const json c = certificate_of({fixture("mamba").string(), "--adapter", fixture("mamba-lora").string(), "--tokens",
                                 "tokens.txt", "--policy", "amp-bf16", "--report", "c.html"});
  EXPECT_THAT(content_of(path("c.html")), HasSubstr("amp-bf16"));
}

TEST_F(CertifyProgramDeviation, WhatCannotBeComparedIsBadInputInOneLine) {
  const std::string mamba = fixture("mamba").string(), tiny = (kExamples / "mamba-tiny").string();
  expect_bad_input({mamba, "--against", fixture("mamba2").string()}, {mamba, fixture("mamba2").string()});
  expect_bad_input({mamba, "--against", tiny}, {mamba, tiny});
  expect_bad_input({mamba, "--adapter", fixture("mamba2-lora").string()}, {"mamba2-lora"});
  expect_bad_input({mamba, "--adapter", mamba}, {"adapter_config.json"});
  fs::copy(fixture("mamba-lora"), path("odd"));
  json config = parsed(path("odd") / "adapter_config.json");
  config["peft_type"] = "LOHA";
  std::ofstream(path("odd") / "adapter_config.json") << config;
  expect_bad_input({mamba, "--adapter", "odd"}, {"LOHA"});
}

TEST_F(CertifyProgramDeviation, TracesThatDoNotFitAreBadInputInOneLine) {
  const std::string tiny = (kExamples / "mamba-tiny").string();
  const fs::path trace = kTraces / "mamba-tiny-autocast-bf16.safetensors";
  const std::vector<std::string> common{tiny, "--policy", "amp-bf16", "--tier", "trajectory", "--tokens"};
  const auto with = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all = common;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  expect_bad_input(with({"tokens.txt", "--trace", trace.string()}), {"time steps", trace.string()});
  auto tensors = testing::plain_tensors(trace);
  std::erase_if(tensors, [](const auto& item) { return item.first == "layer.3.preactivation"; });
  std::ofstream(path("cut.safetensors"), std::ios::binary) << testing::safetensors_bytes(tensors);
  expect_bad_input(with({"eight.txt", "--trace", "cut.safetensors"}), {"cut.safetensors", "layer.3.preactivation"});
  expect_bad_input(with({"eight.txt", "--trace", (kTraces / "mamba2-tiny-autocast-bf16.safetensors").string()}),
                   {"mamba2-tiny"});
}

TEST_F(CertifyProgramDeviation, CtrlCDuringDeviationsExitsWith130AndLeavesTheOldCertificate) {
  ASSERT_EQ(run({fixture("mamba").string()}).exit_code, 0);
  const std::string old_json = content_of(path("c.json")), old_arrays = content_of(path("c.safetensors"));
  RunningProgram program("lyap",
                         {"certify", (kExamples / "mamba-tiny").string(), "--text", (kExamples / "sample.txt").string(),
                          "--tier", "trajectory", "--policy", "amp-bf16,amp-fp16,all-bf16", "--out", "c.json"},
                         in_folder(folder_.path()));
  while (program.running() && program.stderr_so_far().find("layer") == std::string::npos)
    std::this_thread::sleep_for(20ms);
  ASSERT_TRUE(program.running()) << "the run was too short to be interrupted";
  program.send(SIGINT);
  const auto sent = std::chrono::steady_clock::now();
  EXPECT_EQ(program.wait().exit_code, 130);
  EXPECT_LT(std::chrono::steady_clock::now() - sent, 30s);
  EXPECT_EQ(content_of(path("c.json")), old_json);
  EXPECT_EQ(content_of(path("c.safetensors")), old_arrays);
  EXPECT_EQ(folder_.names(), (std::vector<std::string>{"c.json", "c.safetensors", "eight.txt", "tokens.txt"}));
}

}  // namespace
}  // namespace lyap
