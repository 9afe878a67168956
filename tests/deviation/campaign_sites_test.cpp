#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "numerics/parallel.hpp"
#include "tests/deviation/campaign_programs.hpp"
#include "verify/deviation/apriori.hpp"
#include "verify/deviation/universal_deviation.hpp"

// One rounding site at a time: a program that rounds at that site only stays within every bound that knows of it and
// leaves every bound that does not. No other term can hide one that is missing.

namespace lyap::testing {
namespace {

using deviation::BlockChunk;
using deviation::ChunkDeviation;
using theory::BlockWeights;
using theory::NumberType;
using theory::PrecisionPolicy;

struct Site {
  const char* name;
  std::function<void(PrecisionPolicy&, const NumberType&)> set;
  bool in_mamba1 = true, in_mamba2 = true;
  bool only_in_output = false;   ///< of the block: states and y do not see it
  bool is_stored_state = false;  ///< decays and states in low precision: K does not cover them
};

template <class Part>
void set_scan(PrecisionPolicy& policy, Part part, const NumberType& type) {
  policy.mamba1.*part = type;
  policy.mamba2.*part = type;
}

/// A layer's four roundings.
void add_layer(std::vector<Site>& sites, const char* const names[4], theory::LinearRounding PrecisionPolicy::*layer,
               bool in_mamba2, bool only_in_output) {
  using Member = NumberType theory::LinearRounding::*;
  constexpr Member kMembers[] = {&theory::LinearRounding::input, &theory::LinearRounding::weight,
                                 &theory::LinearRounding::output, &theory::LinearRounding::bias};
  for (int i = 0; i < 4; ++i) {
    const Member member = kMembers[i];
    sites.push_back({names[i], [=](PrecisionPolicy& p, const NumberType& type) { (p.*layer).*member = type; }, true,
                     in_mamba2, only_in_output});
  }
}

std::vector<Site> all_sites() {
  std::vector<Site> sites;
  const auto add = [&](const char* name, NumberType PrecisionPolicy::*member) {
    sites.push_back({name, [=](PrecisionPolicy& p, const NumberType& type) { p.*member = type; }});
  };
  const auto add_scan = [&](const char* name, NumberType theory::ScanRounding::*member, bool in_mamba1,
                            bool only_in_output) {
    sites.push_back({name, [=](PrecisionPolicy& p, const NumberType& type) { set_scan(p, member, type); }, in_mamba1,
                     true, only_in_output});
  };
  add("stored weights", &PrecisionPolicy::stored_weights);
  add("block input", &PrecisionPolicy::block_input);
  add("norm before gain", &PrecisionPolicy::norm_normalised);
  add("norm output", &PrecisionPolicy::norm_output);
  add("silu", &PrecisionPolicy::conv_silu);
  constexpr const char* kInProj[] = {"in_proj input", "in_proj weight", "in_proj output", "in_proj bias"};
  constexpr const char* kConvolution[] = {"conv input", "conv weight", "conv output", "conv bias"};
  constexpr const char* kXProj[] = {"x_proj input", "x_proj weight", "x_proj output", "x_proj bias"};
  constexpr const char* kDtProj[] = {"dt_proj input", "dt_proj weight", "dt_proj output", "dt_proj bias"};
  constexpr const char* kOutProj[] = {"out_proj input", "out_proj weight", "out_proj output", "out_proj bias"};
  add_layer(sites, kInProj, &PrecisionPolicy::in_proj, true, false);
  add_layer(sites, kConvolution, &PrecisionPolicy::convolution, true, false);
  add_layer(sites, kXProj, &PrecisionPolicy::x_proj, false, false);
  add_layer(sites, kDtProj, &PrecisionPolicy::dt_proj, false, false);
  add_layer(sites, kOutProj, &PrecisionPolicy::out_proj, true, true);
  sites.push_back(
      {"dt_proj sum", [](PrecisionPolicy& p, const NumberType& type) { p.dt_proj.sum = type; }, true, false});
  std::erase_if(sites, [](const Site& site) { return std::string(site.name) == "x_proj bias"; });  // it has none
  using Scan = theory::ScanRounding;
  add_scan("step bias", &Scan::step_bias, false, false);
  add_scan("step bias sum", &Scan::step_bias_sum, false, false);
  add_scan("step size", &Scan::step_size, true, false);
  add_scan("decay", &Scan::decay, true, false);
  sites.back().is_stored_state = true;
  add_scan("state", &Scan::state, true, false);
  sites.back().is_stored_state = true;
  add_scan("state as read", &Scan::state_read, true, false);
  add_scan("C h", &Scan::read_out, true, false);
  add_scan("D x", &Scan::skip_product, true, false);
  add_scan("y", &Scan::y, true, false);
  add_scan("silu of the gate", &Scan::gate_silu, true, true);
  add_scan("gated", &Scan::gated, true, true);
  add_scan("after the gated norm", &Scan::normalised, false, true);
  return sites;
}

PrecisionPolicy with_site(const Site* site, const NumberType& type) {
  PrecisionPolicy policy = *theory::find_policy("fp32");
  policy.name = site == nullptr ? "none" : site->name;
  if (site != nullptr) site->set(policy, type);
  return policy;
}

struct Method {
  const char* name;
  bool for_erring_roundings, bounds_block_output, covers_stored_states;
  /// Bounds chunk after chunk; nothing where they do not hold (overflow).
  std::function<std::vector<ChunkDeviation>(const CampaignCase&, const PrecisionPolicy&,
                                            const std::vector<BlockChunk>&)>
      bounds;
};

std::vector<ChunkDeviation> interval_bounds(const CampaignCase& c, const PrecisionPolicy& policy,
                                            const std::vector<BlockChunk>& reference) {
  deviation::DeployedProgram program(c.block, policy);
  std::vector<ChunkDeviation> result;
  for (const BlockChunk& chunk : reference)
    result.push_back(distance(chunk, program.advance(c.inputs, chunk.begin, chunk.end)));
  if (!program.findings().empty()) result.clear();
  return result;
}

template <class Make>
auto bounds_of_run(Make make) {
  return [make](const CampaignCase& c, const PrecisionPolicy& policy, const std::vector<BlockChunk>& reference) {
    const std::unique_ptr<deviation::DeviationRun> run = make(c.block, policy);
    std::vector<ChunkDeviation> result;
    for (const BlockChunk& chunk : reference) result.push_back(run->advance(chunk, c.inputs));
    if (!run->findings().empty()) result.clear();
    return result;
  };
}

std::vector<Method> methods() {
  std::vector<Method> methods;
  methods.push_back({"interval-run", false, true, true, interval_bounds});
  methods.push_back({"kappa", true, true, false, bounds_of_run(deviation::kappa_run)});
  methods.push_back(
      {"a-priori", true, true, true, bounds_of_run([](const BlockWeights& block, const PrecisionPolicy& policy) {
         return deviation::apriori_run(block, policy);
       })});
  return methods;
}

std::vector<BlockChunk> real_chunks_of(const CampaignCase& c) {
  deviation::RealRun real(c.block);
  std::vector<BlockChunk> chunks;
  for (std::size_t begin = 0; begin < c.inputs.rows; begin += 50)
    chunks.push_back(real.advance(c.inputs, begin, std::min(c.inputs.rows, begin + 50)));
  return chunks;
}

CampaignCase case_for(Campaign& draw, const Site& site) {
  CampaignCase c;
  const bool mamba1 = site.in_mamba1 && (!site.in_mamba2 || draw.chance(0.5));
  c.block = mamba1 ? drawn_whole(draw, drawn_mamba1(draw), false) : drawn_whole(draw, drawn_mamba2(draw), false);
  c.inputs = drawn_inputs(draw, draw.size(1, 120), width_of(c.block), false);
  return c;
}

/// The i-th program that rounds at the site, against each method's bounds: those that know of it, or those of a program
/// that does not round there.
void judge_site(Campaign& draw, Ledger& ledger, const Site& site, int i, bool is_told) {
  const NumberType& type = (i / 2) % 2 == 0 ? theory::kBfloat16Type : theory::kFloat16Type;
  const CampaignCase c = case_for(draw, site);
  const PrecisionPolicy policy = with_site(&site, type), believed = is_told ? policy : with_site(nullptr, type);
  const std::vector<BlockChunk> reference = real_chunks_of(c);
  const bool rounds = i % 2 == 0;
  const auto run = adversarial_run(c, policy, drawn_adversary(draw, rounds));
  if (!run) return;
  for (const Method& method : methods()) {
    if (!rounds && !method.for_erring_roundings) continue;
    if (site.is_stored_state && !method.covers_stored_states) continue;
    const auto bounds = method.bounds(c, believed, reference);
    Judge judge(ledger, c.block, c.inputs, site.name);
    if (!is_told) judge.only_measure();
    for (std::size_t k = 0; k < bounds.size(); ++k) judge.judge(method.name, site.name, reference[k], bounds[k], *run);
  }
}

TEST(CampaignSites, AProgramThatRoundsAtOneSiteStaysWithinBoundsThatKnowOfIt) {
  set_thread_count(1);
  Ledger ledger;
  Campaign draw(711);
  for (const Site& site : all_sites()) {
    for (int i = 0; i < scaled(12); ++i) judge_site(draw, ledger, site, i, true);
  }
  for (const Method& method : methods()) {
    std::printf("%-12s largest ratios: h %.4f, y %.4f, o %.4f\n", method.name, ledger.worst(method.name, "h"),
                ledger.worst(method.name, "y"), ledger.worst(method.name, "o"));
  }
  EXPECT_EQ(ledger.violations(), 0u);
}

TEST(CampaignSites, AProgramThatRoundsAtOneSiteLeavesEveryBoundThatDoesNotKnowOfIt) {
  set_thread_count(1);
  for (const Site& site : all_sites()) {
    Ledger ledger;
    Campaign draw(712);
    for (int i = 0; i < 12; ++i) judge_site(draw, ledger, site, i, false);
    for (const Method& method : methods()) {
      if (site.only_in_output && !method.bounds_block_output) continue;
      if (site.is_stored_state && !method.covers_stored_states) continue;
      const double worst =
          std::max({ledger.worst(method.name, "h"), ledger.worst(method.name, "y"), ledger.worst(method.name, "o")});
      EXPECT_GT(worst, 1.0) << method.name << " does not need " << site.name;
    }
  }
}

}  // namespace
}  // namespace lyap::testing
