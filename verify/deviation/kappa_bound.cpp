#include "verify/deviation/kappa_bound.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "numerics/contract_violation.hpp"
#include "numerics/interval_functions.hpp"
#include "numerics/interval_scan.hpp"
#include "numerics/parallel.hpp"
#include "numerics/rounding.hpp"
#include "numerics/vector_functions.hpp"
#include "theory/deviation_bound.hpp"
#include "verify/certify/trajectory_projections.hpp"
#include "verify/deviation/apriori_layer.hpp"
#include "verify/deviation/centred_matrix.hpp"
#include "verify/deviation/deployed_float32_errors.hpp"
#include "verify/deviation/deployed_program.hpp"
#include "verify/deviation/deviation_rates.hpp"
#include "verify/deviation/kappa_step.hpp"
#include "verify/deviation/read_out_sums.hpp"
#include "verify/deviation/universal_deviation_domain.hpp"

namespace lyap::deviation {
namespace {

using Eigen::Index;
using theory::NumberType;
using theory::ScanRounding;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kLeastStep = 0x1p-1000;  // step sizes are bounded from above by at least this
constexpr std::size_t kChannelsAtOnce = 32;

Interval real(double x) { return Interval::from_exact(x); }

double larger(double a, double b) { return a < b ? b : a; }
double magnitude(double x) { return larger(x, -x); }

/// The second run's step sizes.
IntervalMatrix perturbed_steps(const IntervalMatrix& p, const RowMajorMatrix& p_change,
                               const theory::StepSizeLimits& limits, const NumberType& type) {
  IntervalMatrix wide(p.rows(), p.columns());
  {
    const RoundingUpward upward;
    for (Index i = 0; i < wide.lower.size(); ++i) {
      wide.lower.data()[i] = -(p_change.data()[i] - p.lower.data()[i]);
      wide.upper.data()[i] = p.upper.data()[i] + p_change.data()[i];
    }
  }
  IntervalMatrix steps = trajectory::enclose_step_sizes(wide, limits);
  if (type.u == 0.0) return steps;
  const RoundingUpward upward;
  for (Index i = 0; i < steps.lower.size(); ++i) {
    double& lower = steps.lower.data()[i];
    double& upper = steps.upper.data()[i];
    lower = larger(-(lower * (type.u - 1.0) + type.u_min), 0.0);
    upper += upper * type.u + type.u_min;
  }
  return steps;
}

/// y/x - 1 style quotients of nonnegative numbers, infinite for x/0, 0 for 0/0; in upward mode.
double quotient_upward(double a, double b) { return a <= 0.0 ? 0.0 : a / b; }

/// At least the magnitudes of numbers within `radius` of `x`, but for the last rounding; rows [skipped, ..) of x.
RowMajorMatrix sizes(const IntervalMatrix& x, const RowMajorMatrix& radius, Index skipped = 0) {
  const Index rows = radius.rows();
  return x.upper.middleRows(skipped, rows).cwiseMax(-x.lower.middleRows(skipped, rows)) + radius;
}

/// What binary32 adds to the rates of one head: relative errors of exp(A_log) and of the decay's products, in units of
/// u, and the largest rate. Infinite where a rate leaves the range.
struct RateErrors {
  double roundings = 0.0, largest = 0.0;
};
void raise_upward(RateErrors& errors, double A_log, double alpha_upper) {
  const double roundings = kExpError + kExpErrorPerUnit * std::fabs(A_log) + kDecayArgumentRoundings;
  errors.roundings = larger(errors.roundings, alpha_upper <= theory::kLargestFloat32 ? roundings : kInfinity);
  errors.largest = larger(errors.largest, alpha_upper);
}

/// What one head sees at one step: enclosures of Delta and Delta', bounds of |p| (p capped at 20, where softplus is p
/// itself) and of |log Delta' - log Delta|.
struct StepPair {
  double lower, upper, lower_prime, upper_prime, p_size, log_distance;
};

/// In upward mode.
HeadStep head_step_upward(const StepPair& pair, const RateErrors& rates) {
  HeadStep step;
  const double down = pair.upper - pair.lower_prime, up = pair.upper_prime - pair.lower, tau = pair.log_distance;
  step.greatest_step = larger(larger(pair.upper, pair.upper_prime), kLeastStep);
  step.step_change = larger(larger(down, up), 0.0);
  step.least_excess = larger(-(pair.upper - step.greatest_step), 0.0);
  step.greatest_excess = step.greatest_step - pair.lower;
  const double distance = larger(quotient_upward(down, pair.upper), quotient_upward(up, pair.upper_prime));
  const double one_sided = larger(quotient_upward(down, pair.lower_prime), quotient_upward(up, pair.lower));
  step.distance = std::min({distance, tau, 1.0});                                    // 1 - exp(-tau) <= tau
  step.one_sided = std::min(one_sided, tau < 1.0 ? tau / -(tau - 1.0) : kInfinity);  // exp(tau) - 1 <= tau/(1 - tau)
  step.least_to_greatest = -(-pair.lower_prime / step.greatest_step);
  // a phi <= a (exp(s sigma) (1 + (kExpError + kExpErrorPerUnit s) u) (1 + u)^2 - 1), and a s <= 1/e.
  const double softplus = kSoftplusError + kExpErrorPerUnit * larger(pair.p_size, 0.0);
  // Step sizes, rates and s itself may be flushed, which changes s by at most (largest rate + Delta + 1) 2^-126.
  step.decay_error = (kExpError + 3.0 + 0.38 * (softplus + rates.roundings + kExpErrorPerUnit)) * kFloat32Roundoff +
                     2.0 * (rates.largest + step.greatest_step + 1.0) * kFlushed;
  step.input_error = (softplus + 4.0) * kFloat32Roundoff;
  return step;
}

}  // namespace

ReadOutError read_out_error(const ScanRounding& scan, std::size_t N) {
  const Interval one = real(1.0);
  const auto factor = [&](const NumberType& type) { return one + real(type.u); };
  // One more where D x is added on its own; flushes: of products, sums and the pieces of both.
  const auto terms = static_cast<double>(theory::kTensorCores.roundings(N + 1) + 1);
  const Interval mu = real(terms) * real(theory::kTensorCores.u);
  const Interval last = (one + mu / (one - mu)) * factor(scan.y);
  const Interval Ch = factor(scan.state_read) * factor(scan.read_out) * last - one;
  const Interval Dx = factor(scan.skip_product) * last - one;
  const Interval small = real(scan.read_out.u_min) + real(scan.skip_product.u_min) +
                         real((static_cast<double>(N + 1) + terms) * (2.0 * kFlushed));
  return {Ch.upper(), (real(scan.state_read.u_min) * factor(scan.read_out) * last).upper(), Dx.upper(),
          (last * small + real(scan.y.u_min)).upper()};
}

struct KappaBound::Impl {
  StateShape shape;
  theory::StepSizeLimits limits;
  const theory::Vector& A_log;
  const theory::Vector& D;
  ScanRounding rounding;
  NumberType step_size;
  ReadOutError read_out;
  OverflowRecord overflow;
  std::size_t rates;  // per head
  std::vector<double> alpha_lower, alpha_upper, inverse_alpha;
  std::vector<RateErrors> rate_errors;  // per head
  std::vector<double> K, minus_P, E, V, scan_error;
  std::size_t tokens = 0;

