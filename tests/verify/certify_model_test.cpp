#include "verify/certify/certify_model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "numerics/resource_error.hpp"
#include "tests/verify/fake_tiers.hpp"
#include "tests/verify/json_schema.hpp"
#include "verify/certify/exit_code.hpp"
#include "verify/certify/run_certify.hpp"
#include "verify/checkpoint/array_file.hpp"

// The program around the tiers, with tiers that answer at once.
namespace lyap {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

const fs::path kModel = fs::path(LYAP_SOURCE_DIR) / "verify/examples/mamba-tiny";

std::ptrdiff_t lines_in(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

class CertifyModel : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) /
              ("certify_model_" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    std::ofstream(folder_ / "tokens.txt") << "1 2 3 4 5 6 7";
  }
  void TearDown() override { fs::remove_all(folder_); }

  int run(const std::vector<std::string>& extra, const fs::path& model = kModel) {
    std::vector<std::string> arguments{model.string(), "--out", (folder_ / "c.json").string()};
    arguments.insert(arguments.end(), extra.begin(), extra.end());
    out_.str("");
    err_.str("");
    return run_certify(arguments, fake_.tiers(), {out_, err_});
  }
  json certificate() const {
    std::ifstream stream(folder_ / "c.json");
    return json::parse(stream);
  }
  std::map<std::string, LoadedTensor> arrays() const {
    std::map<std::string, LoadedTensor> result;
    for (LoadedTensor& tensor : load_tensors(folder_ / "c.safetensors")) {
      const std::string name = tensor.name;
      result[name] = std::move(tensor);
    }
    return result;
  }
  std::size_t files_in_folder() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), {}));
  }
  std::string tokens() const { return (folder_ / "tokens.txt").string(); }

  fs::path folder_;
  FakeTiers fake_;
  std::ostringstream out_, err_;
};

TEST_F(CertifyModel, WritesACertificateThatSatisfiesTheSchemaAndBelongsToItsArrays) {
  ASSERT_EQ(run({}), kDone) << err_.str();
  const json c = certificate();
  EXPECT_EQ(schema_violation(certificate_schema(), c, true), "");
  EXPECT_EQ(decimal_violation(c), "");
  EXPECT_EQ(c["arrays"]["file"], "c.safetensors");
  EXPECT_EQ(c["arrays"]["sha256"], sha256_of_file(folder_ / "c.safetensors"));
  EXPECT_EQ(c["layers"].size(), 6u);
  EXPECT_EQ(c["verdict"], "proven");
  EXPECT_EQ(c["options"]["effort"], "thorough");
  EXPECT_EQ(fake_.vocabularies, 1u);
  bool has_config = false, has_weights = false;
  for (const json& file : c["model"]["files"]) {
    EXPECT_EQ(file["sha256"], sha256_of_file(kModel / file["file"].get<std::string>()));
    has_config = has_config || file["file"] == "config.json";
    has_weights = has_weights || file["file"] == "model.safetensors";
  }
  EXPECT_TRUE(has_config && has_weights);
  EXPECT_EQ(files_in_folder(), 3u);
}

TEST_F(CertifyModel, SmallModelsAreCertifiedThoroughlyUnlessTheUserWantsItFast) {
  ASSERT_EQ(run({}), kDone);
  EXPECT_EQ(fake_.thorough, 6u);
  EXPECT_EQ(fake_.stopped, 0u);
  fake_ = {};
  ASSERT_EQ(run({"--effort", "fast"}), kDone);
  EXPECT_EQ(fake_.thorough, 0u);
  EXPECT_EQ(certificate()["options"]["effort"], "fast");
  EXPECT_THAT(certificate()["not_covered"].dump(), HasSubstr("--effort thorough were not computed"));
}

TEST_F(CertifyModel, RefinementIsAskedToStopWhenTheMinutesAreOver) {
  ASSERT_EQ(run({"--minutes", "1e-9"}), kDone);
  EXPECT_EQ(fake_.stopped, 6u);
}

