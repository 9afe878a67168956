#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/deviation/deployed_runs.hpp"
#include "verify/checkpoint/token_sequence.hpp"
#include "verify/deviation/trace_file.hpp"

/// Interval runs of the plain policies against what transformers computed on a processor (tests/data/traces): the model
/// of the program against the program itself. LYAP_TRACE_FOLDER names a folder with longer recordings
/// (verify/examples/record_trace.py --out MODEL-POLICY.safetensors).
namespace lyap::testing {
namespace {

using deviation::BlockChunk;
using deviation::DeployedProgram;
using Eigen::Index;
namespace fs = std::filesystem;

/// The share of `run`'s numbers in the set: 1 where all are.
template <class Matrix>
void expect_inside(const char* what, const deviation::IntervalMatrix& set, const Matrix& run, double& points,
                   double& entries) {
  Outside outside;
  outside.look(what, set, run);
  EXPECT_FALSE(outside.first()) << *outside.first();
  points += double((set.lower.array() == set.upper.array()).count());
  entries += double(set.lower.size());
}

/// The block's output must explain the recorded input of the next block: their sum, rounded to binary32.
void expect_next_input_inside(const BlockChunk& set, const theory::Matrix& input, const theory::Matrix& next) {
  for (std::size_t t = 0; t < next.rows; ++t) {
    for (std::size_t i = 0; i < next.columns; ++i) {
      const double low = double(float(input(t, i) + set.output.lower(Index(t), Index(i))));
      const double high = double(float(input(t, i) + set.output.upper(Index(t), Index(i))));
      ASSERT_TRUE(next(t, i) >= low && next(t, i) <= high) << "output, token " << t << ", channel " << i;
    }
  }
}

void expect_recording_inside(const fs::path& file, const std::string& model_name, const char* policy_name,
                             bool scan_is_modelled) {
  SCOPED_TRACE(file.string() + ", " + policy_name);
  const Checkpoint model = Checkpoint::open(fs::path(LYAP_SOURCE_DIR) / "verify/examples" / model_name);
  const std::size_t layers = model.description().layers;
  const auto inputs = read_activations(file, layers, model.description().d_model);
  const std::size_t tokens = inputs.at(0).rows;
  const ScanTrace trace = read_scan_trace(file, model, tokens, 0, layers - 1);
  double points = 0.0, entries = 0.0;
  for (std::size_t layer = 0; layer < layers; ++layer) {
    SCOPED_TRACE("layer " + std::to_string(layer));
    DeployedProgram program(model.read_block(layer), *theory::find_policy(policy_name));
    const BlockChunk set = program.advance(inputs.at(layer), 0, tokens);
    const deviation::FrontChunk& recorded = trace.at(layer);
    expect_inside("x", set.front.scan.x, recorded.scan.x.lower, points, entries);
    expect_inside("B", set.front.scan.B, recorded.scan.B.lower, points, entries);
    expect_inside("C", set.front.scan.C, recorded.scan.C.lower, points, entries);
    expect_inside("p", set.front.p, recorded.p.lower, points, entries);
    expect_inside("z", set.front.z, recorded.z.lower, points, entries);
    if (scan_is_modelled && layer + 1 < layers) expect_next_input_inside(set, inputs.at(layer), inputs.at(layer + 1));
  }
  std::printf("%s, %s: %zu tokens, %.0f numbers inside, %.1f %% of the sets are points\n", model_name.c_str(),
              policy_name, tokens, entries, 100.0 * points / entries);
}

TEST(DeployedProgram, ContainsWhatTransformersRecordedOfMambaTinyUnderAutocast) {
  expect_recording_inside(fs::path(LYAP_SOURCE_DIR) / "tests/data/traces/mamba-tiny-autocast-bf16.safetensors",
                          "mamba-tiny", "plain-amp-bf16", true);
}
TEST(DeployedProgram, ContainsWhatTransformersRecordedOfMamba2TinyUnderAutocast) {
  expect_recording_inside(fs::path(LYAP_SOURCE_DIR) / "tests/data/traces/mamba2-tiny-autocast-bf16.safetensors",
                          "mamba2-tiny", "plain-amp-bf16", false);
}

TEST(DeployedProgram, ContainsLongerRecordingsWhereThereAreSome) {
  const char* folder = std::getenv("LYAP_TRACE_FOLDER");
  if (folder == nullptr) GTEST_SKIP() << "LYAP_TRACE_FOLDER is not set: no longer recordings are checked";
  for (const char* model : {"mamba-tiny", "mamba2-tiny"}) {
    for (const char* policy : {"fp32", "plain-amp-bf16", "plain-amp-fp16", "plain-all-bf16", "plain-all-fp16"}) {
      const fs::path file = fs::path(folder) / (std::string(model) + "-" + policy + ".safetensors");
      if (!fs::exists(file)) continue;
      const bool autocast = std::string(policy).find("amp") != std::string::npos;
      expect_recording_inside(file, model, policy, std::string(model) == "mamba-tiny" || !autocast);
    }
  }
}

}  // namespace
}  // namespace lyap::testing
