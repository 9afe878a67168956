#include "verify/deviation/deviation_scan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <limits>

#include "tests/deviation/campaign_cases.hpp"
#include "theory/deviation_bound.hpp"
#include "theory/selective_recurrence.hpp"
#include "verify/deviation/deployed_program.hpp"
#include "verify/deviation/universal_deviation_domain.hpp"

// The recurrence of deviations against programs whose scan inputs and whose errors an adversary chooses inside the
// model. They run in binary64: errors keep a margin of 2^-20 of themselves, so that binary64's own roundings stay
// inside the model too, and each program is judged by the enclosures of the real run.

namespace lyap::testing {
namespace {

using deviation::AprioriTerms;
using deviation::BlockChunk;
using deviation::DeviationScan;
using deviation::PerturbationRadii;
using deviation::ScanDeviation;
using deviation::StateShape;
using Eigen::Index;

constexpr double kInside = 1.0 - 0x1p-20;
constexpr AprioriTerms kNoTerms{0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0};

const theory::ScanRounding& binary32_scan() { return theory::find_policy("fp32")->mamba1; }

enum class Signs { kRandom, kUp, kDown, kUniform, kPersistent };
constexpr std::size_t kSignKinds = 5;

/// Chooses errors in [-1, 1].
class Choice {
 public:
  Choice(Campaign& draw) : draw_(draw), signs_(Signs(draw.size(0, kSignKinds - 1))) {}
  double operator()(std::size_t column) {
    switch (signs_) {
      case Signs::kRandom:
        return draw_.chance(0.5) ? 1.0 : -1.0;
      case Signs::kUp:
        return 1.0;
      case Signs::kDown:
        return -1.0;
      case Signs::kUniform:
        return draw_.uniform(-1.0, 1.0);
      case Signs::kPersistent:
        return column % 2 == 0 ? 1.0 : -1.0;
    }
    return 0.0;
  }

 private:
  Campaign& draw_;
  Signs signs_;
};

/// A program's run.
struct Program {
  RowMajorMatrix h, y;  // after each step
};

/// Runs a program within the radii of the real run, with those of binary32's errors that `terms` allow.
class ProgramScan {
 public:
  ProgramScan(const theory::BlockWeights& block, const AprioriTerms& terms)
      : shape_(deviation::state_shape(block)),
        limits_(deviation::step_limits(block)),
        A_log_(deviation::log_rates(block)),
        D_(deviation::skip_of(block)),
        terms_(terms) {}

  Program run(Campaign& draw, const BlockChunk& real, const PerturbationRadii& radii) {
    Choice choice(draw);
    const auto& scan = real.front.scan;
    const auto near = [&](const deviation::IntervalMatrix& x, const RowMajorMatrix& r, Index t, std::size_t i) {
      const double low = x.lower(t, Index(i)), high = x.upper(t, Index(i));
      return 0.5 * (low + high) + kInside * (r(t, Index(i)) - (high - low)) * choice(i);
    };
    Program program{RowMajorMatrix(scan.x.rows(), Index(shape_.rows() * shape_.states)),
                    RowMajorMatrix(scan.x.rows(), Index(shape_.rows()))};
    std::vector<double> h(shape_.rows() * shape_.states), B(shape_.groups * shape_.states), C(B.size());
    for (Index t = 0; t < scan.x.rows(); ++t) {
      for (std::size_t i = 0; i < B.size(); ++i) {
        B[i] = near(scan.B, radii.B, t, i);
        C[i] = near(scan.C, radii.C, t, i);
      }
      for (std::size_t head = 0; head < shape_.heads; ++head) {
        const double Delta = step_size(near(real.front.p, radii.p, t, head), choice(head));
        for (std::size_t row = head * shape_.head_dim; row < (head + 1) * shape_.head_dim; ++row) {
          const double x = near(scan.x, radii.x, t, row);
          double y = D_[head] * x;
          for (std::size_t n = 0; n < shape_.states; ++n) {
            const std::size_t group = head / (shape_.heads / shape_.groups) * shape_.states;
            double& state = h[row * shape_.states + n];
            state = step(state, Delta, head, n, x * B[group + n], choice);
            program.h(t, Index(row * shape_.states + n)) = state;
            y += C[group + n] * state;
          }
          program.y(t, Index(row)) = y;
        }
      }
    }
    return program;
  }

