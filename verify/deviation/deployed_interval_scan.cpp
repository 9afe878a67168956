#include "verify/deviation/deployed_interval_scan.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "numerics/contract_violation.hpp"
#include "numerics/parallel.hpp"
#include "numerics/rounding.hpp"
#include "verify/deviation/deployed_program.hpp"
#include "verify/deviation/deployed_scan_rows.hpp"

namespace lyap::deviation {

static_assert(kLongestScanPath == kScanDepth);

namespace {

using Array = IntervalArithmetic::Array;
using Eigen::Index;

constexpr std::size_t kHeadGrain = 16;
constexpr double kLeastCorrelatedRate = 0x1p-80;  ///< below, a flush is no small relative error of the rate

double larger(double x, double y) { return x > y ? x : y; }

}  // namespace

struct IntervalArithmetic::Scan::Rows {
  std::vector<double> exponent_lower, exponent_upper, decay_lower, decay_upper;
  std::vector<double> read_lower, read_upper;
};

IntervalArithmetic::Scan::Scan(IntervalArithmetic& arithmetic, const trajectory::StateShape& shape,
                               const theory::Vector& A_log, const theory::Vector& D,
                               const theory::ScanRounding& rounding)
    : arithmetic_(arithmetic),
      shape_(shape),
      skip_(D),
      rounding_(rounding),
      rate_lower_(A_log.size()),
      rate_upper_(A_log.size()),
      exponent_error_(A_log.size()),
      state_lower_(shape.rows() * shape.states),
      state_upper_(state_lower_),
      size_(state_lower_),
      size_growth_(state_lower_),
      largest_(state_lower_),
      forcing_(shape.rows()),
      last_state_(1, Index(shape.rows() * shape.states)) {
  last_state_.lower.setZero();
  last_state_.upper.setZero();
  enclose_exp({A_log, A_log}, {rate_lower_, rate_upper_});
  const ErrorModel& errors = arithmetic.errors();
  const RoundingUpward upward;
  for (std::size_t i = 0; i < A_log.size(); ++i) {
    const double formed = kExpError + kExpErrorPerUnit * std::abs(A_log[i]);
    const double relative = errors.functions * (formed + kDecayArgumentRoundings) * kFloat32Roundoff * (1.0 + 0x1p-10);
    exponent_error_[i] = 2.02 * (relative + errors.functions * kExpErrorPerUnit * kFloat32Roundoff);
    rate_lower_[i] = larger(-(rate_lower_[i] * relative - rate_lower_[i] + kFlushed), 0.0);
    rate_upper_[i] += rate_upper_[i] * relative + kFlushed;
    if (rate_lower_[i] < kLeastCorrelatedRate) exponent_error_[i] = std::numeric_limits<double>::infinity();
    if (rate_upper_[i] <= theory::kLargestFloat32) continue;
    const std::size_t head = i / (A_log.size() / shape.heads);
    arithmetic.overflow().add("exp(A_log)", theory::kFloat32Type.name, head, shape.heads, rate_upper_[i]);
    rate_upper_[i] = theory::kLargestFloat32;
    rate_lower_[i] = std::min(rate_lower_[i], theory::kLargestFloat32);
  }
  phi_ = errors.scan * (2.0 * kFloat32Roundoff * (1.0 + 0x1p-10));
  path_ = errors.scan * (kLongestScanPath * kFloat32Roundoff * (1.0 + 0x1p-10));
}

void IntervalArithmetic::Scan::round_row(IntervalSpan x, const theory::NumberType& type) const {
  const SetRounding rounding = arithmetic_.rounding_to(type);
  if (rounding.format.precision == 0 || !round_intervals(x, rounding)) return;
  for (double& end : x.lower) end = std::clamp(end, -type.largest, type.largest);
  for (double& end : x.upper) end = std::clamp(end, -type.largest, type.largest);
}

void IntervalArithmetic::Scan::decays_of(const Array& step_size, Index t, std::size_t first_head, std::size_t last_head,
                                         Rows& rows) {
  const std::size_t rates = shape_.decay_per_state ? shape_.states : 1;
  const std::size_t count = (last_head - first_head) * rates;
  for (std::vector<double>* v : {&rows.exponent_lower, &rows.exponent_upper, &rows.decay_lower, &rows.decay_upper})
    v->resize(count);
  const ErrorModel& errors = arithmetic_.errors();
  {
    const RoundingUpward upward;
    for (std::size_t head = first_head; head < last_head; ++head) {
      const std::size_t from = (head - first_head) * rates;
      write_exponents(&rate_lower_[head * rates], &rate_upper_[head * rates], step_size.lower(t, Index(head)),
                      step_size.upper(t, Index(head)), Index(rates), &rows.exponent_lower[from],
                      &rows.exponent_upper[from]);
    }
  }
  const IntervalSpan decay{rows.decay_lower, rows.decay_upper};
  enclose_exp({rows.exponent_lower, rows.exponent_upper}, decay);
  {
    const RoundingUpward upward;
    const DecayError error{errors.functions * kExpError * kFloat32Roundoff,
                           errors.functions * kExpErrorPerUnit * kFloat32Roundoff, errors.underflow * 2.0 * kFlushed};
    widen_decays(error, rows.exponent_lower.data(), rows.exponent_upper.data(), Index(count), rows.decay_lower.data(),
                 rows.decay_upper.data());
  }
  round_row(decay, rounding_.decay);
}

void IntervalArithmetic::Scan::advance_row_upward(const ProgramChunk<Array>& chunk, Index t, std::size_t row,
                                                  const Rows& rows, std::size_t rate, Array& h) {
  const ErrorModel& errors = arithmetic_.errors();
  const Index head = Index(row / shape_.head_dim);
  const Index group = head / Index(shape_.heads / shape_.groups);
  const Index states = Index(shape_.states), rates = shape_.decay_per_state ? states : 1;
  RowStep step{&rows.decay_lower[rate],
               &rows.decay_upper[rate],
               &rows.exponent_lower[rate],
               &rows.exponent_upper[rate],
               &exponent_error_[std::size_t(head * rates)],
               chunk.B.lower.row(t).data() + group * states,
               chunk.B.upper.row(t).data() + group * states,
               chunk.step_size.lower(t, head),
               chunk.step_size.upper(t, head),
               chunk.x.lower(t, Index(row)),
               chunk.x.upper(t, Index(row)),
               errors.scan * (2.0 * kFloat32Roundoff * (1.0 + 0x1p-10)),
               0.0,
               phi_,
               errors.underflow * (2.0 * kFlushed)};
  const double x = larger(-step.x_lower, step.x_upper), B = largest_B_(t, group);
  step.flush_b = errors.underflow * (kFlushed * (1.0 + larger(larger(x, step.step_upper), B)) * 2.0);
  const Index first = Index(row) * states;
  const RowState state{&state_lower_[std::size_t(first)], &state_upper_[std::size_t(first)], &size_[std::size_t(first)],
                       &size_growth_[std::size_t(first)], &largest_[std::size_t(first)]};
  const bool apart = step.step_lower == step.step_upper || rounding_.decay.u > 0.0;
  advance_row(step, state, states, apart, rates == 1);
  const double largest_b = step.step_upper * (x * B);
  forcing_[row] += largest_b + largest_b * (step.relative_b + 0x1p-50) + step.flush_b;
  const double underflow = errors.underflow * (growth_ * kLongestScanPath * 2.0 * kFlushed) * forcing_[row];
  widen_states(state, path_, underflow, states, h.lower.row(t + 1).data() + first, h.upper.row(t + 1).data() + first);
}

void IntervalArithmetic::Scan::read_row_upward(const ProgramChunk<Array>& chunk, Index t, std::size_t row,
                                               const double* h_lower, const double* h_upper, Array& read_out,
                                               RowMajorMatrix& magnitude) const {
  const std::size_t group = row / shape_.head_dim / (shape_.heads / shape_.groups);
  const Index from = Index(group * shape_.states);
  const ReadOut sum = read_states(chunk.C.lower.row(t).data() + from, chunk.C.upper.row(t).data() + from, h_lower,
                                  h_upper, Index(shape_.states));
  read_out.lower(t, Index(row)) = -sum.minus_lower;
  read_out.upper(t, Index(row)) = sum.upper;
  magnitude(t, Index(row)) = sum.magnitude;
}

void IntervalArithmetic::Scan::advance_rows(const ProgramChunk<Array>& chunk, std::size_t first_head,
                                            std::size_t last_head, Array& h, Array& read_out,
                                            RowMajorMatrix& magnitude) {
  Rows rows;
  const std::size_t states = shape_.states, rates = shape_.decay_per_state ? states : 1;
  const std::size_t first = first_head * shape_.head_dim * states;
  const std::size_t count = (last_head - first_head) * shape_.head_dim * states;
  const bool stored = rounding_.state.u > 0.0, read = rounding_.state_read.u > 0.0;
  rows.read_lower.resize(read ? count : 0);
  rows.read_upper.resize(read ? count : 0);
  for (Index t = 0; t < chunk.x.rows(); ++t) {
    decays_of(chunk.step_size, t, first_head, last_head, rows);
    {
      const RoundingUpward upward;
      for (std::size_t head = first_head; head < last_head; ++head) {
        for (std::size_t i = 0; i < shape_.head_dim; ++i)
          advance_row_upward(chunk, t, head * shape_.head_dim + i, rows, (head - first_head) * rates, h);
      }
    }
    double* h_lower = h.lower.row(t + 1).data() + first;
    double* h_upper = h.upper.row(t + 1).data() + first;
    if (stored) {  // serial: what was stored is exact from here on
      round_row({{h_lower, count}, {h_upper, count}}, rounding_.state);
      for (std::size_t k = 0; k < count; ++k) {
        state_lower_[first + k] = -h_lower[k];
        state_upper_[first + k] = h_upper[k];
        size_[first + k] = larger(-h_lower[k], h_upper[k]);
        size_growth_[first + k] = 0.0;
      }
    }
    if (read) {
      std::copy_n(h_lower, count, rows.read_lower.begin());
      std::copy_n(h_upper, count, rows.read_upper.begin());
      round_row({rows.read_lower, rows.read_upper}, rounding_.state_read);
      h_lower = rows.read_lower.data();
      h_upper = rows.read_upper.data();
    }
    const RoundingUpward upward;
    for (std::size_t row = first_head * shape_.head_dim; row < last_head * shape_.head_dim; ++row) {
      const std::size_t from = row * states - first;
      read_row_upward(chunk, t, row, h_lower + from, h_upper + from, read_out, magnitude);
    }
  }
}

void IntervalArithmetic::Scan::find_largest_B(const Array& B) {
  const Index states = Index(shape_.states);
  largest_B_.resize(B.rows(), Index(shape_.groups));
  for (Index t = 0; t < B.rows(); ++t) {
    for (Index group = 0; group < largest_B_.cols(); ++group) {
      double largest = 0.0;
      for (Index n = group * states; n < (group + 1) * states; ++n)
        largest = larger(largest, larger(-B.lower(t, n), B.upper(t, n)));
      largest_B_(t, group) = largest;
    }
  }
}

void IntervalArithmetic::Scan::advance(ProgramChunk<Array>& chunk) {
  const Index tokens = chunk.x.rows();
  const Index rows = Index(shape_.rows());
  Array h(tokens + 1, rows * Index(shape_.states));
  h.lower.row(0) = last_state_.lower;
  h.upper.row(0) = last_state_.upper;
  Array read_out(tokens, rows);
  RowMajorMatrix magnitude(tokens, rows);
  find_largest_B(chunk.B);
  {
    const RoundingUpward upward;
    growth_ = pinned(growth_ + growth_ * pinned(double(tokens) * phi_ * 2.0));
  }
  if (!(growth_ < 2.0)) throw ContractViolation("the scan of a deployed program is too long for its error bound");
  parallel_for(shape_.heads, shape_.decay_per_state ? kHeadGrain : 1,
               [&](std::size_t first, std::size_t last) { advance_rows(chunk, first, last, h, read_out, magnitude); });
  last_state_.lower = h.lower.bottomRows(1);
  last_state_.upper = h.upper.bottomRows(1);
  for (std::size_t i = 0; i < largest_.size(); ++i) {
    if (largest_[i] > theory::kLargestFloat32 / 2.0)
      arithmetic_.overflow().add("state", theory::kFloat32Type.name, i / shape_.states, shape_.rows(), largest_[i]);
  }
  chunk.h = std::move(h);
  write_output(chunk, read_out, magnitude);
}

void IntervalArithmetic::Scan::write_output(ProgramChunk<Array>& chunk, Array& read_out, RowMajorMatrix& magnitude) {
  const std::size_t terms = shape_.states + 1;
  const AccumulationError error = accumulation_error(theory::kTensorCores, terms, arithmetic_.errors());
  const bool apart = rounding_.read_out.u > 0.0 || rounding_.skip_product.u > 0.0;
  Array skip(read_out.rows(), read_out.columns());
  {
    const RoundingUpward upward;
    for (Index t = 0; t < skip.rows(); ++t) {
      for (Index row = 0; row < skip.columns(); ++row) {
        const double weight = skip_[std::size_t(row) / shape_.head_dim];
        const double x_lower = chunk.x.lower(t, row), x_upper = chunk.x.upper(t, row);
        skip.upper(t, row) = larger(weight * x_lower, weight * x_upper);
        skip.lower(t, row) = -larger(-weight * x_lower, -weight * x_upper);
        if (!apart) magnitude(t, row) += larger(skip.upper(t, row), -skip.lower(t, row));
        magnitude(t, row) = magnitude(t, row) * (error.of_sizes + error.of_sum) + error.absolute;
      }
    }
  }
  const auto add = [](Array& x, const Array& y) {
    const RoundingUpward upward;
    for (Index t = 0; t < x.rows(); ++t) {
      for (Index row = 0; row < x.columns(); ++row) {
        x.lower(t, row) = -(-x.lower(t, row) - y.lower(t, row));
        x.upper(t, row) += y.upper(t, row);
      }
    }
  };
  const theory::NumberType& passed_on = theory::kFlushedFloat32Type;
  const auto or_binary32 = [&](const theory::NumberType& type) { return type.u == 0.0 ? passed_on : type; };
  if (apart) {
    arithmetic_.widen_and_round(read_out, magnitude, or_binary32(rounding_.read_out), "C h");
    arithmetic_.round(skip, passed_on, "D x");
    arithmetic_.round(skip, rounding_.skip_product, "D x");
    add(read_out, skip);
    arithmetic_.round(read_out, passed_on, "scan output");
    arithmetic_.round(read_out, rounding_.y, "scan output");
  } else {
    add(read_out, skip);
    arithmetic_.widen_and_round(read_out, magnitude, or_binary32(rounding_.y), "scan output");
  }
  chunk.y = std::move(read_out);
}

}  // namespace lyap::deviation