  Impl(const theory::BlockWeights& block, const ScanRounding& scan)
      : shape(state_shape(block)),
        limits(step_limits(block)),
        A_log(log_rates(block)),
        D(skip_of(block)),
        rounding(scan),
        step_size(scan.step_size),
        read_out(read_out_error(scan, shape.states)),
        rates(shape.decay_per_state ? shape.states : 1) {
    if (scan.decay.u > 0.0 || scan.state.u > 0.0)
      throw ContractViolation("KappaBound: K does not cover decays or states stored in low precision");
    const std::size_t states = shape.rows() * shape.states;
    K.assign(states, 0.0);
    minus_P.assign(states, -1.0);
    E = V = scan_error = K;
    alpha_lower = alpha_upper = A_log;
    enclose_exp({A_log, A_log}, {alpha_lower, alpha_upper});
    inverse_alpha.resize(A_log.size());
    rate_errors.resize(shape.heads);
    const RoundingUpward upward;
    for (std::size_t i = 0; i < A_log.size(); ++i) {
      inverse_alpha[i] = 1.0 / alpha_lower[i];
      raise_upward(rate_errors[i / rates], A_log[i], alpha_upper[i]);
    }
  }

  struct Chunk {
    const BlockChunk& first;
    const PerturbationRadii& radii;
    CentredMatrix x, B, C;
    std::vector<HeadStep> heads;  // (tokens, heads)
    std::size_t tokens;
  };

