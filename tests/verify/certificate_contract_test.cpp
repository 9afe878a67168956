#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>

#include "numerics/contract_violation.hpp"
#include "tests/verify/sample_certificate.hpp"
#include "verify/certify/layer_arrays.hpp"

namespace lyap {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(CertificateContract, ConsistentBoundsAreAccepted) {
  EXPECT_NO_THROW(require_consistent(sample_universal_bounds()));
  EXPECT_NO_THROW(require_consistent(sample_trajectory_bounds()));
}

TEST(CertificateContract, AnInfiniteStateBoundIsAcceptedBecauseRealNumbersMayExceedBinary64) {
  UniversalBounds bounds = sample_universal_bounds();
  bounds.state_bound_upper[1] = kInfinity;
  EXPECT_NO_THROW(require_consistent(bounds));
}

TEST(CertificateContract, EveryInconsistencyOfAUniversalTierIsRefused) {
  const std::map<std::string, std::function<void(UniversalBounds&)>> faults{
      {"NaN in p", [](UniversalBounds& b) { b.preactivation_lower[0] = kNaN; }},
      {"NaN in zeta", [](UniversalBounds& b) { b.zeta_upper[1] = kNaN; }},
      {"NaN in H", [](UniversalBounds& b) { b.state_bound_upper[2] = kNaN; }},
      {"NaN in a gain", [](UniversalBounds& b) { b.gain_step_upper[2] = kNaN; }},
      {"crossed step sizes", [](UniversalBounds& b) { b.step_size_lower[0] = 4; }},
      {"negative step size", [](UniversalBounds& b) { b.step_size_lower[0] = -1; }},
      {"growth", [](UniversalBounds& b) { b.zeta_upper[0] = 1e-300; }},
      {"exponent above zeta", [](UniversalBounds& b) { b.exponent_upper[0] = b.zeta_upper[0] / 2; }},
      {"witness above its bound", [](UniversalBounds& b) { b.zeta_witness[2] = 0.0; }},
      {"missing channel", [](UniversalBounds& b) { b.exponent_upper.pop_back(); }},
      {"unknown relaxation", [](UniversalBounds& b) { b.relaxation[0] = 7; }},
      {"a relaxation above the range", [](UniversalBounds& b) { b.preactivation_lower_by_relaxation[2][1] = -20; }},
      {"NaN from a relaxation", [](UniversalBounds& b) { b.preactivation_lower_by_relaxation[0][1] = kNaN; }},
      {"a relaxation's missing channel", [](UniversalBounds& b) { b.preactivation_lower_by_relaxation[0].pop_back(); }},
      {"a range that no relaxation proved", [](UniversalBounds& b) { b.preactivation_lower[2] = -39; }},
      {"no channels", [](UniversalBounds& b) { b = UniversalBounds{}; }},
  };
  for (const auto& [name, spoil] : faults) {
    UniversalBounds bounds = sample_universal_bounds();
    spoil(bounds);
    EXPECT_THROW(require_consistent(bounds), ContractViolation) << name;
  }
}

TEST(CertificateContract, EveryInconsistencyOfATrajectoryTierIsRefused) {
  const std::map<std::string, std::function<void(TrajectoryBounds&)>> faults{
      {"NaN", [](TrajectoryBounds& b) { b.exponent_lower[0] = kNaN; }},
      {"crossed", [](TrajectoryBounds& b) { b.final_state_lower[0] = 9; }},
      {"growth", [](TrajectoryBounds& b) { b.exponent_upper[3] = 0x1p-1074; }},
      {"shape",
       [](TrajectoryBounds& b) {
         b.exponent_shape = {2, 2};
       }},
      {"no steps", [](TrajectoryBounds& b) { b.steps = 0; }},
      {"output sizes", [](TrajectoryBounds& b) { b.output_lower = {1.0}; }},
  };
  for (const auto& [name, spoil] : faults) {
    TrajectoryBounds bounds = sample_trajectory_bounds();
    spoil(bounds);
    EXPECT_THROW(require_consistent(bounds), ContractViolation) << name;
  }
}

TEST(LayerSummary, TakesTheLargestRateAndTheLargestWitnessAndSkipsChannelsWithoutASearch) {
  const UniversalSummary summary = summarize(sample_universal_bounds());
  EXPECT_EQ(summary.zeta.upper, -0x1p-30);
  EXPECT_EQ(summary.zeta.channel, 1u);
  EXPECT_EQ(summary.zeta.witness, -0x1p-24);
  EXPECT_EQ(summary.zeta.witness_channel, 2u);
  EXPECT_EQ(summary.relaxation_wins[2], 2u);
  EXPECT_EQ(summary.relaxation_wins[5], 1u);
  UniversalBounds unsearched = sample_universal_bounds();
  unsearched.zeta_witness = {kNaN, kNaN, kNaN};
  EXPECT_FALSE(summarize(unsearched).zeta.witness.has_value());
}

TEST(LayerSummary, QuantilesEncloseTheOrderStatisticsOfEveryPointBetweenTheEnds) {
  const TrajectoryBounds bounds = sample_trajectory_bounds();
  const TrajectorySummary summary = summarize(bounds);
  std::vector<double> middle;
  for (std::size_t i = 0; i < bounds.exponent_lower.size(); ++i)
    middle.push_back(0.5 * (bounds.exponent_lower[i] + bounds.exponent_upper[i]));
  std::sort(middle.begin(), middle.end());
  for (const ExponentQuantile& quantile : summary.quantiles) {
    const double point = middle[static_cast<std::size_t>(std::lround(quantile.probability * 5))];
    EXPECT_LE(quantile.lower, point);
    EXPECT_GE(quantile.upper, point);
  }
  EXPECT_EQ(summary.exponent_upper, -0.09);
  EXPECT_EQ(summary.state_upper, 8.5);
}

TEST(LayerArrays, CarryTheNamesShapesAndTypesOfTheCertificate) {
  std::map<std::string, NamedArray> arrays;
  const ArraySink keep = [&arrays](const NamedArray& array) {
    EXPECT_TRUE(arrays.emplace(array.name, array).second) << array.name;
  };
  TrajectoryBounds trajectory = sample_trajectory_bounds();
  trajectory.output_lower = trajectory.output_upper = std::vector<double>(15, 1.0);
  send_arrays(sample_universal_bounds(), 4, keep);
  send_arrays(trajectory, 4, keep);
  for (const char* name :
       {"preactivation.lower", "preactivation.upper", "step_size.lower", "step_size.upper", "zeta.lower", "zeta.upper",
        "exponent.upper", "zeta.witness", "exponent.witness", "state_bound.upper", "gain.initial.upper", "gain.x.upper",
        "gain.B.upper", "gain.C.upper", "gain.step.upper", "gain.A_log.upper"}) {
    ASSERT_TRUE(arrays.contains(std::string("layer.4.") + name)) << name;
    EXPECT_EQ(arrays.at(std::string("layer.4.") + name).shape, std::vector<std::size_t>{3}) << name;
    EXPECT_EQ(arrays.at(std::string("layer.4.") + name).dtype, "F64") << name;
  }
  EXPECT_EQ(arrays.at("layer.4.relaxation").dtype, "U8");
  EXPECT_EQ(arrays.at("layer.4.input").dtype, "F32");
  EXPECT_EQ(arrays.at("layer.4.trajectory.exponent.upper").shape, (std::vector<std::size_t>{3, 2}));
  EXPECT_EQ(arrays.at("layer.4.trajectory.output.upper").shape, (std::vector<std::size_t>{5, 3}));
}

TEST(LayerArrays, AWitnessInputThatIsNoFloat32IsStoredAsFloat64SoThatItReplaysExactly) {
  UniversalBounds bounds = sample_universal_bounds();
  bounds.witness_input(0, 0) = 0.1;
  std::map<std::string, NamedArray> arrays;
  send_arrays(bounds, 0, [&](const NamedArray& array) { arrays[array.name] = array; });
  EXPECT_EQ(arrays.at("layer.0.input").dtype, "F64");
  EXPECT_EQ(arrays.at("layer.0.input").f64.front(), 0.1);
}

}  // namespace
}  // namespace lyap
