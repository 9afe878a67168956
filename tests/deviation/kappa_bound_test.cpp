#include "verify/deviation/kappa_bound.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <limits>

#include "numerics/rounding.hpp"
#include "tests/verify/campaign_blocks.hpp"
#include "theory/deviation_bound.hpp"
#include "theory/discretization.hpp"
#include "theory/scalar.hpp"
#include "theory/selective_recurrence.hpp"
#include "verify/deviation/kappa_step.hpp"
#include "verify/deviation/universal_deviation_domain.hpp"

// K along trajectories, held against perturbed scans in binary64 and in binary32. Scan inputs are enclosed to 1e-12 or
// so; the judge's own roundings are allowed 2^-40 of a state's size.

namespace lyap::testing {
namespace {

using deviation::BlockChunk;
using deviation::ChunkDeviation;
using deviation::KappaBound;
using deviation::PerturbationRadii;
using deviation::StateShape;
using Eigen::Index;

constexpr double kJudge = 0x1p-40;

const theory::ScanRounding& plain_scan() { return theory::find_policy("fp32")->mamba1; }

/// Trained ranges: step sizes of 1e-4..1, decay rates of 1e-2..30.
void make_ordinary(Campaign& draw, theory::BlockWeights& block) {
  std::visit(
      [&](auto& weights) {
        for (double& bias : weights.dt_bias) bias = draw.uniform(-7.0, 1.0);
      },
      block);
  if (auto* mamba1 = std::get_if<theory::Mamba1Weights>(&block)) {
    for (double& entry : mamba1->A_log.entries) entry = draw.uniform(-4.0, 3.5);
  } else {
    for (double& entry : std::get<theory::Mamba2Weights>(block).A_log) entry = draw.uniform(-4.0, 3.5);
  }
}

theory::BlockWeights drawn_block(Campaign& draw) {
  theory::BlockWeights block;
  if (draw.chance(0.5))
    block = drawn_mamba1(draw);
  else
    block = drawn_mamba2(draw);
  if (draw.chance(0.6)) make_ordinary(draw, block);
  return block;
}

theory::Matrix drawn_inputs(Campaign& draw, std::size_t steps, std::size_t d) {
  theory::Matrix inputs(steps, d);
  const double scale = std::exp(draw.uniform(-4.0, 4.0));
  for (std::size_t t = 0; t < steps; ++t) {
    const bool repeat = t > 0 && draw.chance(0.7);
    for (std::size_t i = 0; i < d; ++i)
      inputs(t, i) = repeat ? inputs(t - 1, i) : static_cast<float>(scale * draw.normal());
  }
  return inputs;
}

RowMajorMatrix drawn_radii(Campaign& draw, const deviation::IntervalMatrix& of, double relative, double absolute) {
  RowMajorMatrix radii(of.rows(), of.columns());
  for (Index i = 0; i < radii.size(); ++i) {
    const double size = std::max(std::fabs(of.lower.data()[i]), std::fabs(of.upper.data()[i]));
    radii.data()[i] = (relative * size + absolute) * draw.uniform(0.2, 1.0);
  }
  return radii;
}

/// At least `least` of each number's size.
PerturbationRadii drawn_radii(Campaign& draw, const BlockChunk& chunk, double size, double least) {
  const auto relative = [&] {
    return draw.chance(0.2) ? least : std::max(size * std::exp(draw.uniform(-2.0, 2.0)), least);
  };
  PerturbationRadii radii;
  radii.p = drawn_radii(draw, chunk.front.p, least, draw.chance(0.2) ? 0.0 : relative());
  radii.x = drawn_radii(draw, chunk.front.scan.x, relative(), 0.0);
  radii.B = drawn_radii(draw, chunk.front.scan.B, relative(), 0.0);
  radii.C = drawn_radii(draw, chunk.front.scan.C, relative(), 0.0);
  return radii;
}

/// Signs of the perturbations.
enum class Signs { kRandom, kUp, kDown, kUniform, kPersistent };

double sign(Campaign& draw, Signs signs, Index column) {
  switch (signs) {
    case Signs::kRandom:
      return draw.chance(0.5) ? 1.0 : -1.0;
    case Signs::kUp:
      return 1.0;
    case Signs::kDown:
      return -1.0;
    case Signs::kUniform:
      return draw.uniform(-1.0, 1.0);
    case Signs::kPersistent:
      return column % 2 == 0 ? 1.0 : -1.0;
  }
  return 0.0;
}

RowMajorMatrix perturbed(Campaign& draw, Signs signs, const deviation::IntervalMatrix& of,
                         const RowMajorMatrix& radii) {
  RowMajorMatrix result(radii.rows(), radii.cols());
  for (Index t = 0; t < radii.rows(); ++t) {
    for (Index i = 0; i < radii.cols(); ++i)
      result(t, i) = 0.5 * (of.lower(t, i) + of.upper(t, i)) + 0.9 * radii(t, i) * sign(draw, signs, i);
  }
  return result;
}

/// A scan in binary32, step by step, or in binary64.
template <class Float>
class Scan {
 public:
  Scan(const theory::BlockWeights& block, const StateShape& shape)
      : shape_(shape),
        limits_(deviation::step_limits(block)),
        A_log_(deviation::log_rates(block)),
        D_(deviation::skip_of(block)),
        h(shape.rows() * shape.states) {}

