#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "numerics/parallel.hpp"
#include "numerics/rounding.hpp"
#include "tests/deviation/campaign_programs.hpp"
#include "verify/deviation/deviation_scan.hpp"
#include "verify/deviation/kappa_bound.hpp"

// The part of the bounds that follows the scan, from radii that are exactly what a program's scan inputs deviate by: no
// slack of a propagation hides a term.

namespace lyap::testing {
namespace {

using deviation::BlockChunk;
using deviation::PerturbationRadii;
using theory::PrecisionPolicy;

/// Distance of a program's numbers from enclosures, rounded upward.
RowMajorMatrix radius(const deviation::IntervalMatrix& exact, const RowMajorMatrix& values, std::size_t begin) {
  const RoundingUpward upward;
  RowMajorMatrix result(exact.rows(), exact.columns());
  for (Eigen::Index t = 0; t < result.rows(); ++t) {
    for (Eigen::Index i = 0; i < result.cols(); ++i) {
      const double v = values(Eigen::Index(begin) + t, i);
      result(t, i) = std::max({0.0, v - exact.lower(t, i), exact.upper(t, i) - v});
    }
  }
  return result;
}

PerturbationRadii exact_radii(const BlockChunk& centre, const SecondRun& run) {
  const auto& front = centre.front;
  return {radius(front.p, run.p, centre.begin), radius(front.scan.x, run.x, centre.begin),
          radius(front.scan.B, run.B, centre.begin), radius(front.scan.C, run.C, centre.begin),
          radius(front.z, run.z, centre.begin)};
}

/// What the bound is not told.
enum class Dropped { kNothing, kP, kX, kB, kC, kReadOut };
constexpr Dropped kDroppable[] = {Dropped::kP, Dropped::kX, Dropped::kB, Dropped::kC, Dropped::kReadOut};

void drop(PerturbationRadii& radii, Dropped dropped) {
  if (dropped == Dropped::kP) radii.p.setZero();
  if (dropped == Dropped::kX) radii.x.setZero();
  if (dropped == Dropped::kB) radii.B.setZero();
  if (dropped == Dropped::kC) radii.C.setZero();
}

struct Drawn {
  CampaignCase c;
  const PrecisionPolicy* policy;
  std::optional<SecondRun> run;
};

/// One program of one block; of the emulated ones only those that cannot overflow are judged.
Drawn drawn_program(Campaign& draw) {
  Drawn drawn;
  drawn.c = drawn_case(draw);
  drawn.policy = &theory::kPrecisionPolicies[draw.size(0, theory::kPrecisionPolicies.size() - 1)];
  drawn.run = adversarial_run(drawn.c, *drawn.policy, drawn_adversary(draw, draw.chance(0.5)));
  return drawn;
}

void judge_scan(Ledger& ledger, const Drawn& drawn, std::size_t length, Dropped dropped, const std::string& where) {
  std::vector<OverflowFinding> findings;
  const theory::BlockWeights rounded = deviation::rounded_weights(drawn.c.block, *drawn.policy, findings);
  if (!findings.empty()) return;
  const bool mamba1 = std::holds_alternative<theory::Mamba1Weights>(rounded);
  theory::ScanRounding scan = mamba1 ? drawn.policy->mamba1 : drawn.policy->mamba2;
  if (dropped == Dropped::kReadOut) scan.y = scan.read_out = scan.state_read = scan.skip_product = theory::kUnrounded;
  deviation::RealRun real(rounded);
  deviation::KappaBound kappa(rounded, scan);
  deviation::DeviationScan recurrence(rounded, scan);
  Judge judge(ledger, rounded, drawn.c.inputs, where);
  if (dropped != Dropped::kNothing) judge.only_measure();
  const theory::Matrix& inputs = drawn.c.inputs;
  ledger.add_trajectories(std::size_t(drawn.run->h.cols()), inputs.rows);
  for (std::size_t begin = 0; begin < inputs.rows; begin += length) {
    const BlockChunk centre = real.advance(inputs, begin, std::min(inputs.rows, begin + length));
    PerturbationRadii radii = exact_radii(centre, *drawn.run);
    drop(radii, dropped);
    judge.judge("kappa of radii", drawn.policy->name, centre, kappa.advance(centre, radii), *drawn.run);
    deviation::ScanDeviation E = recurrence.advance(centre, radii);
    const deviation::ChunkDeviation bound{std::move(E.state), std::move(E.output), {}};
    judge.judge("E_t of radii", drawn.policy->name, centre, bound, *drawn.run);
  }
}

TEST(Campaign, NoScanLeavesABoundOfItsOwnInputs) {
  set_thread_count(1);
  Ledger ledger;
  Campaign draw(703);
  for (int i = 0; i < scaled(600); ++i) {
    const Drawn drawn = drawn_program(draw);
    const std::size_t length = draw.size(5, 400);
    if (drawn.run) judge_scan(ledger, drawn, length, Dropped::kNothing, "scan " + std::to_string(i));
  }
  ledger.print("scans");
  EXPECT_EQ(ledger.violations(), 0u);
}

/// Without one radius, or without the roundings of the read-out, both bounds are left by some program.
TEST(Campaign, BoundsOfAScanFailWithoutAnyOneRadius) {
  set_thread_count(1);
  for (const Dropped dropped : kDroppable) {
    Ledger ledger;
    Campaign draw(704);
    for (int i = 0; i < 40; ++i) {
      const Drawn drawn = drawn_program(draw);
      if (drawn.run) judge_scan(ledger, drawn, 100, dropped, "scan " + std::to_string(i));
    }
    for (const char* method : {"kappa of radii", "E_t of radii"}) {
      const double worst = std::max(ledger.worst(method, "h"), ledger.worst(method, "y"));
      EXPECT_GT(worst, 1.0) << method << ": nothing is lost without term " << int(dropped);
    }
  }
}

}  // namespace
}  // namespace lyap::testing
