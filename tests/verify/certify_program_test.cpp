#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>

#include "tests/verify/json_schema.hpp"
#include "tests/verify/program_run.hpp"
#include "verify/checkpoint/array_file.hpp"

// `lyap certify` as a stranger runs it: the built programs, real files, real signals.
namespace lyap {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

const fs::path kExamples = fs::path(LYAP_SOURCE_DIR) / "verify/examples";
const fs::path kFixtures = fs::path(LYAP_SOURCE_DIR) / "tests/data/fixtures";
const std::string kTokens = "5 17 3 80 41 2 9 33 60 12 7 7 7 1 90 55 23 4 68 11";

std::vector<std::string> with(std::vector<std::string> first, const std::vector<std::string>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

json parsed_file(const fs::path& file) { return json::parse(content_of(file)); }

double number_in(const json& bound) { return std::strtod(bound.at("hex").get<std::string>().c_str(), nullptr); }

std::map<std::string, LoadedTensor> tensors_in(const fs::path& file) {
  std::map<std::string, LoadedTensor> result;
  for (LoadedTensor& tensor : load_tensors(file)) {
    const std::string name = tensor.name;
    result[name] = std::move(tensor);
  }
  return result;
}

/// The first rule for certificates (certificate.md's list) that the pair of files breaks, in words; empty where they
/// keep all.
std::string broken_rule(const fs::path& json_file) {
  const json c = parsed_file(json_file);
  const std::string schema = schema_violation(certificate_schema(), c, true);
  if (!schema.empty()) return schema;
  const std::string decimals = decimal_violation(c);
  if (!decimals.empty()) return decimals;
  const fs::path arrays_file = json_file.parent_path() / c["arrays"]["file"].get<std::string>();
  if (sha256_of_file(arrays_file) != c["arrays"]["sha256"]) return "the arrays' SHA-256 differs";
  const auto tensors = tensors_in(arrays_file);
  for (const auto& [name, tensor] : tensors) {
    const bool is_bound = name.ends_with(".lower") || name.ends_with(".upper");
    for (const double value : tensor.values) {
      if (is_bound && std::isnan(value)) return "NaN in " + name;
    }
  }
  for (const json& layer : c["layers"]) {
    const std::string prefix = "layer." + std::to_string(layer["index"].get<int>()) + ".";
    for (const char* rate : {"zeta", "exponent"}) {
      if (layer[rate].is_null()) continue;
      const auto& upper = tensors.at(prefix + rate + ".upper").values;
      if (number_in(layer[rate]["upper"]) != *std::max_element(upper.begin(), upper.end()))
        return prefix + rate + " is not the largest of its array";
      if (number_in(layer[rate]["upper"]) > 0.0) return prefix + rate + " is positive";
      if (!layer[rate]["witness"].is_null() && number_in(layer[rate]["witness"]) > number_in(layer[rate]["upper"]))
        return prefix + rate + ": witness above bound";
    }
    if (layer["zeta"].is_null()) continue;
    const auto& zeta = tensors.at(prefix + "zeta.upper").values;
    const auto& exponent = tensors.at(prefix + "exponent.upper").values;
    for (std::size_t i = 0; i < zeta.size(); ++i) {
      if (exponent[i] > zeta[i]) return prefix + "exponent above zeta";
    }
  }
  return "";
}

/// Models of both families in every layout that tests/data has.
std::vector<fs::path> models() {
  std::vector<fs::path> found{kExamples / "mamba-tiny", kExamples / "mamba2-tiny"};
  if (!fs::exists(kFixtures)) return found;
  for (const auto& entry : fs::directory_iterator(kFixtures)) {
    const std::string name = entry.path().filename().string();
    const bool supported = (name.rfind("mamba", 0) == 0) && name.find("lora") == std::string::npos;
    if (supported && fs::exists(entry.path() / "config.json")) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

TEST(CertifyProgram, EveryModelOfBothFamiliesGetsACertificateThatKeepsTheRules) {
  const TestFolder folder;
  std::ofstream(folder.path() / "tokens.txt") << kTokens;
  for (const fs::path& model : models()) {
    const ProgramResult result = run_program_of_build(
        "lyap",
        {"certify", model.string(), "--tokens", "tokens.txt", "--save-outputs", "--effort", "fast", "--out", "c.json"},
        in_folder(folder.path()));
    ASSERT_EQ(result.exit_code, 0) << model << ": " << result.err;
    EXPECT_EQ(broken_rule(folder.path() / "c.json"), "") << model;
    EXPECT_THAT(result.out, HasSubstr("Result: ")) << model;
    EXPECT_THAT(result.out + result.err, Not(HasSubstr("\033"))) << model;
    std::istringstream lines(result.out);
    for (std::string line; std::getline(lines, line);) {
      if (line.rfind("Wrote ", 0) == 0) continue;
      EXPECT_LE(line.size(), 100u) << line;
    }
    const json certificate = parsed_file(folder.path() / "c.json");
    for (const json& layer : certificate["layers"]) EXPECT_EQ(layer["trajectory"]["steps"], 20);
  }
}

TEST(CertifyProgram, TheDefaultNameIsTheFoldersInTheCurrentFolder) {
  const TestFolder folder;
  ASSERT_EQ(run_program_of_build("lyap", {"certify", (kExamples / "mamba2-tiny").string()}, in_folder(folder.path()))
                .exit_code,
            0);
  EXPECT_EQ(folder.names(), (std::vector<std::string>{"mamba2-tiny.json", "mamba2-tiny.safetensors"}));
}

TEST(CertifyProgram, WithJsonStdoutHoldsTheCertificateAndNothingElse) {
  const TestFolder folder;
  const ProgramResult result = run_program_of_build(
      "lyap", {"certify", (kExamples / "mamba2-tiny").string(), "--out", "c.json", "--json"}, in_folder(folder.path()));
  ASSERT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out, content_of(folder.path() / "c.json"));
  EXPECT_THAT(result.err, HasSubstr("Result: proven"));
}

TEST(CertifyProgram, TheSameCommandGivesTheSameArraysAgain) {
  const TestFolder folder;
  std::ofstream(folder.path() / "tokens.txt") << kTokens;
  std::vector<std::string> digests;
  for (int run = 0; run < 2; ++run) {
    ASSERT_EQ(run_program_of_build("lyap",
                                   {"certify", (kExamples / "mamba-tiny").string(), "--layers", "0-1", "--tokens",
                                    "tokens.txt", "--effort", "fast", "--out", "c.json", "--threads", "2"},
                                   in_folder(folder.path()))
                  .exit_code,
              0);
    digests.push_back(sha256_of_file(folder.path() / "c.safetensors"));
  }
  EXPECT_EQ(digests[0], digests[1]);
}

TEST(CertifyProgram, FailOnGivesExitCodeOneAndStillWritesTheCertificate) {
  const TestFolder folder;
  const std::vector<std::string> certify{
      "certify", (kExamples / "mamba2-tiny").string(), "--layers", "0", "--out", "c.json", "--fail-on"};
  EXPECT_EQ(run_program_of_build("lyap", with(certify, {"exponent>=-1e-3"}), in_folder(folder.path())).exit_code, 1);
  EXPECT_EQ(parsed_file(folder.path() / "c.json")["fail_on"][0]["holds"], true);
  EXPECT_EQ(broken_rule(folder.path() / "c.json"), "");
  EXPECT_EQ(run_program_of_build("lyap", with(certify, {"exponent>=0"}), in_folder(folder.path())).exit_code, 0);
  EXPECT_EQ(run_program_of_build("lyap", with(certify, {"exponent>>0"}), in_folder(folder.path())).exit_code, 2);
  EXPECT_EQ(run_program_of_build("lyap", with(certify, {"uninformative>0"}), in_folder(folder.path())).exit_code, 2);
}

TEST(CertifyProgram, TheWitnessInputInTheArraysFileCanBeGivenBackAsActivations) {
  const TestFolder folder;
  const std::vector<std::string> certify{"certify", (kExamples / "mamba-tiny").string(), "--layers", "0-1", "--effort",
                                         "fast"};
  ASSERT_EQ(run_program_of_build("lyap", with(certify, {"--out", "c.json"}), in_folder(folder.path())).exit_code, 0);
  const ProgramResult replay = run_program_of_build(
      "lyap", with(certify, {"--activations", "c.safetensors", "--tier", "trajectory", "--out", "replay.json"}),
      in_folder(folder.path()));
  ASSERT_EQ(replay.exit_code, 0) << replay.err;
  EXPECT_EQ(broken_rule(folder.path() / "replay.json"), "");
  EXPECT_EQ(parsed_file(folder.path() / "replay.json")["layers"].size(), 2u);
}

TEST(CertifyProgram, TheReportIsWrittenBesideTheCertificate) {
  if (!fs::exists(fs::path(LYAP_PROGRAM_DIR) / "lyap-report")) GTEST_SKIP() << "lyap-report is not in this build";
  const TestFolder folder;
  const ProgramResult result = run_program_of_build(
      "lyap", {"certify", (kExamples / "mamba2-tiny").string(), "--out", "c.json", "--report", "c.html", "--json"},
      in_folder(folder.path()));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, content_of(folder.path() / "c.json"));
  EXPECT_THAT(content_of(folder.path() / "c.html"), HasSubstr("<html"));
}

/// Writes `values`, again and again, over the F32 tensor `name` of a safetensors file.
void overwrite_tensor(const fs::path& file, const std::string& name, const std::vector<float>& values) {
  std::string content = content_of(file);
  std::uint64_t header_size = 0;
  std::memcpy(&header_size, content.data(), sizeof header_size);
  const json entry = json::parse(content.substr(8, header_size)).at(name);
  ASSERT_EQ(entry["dtype"], "F32");
  const std::size_t begin = 8 + header_size + entry["data_offsets"][0].get<std::size_t>(),
                    end = 8 + header_size + entry["data_offsets"][1].get<std::size_t>();
  for (std::size_t at = begin, i = 0; at < end; at += sizeof(float), ++i)
    std::memcpy(content.data() + at, &values[i % values.size()], sizeof(float));
  std::ofstream(file, std::ios::binary) << content;
}

TEST(CertifyProgram, ExtremeWeightsGetTrueFiniteBoundsAndABoundOfZeroIsCalledZero) {
  const TestFolder folder;
  std::ofstream(folder.path() / "tokens.txt") << kTokens;
  for (const auto& [name, prefix] :
       std::map<std::string, std::string>{{"mamba-tiny", "backbone.layers."}, {"mamba2-tiny", "backbone.layers."}}) {
    const fs::path model = folder.path() / name;
    fs::copy(kExamples / name, model);
    const std::string step_bias = name == "mamba-tiny" ? "mixer.dt_proj.bias" : "mixer.dt_bias";
    overwrite_tensor(model / "model.safetensors", prefix + "0." + step_bias, {-750.0F, 80.0F, 0.0F});
    overwrite_tensor(model / "model.safetensors", prefix + "1.mixer.A_log", {-745.0F, 700.0F, 0.0F, 1e-45F});
    overwrite_tensor(model / "model.safetensors", prefix + "2.norm.weight", {0.0F});
    overwrite_tensor(model / "model.safetensors", prefix + "3.mixer.conv1d.weight", {1e-45F, -1e-40F});
    const ProgramResult result =
        run_program_of_build("lyap", {"certify", name, "--tokens", "tokens.txt", "--effort", "fast", "--out", "c.json"},
                             in_folder(folder.path()));
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(broken_rule(folder.path() / "c.json"), "") << name;
    const json certificate = parsed_file(folder.path() / "c.json");
    EXPECT_EQ(certificate["verdict"], "undecided") << name;
    EXPECT_EQ(certificate["layers"][0]["zeta"]["upper"]["decimal"], "0") << name;
    EXPECT_THAT(result.out, HasSubstr("the bound is zero in layer 0")) << name;
    EXPECT_LT(number_in(certificate["layers"][2]["zeta"]["upper"]), 0.0) << name;
    EXPECT_LT(number_in(certificate["layers"][3]["zeta"]["upper"]), 0.0) << name;
    for (const auto& [array, tensor] : tensors_in(folder.path() / "c.safetensors")) {
      if (!array.ends_with("step_size.upper") && !array.ends_with("exponent.lower")) continue;
      for (const double value : tensor.values) ASSERT_TRUE(std::isfinite(value)) << name << " " << array;
    }
  }
}

// --- what must never be lost -----------------------------------------------------------------------------------------

class OldCertificate {
 public:
  OldCertificate(const fs::path& folder) : folder_(folder) {
    const ProgramResult result = run_program_of_build(
        "lyap", {"certify", (kExamples / "mamba2-tiny").string(), "--layers", "0", "--out", "c.json"},
        in_folder(folder));
    EXPECT_EQ(result.exit_code, 0);
    json_ = content_of(folder / "c.json");
    arrays_ = content_of(folder / "c.safetensors");
  }
  [[nodiscard]] bool is_whole() const {
    return content_of(folder_ / "c.json") == json_ && content_of(folder_ / "c.safetensors") == arrays_;
  }

 private:
  fs::path folder_;
  std::string json_, arrays_;
};

const std::vector<std::string> kLongRun{"certify",        (kExamples / "mamba-tiny").string(),
                                        "--text",         (kExamples / "sample.txt").string(),
                                        "--save-outputs", "--out",
                                        "c.json"};

struct Interrupt {
  int signal;
  int milliseconds;
  const char* effort;
};

void PrintTo(const Interrupt& interrupt, std::ostream* stream) {
  *stream << "signal" << interrupt.signal << "_after_" << interrupt.milliseconds << "ms_" << interrupt.effort;
}

class Interruption : public ::testing::TestWithParam<Interrupt> {};

TEST_P(Interruption, ExitsWith130AndLeavesTheOldCertificateAndNoTemporaryFile) {
  const auto [signal, milliseconds, effort] = GetParam();
  const TestFolder folder;
  const OldCertificate old(folder.path());
  RunningProgram program("lyap", with(kLongRun, {"--effort", effort}), in_folder(folder.path()));
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
  ASSERT_TRUE(program.running()) << "the run was too short to be interrupted";
  program.send(signal);
  const auto sent = std::chrono::steady_clock::now();
  const ProgramResult result = program.wait();
  EXPECT_EQ(result.exit_code, 130) << result.err;
  EXPECT_LT(std::chrono::steady_clock::now() - sent, 10s);
  EXPECT_TRUE(old.is_whole());
  EXPECT_EQ(folder.names(), (std::vector<std::string>{"c.json", "c.safetensors"}));
}

INSTANTIATE_TEST_SUITE_P(Signals, Interruption,
                         ::testing::Values(Interrupt{SIGINT, 250, "fast"}, Interrupt{SIGINT, 1500, "fast"},
                                           Interrupt{SIGTERM, 1500, "thorough"}));

/// A thorough run of one layer whose refinements are under way.
class ThoroughRun {
 public:
  ThoroughRun()
      : old_(folder_.path()),
        program_("lyap",
                 {"certify", (kExamples / "mamba-tiny").string(), "--effort", "thorough", "--layers", "1", "--tokens",
                  tokens_file(), "--out", "c.json"},
                 in_folder(folder_.path())) {
    // Lines come every five seconds; the bound of the deciding channel appears once refinements are proved.
    while (program_.running() && program_.stderr_so_far().find("now p >=") == std::string::npos)
      std::this_thread::sleep_for(50ms);
  }

  [[nodiscard]] std::string tokens_file() const {
    const fs::path file = folder_.path() / "tokens.txt";
    std::ofstream(file) << kTokens;
    return file.string();
  }

  TestFolder folder_;
  OldCertificate old_;
  RunningProgram program_;
};

TEST(CertifyProgram, TheFirstCtrlCDuringRefinementsEndsThemAndWritesWhatIsProved) {
  ThoroughRun run;
  ASSERT_TRUE(run.program_.running()) << "the run was too short to be interrupted";
  run.program_.send(SIGINT);
  const auto sent = std::chrono::steady_clock::now();
  const ProgramResult result = run.program_.wait();
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_LT(std::chrono::steady_clock::now() - sent, 60s);
  EXPECT_THAT(result.err, HasSubstr("ending the refinements"));
  EXPECT_THAT(result.out, HasSubstr("Ctrl-C ended the refinements early"));
  EXPECT_EQ(broken_rule(run.folder_.path() / "c.json"), "");
  const json certificate = parsed_file(run.folder_.path() / "c.json");
  EXPECT_EQ(certificate["layers"][0]["complete"], false);
  EXPECT_FALSE(certificate["layers"][0]["trajectory"].is_null());
  EXPECT_THAT(certificate["not_covered"].dump(), HasSubstr("--minutes or Ctrl-C"));
  const auto arrays = tensors_in(run.folder_.path() / "c.safetensors");
  EXPECT_TRUE(arrays.contains("layer.1.preactivation.lower_by.quadratic"));
  EXPECT_EQ(run.folder_.names(), (std::vector<std::string>{"c.json", "c.safetensors", "tokens.txt"}));
}

TEST(CertifyProgram, ASecondCtrlCExitsWith130AndLeavesTheOldCertificate) {
  ThoroughRun run;
  ASSERT_TRUE(run.program_.running()) << "the run was too short to be interrupted";
  run.program_.send(SIGINT);
  while (run.program_.running() && run.program_.stderr_so_far().find("ending the refinements") == std::string::npos)
    std::this_thread::sleep_for(1ms);
  run.program_.send(SIGINT);
  const auto sent = std::chrono::steady_clock::now();
  const ProgramResult result = run.program_.wait();
  EXPECT_EQ(result.exit_code, 130) << result.err;
  EXPECT_LT(std::chrono::steady_clock::now() - sent, 10s);
  EXPECT_TRUE(run.old_.is_whole());
  EXPECT_EQ(run.folder_.names(), (std::vector<std::string>{"c.json", "c.safetensors", "tokens.txt"}));
}

ProgramOptions in_folder_with_files_up_to(const fs::path& folder, std::uint64_t bytes) {
  ProgramOptions options = in_folder(folder);
  options.largest_file = bytes;
  return options;
}

TEST(CertifyProgram, AFullDiskIsAResourceErrorAndLeavesTheOldCertificateAndNoTemporaryFile) {
  for (const std::uint64_t limit : {std::uint64_t{0}, std::uint64_t{4096}, std::uint64_t{200000}}) {
    const TestFolder folder;
    const OldCertificate old(folder.path());
    const ProgramResult result = run_program_of_build(
        "lyap",
        {"certify", (kExamples / "mamba-tiny").string(), "--out", "c.json", "--effort", "fast", "--no-progress"},
        in_folder_with_files_up_to(folder.path(), limit));
    EXPECT_EQ(result.exit_code, 70) << limit;
    EXPECT_TRUE(old.is_whole()) << limit;
    EXPECT_EQ(folder.names(), (std::vector<std::string>{"c.json", "c.safetensors"})) << limit;
    EXPECT_THAT(result.err, ::testing::AnyOf("", HasSubstr("c."))) << limit;
  }
}

TEST(CertifyProgram, AStdoutThatIsFullIsAResourceErrorThatSaysWhereTheCertificateIs) {
  const TestFolder folder;
  ProgramOptions options = in_folder(folder.path());
  options.stdout_to = "/dev/full";
  const ProgramResult result = run_program_of_build(
      "lyap", {"certify", (kExamples / "mamba2-tiny").string(), "--layers", "0", "--out", "c.json", "--json"}, options);
  EXPECT_EQ(result.exit_code, 70);
  EXPECT_THAT(result.err, HasSubstr("c.json"));
  EXPECT_EQ(broken_rule(folder.path() / "c.json"), "");
}

}  // namespace
}  // namespace lyap
