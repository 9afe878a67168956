#include <gtest/gtest.h>

#include <string>
#include <variant>

#include "numerics/interval_functions.hpp"
#include "numerics/mpfr_real.hpp"
#include "tests/theory/oracle_model.hpp"
#include "theory/lyapunov_exponent.hpp"

// The two trained checkpoints of verify/examples against the logits of an independent float64 forward pass
// (tests/data/checkpoints).

namespace lyap::theory::testing {
namespace {

constexpr double kFloatLogits = 1e-4;    ///< the product's promise for the float forward, absolute
constexpr double kDoubleLogits = 1e-11;  ///< the oracle's stated accuracy, relative
constexpr double kExponentWidth = 1e-9;  ///< the product's promise for enclosures of exponents, relative
constexpr std::size_t kEnclosedTokens = 24;

class TrainedCheckpoint : public ::testing::TestWithParam<const char*> {
 protected:
  [[nodiscard]] std::filesystem::path folder() const { return source_folder() / "verify/examples" / GetParam(); }
  [[nodiscard]] Oracle oracle() const {
    return Oracle(source_folder() / "tests/data/checkpoints" / GetParam() / "oracle.safetensors");
  }
};

TEST_P(TrainedCheckpoint, TheFloatForwardReproducesTheLogits) {
  const Agreement agreement = compare_logits<float>(read_whole_model(folder()), oracle(), "logits_fp64");
  RecordProperty("largest_difference", std::to_string(agreement.difference));
  EXPECT_LE(agreement.difference, kFloatLogits);
  EXPECT_GT(agreement.relative(), kDoubleLogits);  // float really is float
}

TEST_P(TrainedCheckpoint, TheDoubleForwardReproducesTheLogits) {
  EXPECT_LE(compare_logits<double>(read_whole_model(folder()), oracle(), "logits_fp64").relative(), kDoubleLogits);
}

template <class Enclosures, class Values>
void expect_all_contained(const Enclosures& enclosures, const Values& values, const char* what) {
  ASSERT_EQ(enclosures.size(), values.size()) << what;
  std::size_t outside = 0;
  for (std::size_t i = 0; i < values.size(); ++i) outside += contains(enclosures[i], values[i]) ? 0U : 1U;
  EXPECT_EQ(outside, 0U) << what;
}

TEST_P(TrainedCheckpoint, TheMultiplePrecisionForwardOfLayer0LiesInsideItsIntervalForward) {
  const Checkpoint checkpoint = Checkpoint::open(folder());
  const std::vector<std::int64_t> tokens = oracle().tokens(0);
  Matrix inputs(kEnclosedTokens, checkpoint.description().d_model);
  for (std::size_t t = 0; t < kEnclosedTokens; ++t) {
    const Vector row = checkpoint.read_embedding_row(static_cast<std::size_t>(tokens[t]));
    std::copy(row.begin(), row.end(), inputs.entries.begin() + static_cast<std::ptrdiff_t>(t * inputs.columns));
  }
  const BlockWeights block = checkpoint.read_block(0);
  const auto enclosure = std::visit([&](const auto& w) { return run<Interval>(w, inputs); }, block);
  const auto truth = std::visit([&](const auto& w) { return run<MpfrReal>(w, inputs); }, block);
  for (std::size_t t = 0; t < kEnclosedTokens; ++t) {
    expect_all_contained(enclosure.steps[t].Delta, truth.steps[t].Delta, "Delta");
    expect_all_contained(enclosure.steps[t].y, truth.steps[t].y, "y");
    expect_all_contained(enclosure.steps[t].output, truth.steps[t].output, "output");
  }
  expect_all_contained(enclosure.h, truth.h, "h");
  const Array<Interval> exponents = finite_time_exponents(enclosure.alpha, enclosure.sum_of_steps, kEnclosedTokens);
  expect_all_contained(exponents, finite_time_exponents(truth.alpha, truth.sum_of_steps, kEnclosedTokens), "exponents");
  for (const Interval& lambda : exponents) EXPECT_LE(lambda.width_upper_bound(), kExponentWidth * lambda.mignitude());
}

INSTANTIATE_TEST_SUITE_P(Models, TrainedCheckpoint, ::testing::Values("mamba-tiny", "mamba2-tiny"),
                         [](const auto& instance) {
                           return std::string(instance.param) == "mamba-tiny" ? "mamba_tiny" : "mamba2_tiny";
                         });

}  // namespace
}  // namespace lyap::theory::testing
