#include "verify/deviation/deviation_scan.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "numerics/contract_violation.hpp"
#include "numerics/interval_scan.hpp"
#include "numerics/parallel.hpp"
#include "numerics/rounding.hpp"
#include "numerics/vector_functions.hpp"
#include "verify/deviation/apriori_layer.hpp"
#include "verify/deviation/centred_matrix.hpp"
#include "verify/deviation/deployed_interval_arithmetic.hpp"
#include "verify/deviation/deployed_program.hpp"
#include "verify/deviation/deviation_rates.hpp"
#include "verify/deviation/deviation_step.hpp"
#include "verify/deviation/read_out_sums.hpp"
#include "verify/deviation/universal_deviation_domain.hpp"

namespace lyap::deviation {
namespace {

using Eigen::Index;
using theory::NumberType;
using theory::ScanRounding;

constexpr std::size_t kChannelsAtOnce = 16;
constexpr double kSecondOrder = 1.0 + 0x1p-10;  // of first-order terms below 2^-11

double larger(double a, double b) { return a < b ? b : a; }
double smaller(double a, double b) { return b < a ? b : a; }
double magnitude(double x) { return larger(x, -x); }

/// Of the `count` numbers from `first` on.
double largest_of(const double* size, const double* change, std::size_t first, std::size_t count) {
  double largest = 0.0;
  for (std::size_t n = first; n < first + count; ++n) largest = larger(largest, size[n] + change[n]);
  return largest;
}

/// A type that is not rounded to passes binary32 numbers on.
NumberType or_binary32(const NumberType& type) { return type.u == 0.0 ? theory::kFlushedFloat32Type : type; }

}  // namespace

struct DeviationScan::Impl {
  StateShape shape;
  theory::StepSizeLimits limits;
  const theory::Vector& D;
  ScanRounding scan;
  AprioriTerms terms;
  std::size_t rates;  // per head
  std::vector<double> alpha_lower, alpha_upper;
  std::vector<double> decay_error;  // (heads)
  std::vector<double> E, size, growth, forcing;
  AccumulationError summation;
  RoundingError state_read, state, read_out, skip_product, binary32, y;
  OverflowRecord overflow;
  double passed_roundings = 1.0;
  std::size_t tokens = 0;

  Impl(const theory::BlockWeights& block, const ScanRounding& rounding, const AprioriTerms& factors)
      : shape(state_shape(block)),
        limits(step_limits(block)),
        D(skip_of(block)),
        scan(rounding),
        terms(factors),
        rates(shape.decay_per_state ? shape.states : 1),
        E(shape.rows() * shape.states),
        size(E),
        growth(E),
        forcing(shape.rows()),
        summation(summation_error(theory::kTensorCores, shape.states + 1, factors)),
        state_read(scan.state_read, factors),
        state(scan.state, factors),
        read_out(or_binary32(scan.read_out), factors),
        skip_product(scan.skip_product, factors),
        binary32(theory::kFlushedFloat32Type, factors),
        y(or_binary32(scan.y), factors) {
    const theory::Vector& A_log = log_rates(block);
    alpha_lower = alpha_upper = A_log;
    enclose_exp({A_log, A_log}, {alpha_lower, alpha_upper});
    decay_error.assign(shape.heads, 0.0);
    const RoundingUpward upward;
    for (std::size_t i = 0; i < A_log.size(); ++i) {
      // |exp(-s (1 + σ)) - exp(-s)| <= σ/e (1 + ..), and s exp(-s) <= 1/e, for the errors of s and of exp.
      const double argument = kExpError + kExpErrorPerUnit * magnitude(A_log[i]) + kDecayArgumentRoundings;
      const double error = (kExpError + 0.368 * (argument + kExpErrorPerUnit)) * kFloat32Roundoff * kSecondOrder;
      decay_error[i / rates] = larger(decay_error[i / rates], terms.functions * error + scan.decay.u * terms.rounding);
    }
  }

  struct Chunk {
    const BlockChunk& centre;
    const PerturbationRadii& radii;
    const IntervalMatrix& program_step;  // Δ'
    CentredMatrix x, B, C;
    double additions;
  };