TEST_F(CertifyModel, OnlyTheFirstTokensAreUsedWhereAskedFor) {
  ASSERT_EQ(run({"--tokens", tokens(), "--max-tokens", "5"}), kDone) << err_.str();
  EXPECT_EQ(fake_.trajectory_steps, std::vector<std::size_t>(6, 5));
  EXPECT_EQ(certificate()["sequence"]["steps"], 5);
  EXPECT_EQ(certificate()["sequence"]["steps_available"], 7);
  EXPECT_THAT(certificate()["claims"].dump(), HasSubstr("float32 run of the first 5 tokens of"));
  fake_ = {};
  ASSERT_EQ(run({"--tokens", tokens(), "--max-tokens", "100"}), kDone) << err_.str();
  EXPECT_EQ(fake_.trajectory_steps, std::vector<std::size_t>(6, 7));
  EXPECT_THAT(certificate()["claims"].dump(), HasSubstr("float32 run of the 7 tokens of"));
}

TEST_F(CertifyModel, OutputsAreSavedOnlyWhereAskedFor) {
  ASSERT_EQ(run({"--tokens", tokens()}), kDone) << err_.str();
  EXPECT_FALSE(arrays().contains("layer.0.trajectory.output.upper"));
  fake_ = {};
  ASSERT_EQ(run({"--tokens", tokens(), "--save-outputs"}), kDone) << err_.str();
  EXPECT_EQ(arrays().at("layer.5.trajectory.output.upper").shape, (std::vector<std::size_t>{7, 384}));
  EXPECT_THAT(certificate()["claims"].back()["theorem"], "T2");
}

TEST_F(CertifyModel, TheForwardPassHandsOnEachBlockOnceAndStopsAfterTheLastSelectedLayer) {
  ASSERT_EQ(run({"--tokens", tokens(), "--layers", "1-2"}), kDone) << err_.str();
  EXPECT_EQ(fake_.forward_layers, (std::vector<std::size_t>{0, 1, 2}));
  EXPECT_EQ(fake_.trajectory_steps, (std::vector<std::size_t>{7, 7}));
  EXPECT_EQ(fake_.universal_calls, 2u);
  EXPECT_EQ(fake_.vocabularies, 0u);
  EXPECT_EQ(certificate()["layers"][0]["index"], 1);
}

TEST_F(CertifyModel, ActivationsRunTheTrajectoryTierWhereTheyExist) {
  ArrayFileWriter writer(folder_ / "a.safetensors");
  writer.add({.name = "layer.3.input",
              .shape = {2, 192},
              .f64 = std::vector<double>(384, 0.5),
              .u8 = {},
              .f32 = {},
              .dtype = "F64"});
  (void)writer.finish();
  writer.rename_into_place();
  const std::string file = (folder_ / "a.safetensors").string();
  ASSERT_EQ(run({"--activations", file, "--tier", "trajectory"}), kDone) << err_.str();
  EXPECT_EQ(certificate()["layers"].size(), 1u);
  EXPECT_EQ(certificate()["layers"][0]["index"], 3);
  EXPECT_TRUE(certificate()["layers"][0]["zeta"].is_null());
  EXPECT_EQ(schema_violation(certificate_schema(), certificate(), true), "");
  EXPECT_EQ(fake_.universal_calls, 0u);
  ASSERT_EQ(run({"--activations", file}), kDone) << err_.str();
  EXPECT_EQ(certificate()["layers"].size(), 6u);
  EXPECT_EQ(run({"--activations", file, "--layers", "0-2"}), kUsage);
}

TEST_F(CertifyModel, AFailOnConditionThatHoldsGivesExitCodeOneAfterTheCertificateIsWritten) {
  fake_.rates = {-0.5, -0.25, -0.5, -0.5, -0.5, -0.5};
  EXPECT_EQ(run({"--fail-on", "zeta>=-0.3"}), kConditionHolds) << err_.str();
  EXPECT_EQ(certificate()["fail_on"][0]["layer"], 1);
  EXPECT_EQ(certificate()["verdict"], "undecided");
  fake_.universal_calls = 0;
  EXPECT_EQ(run({"--fail-on", "zeta>=-0.25"}), kConditionHolds);
  fake_.universal_calls = 0;
  EXPECT_EQ(run({"--fail-on", "zeta>-0.25,state_bound>2"}), kDone);
  EXPECT_EQ(certificate()["verdict"], "proven");
  fake_.universal_calls = 0;
  EXPECT_EQ(run({"--fail-on", "zeta>-0.25,state_bound>=1"}), kConditionHolds);
}