  void step(const double* p, const double* x, const double* B, const double* C) {
    y.assign(shape_.rows(), 0.0);
    const std::size_t N = shape_.states, rates = A_log_.size() / shape_.heads;
    for (std::size_t row = 0; row < shape_.rows(); ++row) {
      const std::size_t head = row / shape_.head_dim, group = head / (shape_.heads / shape_.groups) * N;
      const auto Delta = static_cast<Float>(theory::step_size(static_cast<Float>(p[head]), limits_, kKind));
      Float sum = 0;
      for (std::size_t n = 0; n < N; ++n) {
        const Float alpha = std::exp(static_cast<Float>(A_log_[head * rates + n % rates]));
        Float& state = h[row * N + n];
        state =
            std::exp(-(Delta * alpha)) * state + Delta * static_cast<Float>(x[row]) * static_cast<Float>(B[group + n]);
        sum += static_cast<Float>(C[group + n]) * state;
      }
      y[row] = sum + static_cast<Float>(D_[head]) * static_cast<Float>(x[row]);
    }
  }

 private:
  static constexpr auto kKind = theory::Softplus::kTextbook;
  StateShape shape_;
  theory::StepSizeLimits limits_;
  const theory::Vector& A_log_;
  const theory::Vector& D_;

 public:
  std::vector<Float> h;
  std::vector<double> y;
};

struct Judged {
  double worst = 0.0;
  std::size_t trajectories = 0;