  [[nodiscard]] IntervalMatrix program_steps(const BlockChunk& centre, const RowMajorMatrix& p_radius) const;
  [[nodiscard]] StepRange step_range_upward(const Chunk& chunk, Index t, std::size_t head) const;
  void advance_heads(const Chunk& chunk, std::size_t begin, std::size_t end, ScanDeviation& result);
  void advance_row_upward(const Chunk& chunk, Index t, std::size_t row, StepRange step, const RateRange& rate,
                          double largest_B, ScanDeviation& result);
  void store_row_upward(const IntervalMatrix& h, Index t, std::size_t row, double* bound);
  void write_output_upward(const Chunk& chunk, Index t, std::size_t row, ScanDeviation& result) const;
  void note_overflows(const Chunk& chunk, const ScanDeviation& bounds);
};

/// The step sizes that programs compute whose pre-activations lie within `p_radius` of the real ones.
IntervalMatrix DeviationScan::Impl::program_steps(const BlockChunk& centre, const RowMajorMatrix& p_radius) const {
  IntervalMatrix p = centre.front.p;
  over_rows_upward(p.rows(), [&](Index t) {
    for (Index k = 0; k < p.columns(); ++k) {
      p.lower(t, k) = -(p_radius(t, k) - p.lower(t, k));
      p.upper(t, k) += p_radius(t, k);
    }
  });
  ErrorModel model;
  model.functions = terms.functions;
  model.underflow = terms.underflow;
  IntervalArithmetic arithmetic(Tf32Reading::kTruncated, model);
  return arithmetic.step_sizes(std::move(p), limits, scan.step_size);
}

StepRange DeviationScan::Impl::step_range_upward(const Chunk& chunk, Index t, std::size_t head) const {
  const IntervalMatrix& Delta = chunk.centre.front.scan.step_size;
  const auto k = Index(head);
  const double lower = Delta.lower(t, k), upper = Delta.upper(t, k);
  StepRange step;
  step.near = smaller(chunk.program_step.lower(t, k), lower);
  step.far = larger(smaller(chunk.program_step.upper(t, k), theory::kLargestFloat32), upper);
  step.down = upper - step.near;
  step.up = step.far - lower;
  step.width = (upper - lower) + 0x1p-51 * (step.down + step.up);
  step.flushed = terms.underflow * 2.0 * kFlushed;
  step.decay_error = decay_error[head] + step.flushed * (1.0 + step.far);
  step.product_error = terms.scan * 2.0 * kFloat32Roundoff * kSecondOrder;
  step.phi = step.product_error;
  step.additions = chunk.additions;
  step.carried = terms.carried;
  return step;
}

void DeviationScan::Impl::advance_heads(const Chunk& chunk, std::size_t begin, std::size_t end, ScanDeviation& result) {
  const std::size_t N = shape.states;
  RateBlock block(end - begin, rates);
  std::vector<StepRange> steps(end - begin);
  const IntervalMatrix& Delta = chunk.centre.front.scan.step_size;
  const Index last = chunk.x.size.rows();
  for (Index t = 0; t < last; ++t) {
    {
      const RoundingUpward upward;
      for (std::size_t head = begin; head < end; ++head) steps[head - begin] = step_range_upward(chunk, t, head);
    }
    block.enclose({&alpha_lower[begin * rates], &alpha_upper[begin * rates], &Delta.lower(t, Index(begin)),
                   &Delta.upper(t, Index(begin))},
                  steps.data());
    const RoundingUpward upward;
    double largest_B = 0.0;
    for (std::size_t head = begin; head < end; ++head) {
      const std::size_t heads_per_group = shape.heads / shape.groups;
      if (head == begin || head % heads_per_group == 0)
        largest_B = largest_of(&chunk.B.size(t, 0), &chunk.radii.B(t, 0), head / heads_per_group * N, N);
      for (std::size_t row = head * shape.head_dim; row < (head + 1) * shape.head_dim; ++row) {
        advance_row_upward(chunk, t, row, steps[head - begin], block.range(head - begin), largest_B, result);
        write_output_upward(chunk, t, row, result);
      }
    }
  }
}

void DeviationScan::Impl::advance_row_upward(const Chunk& chunk, Index t, std::size_t row, StepRange step,
                                             const RateRange& rate, double largest_B, ScanDeviation& result) {
  const std::size_t N = shape.states, first = row * N;
  const auto group = Index(row / shape.head_dim / (shape.heads / shape.groups) * N);
  const double x_size = chunk.x.size(t, Index(row)), x_change = chunk.radii.x(t, Index(row));
  const RowForcing input{chunk.x.middle(t, Index(row)),
                         chunk.x.radius(t, Index(row)),
                         x_size,
                         x_change,
                         &chunk.B.middle(t, group),
                         &chunk.B.radius(t, group),
                         &chunk.B.size(t, group),
                         &chunk.radii.B(t, group)};
  // Products of decays may underflow in a bracketed scan: kScanDepth of them on a term's path.
  forcing[row] += step.far * (largest_B * (x_size + x_change)) * kSecondOrder + step.flushed;
  step.underflow = passed_roundings * (kScanDepth * step.flushed) * forcing[row];
  const IntervalMatrix& h = chunk.centre.h;
  double* bound = &result.state(t, Index(first));
  advance_deviation_row_upward(step, rate, input, &h.lower(t, Index(first)), &h.upper(t, Index(first)),
                               {&E[first], &size[first], &growth[first]}, bound, N);
  if (scan.state.u > 0.0) store_row_upward(h, t, row, bound);
}

/// What was stored is exact from here on: the recurrence goes on from it, step by step.
void DeviationScan::Impl::store_row_upward(const IntervalMatrix& h, Index t, std::size_t row, double* bound) {
  const std::size_t N = shape.states;
  for (std::size_t n = 0; n < N; ++n) {
    const auto column = Index(row * N + n);
    const double reached = larger(h.upper(t + 1, column), -h.lower(t + 1, column)) + bound[n];
    bound[n] = known(bound[n] + state.of_upward(known(reached)));
    E[row * N + n] = bound[n];
    size[row * N + n] = larger(h.upper(t + 1, column), -h.lower(t + 1, column)) + bound[n];
    growth[row * N + n] = 0.0;
  }
}

/// Numbers between softplus and y that may leave their types.
void DeviationScan::Impl::note_overflows(const Chunk& chunk, const ScanDeviation& bounds) {
  const auto reached = [](const IntervalMatrix& x, Index skipped, const RowMajorMatrix& radius) {
    RowMajorMatrix result(radius.rows(), radius.cols());
    over_rows_upward(result.rows(), [&](Index t) {
      for (Index i = 0; i < result.cols(); ++i)
        result(t, i) = known(larger(x.upper(t + skipped, i), -x.lower(t + skipped, i)) + radius(t, i));
    });
    return result;
  };
  const RowMajorMatrix none = RowMajorMatrix::Zero(chunk.program_step.rows(), chunk.program_step.columns());
  note_overflow(overflow, "step size", scan.step_size, reached(chunk.program_step, 0, none));
  for (const NumberType& type : {scan.state, scan.state_read}) {
    if (type.u > 0.0) note_overflow(overflow, "state", type, reached(chunk.centre.h, 1, bounds.state));
  }
  RowMajorMatrix y_size = reached(chunk.centre.y, 0, bounds.output);
  note_overflow(overflow, "scan output", scan.y, y_size);
  for (std::size_t row = 0; row < forcing.size(); ++row) {
    // No partial sum of the recurrence exceeds the sum of all increments.
    if (!(forcing[row] <= theory::kLargestFloat32 / 4.0))
      overflow.add("state", theory::kFloat32Type.name, row, forcing.size(), forcing[row]);
  }
  // C . h and D x are at most |y| + |D x|, partial sums apart.
  const RowMajorMatrix x = reached(chunk.centre.front.scan.x, 0, chunk.radii.x);
  over_rows_upward(x.rows(), [&](Index t) {
    for (Index i = 0; i < x.cols(); ++i)
      y_size(t, i) += magnitude(D[std::size_t(i) / shape.head_dim]) * x(t, i) * 1.0001;
  });
  note_overflow(overflow, "C h", scan.read_out, y_size);
  note_overflow(overflow, "D x", scan.skip_product, y_size);
}

/// Theorem 2 with the program's own roundings of C . h + D x.
void DeviationScan::Impl::write_output_upward(const Chunk& chunk, Index t, std::size_t row,
                                              ScanDeviation& result) const {
  const std::size_t N = shape.states, head = row / shape.head_dim;
  const auto group = Index(head / (shape.heads / shape.groups) * N), column = Index(row);
  const ReadOutRow states{&chunk.centre.h.lower(t + 1, Index(row * N)), &chunk.centre.h.upper(t + 1, Index(row * N)),
                          &result.state(t, Index(row * N)), &chunk.C.size(t, group), &chunk.radii.C(t, group)};
  const auto [change, size_sum] =
      scan.state_read.u > 0.0 ? rounded_read_out_sums_upward(states, state_read, N) : read_out_sums_upward(states, N);
  const double D_size = magnitude(D[head]), x_change = chunk.radii.x(t, column);
  const double skip = D_size * (chunk.x.size(t, column) + x_change);
  const double y_size = larger(chunk.centre.y.upper(t, column), -chunk.centre.y.lower(t, column));
  double error = 0.0;
  if (scan.read_out.u > 0.0 || scan.skip_product.u > 0.0) {
    const double Ch = smaller(size_sum, y_size + skip + change);
    const double read = known(change + (size_sum * summation.of_sizes + Ch * summation.of_sum + summation.absolute));
    error = read + read_out.of_upward(known(smaller(size_sum, y_size + skip) + read));
    error += D_size * x_change + binary32.of_upward(known(skip)) + skip_product.of_upward(known(skip * kSecondOrder));
    error += binary32.of_upward(known(y_size + error));
  } else {
    const double moved = change + D_size * x_change;
    error = moved + ((size_sum + skip) * summation.of_sizes + (y_size + moved) * summation.of_sum + summation.absolute);
  }
  result.output(t, column) = known(error + y.of_upward(known(y_size + error)));
}

DeviationScan::DeviationScan(const theory::BlockWeights& block, const ScanRounding& scan, const AprioriTerms& terms)
    : impl_(std::make_unique<Impl>(block, scan, terms)) {}
DeviationScan::DeviationScan(DeviationScan&&) noexcept = default;
DeviationScan::~DeviationScan() = default;

std::vector<OverflowFinding> DeviationScan::findings() const { return impl_->overflow.findings(); }

ScanDeviation DeviationScan::advance(const BlockChunk& centre, const PerturbationRadii& radii) {
  Impl& impl = *impl_;
  if (centre.begin != impl.tokens) throw ContractViolation("DeviationScan: chunks must follow one another");
  const IntervalMatrix program_step = impl.program_steps(centre, radii.p);
  const auto& scan = centre.front.scan;
  const double additions = impl.terms.scan * kScanDepth * kFloat32Roundoff * kSecondOrder;  // exact: few bits
  const Impl::Chunk chunk{
      centre, radii, program_step, CentredMatrix(scan.x), CentredMatrix(scan.B), CentredMatrix(scan.C), additions};
  {
    const RoundingUpward upward;
    const double growth = pinned(double(centre.end - centre.begin)) * (4.0 * kFloat32Roundoff * kSecondOrder);
    impl.passed_roundings = pinned(impl.passed_roundings + impl.passed_roundings * growth);
  }
  if (!(impl.passed_roundings < 2.0)) throw ContractViolation("DeviationScan: too many steps for its error bound");
  ScanDeviation result;
  result.state.resize(scan.x.rows(), Index(impl.shape.rows() * impl.shape.states));
  result.output.resize(scan.x.rows(), Index(impl.shape.rows()));
  const std::size_t grain = impl.shape.decay_per_state ? kChannelsAtOnce : 1;
  parallel_for(impl.shape.heads, grain,
               [&](std::size_t begin, std::size_t end) { impl.advance_heads(chunk, begin, end, result); });
  impl.tokens = centre.end;
  impl.note_overflows(chunk, result);
  return result;
}

}  // namespace lyap::deviation