TEST_F(CertifyModel, ABoundOfZeroMakesTheVerdictUndecidedAndIsNamed) {
  fake_.rates[4] = 0.0;
  ASSERT_EQ(run({}), kDone);
  EXPECT_EQ(certificate()["verdict"], "undecided");
  EXPECT_THAT(certificate()["undecided"][0].get<std::string>(), HasSubstr("layer 4"));
  EXPECT_THAT(out_.str(), HasSubstr("Result: undecided"));
}

TEST_F(CertifyModel, WithJsonStdoutIsTheCertificateByteForByte) {
  ASSERT_EQ(run({"--json"}), kDone);
  std::ostringstream file;
  file << std::ifstream(folder_ / "c.json").rdbuf();
  EXPECT_EQ(out_.str(), file.str());
  EXPECT_THAT(err_.str(), HasSubstr("Result: proven"));
}

TEST_F(CertifyModel, AFailureInALaterLayerLeavesTheOldCertificateWhole) {
  ASSERT_EQ(run({}), kDone);
  const std::string json_before = sha256_of_file(folder_ / "c.json"),
                    arrays_before = sha256_of_file(folder_ / "c.safetensors");
  fake_ = {};
  fake_.rates[3] = 0.5;  // a rate that no theorem allows
  EXPECT_EQ(run({}), kResource);
  EXPECT_THAT(err_.str(), HasSubstr("zeta.upper"));
  EXPECT_EQ(sha256_of_file(folder_ / "c.json"), json_before);
  EXPECT_EQ(sha256_of_file(folder_ / "c.safetensors"), arrays_before);
  EXPECT_EQ(files_in_folder(), 3u);
}

TEST_F(CertifyModel, LayersThatTheModelLacksAreAUsageError) {
  EXPECT_EQ(run({"--layers", "4-6"}), kUsage);
  EXPECT_THAT(err_.str(), HasSubstr("layers 0 to 5"));
  EXPECT_EQ(files_in_folder(), 1u);
}

TEST_F(CertifyModel, WeightsAreNeverOverwrittenByACertificate) {
  const fs::path copy = folder_ / "model";
  fs::copy(kModel, copy);
  const std::string before = sha256_of_file(copy / "model.safetensors");
  std::ostringstream out, err;
  for (const char* name : {"model/model.json", "model/config.json", "model/tokenizer.json"}) {
    EXPECT_EQ(run_certify({copy.string(), "--out", (folder_ / name).string()}, fake_.tiers(), {out, err}), kUsage)
        << name;
  }
  fs::create_symlink(copy / "model.safetensors", folder_ / "link.safetensors");
  EXPECT_EQ(run_certify({copy.string(), "--out", (folder_ / "link.json").string()}, fake_.tiers(), {out, err}), kUsage);
  fs::create_directory(folder_ / "d.safetensors");
  EXPECT_EQ(run_certify({copy.string(), "--out", (folder_ / "d.json").string()}, fake_.tiers(), {out, err}), kUsage);
  EXPECT_EQ(sha256_of_file(copy / "model.safetensors"), before);
}

TEST_F(CertifyModel, AFolderThatCannotHoldTheOutputIsAResourceError) {
  std::ostringstream out, err;
  EXPECT_EQ(run_certify({kModel.string(), "--out", (folder_ / "absent/c.json").string()}, fake_.tiers(), {out, err}),
            kResource);
  EXPECT_EQ(lines_in(err.str()), 1);
}

TEST_F(CertifyModel, BadInputIsOneLineThatNamesTheFileAndLeavesNothing) {
  EXPECT_EQ(run({}, folder_ / "no-model"), kBadInput);
  EXPECT_EQ(lines_in(err_.str()), 1);
  EXPECT_THAT(err_.str(), HasSubstr("no-model"));
  EXPECT_EQ(out_.str(), "");
  EXPECT_EQ(files_in_folder(), 1u);
}

}  // namespace
}  // namespace lyap
