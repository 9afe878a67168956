#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/checkpoint/crafted_model.hpp"
#include "tests/verify/fake_tiers.hpp"
#include "tests/verify/json_schema.hpp"
#include "verify/certify/exit_code.hpp"
#include "verify/certify/float_forward.hpp"
#include "verify/certify/run_certify.hpp"
#include "verify/checkpoint/array_file.hpp"

// `lyap certify` with policies, traces, second checkpoints and adapters, over tiers that answer at once.
namespace lyap {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::AllOf;
using testing::fixture;
using ::testing::HasSubstr;
using ::testing::Not;

const fs::path kTiny = fs::path(LYAP_SOURCE_DIR) / "verify/examples/mamba-tiny";
const fs::path kTrace = fs::path(LYAP_SOURCE_DIR) / "tests/data/traces/mamba-tiny-autocast-bf16.safetensors";

class CertifyComparisons : public ::testing::Test {
 protected:
  CertifyComparisons() {
    folder_.write("tokens.txt", "1 2 3 4 5 6 7");
    folder_.write("eight.txt", "1 2 3 4 5 6 7 8");
  }

  /// Runs on the fixture `mamba` (two layers) unless `model` says otherwise; tokens are seven.
  int run(const std::vector<std::string>& extra, const fs::path& model = fixture("mamba")) {
    std::vector<std::string> arguments{model.string(), "--out", path("c.json")};
    arguments.insert(arguments.end(), extra.begin(), extra.end());
    out_.str("");
    err_.str("");
    fake_.deviation_calls.clear();
    fake_.universal_calls = 0;
    CertifyTiers tiers = fake_.tiers();
    tiers.forward = approx_forward;
    return run_certify(arguments, tiers, {out_, err_});
  }
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  [[nodiscard]] json certificate() const { return json::parse(std::ifstream(path("c.json"))); }
  [[nodiscard]] std::set<std::string> arrays() const {
    std::set<std::string> names;
    for (const LoadedTensor& tensor : load_tensors(path("c.safetensors"))) names.insert(tensor.name);
    return names;
  }
  void expect_whole() const {
    EXPECT_EQ(schema_violation(certificate_schema(), certificate(), true), "");
    EXPECT_EQ(decimal_violation(certificate()), "");
  }
  /// Exit code 65, one line that contains all of `parts`, and no file.
  void expect_bad_input(const std::vector<std::string>& extra, const std::vector<std::string>& parts,
                        const fs::path& model = fixture("mamba")) {
    EXPECT_EQ(run(extra, model), kBadInput) << err_.str();
    const std::string line = err_.str();
    EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1) << line;
    for (const std::string& part : parts) EXPECT_THAT(line, HasSubstr(part));
    EXPECT_EQ(out_.str(), "");
    EXPECT_FALSE(fs::exists(path("c.json")));
    EXPECT_FALSE(fs::exists(path("c.safetensors")));
  }

  testing::TemporaryFolder folder_;
  FakeTiers fake_;
  std::ostringstream out_, err_;
};

TEST_F(CertifyComparisons, APolicyWithoutASequenceGetsUniversalKOnly) {
  ASSERT_EQ(run({"--policy", "amp-bf16,fp32"}), kDone) << err_.str();
  ASSERT_EQ(fake_.deviation_calls.size(), 2u);
  for (const auto& call : fake_.deviation_calls) {
    EXPECT_EQ(call.steps, 0u);
    EXPECT_EQ(call.policies, 2u);
  }
  expect_whole();
  const json c = certificate();
  EXPECT_EQ(c["options"]["policies"][1]["name"], "fp32");
  EXPECT_EQ(c["options"]["methods"], json{"kappa"});
  EXPECT_EQ(c["layers"][0]["policies"].size(), 2u);
  EXPECT_TRUE(arrays().contains("layer.1.policy.fp32.universal.state_deviation.upper"));
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("fp32, every input, K"), Not(HasSubstr("not part of this certificate"))));
}