 private:
  double step_size(double p, double sign) const {
    const double Delta = p > theory::kSoftplusCutOff ? p : theory::softplus(p);
    const double units = deviation::kSoftplusError + deviation::kExpErrorPerUnit * std::max(std::min(p, 20.0), -p);
    const double error = terms_.functions * units * deviation::kFloat32Roundoff * Delta * kInside;
    return std::clamp(std::max(Delta + error * sign, 0.0), limits_.lower, limits_.upper);
  }
  double step(double h, double Delta, std::size_t head, std::size_t n, double xB, Choice& choice) const {
    const std::size_t rates = A_log_.size() / shape_.heads, i = head * rates + n % rates;
    const double u = deviation::kFloat32Roundoff * kInside;
    const double argument =
        deviation::kExpError + deviation::kExpErrorPerUnit * std::fabs(A_log_[i]) + deviation::kDecayArgumentRoundings;
    const double sign = choice(n);
    const double s = Delta * std::exp(A_log_[i]) * (1.0 - sign * terms_.functions * argument * u);
    const double exp_error = deviation::kExpError + deviation::kExpErrorPerUnit * s;
    const double a = std::exp(-s) * (1.0 + sign * terms_.functions * std::min(exp_error * u, 1.0));
    // In growing magnitude, or shrinking.
    const double scan = sign * terms_.scan * u;
    const double product = a * h * (1.0 + scan), b = Delta * xB * (1.0 + scan) * (1.0 + scan);
    const double flush = terms_.underflow * deviation::kFlushed * kInside * sign;
    return (product + b) * (1.0 + scan) + flush;
  }

