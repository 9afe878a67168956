#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "tests/deviation/universal_perturbed_program.hpp"
#include "tests/verify/campaign_blocks.hpp"
#include "verify/deviation_certificate.hpp"

/// A search for inputs and rounding errors that take two runs of a block as far apart as bounds allow. The judge
/// computes in binary64, so that 2^-40 of a state's size is left to its own roundings.
namespace lyap::testing {

inline constexpr double kJudge = 0x1p-40;
inline constexpr std::size_t kSteps = 64;

/// Two runs on one input, and their greatest distances per head.
struct Apart {
  std::vector<double> state, output, state_size, output_size;

  void add(const deviation::StateShape& shape, const std::vector<double>& h, const std::vector<double>& h_prime,
           const std::vector<double>& y, const std::vector<double>& y_prime) {
    for (auto* v : {&state, &output, &state_size, &output_size}) v->resize(shape.heads);
    raise(state, state_size, h, h_prime, h.size() / shape.heads);
    raise(output, output_size, y, y_prime, y.size() / shape.heads);
  }

 private:
  static void raise(std::vector<double>& apart, std::vector<double>& size, const std::vector<double>& a,
                    const std::vector<double>& b, std::size_t entries) {
    for (std::size_t i = 0; i < a.size(); ++i) {
      apart[i / entries] = std::max(apart[i / entries], std::fabs(b[i] - a[i]));
      size[i / entries] = std::max(size[i / entries], std::fabs(a[i]) + std::fabs(b[i]));
    }
  }
};

/// The largest distance/bound over heads; above 1 is a violation. Sizes that left binary64 are not judged.
inline double worst_ratio(const Apart& apart, const DeviationBounds& bounds) {
  double worst = 0.0;
  const auto judge = [&](double value, double size, double bound) {
    if (!std::isfinite(value) || !std::isfinite(size) || value <= kJudge * size + 1e-290) return;
    worst = std::max(worst, (value - kJudge * size) / bound);
  };
  for (std::size_t k = 0; k < apart.state.size(); ++k) {
    judge(apart.state[k], apart.state_size[k], bounds.state.upper[k]);
    judge(apart.output[k], apart.output_size[k], bounds.output.upper[k]);
  }
  return worst;
}

/// A sequence of few distinct tokens, each kept for a while: what drives states to their targets.
struct Sequence {
  std::vector<std::vector<double>> tokens;
  std::vector<std::size_t> order;

  static Sequence drawn(Campaign& draw, std::size_t d) {
    Sequence s;
    for (std::size_t i = 0; i < 3; ++i) s.tokens.push_back(token(draw, d));
    for (std::size_t t = 0, now = 0; t < kSteps; ++t) {
      if (draw.chance(0.1)) now = draw.size(0, 2);
      s.order.push_back(now);
    }
    return s;
  }
  static std::vector<double> token(Campaign& draw, std::size_t d) {
    const double scale = std::exp(draw.uniform(-9.0, 9.0));
    std::vector<double> r(d);
    for (double& entry : r) entry = static_cast<float>(scale * draw.normal());
    return r;
  }
  [[nodiscard]] Sequence mutated(Campaign& draw) const {
    Sequence s = *this;
    auto& chosen = s.tokens[draw.size(0, 2)];
    if (draw.chance(0.2)) {
      chosen = token(draw, chosen.size());
    } else {
      const double size = std::fabs(chosen[draw.size(0, chosen.size() - 1)]) + 1e-6;
      for (double& entry : chosen) {
        if (draw.chance(0.5)) entry = static_cast<float>(entry + 0.5 * size * draw.normal());
      }
    }
    if (draw.chance(0.3)) {
      const std::size_t from = draw.size(0, kSteps - 1), token_index = draw.size(0, 2);
      for (std::size_t t = from; t < std::min(kSteps, from + 20); ++t) s.order[t] = token_index;
    }
    return s;
  }
};

using Kind = ErrorChoice::Kind;
inline constexpr Kind kKinds[] = {Kind::kRandom, Kind::kPositive, Kind::kNegative, Kind::kAlternating, Kind::kSigns};
inline constexpr ErrorChoice kExact{Kind::kNone, 1};

/// Distances of a program of `policy` (null: the real run) of `other` from the real run of `base`.
inline Apart run_both(const theory::BlockWeights& base, const theory::BlockWeights& other,
                      const theory::PrecisionPolicy* policy, const ErrorChoice& choice, const Sequence& sequence) {
  const theory::PrecisionPolicy& any = *theory::find_policy("fp32");
  PerturbedProgram first(base, any, kExact);
  PerturbedProgram second(other, policy == nullptr ? any : *policy, policy == nullptr ? kExact : choice);
  PlainScan scan(base), scan_prime(other);
  const bool mamba1 = std::holds_alternative<theory::Mamba1Weights>(base);
  const theory::NumberType step_type =
      policy == nullptr ? theory::kUnrounded : (mamba1 ? policy->mamba1 : policy->mamba2).step_size;
  ErrorChoice step_choice{choice.kind, choice.state + 7};
  Apart apart;
  for (const std::size_t token : sequence.order) {
    const std::vector<double> y = scan.next(first.next(sequence.tokens[token]), theory::kUnrounded, 0.0);
    const std::vector<double> y_prime =
        scan_prime.next(second.next(sequence.tokens[token]), step_type, step_choice.next());
    apart.add(deviation::state_shape(base), scan.h(), scan_prime.h(), y, y_prime);
  }
  return apart;
}

/// Hill climbing over inputs and error choices; the worst ratio found.
inline double searched_ratio(Campaign& draw, const theory::BlockWeights& base, const theory::BlockWeights& other,
                             const theory::PrecisionPolicy* policy, const DeviationBounds& bounds, int tries) {
  const std::size_t d = deviation::front_view(base).gain.size();
  Sequence best = Sequence::drawn(draw, d);
  ErrorChoice best_choice{Kind::kRandom, 1};
  double worst = 0.0;
  for (int i = 0; i < tries; ++i) {
    const Sequence candidate = draw.chance(0.2) ? Sequence::drawn(draw, d) : best.mutated(draw);
    const ErrorChoice choice =
        draw.chance(0.5) ? ErrorChoice{kKinds[draw.size(0, 4)], draw.size(1, 1u << 30)} : best_choice;
    const double ratio = worst_ratio(run_both(base, other, policy, choice, candidate), bounds);
    if (ratio < worst) continue;
    worst = ratio;
    best = candidate;
    best_choice = choice;
  }
  return worst;
}

inline theory::BlockWeights drawn_block(Campaign& draw) {
  if (draw.chance(0.5)) return drawn_mamba1(draw);
  return drawn_mamba2(draw);
}

}  // namespace lyap::testing
