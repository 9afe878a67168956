#include "verify/certify/trajectory_scan.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "numerics/parallel.hpp"
#include "numerics/rounding.hpp"
#include "numerics/vector_functions.hpp"

namespace lyap::trajectory {
namespace {

using Eigen::Index;

constexpr std::size_t kRowGrain = 16;

/// Bounds of one product or sum; the processor rounds upward.
struct Ends {
  double lower = 0.0;
  double upper = 0.0;
};

/// 0 inf = 0: an infinite end stands for real numbers without a bound, and 0 times each of them is 0.
double product_or_zero(double x, double y) { return x == 0.0 || y == 0.0 ? 0.0 : x * y; }

/// The product of two intervals, infinite ends allowed.
Ends product_upward(const Ends& x, const Ends& y) {
  const double upper = std::max(std::max(product_or_zero(x.lower, y.lower), product_or_zero(x.lower, y.upper)),
                                std::max(product_or_zero(x.upper, y.lower), product_or_zero(x.upper, y.upper)));
  const double minus_lower = std::max(std::max(product_or_zero(-x.lower, y.lower), product_or_zero(-x.lower, y.upper)),
                                      std::max(product_or_zero(-x.upper, y.lower), product_or_zero(-x.upper, y.upper)));
  return {-minus_lower, upper};
}

Ends sum_upward(const Ends& x, const Ends& y) { return {-(-x.lower - y.lower), x.upper + y.upper}; }

/// The state [lower, upper] of one row, N long, after one step: a h + dx B.
void step_row_upward(const double* a_lower, const double* a_upper, const Ends& dx, const double* B_lower, const double* B_upper, std::size_t states,
                     double* lower, double* upper) {
  for (std::size_t n = 0; n < states; ++n) {
    const Ends b = product_upward(dx, {B_lower[n], B_upper[n]});
    const double kept_upper = std::max(a_upper[n] * upper[n], product_or_zero(a_lower[n], upper[n]));
    const double minus_kept_lower = std::max(a_upper[n] * -lower[n], product_or_zero(a_lower[n], -lower[n]));
    upper[n] = kept_upper + b.upper;
    lower[n] = -(minus_kept_lower - b.lower);
  }
}

Ends dot_upward(const double* C_lower, const double* C_upper, const double* lower, const double* upper, std::size_t states) {
  Ends sum;
  for (std::size_t n = 0; n < states; ++n) sum = sum_upward(sum, product_upward({C_lower[n], C_upper[n]}, {lower[n], upper[n]}));
  return sum;
}

/// exp(-alpha Delta) for `count` rates, within [0, 1]. Delta is one interval for all of them.
void enclose_decays_upward(const double* alpha_lower, const double* alpha_upper, std::size_t count, const Ends& delta, double* lower, double* upper) {
  for (std::size_t i = 0; i < count; ++i) {
    lower[i] = -product_or_zero(alpha_upper[i], delta.upper);
    upper[i] = -alpha_lower[i] * delta.lower;
  }
}

Ends entry(const IntervalMatrix& m, Index row, std::size_t column) { return {m.lower(row, Index(column)), m.upper(row, Index(column))}; }

/// -(alpha mean), rounded upward where `upper` is true, downward otherwise; two orders of the operations, the tighter counts.
double scaled_mean_upward(double alpha, double sum, double count) {
  return std::min(product_or_zero(alpha, sum) / count, product_or_zero(alpha, sum / count));
}

}  // namespace

EnclosedScan::EnclosedScan(const ScanShape& shape, const theory::Vector& A_log, const theory::Vector& D)
    : shape_(shape), skip_(D), alpha_lower_(A_log.size()), alpha_upper_(A_log.size()), state_lower_(shape.rows * shape.states), state_upper_(state_lower_) {
  enclose_exp({A_log, A_log}, {alpha_lower_, alpha_upper_});
  minus_sum_lower_.assign(shape.rows / shape.rows_per_step_size, 0.0);
  sum_upper_ = minus_sum_lower_;
}

void EnclosedScan::advance(const ScanInputs& inputs, IntervalMatrix* output) {
  if (output != nullptr) *output = IntervalMatrix(inputs.x.rows(), inputs.x.columns());
  parallel_for(shape_.rows / shape_.rows_per_step_size, std::max<std::size_t>(1, kRowGrain / shape_.rows_per_step_size),
               [&](std::size_t first, std::size_t last) {
                 const RoundingUpward upward;
                 advance_rows(inputs, output, first * shape_.rows_per_step_size, last * shape_.rows_per_step_size);
               });
  add_step_sizes(inputs.step_size);
  tokens_ += std::size_t(inputs.x.rows());
}

void EnclosedScan::advance_rows(const ScanInputs& inputs, IntervalMatrix* output, std::size_t first, std::size_t last) {
  const std::size_t states = shape_.states;
  const std::size_t decays = shape_.decay_per_state ? states : 1;
  std::vector<double> a_lower(states), a_upper(states);
  for (Index t = 0; t < inputs.x.rows(); ++t) {
    for (std::size_t row = first; row < last; ++row) {
      const std::size_t step = row / shape_.rows_per_step_size;
      const std::size_t group = row / shape_.rows_per_group * states;
      const Ends delta = entry(inputs.step_size, t, step);
      const Ends x = entry(inputs.x, t, row);
      if (row % shape_.rows_per_step_size == 0) {
        enclose_decays_upward(&alpha_lower_[step * decays], &alpha_upper_[step * decays], decays, delta, a_lower.data(), a_upper.data());
        enclose_exp({{a_lower.data(), decays}, {a_upper.data(), decays}}, {{a_lower.data(), decays}, {a_upper.data(), decays}});
        for (std::size_t n = 0; n < decays; ++n) a_upper[n] = std::min(a_upper[n], 1.0);
        std::fill(a_lower.begin() + std::ptrdiff_t(decays), a_lower.end(), a_lower[0]);
        std::fill(a_upper.begin() + std::ptrdiff_t(decays), a_upper.end(), a_upper[0]);
      }
      double* lower = &state_lower_[row * states];
      double* upper = &state_upper_[row * states];
      step_row_upward(a_lower.data(), a_upper.data(), product_upward(delta, x), inputs.B.lower.row(t).data() + group,
                      inputs.B.upper.row(t).data() + group, states, lower, upper);
      if (output == nullptr) continue;
      const Ends read = dot_upward(inputs.C.lower.row(t).data() + group, inputs.C.upper.row(t).data() + group, lower, upper, states);
      const Ends y = sum_upward(read, product_upward({skip_[step], skip_[step]}, x));
      output->lower(t, Index(row)) = y.lower;
      output->upper(t, Index(row)) = y.upper;
    }
  }
}

void EnclosedScan::add_step_sizes(const IntervalMatrix& step_size) {
  const RoundingUpward upward;
  for (Index t = 0; t < step_size.rows(); ++t) {
    for (std::size_t i = 0; i < sum_upper_.size(); ++i) {
      minus_sum_lower_[i] -= step_size.lower(t, Index(i));
      sum_upper_[i] += step_size.upper(t, Index(i));
    }
  }
}

void EnclosedScan::write_exponents(std::vector<double>& lower, std::vector<double>& upper) const {
  const RoundingUpward upward;
  lower.resize(alpha_lower_.size());
  upper.resize(alpha_lower_.size());
  const std::size_t decays = shape_.decay_per_state ? shape_.states : 1;
  for (std::size_t i = 0; i < lower.size(); ++i) {
    lower[i] = -scaled_mean_upward(alpha_upper_[i], sum_upper_[i / decays], double(tokens_));
    upper[i] = scaled_mean_upward(alpha_lower_[i], minus_sum_lower_[i / decays], double(tokens_)) + 0.0;
  }
}

void EnclosedScan::write_state(std::vector<double>& lower, std::vector<double>& upper) const {
  lower = state_lower_;
  upper = state_upper_;
}

}  // namespace lyap::trajectory