  StateShape shape_;
  theory::StepSizeLimits limits_;
  const theory::Vector& A_log_;
  const theory::Vector& D_;
  AprioriTerms terms_;
};

/// Radii of relative size `size`, at least `least` of each number, and of p absolutely.
PerturbationRadii drawn_radii(Campaign& draw, const BlockChunk& chunk, double size, double least) {
  const auto radii_of = [&](const deviation::IntervalMatrix& of, bool absolute) {
    const double scale = draw.chance(0.3) ? 0.0 : size * std::exp(draw.uniform(-2.0, 1.0));
    RowMajorMatrix radii(of.rows(), of.columns());
    for (Index i = 0; i < radii.size(); ++i) {
      const double magnitude = std::max(std::fabs(of.lower.data()[i]), std::fabs(of.upper.data()[i]));
      const double width = of.upper.data()[i] - of.lower.data()[i];
      radii.data()[i] = (absolute ? scale : scale * magnitude) * draw.uniform(0.2, 1.0) + least * magnitude + width;
    }
    return radii;
  };
  const auto& scan = chunk.front.scan;
  PerturbationRadii radii;
  radii.p = radii_of(chunk.front.p, true);
  radii.x = radii_of(scan.x, false);
  radii.B = radii_of(scan.B, false);
  radii.C = radii_of(scan.C, false);
  return radii;
}

struct Case {
  theory::BlockWeights block;
  std::vector<BlockChunk> chunks;
};

Case drawn_scan_case(Campaign& draw, std::size_t steps) {
  Case c;
  c.block =
      draw.chance(0.5) ? drawn_whole(draw, drawn_mamba1(draw), false) : drawn_whole(draw, drawn_mamba2(draw), false);
  const theory::Matrix inputs = drawn_inputs(draw, steps, width_of(c.block), false);
  deviation::RealRun run(c.block);
  const std::size_t length = draw.size(1, steps);
  for (std::size_t begin = 0; begin < steps; begin += length)
    c.chunks.push_back(run.advance(inputs, begin, std::min(steps, begin + length)));
  return c;
}

/// The whole sequence as one chunk, for programs.
BlockChunk joined(const std::vector<BlockChunk>& chunks) {
  BlockChunk result = chunks.front();
  const auto append = [](deviation::IntervalMatrix& x, const deviation::IntervalMatrix& y, Index skipped) {
    for (auto [to, from] : {std::pair{&x.lower, &y.lower}, std::pair{&x.upper, &y.upper}}) {
      RowMajorMatrix both(to->rows() + from->rows() - skipped, to->cols());
      both << *to, from->bottomRows(from->rows() - skipped);
      *to = std::move(both);
    }
  };
  for (std::size_t i = 1; i < chunks.size(); ++i) {
    const BlockChunk& next = chunks[i];
    append(result.front.scan.step_size, next.front.scan.step_size, 0);
    append(result.front.scan.x, next.front.scan.x, 0);
    append(result.front.scan.B, next.front.scan.B, 0);
    append(result.front.scan.C, next.front.scan.C, 0);
    append(result.front.p, next.front.p, 0);
    append(result.h, next.h, 1);
    append(result.y, next.y, 0);
    result.end = next.end;
  }
  return result;
}

PerturbationRadii rows_of(const PerturbationRadii& radii, std::size_t begin, std::size_t end) {
  const auto rows = [&](const RowMajorMatrix& x) { return x.middleRows(Index(begin), Index(end - begin)).eval(); };
  return {rows(radii.p), rows(radii.x), rows(radii.B), rows(radii.C), {}};
}

ScanDeviation bounds_of(const Case& c, const PerturbationRadii& radii, const AprioriTerms& terms) {
  DeviationScan scan(c.block, binary32_scan(), terms);
  ScanDeviation all;
  for (const BlockChunk& chunk : c.chunks) {
    const ScanDeviation part = scan.advance(chunk, rows_of(radii, chunk.begin, chunk.end));
    const auto append = [](RowMajorMatrix& x, const RowMajorMatrix& y) {
      RowMajorMatrix both(x.rows() + y.rows(), y.cols());
      if (x.rows() > 0) both.topRows(x.rows()) = x;
      both.bottomRows(y.rows()) = y;
      x = std::move(both);
    };
    append(all.state, part.state);
    append(all.output, part.output);
  }
  return all;
}

/// Largest proved (deviation / bound) over all entries; the deviation is that from the nearest end of the enclosure.
double worst_ratio(const deviation::IntervalMatrix& real, Index skipped, const RowMajorMatrix& program,
                   const RowMajorMatrix& bound) {
  double worst = 0.0;
  for (Index t = 0; t < bound.rows(); ++t) {
    for (Index i = 0; i < bound.cols(); ++i) {
      const double low = real.lower(t + skipped, i), high = real.upper(t + skipped, i), v = program(t, i);
      const double off = std::max({low - v, v - high, 0.0});
      // Subtractions of binary64 numbers: one rounding, which matters only where everything cancels.
      const double sure = off - 0x1p-52 * (std::fabs(v) + std::fabs(low));
      if (sure > 0.0) worst = std::max(worst, sure / bound(t, i));
    }
  }
  return worst;
}

struct Worst {
  double state = 0.0, output = 0.0;
};

/// Programs with the errors of `adversary` against the bound with `terms`.
Worst worst_of(unsigned seed, int cases, std::size_t longest, double largest_radius, const AprioriTerms& adversary,
               const AprioriTerms& terms) {
  Campaign draw(seed);
  Worst worst;
  for (int i = 0; i < cases; ++i) {
    const Case c = drawn_scan_case(draw, draw.chance(0.2) ? 1 : draw.size(1, longest));
    const BlockChunk real = joined(c.chunks);
    const double size = largest_radius * std::exp(draw.uniform(-10.0, 0.0));
    const PerturbationRadii radii = drawn_radii(draw, real, size, 1e-11);
    const ScanDeviation bounds = bounds_of(c, radii, terms);
    ProgramScan program(c.block, adversary);
    for (int k = 0; k < 4; ++k) {
      const Program run = program.run(draw, real, radii);
      worst.state = std::max(worst.state, worst_ratio(real.h, 1, run.h, bounds.state));
      worst.output = std::max(worst.output, worst_ratio(real.y, 0, run.y, bounds.output));
    }
  }
  return worst;
}

TEST(DeviationScan, NoProgramLeavesTheBound) {
  const AprioriTerms all;
  const Worst worst = worst_of(31, scaled(800), 300, 3.0, all, all);
  std::cout << "largest ratios: h " << worst.state << ", y " << worst.output << '\n';
  EXPECT_LE(worst.state, 1.0);
  EXPECT_LE(worst.output, 1.0);
  EXPECT_GE(worst.state, 0.9) << "the bound is not reached";
}

/// A term alone bounds the error that it is for, and nothing else does.
void expect_needed(const char* name, double AprioriTerms::*term, double least) {
  AprioriTerms only = kNoTerms;
  only.*term = 1.0;
  const Worst with = worst_of(32, scaled(60), 120, 1e-9, only, only);
  const Worst without = worst_of(32, scaled(60), 120, 1e-9, only, kNoTerms);
  std::cout << name << ": " << with.state << " with it, " << without.state << " without\n";
  EXPECT_LE(with.state, 1.0) << name;
  EXPECT_GE(with.state, least) << name;
  EXPECT_GT(without.state, 1.0) << name;
}

TEST(DeviationScan, EveryTermIsNeeded) {
  expect_needed("functions", &AprioriTerms::functions, 0.3);
  expect_needed("scan", &AprioriTerms::scan, 0.02);  // the bound is for brackets of 64 additions
  AprioriTerms forgets;
  forgets.carried = 0.0;
  const AprioriTerms all;
  EXPECT_GT(worst_of(33, 40, 60, 0.1, all, forgets).state, 1.0);
}

/// Theorem 3 step by step, as theory states it for one known trajectory: the smaller of both forms at each step, in
/// binary64. States of one head and one row.
double smaller_form(double E, double s, double s_near, double s_far, double h, double Delta, double near, double far,
                    double alpha, double xB, double xB_change) {
  const double a_near = std::exp(-s_near), a_far = std::exp(-s_far), a = std::exp(-s);
  const double step_change = std::max(far - Delta, Delta - near);
  const double apart = std::max(a_near - a, a - a_far) * std::fabs(h) + step_change * std::fabs(xB) + far * xB_change;
  const double tau = std::max(std::log(far / Delta), std::log(Delta / near));
  const double factor = theory::psi(s) / alpha, v = factor * xB;
  const double v_change = theory::scaled_product_change(factor, xB, xB_change, tau);
  const double K = theory::one_sided_constant(v_change, tau, h - v);
  const double drawn = std::max(theory::drawn(s_near, E, K), theory::drawn(s_far, E, K));
  return std::min(a_near * E + apart, drawn);
}

TEST(DeviationScan, IsNeverAboveTheSmallerOfBothForms) {
  Campaign draw(34);
  double most = 0.0;
  for (int i = 0; i < scaled(60); ++i) {
    const std::size_t steps = draw.size(1, 80);
    Case c = drawn_scan_case(draw, steps);
    if (!std::holds_alternative<theory::Mamba1Weights>(c.block)) continue;
    const auto& block = std::get<theory::Mamba1Weights>(c.block);
    const BlockChunk real = joined(c.chunks);
    const PerturbationRadii radii = drawn_radii(draw, real, 3.0 * std::exp(draw.uniform(-8.0, 0.0)), 1e-9);
    AprioriTerms none = kNoTerms;
    const ScanDeviation bounds = bounds_of(c, radii, none);
    const auto at = [&](const deviation::IntervalMatrix& x, Index t, std::size_t k) {
      return 0.5 * (x.lower(t, Index(k)) + x.upper(t, Index(k)));
    };
    for (std::size_t k = 0; k < block.d_inner; ++k) {
      for (std::size_t n = 0; n < block.d_state; ++n) {
        double E = 0.0;
        const double alpha = std::exp(block.A_log(k, n));
        for (Index t = 0; t < Index(steps); ++t) {
          const double p = at(real.front.p, t, k), r = radii.p(t, Index(k));
          const double Delta = theory::softplus(p), near = theory::softplus(p - r), far = theory::softplus(p + r);
          const double x = at(real.front.scan.x, t, k), B = at(real.front.scan.B, t, n);
          const double xB_change =
              (std::fabs(B) + radii.B(t, Index(n))) * radii.x(t, Index(k)) + radii.B(t, Index(n)) * std::fabs(x);
          const auto column = Index(k * block.d_state + n);
          E = smaller_form(E, alpha * Delta, alpha * near, alpha * far, at(real.h, t, std::size_t(column)), Delta, near,
                           far, alpha, x * B, xB_change);
          if (!(E < 1e100)) break;
          const double size = std::fabs(at(real.h, t + 1, std::size_t(column)));
          most = std::max(most, bounds.state(t, column) / (E * (1.0 + 1e-6) + 1e-9 * size + 1e-30));
        }
      }
    }
  }
  std::cout << "largest bound over the smaller form: " << most << '\n';
  EXPECT_LE(most, 1.0);
}

TEST(DeviationScan, ChunksMustFollowOneAnother) {
  Campaign draw(35);
  const Case c = drawn_scan_case(draw, 4);
  BlockChunk later = c.chunks[0];
  later.begin += 1;
  DeviationScan scan(c.block, binary32_scan());
  EXPECT_ANY_THROW((void)scan.advance(later, drawn_radii(draw, c.chunks[0], 0.1, 0.1)));
}

}  // namespace
}  // namespace lyap::testing