TEST_F(CertifyComparisons, ASequenceAddsEveryMethodAndUniversalKStaysWithItsTier) {
  ASSERT_EQ(run({"--policy", "amp-bf16", "--tokens", path("tokens.txt")}), kDone) << err_.str();
  EXPECT_EQ(certificate()["layers"][1]["policies"].size(), 4u);
  EXPECT_EQ(fake_.deviation_calls.size(), 4u);
  expect_whole();
  EXPECT_TRUE(arrays().contains("layer.0.policy.amp-bf16.interval-run.block_output_deviation.upper"));
  EXPECT_THAT(out_.str(), HasSubstr("amp-bf16, same block input on the sequence"));
  ASSERT_EQ(run({"--policy", "amp-bf16", "--tokens", path("tokens.txt"), "--tier", "trajectory"}), kDone);
  EXPECT_EQ(certificate()["layers"][1]["policies"].size(), 3u);
  EXPECT_FALSE(arrays().contains("layer.0.policy.amp-bf16.universal.state_deviation.upper"));
  ASSERT_EQ(run({"--policy", "amp-bf16", "--tokens", path("tokens.txt"), "--method", "interval-run"}), kDone);
  EXPECT_EQ(certificate()["layers"][1]["policies"].size(), 1u);
  EXPECT_EQ(fake_.deviation_calls.size(), 2u);
}

TEST_F(CertifyComparisons, ATraceIsReadLayerByLayerAndItsDigestKept) {
  ASSERT_EQ(run({"--policy", "plain-amp-bf16", "--tokens", path("eight.txt"), "--trace", kTrace.string(), "--tier",
                 "trajectory", "--layers", "2-3"},
                kTiny),
            kDone)
      << err_.str();
  ASSERT_EQ(fake_.deviation_calls.size(), 2u);
  EXPECT_EQ(fake_.deviation_calls[0].trace_steps, 8u);
  EXPECT_EQ(fake_.deviation_calls[0].methods, 4u);
  expect_whole();
  EXPECT_EQ(certificate()["trace"]["sha256"], sha256_of_file(kTrace));
  EXPECT_THAT(certificate()["claims"].dump(), HasSubstr("recorded scan inputs are in "));
}

