#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/deviation/deployed_runs.hpp"
#include "verify/certify/float_forward.hpp"
#include "verify/checkpoint/token_sequence.hpp"
#include "verify/deviation/deployed_program.hpp"

namespace lyap::deviation {
namespace {

using Eigen::Index;
namespace fs = std::filesystem;

constexpr std::size_t kTokens = 512;

/// Largest values over steps: of the bound, of what was measured, of the quantity.
struct Maxima {
  Eigen::VectorXd bound, measured, size;
  explicit Maxima(Index columns) : bound(Eigen::VectorXd::Zero(columns)), measured(bound), size(bound) {}
  void add(const IntervalMatrix& real, const IntervalMatrix& set, const IntervalMatrix& run, Index skipped) {
    for (Index t = skipped; t < real.rows(); ++t) {
      for (Index i = 0; i < real.columns(); ++i) {
        const double x = real.lower(t, i);
        bound[i] = std::max(bound[i], std::max(set.upper(t, i) - x, x - set.lower(t, i)));
        measured[i] = std::max(measured[i], std::abs(run.lower(t, i) - x));
        size[i] = std::max(size[i], std::abs(x));
      }
    }
  }
  [[nodiscard]] double median_ratio() const { return median(bound, measured); }
  [[nodiscard]] double median_relative() const { return median(bound, size); }

 private:
  static double median(const Eigen::VectorXd& x, const Eigen::VectorXd& y) {
    std::vector<double> ratios;
    for (Index i = 0; i < x.size(); ++i) {
      if (y[i] > 0.0) ratios.push_back(x[i] / y[i]);
    }
    std::nth_element(ratios.begin(), ratios.begin() + std::ptrdiff_t(ratios.size() / 2), ratios.end());
    return ratios[ratios.size() / 2];
  }
};

struct Ratios {
  double h, y, o, relative;
};

Ratios ratios_of(const theory::BlockWeights& block, const theory::Matrix& inputs,
                 const theory::PrecisionPolicy& policy) {
  RealRun real(block);
  DeployedProgram program(block, policy);
  EmulatedProgram emulated(block, policy);
  const StateShape shape = state_shape(block);
  Maxima h(Index(shape.rows() * shape.states)), y(Index(shape.rows()));
  double o_bound = 0.0, o_measured = 0.0, seconds = 0.0, emulation = 0.0;
  const std::size_t step = chunk_tokens(shape);
  for (std::size_t begin = 0; begin < inputs.rows; begin += step) {
    const std::size_t end = std::min(inputs.rows, begin + step);
    const BlockChunk reference = real.advance(inputs, begin, end);
    const std::clock_t start = std::clock();
    const BlockChunk set = program.advance(inputs, begin, end);
    const std::clock_t middle = std::clock();
    const BlockChunk run = emulated.advance(inputs, begin, end);
    emulation += double(std::clock() - middle) / CLOCKS_PER_SEC;
    seconds += double(middle - start) / CLOCKS_PER_SEC;
    h.add(reference.h, set.h, run.h, 1);
    y.add(reference.y, set.y, run.y, 0);
    for (Index t = 0; t < reference.output.rows(); ++t) {
      const Eigen::RowVectorXd x = reference.output.lower.row(t);
      o_bound = std::max(o_bound, (set.output.upper.row(t) - x).cwiseMax(x - set.output.lower.row(t)).norm());
      o_measured = std::max(o_measured, (run.output.lower.row(t) - x).norm());
    }
  }
  EXPECT_TRUE(program.findings().empty());
  const Ratios ratios{h.median_ratio(), y.median_ratio(), o_bound / o_measured, h.median_relative()};
  std::printf("  %-15s h %7.3f  y %7.3f  o %7.2f  rel %.2e   processor time %.2f s, emulated %.2f s\n", policy.name,
              ratios.h, ratios.y, ratios.o, ratios.relative, seconds, emulation);
  return ratios;
}

/// The same policy with layers that add up in binary32, rounded to nearest, in any order.
theory::PrecisionPolicy rounding_to_nearest(theory::PrecisionPolicy policy) {
  for (theory::LinearRounding* layer :
       {&policy.in_proj, &policy.convolution, &policy.x_proj, &policy.dt_proj, &policy.out_proj})
    layer->accumulation = theory::kAnyOrder;
  return policy;
}

struct Target {
  theory::PrecisionPolicy policy;
  double h, y, o, relative;
};

theory::PrecisionPolicy policy_of(const char* name) { return *theory::find_policy(name); }

/// With LYAP_TEST_SCALE of 4 or more the other layers are printed too.
void expect_targets(const char* model_name, std::size_t layer, const std::vector<Target>& targets) {
  const fs::path examples = fs::path(LYAP_SOURCE_DIR) / "verify/examples";
  const Checkpoint model = Checkpoint::open(examples / model_name);
  std::vector<std::int64_t> tokens =
      tokenize_text(examples / "sample.txt", model.folder(), model.description().vocabulary);
  tokens.resize(std::min(tokens.size(), kTokens));
  approx_forward(model, tokens, [&](std::size_t index, const theory::BlockWeights& block, const theory::Matrix& input) {
    if (index != layer && testing::scaled(1) < 4) return;
    std::printf("%s layer %zu, %zu tokens\n", model_name, index, tokens.size());
    for (const Target& target : targets) {
      const Ratios ratios = ratios_of(block, input, target.policy);
      if (index != layer) continue;
      EXPECT_LE(ratios.h, target.h) << target.policy.name;
      EXPECT_LE(ratios.y, target.y) << target.policy.name;
      EXPECT_LE(ratios.o, target.o) << target.policy.name;
      EXPECT_LE(ratios.relative, target.relative) << target.policy.name;
    }
  });
}

// Layer 3 has the largest ratios of mamba-tiny, layer 2 those of mamba2-tiny.

TEST(DeployedTightness, OnTensorCoresOfAMamba1LayerIsWithinTheTargets) {
  expect_targets("mamba-tiny", 3,
                 {{policy_of("amp-bf16"), 2.5, 3.0, 25.0, 0.02},
                  {policy_of("amp-fp16"), 12.0, 14.4, 190.0, 0.01},
                  {policy_of("tf32"), 15.0, 18.0, 250.0, 0.01}});
}

TEST(DeployedTightness, OnTensorCoresOfAMamba2LayerIsWithinTheTargets) {
  expect_targets("mamba2-tiny", 2,
                 {{policy_of("amp-bf16"), 1.3, 1.56, 25.0, 0.02}, {policy_of("tf32"), 3.5, 4.2, 250.0, 0.01}});
}

TEST(DeployedTightness, OfSumsRoundedToNearestIsWithinTheTargets) {
  const auto nearest = [](const char* name) { return rounding_to_nearest(policy_of(name)); };
  expect_targets("mamba-tiny", 3,
                 {{nearest("amp-bf16"), 2.5, 3.0, 25.0, 0.02},
                  {nearest("amp-fp16"), 12.0, 14.4, 190.0, 0.01},
                  {nearest("tf32"), 15.0, 18.0, 250.0, 0.01}});
  expect_targets("mamba2-tiny", 2,
                 {{nearest("amp-bf16"), 1.3, 1.56, 25.0, 0.02},
                  {nearest("amp-fp16"), 3.0, 3.6, 190.0, 0.01},
                  {nearest("tf32"), 3.5, 4.2, 250.0, 0.01}});
}

}  // namespace
}  // namespace lyap::deviation