  [[nodiscard]] std::vector<HeadStep> head_steps(const BlockChunk& first, const PerturbationRadii& radii) const;
  void advance_heads(const Chunk& chunk, std::size_t begin, std::size_t end, ChunkDeviation& result);
  void advance_row(const Chunk& chunk, std::size_t t, std::size_t row, const RateStep& step, double largest_B,
                   ChunkDeviation& result);
  void note_overflows(const Chunk& chunk, const ChunkDeviation& bound);
  [[nodiscard]] double largest_B_upward(const Chunk& chunk, Index t, Index first) const;
  void write_output(const Chunk& chunk, std::size_t t, std::size_t row, ChunkDeviation& result) const;
};

std::vector<HeadStep> KappaBound::Impl::head_steps(const BlockChunk& first, const PerturbationRadii& radii) const {
  const IntervalMatrix& Delta = first.front.scan.step_size;
  const IntervalMatrix Delta_prime = perturbed_steps(first.front.p, radii.p, limits, step_size);
  std::vector<HeadStep> steps(std::size_t(Delta.lower.size()));
  const RoundingUpward upward;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const double p_lower = first.front.p.lower.data()[i], p_upper = first.front.p.upper.data()[i];
    const double change = radii.p.data()[i];
    // log softplus and clamps are 1-Lipschitz.
    const double tau = step_size.u > 0.0 ? kInfinity : change + (p_upper - p_lower) + 2.0 * theory::kCutOffLogarithm;
    steps[i] =
        head_step_upward({Delta.lower.data()[i], Delta.upper.data()[i], Delta_prime.lower.data()[i],
                          Delta_prime.upper.data()[i], larger(std::min(p_upper + change, 20.0), change - p_lower), tau},
                         rate_errors[i % shape.heads]);
  }
  return steps;
}

/// Heads [begin, end) through all tokens of the chunk.
void KappaBound::Impl::advance_heads(const Chunk& chunk, std::size_t begin, std::size_t end, ChunkDeviation& result) {
  const std::size_t count = (end - begin) * rates, first_rate = begin * rates;
  const std::size_t heads_per_group = shape.heads / shape.groups;
  std::vector<double> storage(10 * count);
  const auto part = [&](std::size_t i) { return std::span(storage).subspan(i * count, count); };
  const std::span<double> s_lower = part(0), s_upper = part(1), decay_upper = part(2), rest_lower = part(3);
  const RateStep steps{part(4), part(5), part(6), part(7), s_lower, part(8), part(9)};
  for (std::size_t t = 0; t < chunk.tokens; ++t) {
    const HeadStep* heads = chunk.heads.data() + t * shape.heads;
    {
      const RoundingUpward upward;
      for (std::size_t k = begin; k < end; ++k) {
        const std::size_t at = (k - begin) * rates;
        write_exponents_upward(&alpha_lower[k * rates], &alpha_upper[k * rates], heads[k].greatest_step,
                               heads[k].greatest_step, rates, &s_lower[at], &s_upper[at]);
      }
    }
    enclose_decay({s_lower, s_upper}, {steps.least_decay, decay_upper}, {rest_lower, steps.greatest_rest});
    const RoundingUpward upward;
    double largest_B = 0.0;
    for (std::size_t k = begin; k < end; ++k) {
      if (k == begin || k % heads_per_group == 0)
        largest_B = largest_B_upward(chunk, Index(t), Index(k / heads_per_group * shape.states));
      const std::size_t at = (k - begin) * rates;
      const RateStep step = steps.of(at, rates);
      write_rate_steps_upward(heads[k], {&inverse_alpha[first_rate + at], &s_upper[at], &rest_lower[at]}, step);
      for (std::size_t row = k * shape.head_dim; row < (k + 1) * shape.head_dim; ++row) {
        advance_row(chunk, t, row, step, largest_B, result);
        write_output(chunk, t, row, result);
      }
    }
  }
}

/// Of |B'|, the group's components from `first` on.
double KappaBound::Impl::largest_B_upward(const Chunk& chunk, Index t, Index first) const {
  double largest = 0.0;
  for (Index n = first; n < first + Index(shape.states); ++n)
    largest = larger(largest, chunk.B.size(t, n) + chunk.radii.B(t, n));
  return largest;
}

void KappaBound::Impl::advance_row(const Chunk& chunk, std::size_t t, std::size_t row, const RateStep& step,
                                   double largest_B, ChunkDeviation& result) {
  const std::size_t N = shape.states, head = row / shape.head_dim;
  const auto at = Index(t), column = Index(row * N), group = Index(head / (shape.heads / shape.groups) * N);
  const double x_size = chunk.x.size(at, Index(row)), x_change = chunk.radii.x(at, Index(row));
  const RowInput input{chunk.x.middle(at, Index(row)),
                       chunk.x.radius(at, Index(row)),
                       x_size,
                       x_change,
                       &chunk.B.middle(at, group),
                       &chunk.B.radius(at, group),
                       &chunk.B.size(at, group),
                       &chunk.radii.B(at, group)};
  // (1 + u)^64 - 1, and 64 products that underflow per term on its path (theory's kernel tolerance).
  const double additions = 65.0 * kFloat32Roundoff + 0x1p-118 * static_cast<double>(tokens + t + 1);
  const double flushed = kFlushed * (4.0 + largest_B * (1.0 + x_size + x_change));
  const IntervalMatrix& h = chunk.first.h;
  const RowScan scan{additions,
                     flushed,
                     &h.lower(at, column),
                     &h.upper(at, column),
                     &h.lower(at + 1, column),
                     &h.upper(at + 1, column),
                     &result.state(at, column)};
  const std::size_t first = row * N;
  advance_kappa_row_upward(chunk.heads[t * shape.heads + head], step, input, scan,
                           {&K[first], &minus_P[first], &E[first], &V[first], &scan_error[first]}, N);
}