TEST_F(CertifyComparisons, ATraceOfAnotherLengthOrWithoutALayerIsBadInput) {
  const std::vector<std::string> common{"--policy", "amp-bf16", "--tier", "trajectory", "--tokens"};
  const auto with = [&common](const std::vector<std::string>& more) {
    std::vector<std::string> all = common;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  expect_bad_input(with({path("tokens.txt"), "--trace", kTrace.string()}), {kTrace.string(), "8 time steps", "has 7"},
                   kTiny);
  auto tensors = testing::plain_tensors(kTrace);
  std::erase_if(tensors, [](const auto& item) { return item.first.starts_with("layer.5."); });
  const fs::path cut = folder_.write("cut.safetensors", testing::safetensors_bytes(tensors));
  expect_bad_input(with({path("eight.txt"), "--trace", cut.string()}), {"cut.safetensors", "layer.5.x"}, kTiny);
  EXPECT_EQ(run(with({path("eight.txt"), "--trace", cut.string(), "--layers", "0-4"}), kTiny), kDone) << err_.str();
  EXPECT_EQ(run(with({path("eight.txt"), "--trace", path("absent.safetensors")}), kTiny), kBadInput);
}

TEST_F(CertifyComparisons, ASecondCheckpointIsComparedOnTheSameInputOnItsOwnAndForEveryInput) {
  testing::CraftedModel changed("mamba");
  auto& tensor = changed.tensors.at("backbone.layers.0.mixer.D");
  tensor = testing::float_tensor(tensor.shape, std::vector<float>(96, 2.0F));
  fs::create_directory(folder_.path() / "ft");
  changed.write(folder_.path() / "ft");
  ASSERT_EQ(run({"--against", path("ft"), "--tokens", path("tokens.txt")}), kDone) << err_.str();
  ASSERT_EQ(fake_.deviation_calls.size(), 4u);
  for (std::size_t layer = 0; layer < 2; ++layer) {
    const auto& universal = fake_.deviation_calls[2 * layer];
    const auto& trajectory = fake_.deviation_calls[2 * layer + 1];
    EXPECT_EQ(universal.steps, 0u);
    EXPECT_EQ(trajectory.steps, 7u);
    EXPECT_EQ(trajectory.other, Comparison::kPair);
    EXPECT_EQ(std::get<theory::Mamba1Weights>(*trajectory.other_block).D[5] == 2.0, layer == 0);
    ASSERT_TRUE(trajectory.own_inputs.has_value());
  }
  std::vector<theory::Matrix> own;
  approx_forward(
      Checkpoint::open(folder_.path() / "ft"), {1, 2, 3, 4, 5, 6, 7},
      [&own](std::size_t, const theory::BlockWeights&, const theory::Matrix& input) { own.push_back(input); });
  EXPECT_EQ(fake_.deviation_calls[3].own_inputs->entries, own.at(1).entries);
  expect_whole();
  const json c = certificate();
  EXPECT_EQ(c["layers"][0]["pairs"].size(), 3u);
  EXPECT_EQ(c["model2"]["name"], "ft");
  EXPECT_EQ(c["model2"]["files"].size(), 2u);
  for (const json& file : c["model2"]["files"])
    EXPECT_EQ(file["sha256"], sha256_of_file(folder_.path() / "ft" / file["file"].get<std::string>()));
  for (const char* question : {"universal", "local", "own"})
    EXPECT_TRUE(arrays().contains(std::string("layer.1.pair.") + question + ".state_deviation.upper")) << question;
  EXPECT_THAT(out_.str(), HasSubstr("ft, each model's own block input"));
}

TEST_F(CertifyComparisons, OnlySelectedLayersAreComparedAndTheSecondStreamStillRunsThroughThoseBelow) {
  testing::CraftedModel changed("mamba");
  auto& tensor = changed.tensors.at("backbone.layers.0.mixer.D");
  tensor = testing::float_tensor(tensor.shape, std::vector<float>(96, 2.0F));
  fs::create_directory(folder_.path() / "ft");
  changed.write(folder_.path() / "ft");
  ASSERT_EQ(run({"--against", path("ft"), "--tokens", path("tokens.txt"), "--layers", "1", "--tier", "trajectory"}),
            kDone)
      << err_.str();
  ASSERT_EQ(fake_.deviation_calls.size(), 1u);
  std::vector<theory::Matrix> own;
  approx_forward(
      Checkpoint::open(folder_.path() / "ft"), {1, 2, 3, 4, 5, 6, 7},
      [&own](std::size_t, const theory::BlockWeights&, const theory::Matrix& input) { own.push_back(input); });
  EXPECT_EQ(fake_.deviation_calls[0].own_inputs->entries, own.at(1).entries);
}

TEST_F(CertifyComparisons, WithoutTokensThereIsNoOwnInput) {
  ASSERT_EQ(run({"--against", fixture("mamba").string()}), kDone) << err_.str();
  EXPECT_EQ(fake_.deviation_calls.size(), 2u);
  EXPECT_EQ(certificate()["layers"][0]["pairs"].size(), 1u);
  ArrayFileWriter writer(path("a.safetensors"));
  writer.add({.name = "layer.1.input",
              .shape = {3, 48},
              .f64 = std::vector<double>(144, 0.5),
              .u8 = {},
              .f32 = {},
              .dtype = "F64"});
  (void)writer.finish();
  writer.rename_into_place();
  ASSERT_EQ(run({"--against", fixture("mamba").string(), "--activations", path("a.safetensors")}), kDone) << err_.str();
  ASSERT_EQ(fake_.deviation_calls.size(), 3u);
  EXPECT_FALSE(fake_.deviation_calls[2].own_inputs.has_value());
  EXPECT_EQ(certificate()["layers"][1]["pairs"].size(), 2u);
  expect_whole();
}

TEST_F(CertifyComparisons, AnAdapterIsTheMergedModelAndItsRemarksArePrintedAndKept) {
  ASSERT_EQ(run({"--adapter", fixture("mamba-lora-dt").string(), "--tokens", path("tokens.txt")}), kDone) << err_.str();
  ASSERT_EQ(fake_.deviation_calls.size(), 4u);
  EXPECT_EQ(fake_.deviation_calls[1].other, Comparison::kAdapter);
  EXPECT_EQ(fake_.deviation_calls[1].updates, 2u);
  expect_whole();
  const json c = certificate();
  EXPECT_EQ(c["adapter"]["files"].size(), 2u);
  EXPECT_THAT(c["adapter"]["remarks"].dump(), HasSubstr("act only after merging"));
  EXPECT_THAT(c["not_covered"].dump(), AllOf(HasSubstr("act only after merging"), HasSubstr("merged model")));
  EXPECT_THAT(out_.str(), HasSubstr("Note on mamba-lora-dt: "));
  EXPECT_THAT(c["claims"].dump(), HasSubstr("with the adapter mamba-lora-dt merged"));
}

TEST_F(CertifyComparisons, APolicyAndASecondModelCombineAsItsProgramAgainstTheFirstsRealBlock) {
  ASSERT_EQ(run({"--adapter", fixture("mamba-lora").string(), "--tokens", path("tokens.txt"), "--policy", "amp-bf16"}),
            kDone)
      << err_.str();
  const json pairs = certificate()["layers"][0]["pairs"];
  ASSERT_EQ(pairs.size(), 4u);
  EXPECT_EQ(pairs[3]["policy"], "amp-bf16");
  EXPECT_EQ(pairs[3]["method"], "interval-run");
  EXPECT_TRUE(certificate()["layers"][0]["policies"].empty());
  EXPECT_TRUE(arrays().contains("layer.0.pair.local.amp-bf16.interval-run.state_deviation.upper"));
  EXPECT_THAT(out_.str(), HasSubstr("the adapter mamba-lora in amp-bf16"));
  expect_whole();
}

TEST_F(CertifyComparisons, SecondModelsThatDoNotFitAreBadInput) {
  expect_bad_input({"--against", fixture("mamba2").string()}, {fixture("mamba2").string(), fixture("mamba").string()});
  expect_bad_input({"--against", path("absent")}, {"absent"});
  expect_bad_input({"--adapter", fixture("mamba2-lora").string(), "--tokens", path("tokens.txt")}, {"mamba2-lora"});
  expect_bad_input({"--adapter", fixture("mamba").string()}, {"adapter_config.json"});
  fs::copy(fixture("mamba-lora"), folder_.path() / "odd");
  json config = json::parse(std::ifstream(folder_.path() / "odd/adapter_config.json"));
  config["peft_type"] = "IA3";
  folder_.write("odd/adapter_config.json", config.dump());
  expect_bad_input({"--adapter", path("odd")}, {"adapter_config.json", "IA3"});
}

TEST_F(CertifyComparisons, FailOnSeesTheSharpestDeviationsAndCountsTheUninformativeOnes) {
  const std::vector<std::string> common{"--policy", "amp-bf16", "--tokens", path("tokens.txt"), "--fail-on"};
  const auto on = [&](const std::string& expression) {
    std::vector<std::string> all = common;
    all.push_back(expression);
    return run(all);
  };
  EXPECT_EQ(on("state_deviation>0.125"), kDone) << err_.str();
  EXPECT_EQ(certificate()["verdict"], "proven");
  EXPECT_EQ(on("state_deviation>=0.125"), kConditionHolds);
  EXPECT_EQ(on("uninformative>0"), kDone);
  EXPECT_THAT(out_.str(), HasSubstr("the count is 0"));
  fake_.ratio = 1024;
  EXPECT_EQ(on("uninformative>0"), kConditionHolds);
  EXPECT_EQ(certificate()["verdict"], "undecided");
  EXPECT_EQ(certificate()["fail_on"][0]["value"]["decimal"], "4");
  expect_whole();
}

TEST_F(CertifyComparisons, BoundsThatContradictTheMeasurementAreNeverWritten) {
  CertifyTiers tiers = fake_.tiers();
  tiers.universal_deviations = [](const theory::BlockWeights&, const DeviationRequest&) {
    std::vector<DeviationBounds> bounds{sample_deviation({.method = DeviationMethod::kKappa})};
    bounds[0].state.measured = 1e9;
    return bounds;
  };
  EXPECT_EQ(
      run_certify({fixture("mamba").string(), "--policy", "amp-bf16", "--out", path("c.json")}, tiers, {out_, err_}),
      kResource);
  EXPECT_THAT(err_.str(), HasSubstr("exceeds its bound"));
  EXPECT_FALSE(fs::exists(path("c.json")));
}

TEST_F(CertifyComparisons, FilesOfTheSecondModelAndTheTraceAreNeverOverwritten) {
  fs::copy(fixture("mamba"), folder_.path() / "ft");
  const std::string before = sha256_of_file(path("ft/model.safetensors"));
  EXPECT_EQ(run({"--against", path("ft"), "--out", path("ft/model.json")}), kUsage);
  EXPECT_EQ(sha256_of_file(path("ft/model.safetensors")), before);
  fs::copy(kTrace, path("trace.safetensors"));
  EXPECT_EQ(run({"--policy", "fp32", "--tokens", path("eight.txt"), "--trace", path("trace.safetensors"), "--out",
                 path("trace.json")},
                kTiny),
            kUsage);
}

}  // namespace
}  // namespace lyap
