#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "numerics/parallel.hpp"
#include "tests/deviation/campaign_programs.hpp"
#include "verify/deviation/apriori.hpp"
#include "verify/deviation/universal_deviation.hpp"

// Every bound of a policy against programs of it on random blocks: emulated, and with the worst errors that the model
// allows. One scalar state of one program's run is one trajectory.

namespace lyap::testing {
namespace {

using deviation::BlockChunk;
using deviation::ChunkDeviation;
using theory::PrecisionPolicy;

/// One method's bounds, chunk after chunk.
struct Bounds {
  std::string method;
  std::vector<ChunkDeviation> chunks;
  bool holds_for_erring_roundings = true;
  bool holds = true;
};

class PolicyCase {
 public:
  PolicyCase(Ledger& ledger, const CampaignCase& c, const PrecisionPolicy& policy, std::size_t length,
             const std::string& where)
      : c_(c), policy_(policy), judge_(ledger, c.block, c.inputs, where), ledger_(ledger) {
    deviation::RealRun real(c.block);
    deviation::DeployedProgram program(c.block, policy);
    Bounds interval{"interval-run", {}, false, true};
    for (std::size_t begin = 0; begin < c.inputs.rows; begin += length) {
      const std::size_t end = std::min(c.inputs.rows, begin + length);
      reference_.push_back(real.advance(c.inputs, begin, end));
      interval.chunks.push_back(distance(reference_.back(), program.advance(c.inputs, begin, end)));
    }
    may_overflow_ = !program.findings().empty();
    interval.holds = !may_overflow_;
    bounds_.push_back(std::move(interval));
  }

  void add(const std::string& method, std::unique_ptr<deviation::DeviationRun> run) {
    Bounds bounds{method, {}, true, true};
    for (const BlockChunk& chunk : reference_) bounds.chunks.push_back(run->advance(chunk, c_.inputs));
    bounds.holds = run->findings().empty();
    bounds_.push_back(std::move(bounds));
  }
  void add(DeviationBounds universal) { universal_ = std::move(universal); }

  /// `recurs_exactly`: universal bounds speak of programs whose recurrence does not err.
  void judge(const SecondRun& second, bool rounds_correctly, bool recurs_exactly = false) {
    ledger_.add_trajectories(std::size_t(second.h.cols()), c_.inputs.rows);
    for (const Bounds& bounds : bounds_) {
      if (!bounds.holds || (!rounds_correctly && !bounds.holds_for_erring_roundings)) continue;
      for (std::size_t i = 0; i < reference_.size(); ++i)
        judge_.judge(bounds.method, policy_.name, reference_[i], bounds.chunks[i], second);
    }
    if (recurs_exactly && universal_ && universal_->may_overflow.empty()) judge_universal(second);
  }
  [[nodiscard]] bool may_overflow() const { return may_overflow_; }

 private:
  void judge_universal(const SecondRun& second) {
    std::vector<double> state(universal_->state.upper.size()), output(state);
    const auto raise = [&](std::vector<double>& sup, const deviation::IntervalMatrix& exact,
                           const RowMajorMatrix& values, std::size_t begin, Eigen::Index skipped) {
      const Eigen::Index per_head = values.cols() / Eigen::Index(sup.size());
      for (Eigen::Index t = skipped; t < exact.rows(); ++t) {
        for (Eigen::Index i = 0; i < values.cols(); ++i) {
          const double v = values(Eigen::Index(begin) + t, i);
          double& largest = sup[std::size_t(i / per_head)];
          largest = std::max({largest, exact.lower(t, i) - v, v - exact.upper(t, i)});
        }
      }
    };
    for (const BlockChunk& chunk : reference_) {
      raise(state, chunk.h, second.h, chunk.begin, 1);
      raise(output, chunk.y, second.y, chunk.begin, 0);
    }
    for (std::size_t k = 0; k < state.size(); ++k) {
      judge_.judge_supremum("universal", policy_.name, "h", state[k], universal_->state.upper[k]);
      judge_.judge_supremum("universal", policy_.name, "y", output[k], universal_->output.upper[k]);
    }
  }

  const CampaignCase& c_;
  const PrecisionPolicy& policy_;
  Judge judge_;
  Ledger& ledger_;
  std::vector<BlockChunk> reference_;
  std::vector<Bounds> bounds_;
  std::optional<DeviationBounds> universal_;
  bool may_overflow_ = false;
};

void run_case(Campaign& draw, Ledger& ledger, int index) {
  const CampaignCase c = drawn_case(draw);
  const PrecisionPolicy& policy = theory::kPrecisionPolicies[std::size_t(index) % theory::kPrecisionPolicies.size()];
  const std::string where =
      "case " + std::to_string(index) + (c.is_extreme ? ", extreme" : "") + ", T = " + std::to_string(c.inputs.rows);
  PolicyCase judged(ledger, c, policy, draw.size(5, 400), where);
  judged.add("kappa", deviation::kappa_run(c.block, policy));
  judged.add("a-priori", deviation::apriori_run(c.block, policy));
  const bool universal = draw.chance(0.1);
  if (universal) judged.add(deviation::universal_policy_deviation(c.block, policy));
  const std::size_t states = [&] {
    const auto s = deviation::state_shape(c.block);
    return s.rows() * s.states;
  }();
  if (judged.may_overflow()) {
    ledger.add_skipped(states);
  } else {
    judged.judge(emulated_run(c, policy), true);
  }
  for (int i = 0; i < (universal ? 8 : 4); ++i) {
    Adversary adversary = drawn_adversary(draw, i % 2 == 0);
    adversary.recurs_exactly = i >= 4;
    if (const auto run = adversarial_run(c, policy, adversary)) {
      judged.judge(*run, adversary.rounds_correctly, adversary.recurs_exactly);
    } else {
      ledger.add_skipped(states);
    }
  }
}

TEST(Campaign, NoProgramOfAPolicyLeavesABound) {
  set_thread_count(1);
  Ledger ledger;
  Campaign draw(701);
  for (int i = 0; i < scaled(300); ++i) run_case(draw, ledger, i);
  ledger.print("policies");
  EXPECT_EQ(ledger.violations(), 0u);
}

}  // namespace
}  // namespace lyap::testing