  void add(double value, double centre_lower, double centre_upper, double bound) {
    const double apart = std::max(value - centre_upper, centre_lower - value);
    const double slack = kJudge * (std::fabs(value) + std::fabs(centre_upper));
    if (!std::isfinite(value) || !std::isfinite(centre_lower) || !std::isfinite(centre_upper)) return;
    if (apart <= slack + 1e-290) return;
    worst = std::max(worst, (apart - slack) / bound);
  }
};

/// One perturbed scan beside the real run of a block, chunk after chunk.
template <class Float>
void judge(Campaign& draw, const theory::BlockWeights& block, std::size_t steps, Judged& judged) {
  const StateShape shape = deviation::state_shape(block);
  const theory::Matrix inputs = drawn_inputs(draw, steps, deviation::front_view(block).gain.size());
  const double size = std::exp(draw.uniform(-16.0, 0.0));
  const Signs signs = static_cast<Signs>(draw.size(0, 4));
  deviation::RealRun run(block);
  KappaBound kappa(block, plain_scan());
  Scan<Float> scan(block, shape);
  for (std::size_t begin = 0; begin < steps;) {
    const std::size_t end = std::min(steps, begin + draw.size(1, 200));
    const BlockChunk chunk = run.advance(inputs, begin, end);
    const PerturbationRadii radii =
        drawn_radii(draw, chunk, size, sizeof(Float) == 4 ? 0x1p-20 : 1e-11);  // a cast to Float included
    const RowMajorMatrix p = perturbed(draw, signs, chunk.front.p, radii.p);
    const RowMajorMatrix x = perturbed(draw, signs, chunk.front.scan.x, radii.x);
    const RowMajorMatrix B = perturbed(draw, signs, chunk.front.scan.B, radii.B);
    const RowMajorMatrix C = perturbed(draw, signs, chunk.front.scan.C, radii.C);
    const ChunkDeviation bound = kappa.advance(chunk, radii);
    for (Index t = 0; t < p.rows(); ++t) {
      scan.step(p.row(t).data(), x.row(t).data(), B.row(t).data(), C.row(t).data());
      for (std::size_t s = 0; s < scan.h.size(); ++s)
        judged.add(scan.h[s], chunk.h.lower(t + 1, Index(s)), chunk.h.upper(t + 1, Index(s)), bound.state(t, Index(s)));
      for (std::size_t i = 0; i < scan.y.size(); ++i)
        judged.add(scan.y[i], chunk.y.lower(t, Index(i)), chunk.y.upper(t, Index(i)), bound.output(t, Index(i)));
    }
    begin = end;
  }
  judged.trajectories += scan.h.size();
}

TEST(KappaBound, ContainsEveryPerturbedScanInBinary64AndBinary32) {
  Campaign draw(701);
  Judged exact, rounded;
  for (int i = 0; i < scaled(400); ++i) {
    const theory::BlockWeights block = drawn_block(draw);
    const std::size_t steps = draw.chance(0.1) ? draw.size(1, 63) : draw.chance(0.02) ? 4096 : draw.size(64, 200);
    judge<double>(draw, block, steps, exact);
    judge<float>(draw, block, steps, rounded);
    ASSERT_LE(exact.worst, 1.0) << "block " << i;
    ASSERT_LE(rounded.worst, 1.0) << "block " << i << ", binary32";
  }
  std::cout << exact.trajectories + rounded.trajectories << " trajectories, largest deviation/bound " << exact.worst
            << ", in binary32 " << rounded.worst << '\n';
  EXPECT_GT(exact.worst, 0.5);
}

/// A sequence for one state, and a second within bounds of it.
struct OneState {
  double A_log;
  std::vector<double> Delta, Delta_prime, B, B_prime, x, x_prime;
};

OneState drawn_state(Campaign& draw, bool equilibrium) {
  OneState s;
  s.A_log = draw.uniform(-3.0, 3.0);
  const double size = std::exp(draw.uniform(-9.0, 1.0)), size_B = draw.chance(0.3) ? 0.0 : size,
               size_x = draw.chance(0.3) ? 0.0 : size, size_Delta = draw.chance(0.3) ? 0.0 : size;
  double Delta = std::exp(draw.uniform(-5.0, 1.0)), x = draw.normal(), B = draw.normal();
  for (int t = 0; t < 64; ++t) {
    if (!equilibrium && draw.chance(0.2)) {
      Delta = std::exp(draw.uniform(-5.0, 1.0));
      x = draw.normal();
    }
    const bool moved = !equilibrium || t > 48;
    s.Delta.push_back(Delta);
    s.B.push_back(B);
    s.x.push_back(x);
    s.Delta_prime.push_back(Delta * (moved ? std::exp(size_Delta * draw.uniform(-1.0, 1.0)) : 1.0));
    s.B_prime.push_back(B * (moved ? 1.0 + size_B * draw.uniform(-1.0, 1.0) : 1.0));
    s.x_prime.push_back(x * (moved ? 1.0 + size_x * draw.uniform(-1.0, 1.0) : 1.0));
  }
  return s;
}

/// What advance_kappa_row_upward is not told.
enum class Dropped { kNothing, kDistance, kTargetChange, kXChange, kBChange, kBoundOfE, kDecayError, kInputError };

/// The largest deviation/bound over the sequence, and K in `kappa`; `binary32`: the second run rounds.
double row_ratio(const OneState& s, Dropped dropped, bool binary32, double* kappa = nullptr) {
  const double alpha = std::exp(s.A_log);
  double K = 0.0, minus_P = -1.0, E = 0.0, V = 0.0, scan_error = 0.0, bound = 0.0, worst = 0.0, h = 0.0, h_prime = 0.0;
  float h_float = 0.0F;
  double h_double = 0.0;
  const bool exact_decay = dropped == Dropped::kInputError;  // the decay's error would cover the other's absence
  for (std::size_t t = 0; t < s.Delta.size(); ++t) {
    const double up = 1.0 + 1e-14, D = s.Delta[t], D_prime = s.Delta_prime[t], least = std::min(D, D_prime);
    const double greatest = std::max(D, D_prime) * up, change = std::fabs(D_prime - D) * up;
    const bool blind = dropped == Dropped::kDistance;
    const double u = binary32 ? 0x1p-24 : 0.0;
    const bool no_decay_error = dropped == Dropped::kDecayError || exact_decay;
    const deviation::HeadStep head{.distance = blind ? 0.0 : change / greatest * up,
                                   .one_sided = blind ? 0.0 : change / least * up,
                                   .step_change = change,
                                   .greatest_step = greatest,
                                   .least_excess = std::max(greatest - D * up, 0.0),
                                   .greatest_excess = greatest - D / up,
                                   .least_to_greatest = least / greatest / up,
                                   .decay_error = no_decay_error ? 0.0 : 12.0 * u,
                                   .input_error = dropped == Dropped::kInputError ? 0.0 : 4.0 * u};
    double target = theory::psi(alpha * greatest) / alpha * up;
    double target_change =
        dropped == Dropped::kTargetChange ? 0.0 : change * std::min(0.5 + alpha * greatest / 6.0, 1.0) * up;
    double least_decay = std::exp(-alpha * greatest) / up,
           greatest_decay = std::min(std::exp(-alpha * least) * up, 1.0);
    double rest = -std::expm1(-alpha * greatest) * up;
    const double zero = 0.0, B_size = std::fabs(s.B[t]);
    const double dB = dropped == Dropped::kBChange ? 0.0 : std::fabs(s.B_prime[t] - s.B[t]) * up;
    const double dx = dropped == Dropped::kXChange ? 0.0 : std::fabs(s.x_prime[t] - s.x[t]) * up;
    const double slope = std::min(0.5 + alpha * greatest / 6.0, 1.0);
    const double most = slope * head.greatest_excess * up, least_excess = 0.5 * head.least_excess / up;
    double target_excess = 0.5 * (most + least_excess);
    double target_spread = std::max(most - target_excess, target_excess - least_excess) * up;
    const double before = h;
    h = std::exp(-alpha * D) * h + D * s.B[t] * s.x[t];
    h_prime = std::exp(-alpha * D_prime) * h_prime + D_prime * s.B_prime[t] * s.x_prime[t];
    const float b = static_cast<float>(D_prime) * static_cast<float>(s.x_prime[t]) * static_cast<float>(s.B_prime[t]);
    h_double = std::exp(-alpha * D_prime) * h_double + b;
    h_float = static_cast<float>(std::exp(-alpha * D_prime)) * h_float + b;
    if (dropped == Dropped::kBoundOfE) E = 0.0;
    {
      const RoundingUpward upward;
      const deviation::RowInput input{s.x[t], 0.0, std::fabs(s.x[t]), dx, &s.B[t], &zero, &B_size, &dB};
      const deviation::RowScan scan{exact_decay ? 0.0 : 2.0 * u, 0.0, &before, &before, &h, &h, &bound};
      deviation::advance_kappa_row_upward(head,
                                          {{&target, 1},
                                           {&target_change, 1},
                                           {&target_excess, 1},
                                           {&target_spread, 1},
                                           {&least_decay, 1},
                                           {&greatest_decay, 1},
                                           {&rest, 1}},
                                          input, scan, {&K, &minus_P, &E, &V, &scan_error}, 1);
    }
    const double second = !binary32 ? h_prime : exact_decay ? h_double : static_cast<double>(h_float);
    const double apart = std::fabs(second - h);
    if (apart > 1e-12 * std::fabs(h)) worst = std::max(worst, (apart - 1e-12 * std::fabs(h)) / bound);
  }
  if (kappa != nullptr) *kappa = K;
  return worst;
}

TEST(KappaRow, HoldsAndFailsWithoutAnyOneTerm) {
  double worst = 0.0, worst_binary32 = 0.0;
  Campaign draw(702);
  for (int i = 0; i < scaled(4000); ++i) {
    OneState s = drawn_state(draw, draw.chance(0.5));
    worst = std::max(worst, row_ratio(s, Dropped::kNothing, false));
    worst_binary32 = std::max(worst_binary32, row_ratio(s, Dropped::kNothing, true));
    ASSERT_LE(std::max(worst, worst_binary32), 1.0) << "case " << i;
  }
  std::cout << "largest deviation/bound " << worst << ", in binary32 " << worst_binary32 << '\n';
  for (const Dropped dropped : {Dropped::kDistance, Dropped::kTargetChange, Dropped::kXChange, Dropped::kBChange,
                                Dropped::kBoundOfE, Dropped::kDecayError, Dropped::kInputError}) {
    Campaign again(703);
    bool violated = false;
    for (int i = 0; i < 4000 && !violated; ++i) {
      OneState s = drawn_state(again, again.chance(0.5));
      const bool binary32 = dropped == Dropped::kDecayError || dropped == Dropped::kInputError;
      if (binary32) s.Delta_prime = s.Delta, s.B_prime = s.B, s.x_prime = s.x;
      violated = row_ratio(s, dropped, binary32) > 1.0 + 1e-9;
    }
    EXPECT_TRUE(violated) << "nothing is lost without term " << static_cast<int>(dropped);
  }
}

/// Theorem 3 in double: sup of K_t with gap_from_one_trajectory, tau and gamma from |log Delta' - log Delta|.
double formula(const OneState& s, double& greatest) {
  const double alpha = std::exp(s.A_log);
  double h = 0.0, largest = 0.0, P = 1.0;
  for (std::size_t t = 0; t < s.Delta.size(); ++t) {
    const double Bx = s.B[t] * s.x[t], tau = std::fabs(std::log(s.Delta_prime[t] / s.Delta[t]));
    greatest = std::max({greatest, tau, std::fabs(s.B_prime[t] / s.B[t] - 1.0)});
    const double change = theory::product_change(s.B_prime[t], s.x[t], std::fabs(s.B_prime[t] - s.B[t]),
                                                 std::fabs(s.x_prime[t] - s.x[t]));
    const double factor = theory::psi(alpha * s.Delta[t]) / alpha;
    const double v_change = theory::scaled_product_change(factor, Bx, change, tau);
    const double E = (1.0 - P) * largest;
    const double gap = theory::gap_from_one_trajectory(h - factor * Bx, E, v_change);
    largest = std::max(largest, theory::gap_free_constant(v_change, tau, gap));
    P *= std::exp(-alpha * std::max(s.Delta[t], s.Delta_prime[t]));
    h = std::exp(-alpha * s.Delta[t]) * h + s.Delta[t] * Bx;
  }
  return largest;
}

TEST(KappaRow, IsAtMostTheFormulaOfTheoryUpToSecondOrder) {
  Campaign draw(704);
  double sum = 0.0;
  const int cases = scaled(2000);
  for (int i = 0; i < cases; ++i) {
    const OneState s = drawn_state(draw, draw.chance(0.3));
    double K = 0.0;
    row_ratio(s, Dropped::kNothing, false, &K);
    double change = 0.0;
    const double theorem = formula(s, change);
    // v is known through psi' between 1/2 and 1/2 + s/6, B' through B: losses of second order.
    ASSERT_LE(K, theorem * (1.0 + 1e-6 + 2.0 * change) + 1e-10) << "case " << i << ", " << change;
    if (theorem > 0.0) sum += K / theorem;
  }
  std::cout << "mean K / formula " << sum / cases << '\n';
}

TEST(KappaBound, VanishesLinearlyAndStaysBelowTheRange) {
  Campaign draw(705);
  for (int i = 0; i < scaled(10); ++i) {
    theory::BlockWeights block = drawn_block(draw);
    make_ordinary(draw, block);
    const theory::Matrix inputs = drawn_inputs(draw, 64, deviation::front_view(block).gain.size());
    const BlockChunk chunk = deviation::RealRun(block).advance(inputs, 0, 64);
    std::vector<std::vector<double>> kappas;
    for (const double size : {0x1p-10, 0x1p-11, 0x1p40}) {
      PerturbationRadii radii;
      Campaign same(706);
      radii.p = drawn_radii(same, chunk.front.p, 0.0, std::min(size, 700.0));
      radii.x = drawn_radii(same, chunk.front.scan.x, std::min(size, 1.0), 0.0);
      radii.B = drawn_radii(same, chunk.front.scan.B, std::min(size, 1.0), 0.0);
      radii.C = radii.B;
      KappaBound kappa(block, plain_scan());
      const ChunkDeviation bound = kappa.advance(chunk, radii);
      kappas.push_back(kappa.kappa());
      for (Index t = 0; t < bound.state.rows(); ++t) {
        for (Index s = 0; s < bound.state.cols(); ++s) {
          EXPECT_TRUE(std::isfinite(bound.state(t, s)));
        }
      }
    }
    for (std::size_t s = 0; s < kappas[0].size(); ++s) {
      if (kappas[0][s] < 1e-6 * kappas[2][s]) continue;  // of the size of what enclosures lose
      EXPECT_NEAR(kappas[1][s] / kappas[0][s], 0.5, 0.01);
    }
  }
}

}  // namespace
}  // namespace lyap::testing