/// Theorem 4.
void KappaBound::Impl::write_output(const Chunk& chunk, std::size_t t, std::size_t row, ChunkDeviation& result) const {
  const std::size_t N = shape.states, head = row / shape.head_dim;
  const auto at = Index(t), group = Index(head / (shape.heads / shape.groups) * N);
  const ReadOutRow states{&chunk.first.h.lower(at + 1, Index(row * N)), &chunk.first.h.upper(at + 1, Index(row * N)),
                          &result.state(at, Index(row * N)), &chunk.C.size(at, group), &chunk.radii.C(at, group)};
  const auto [change, Ch] = read_out_sums_upward(states, N);
  double C_sum = 0.0;
  if (read_out.C > 0.0) {
    for (std::size_t n = 0; n < N; ++n) C_sum += states.C_size[n] + states.C_change[n];
  }
  const double size = magnitude(D[head]), x_change = chunk.radii.x(at, Index(row));
  const double Dx = size * (chunk.x.size(at, Index(row)) + x_change);
  const double y = change + size * x_change + read_out.Ch * Ch + read_out.C * C_sum + read_out.Dx * Dx;
  const double total = y + read_out.absolute;
  result.output(at, Index(row)) = total <= std::numeric_limits<double>::max() ? total : kInfinity;
}

/// Numbers between softplus and y that may leave their types.
void KappaBound::Impl::note_overflows(const Chunk& chunk, const ChunkDeviation& bound) {
  const BlockChunk& first = chunk.first;
  if (step_size.u > 0.0) note_overflow(overflow, "step size", step_size, sizes(first.front.p, chunk.radii.p));
  if (rounding.state_read.u > 0.0)
    note_overflow(overflow, "state", rounding.state_read, sizes(first.h, bound.state, 1));
  RowMajorMatrix y = sizes(first.y, bound.output);
  if (rounding.y.u > 0.0) note_overflow(overflow, "scan output", rounding.y, y);
  if (rounding.read_out.u == 0.0 && rounding.skip_product.u == 0.0) return;
  // C h and D x are at most |y| + |D x|, with room for the rounding of this sum.
  RowMajorMatrix skip = sizes(first.front.scan.x, chunk.radii.x);
  for (Index i = 0; i < skip.cols(); ++i) skip.col(i) *= magnitude(D[std::size_t(i) / shape.head_dim]);
  y = 1.0001 * (y + skip);
  for (const NumberType& type : {rounding.read_out, rounding.skip_product}) {
    if (type.u > 0.0) note_overflow(overflow, "scan output", type, y);
  }
}

KappaBound::KappaBound(const theory::BlockWeights& block, const ScanRounding& scan)
    : impl_(std::make_unique<Impl>(block, scan)) {}
KappaBound::KappaBound(KappaBound&&) noexcept = default;
KappaBound::~KappaBound() = default;

ChunkDeviation KappaBound::advance(const BlockChunk& first, const PerturbationRadii& radii) {
  Impl& impl = *impl_;
  if (first.begin != impl.tokens) throw ContractViolation("KappaBound: chunks must follow one another");
  const auto& scan = first.front.scan;
  const std::size_t tokens = first.end - first.begin;
  const Impl::Chunk chunk{
      first, radii, CentredMatrix(scan.x), CentredMatrix(scan.B), CentredMatrix(scan.C), impl.head_steps(first, radii),
      tokens};
  ChunkDeviation result;
  result.state.resize(Index(tokens), Index(impl.shape.rows() * impl.shape.states));
  result.output.resize(Index(tokens), Index(impl.shape.rows()));
  const std::size_t grain = impl.shape.decay_per_state ? kChannelsAtOnce : 1;
  parallel_for(impl.shape.heads, grain,
               [&](std::size_t begin, std::size_t end) { impl.advance_heads(chunk, begin, end, result); });
  impl.tokens = first.end;
  impl.note_overflows(chunk, result);
  return result;
}

std::vector<OverflowFinding> KappaBound::findings() const { return impl_->overflow.findings(); }

const std::vector<double>& KappaBound::kappa() const { return impl_->K; }

}  // namespace lyap::deviation
