#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "numerics/parallel.hpp"
#include "tests/deviation/campaign_programs.hpp"
#include "verify/deviation/apriori.hpp"

// Every term of the a-priori bound is needed: without any one of them a program of the policy leaves it, and the same
// programs stay within the whole bound.

namespace lyap::testing {
namespace {

using deviation::AprioriTerms;
using deviation::BlockChunk;
using theory::Mamba1Weights;
using theory::Mamba2Weights;
using theory::PrecisionPolicy;

/// A term, what is left of the bound without it, and programs in which it is what counts.
struct Term {
  const char* name;
  AprioriTerms without;
  std::function<void(Campaign&, CampaignCase&)> shape_case;
  std::function<void(PrecisionPolicy&)> shape_policy;
  std::function<void(Adversary&)> shape_adversary;
};

constexpr theory::Accumulation kAlmostExact{"almost exact", 0x1p-60, 0x1p-200, false, 0, 0};

void set_accumulation(PrecisionPolicy& policy, const theory::Accumulation& accumulation) {
  for (theory::LinearRounding* layer :
       {&policy.in_proj, &policy.convolution, &policy.x_proj, &policy.dt_proj, &policy.out_proj})
    layer->accumulation = accumulation;
}

template <class Change>
void for_weights(CampaignCase& c, const Change& change) {
  std::visit([&](auto& w) { change(w); }, c.block);
}

/// Step sizes near exp(bias), whatever the input, and all rates exp(log_rate).
void set_steps(Campaign& draw, CampaignCase& c, double bias, double log_rate) {
  for_weights(c, [&](auto& w) {
    make_steps_constant(draw, w);
    std::fill(w.dt_bias.begin(), w.dt_bias.end(), bias);
    if constexpr (std::is_same_v<std::decay_t<decltype(w)>, Mamba1Weights>) {
      std::fill(w.A_log.entries.begin(), w.A_log.entries.end(), log_rate);
    } else {
      std::fill(w.A_log.begin(), w.A_log.end(), log_rate);
      w.step_limits = {};
    }
  });
}

void scale_in_proj(CampaignCase& c, double factor) {
  for_weights(c, [&](auto& w) {
    for (double& entry : w.in_proj.entries) entry = float(factor * entry);
    w.in_proj_bias.clear();
    w.conv_bias.clear();
  });
}

void none(Campaign&, CampaignCase&) {}

std::vector<Term> all_terms() {
  std::vector<Term> terms;
  const auto keeps = [](Adversary&) {};
  terms.push_back(
      {"weights", {.weights = 0.0}, none, [](PrecisionPolicy& p) { p.in_proj.weight = theory::kBfloat16Type; }, keeps});
  terms.push_back({"rounding",
                   {.rounding = 0.0},
                   none,
                   [](PrecisionPolicy& p) { p.in_proj.output = theory::kBfloat16Type; },
                   keeps});
  terms.push_back({"accumulation",
                   {.accumulation = 0.0},
                   none,
                   [](PrecisionPolicy& p) {
                     set_accumulation(p, {"coarse", 0x1p-14, 0x1p-150, false, 0, 0});
                   },
                   keeps});
  terms.push_back({"functions",
                   {.functions = 0.0, .underflow = 0.0},
                   [](Campaign& draw, CampaignCase& c) { set_steps(draw, c, -80.0, 0.0); },
                   [](PrecisionPolicy& p) { set_accumulation(p, kAlmostExact); },
                   [](Adversary& a) {
                     a.underflows = false;
                     a.signs = Signs::kOutward;
                   }});
  terms.push_back({"underflow",
                   {.underflow = 0.0},
                   [](Campaign&, CampaignCase& c) { scale_in_proj(c, 0x1p-25); },
                   [](PrecisionPolicy& p) { p.in_proj.output = theory::kFloat16Type; },
                   keeps});
  terms.push_back({"curvature",
                   {.curvature = 0.0},
                   [](Campaign&, CampaignCase& c) { scale_in_proj(c, 200.0); },
                   [](PrecisionPolicy& p) { p.in_proj.output = theory::kBfloat16Type; },
                   keeps});
  terms.push_back({"scan",
                   {.functions = 0.0, .scan = 0.0},
                   [](Campaign& draw, CampaignCase& c) { set_steps(draw, c, -8.0, -4.0); },
                   [](PrecisionPolicy& p) { set_accumulation(p, kAlmostExact); },
                   [](Adversary& a) {
                     a.functions = 0.0;
                     a.underflows = false;
                     a.signs = Signs::kOutward;
                   }});
  terms.push_back({"carried",
                   {.carried = 0.0},
                   [](Campaign& draw, CampaignCase& c) { set_steps(draw, c, -3.0, -2.0); },
                   [](PrecisionPolicy& p) { p.conv_silu = theory::kBfloat16Type; },
                   keeps});
  return terms;
}

/// The largest measured/bound over programs of the term, for all terms of the bound or without this one.
double worst_ratio(const Term& term, bool whole, Ledger& ledger) {
  Campaign draw(721);
  PrecisionPolicy policy = *theory::find_policy("fp32");
  term.shape_policy(policy);
  for (int i = 0; i < 40; ++i) {
    CampaignCase c;
    c.block = i % 2 == 0 ? drawn_whole(draw, drawn_mamba1(draw), false) : drawn_whole(draw, drawn_mamba2(draw), false);
    term.shape_case(draw, c);
    c.inputs = drawn_inputs(draw, draw.size(1, 400), width_of(c.block), false);
    Adversary adversary = drawn_adversary(draw, (i / 2) % 2 == 0);
    term.shape_adversary(adversary);
    const auto program = adversarial_run(c, policy, adversary);
    if (!program) continue;
    deviation::RealRun real(c.block);
    const auto run = deviation::apriori_run(c.block, policy, whole ? AprioriTerms{} : term.without);
    const BlockChunk reference = real.advance(c.inputs, 0, c.inputs.rows);
    Judge judge(ledger, c.block, c.inputs, std::string(term.name) + " " + std::to_string(i));
    if (!whole) judge.only_measure();
    const auto bound = run->advance(reference, c.inputs);
    if (run->findings().empty()) judge.judge("a-priori", term.name, reference, bound, *program);
  }
  return std::max({ledger.worst("a-priori", "h"), ledger.worst("a-priori", "y"), ledger.worst("a-priori", "o")});
}

TEST(CampaignTerms, TheAprioriBoundHoldsAndFailsWithoutAnyOneTerm) {
  set_thread_count(1);
  for (const Term& term : all_terms()) {
    Ledger whole, without;
    const double most = worst_ratio(term, true, whole);
    EXPECT_EQ(whole.violations(), 0u) << term.name;
    const double left = worst_ratio(term, false, without);
    std::printf("%-12s largest measured/bound %.4f, without the term %.4g\n", term.name, most, left);
    EXPECT_GT(left, 1.0) << "nothing is lost without the term " << term.name;
  }
}

}  // namespace
}  // namespace lyap::testing
