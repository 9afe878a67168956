#include "verify/certify/trajectory_scan.hpp"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <type_traits>
#include <utility>
#include <vector>

#include "numerics/contract_violation.hpp"
#include "numerics/interval_scan.hpp"
#include "numerics/parallel.hpp"
#include "numerics/rounding.hpp"
#include "numerics/vector_functions.hpp"

namespace lyap::trajectory {
namespace {

using Eigen::Index;

constexpr std::size_t kTokenGrain = 16;
constexpr std::size_t kChannelGrain = 16;

/// 0 inf = 0: an infinite end stands for real numbers without a bound, and 0 times each of them is 0.
double product_or_zero(double x, double y) {
  const double product = x * y;
  return product == product ? product : 0.0;
}

// Products without branches, for arrays; a factor is a function of the entry. The processor rounds upward.

/// Delta x, Delta in [least, most], at least 0.
template <class Least, class Most>
void scale_upward(const Least& least, const Most& most, ConstIntervalSpan x, IntervalSpan result) {
  const std::size_t count = x.lower.size();
  for (std::size_t i = 0; i < count; ++i) {
    const double low = x.lower[i], high = x.upper[i];
    result.upper[i] = product_or_zero(high, high >= 0.0 ? most(i) : least(i));
    result.lower[i] = -product_or_zero(-low, low <= 0.0 ? most(i) : least(i));
  }
}

/// y += D x.
template <class Skip>
void add_scaled_upward(const Skip& skip, ConstIntervalSpan x, IntervalSpan y) {
  const std::size_t count = x.lower.size();
  for (std::size_t i = 0; i < count; ++i) {
    const double D = skip(i), magnitude = D < 0.0 ? -D : D;
    const double high = D < 0.0 ? -x.lower[i] : x.upper[i];
    const double minus_low = D < 0.0 ? x.upper[i] : -x.lower[i];
    y.lower[i] = -(-y.lower[i] + product_or_zero(magnitude, minus_low));
    y.upper[i] += product_or_zero(magnitude, high);
  }
}

ConstIntervalSpan row_part(const IntervalMatrix& m, Index row, std::size_t first, std::size_t count) {
  return {{m.lower.row(row).data() + first, count}, {m.upper.row(row).data() + first, count}};
}

IntervalSpan row_part(IntervalMatrix& m, Index row, std::size_t first, std::size_t count) {
  return {{m.lower.row(row).data() + first, count}, {m.upper.row(row).data() + first, count}};
}

/// Delta x for every row: (tokens, heads) times (tokens, heads head_dim).
void scale_rows_upward(const IntervalMatrix& step_size, const IntervalMatrix& x, std::size_t head_dim, Index first,
                       Index last, IntervalMatrix& result) {
  const std::size_t heads = std::size_t(step_size.columns());
  for (Index t = first; t < last; ++t) {
    const double* least = step_size.lower.row(t).data();
    const double* most = step_size.upper.row(t).data();
    if (head_dim == 1) {
      scale_upward([least](std::size_t i) { return least[i]; }, [most](std::size_t i) { return most[i]; },
                   row_part(x, t, 0, heads), row_part(result, t, 0, heads));
      continue;
    }
    for (std::size_t head = 0; head < heads; ++head) {
      const double low = least[head], high = most[head];
      scale_upward([low](std::size_t) { return low; }, [high](std::size_t) { return high; },
                   row_part(x, t, head * head_dim, head_dim), row_part(result, t, head * head_dim, head_dim));
    }
  }
}

/// y += D x.
void add_skip_upward(const theory::Vector& skip, const IntervalMatrix& x, std::size_t head_dim, Index first, Index last,
                     IntervalMatrix& y) {
  for (Index t = first; t < last; ++t) {
    if (head_dim == 1) {
      add_scaled_upward([D = skip.data()](std::size_t i) { return D[i]; }, row_part(x, t, 0, skip.size()),
                        row_part(y, t, 0, skip.size()));
      continue;
    }
    for (std::size_t head = 0; head < skip.size(); ++head) {
      add_scaled_upward([D = skip[head]](std::size_t) { return D; }, row_part(x, t, head * head_dim, head_dim),
                        row_part(y, t, head * head_dim, head_dim));
    }
  }
}

/// alpha Delta >= 0, (tokens, heads), one alpha per head.
IntervalMatrix decay_exponents(const std::vector<double>& alpha_lower, const std::vector<double>& alpha_upper,
                               const IntervalMatrix& step_size) {
  const RoundingUpward upward;
  IntervalMatrix s(step_size.rows(), step_size.columns());
  for (Index t = 0; t < s.rows(); ++t) {
    for (Index head = 0; head < s.columns(); ++head) {
      s.lower(t, head) = -(-alpha_lower[std::size_t(head)] * step_size.lower(t, head)) + 0.0;
      s.upper(t, head) = product_or_zero(alpha_upper[std::size_t(head)], step_size.upper(t, head));
    }
  }
  return s;
}

template <typename Values>  // std::vector<double>, const or not
auto part(Values& lower, Values& upper, std::size_t first, std::size_t count) {
  using Span = std::conditional_t<std::is_const_v<Values>, ConstIntervalSpan, IntervalSpan>;
  return Span{{lower.data() + first, count}, {upper.data() + first, count}};
}

/// Where the states [first, first + count) of each step lie: in one place, or in the rows of a history.
class StatePlaces {
 public:
  StatePlaces(std::vector<double>& lower, std::vector<double>& upper, IntervalMatrix* history, std::size_t first,
              std::size_t count)
      : only_{part(lower, upper, first, count)}, history_(history), first_(first), count_(count) {}

  /// The state after `tokens` tokens.
  [[nodiscard]] IntervalSpan after(Index tokens) const {
    return history_ == nullptr ? only_ : row_part(*history_, tokens, first_, count_);
  }

 private:
  IntervalSpan only_;
  IntervalMatrix* history_;
  std::size_t first_, count_;
};

ConstIntervalSpan as_const(const IntervalSpan& x) { return {x.lower, x.upper}; }

void parallel_tokens_upward(Index tokens, const std::function<void(Index first, Index last)>& body) {
  parallel_for(std::size_t(tokens), kTokenGrain, [&](std::size_t first, std::size_t last) {
    const RoundingUpward upward;
    body(Index(first), Index(last));
  });
}

/// At least alpha (sum / count); two orders of the operations, the tighter counts: one of them may overflow or lose
/// digits to underflow.
double scaled_mean_upward(double alpha, double sum, double count) {
  return std::min(product_or_zero(alpha, sum) / count, product_or_zero(alpha, sum / count));
}

}  // namespace

EnclosedScan::EnclosedScan(const StateShape& shape, const theory::Vector& A_log, const theory::Vector& D)
    : shape_(shape),
      skip_(D),
      alpha_lower_(A_log.size()),
      alpha_upper_(A_log.size()),
      state_lower_(shape.rows() * shape.states),
      state_upper_(state_lower_),
      minus_sum_lower_(shape.heads),
      sum_upper_(shape.heads) {
  if (A_log.size() != (shape.decay_per_state ? shape.heads * shape.states : shape.heads) || D.size() != shape.heads ||
      (shape.decay_per_state && (shape.head_dim != 1 || shape.groups != 1))) {
    throw ContractViolation("EnclosedScan: the shapes of A_log and D do not fit the state's");
  }
  enclose_exp({A_log, A_log}, {alpha_lower_, alpha_upper_});
}

IntervalMatrix EnclosedScan::advance(const ScanInputs& inputs) { return advance(inputs, nullptr); }

IntervalMatrix EnclosedScan::advance(const ScanInputs& inputs, IntervalMatrix& history) {
  const Index states = Index(state_lower_.size());
  const Index tokens = inputs.x.rows();
  history.lower.resize(tokens + 1, states);
  history.upper.resize(tokens + 1, states);
  std::copy(state_lower_.begin(), state_lower_.end(), history.lower.data());
  std::copy(state_upper_.begin(), state_upper_.end(), history.upper.data());
  IntervalMatrix y = advance(inputs, &history);
  std::copy_n(history.lower.row(tokens).data(), states, state_lower_.begin());
  std::copy_n(history.upper.row(tokens).data(), states, state_upper_.begin());
  return y;
}

IntervalMatrix EnclosedScan::advance(const ScanInputs& inputs, IntervalMatrix* history) {
  const Index tokens = inputs.x.rows();
  IntervalMatrix scaled_input(tokens, inputs.x.columns());
  parallel_tokens_upward(tokens, [&](Index first, Index last) {
    scale_rows_upward(inputs.step_size, inputs.x, shape_.head_dim, first, last, scaled_input);
  });
  IntervalMatrix y(tokens, inputs.x.columns());
  if (shape_.decay_per_state) {
    advance_channels(inputs, scaled_input, history, y);
  } else {
    advance_heads(inputs, scaled_input, history, y);
  }
  parallel_tokens_upward(
      tokens, [&](Index first, Index last) { add_skip_upward(skip_, inputs.x, shape_.head_dim, first, last, y); });
  add_step_sizes(inputs.step_size);
  tokens_ += std::size_t(tokens);
  return y;
}

void EnclosedScan::advance_channels(const ScanInputs& inputs, const IntervalMatrix& scaled_input,
                                    IntervalMatrix* history, IntervalMatrix& y) {
  const std::size_t states = shape_.states;
  parallel_for(shape_.heads, kChannelGrain, [&](std::size_t first, std::size_t last) {
    const std::size_t count = last - first;
    const ConstIntervalSpan rate =
        part(std::as_const(alpha_lower_), std::as_const(alpha_upper_), first * states, count * states);
    const StatePlaces state(state_lower_, state_upper_, history, first * states, count * states);
    for (Index t = 0; t < scaled_input.rows(); ++t) {
      advance_selective_scan(
          {rate, row_part(inputs.step_size, t, first, count), row_part(scaled_input, t, first, count),
           row_part(inputs.B, t, 0, states), row_part(inputs.C, t, 0, states)},
          as_const(state.after(t)), state.after(t + 1), row_part(y, t, first, count));
    }
  });
}

void EnclosedScan::advance_heads(const ScanInputs& inputs, const IntervalMatrix& scaled_input, IntervalMatrix* history,
                                 IntervalMatrix& y) {
  const std::size_t states = shape_.states;
  const std::size_t heads_per_group = shape_.heads / shape_.groups;
  IntervalMatrix decay = decay_exponents(alpha_lower_, alpha_upper_, inputs.step_size);
  std::vector<double> unused_lower(std::size_t(decay.lower.size())), unused_upper(unused_lower);
  const IntervalSpan all{{decay.lower.data(), unused_lower.size()}, {decay.upper.data(), unused_upper.size()}};
  enclose_decay({all.lower, all.upper}, all, {unused_lower, unused_upper});
  parallel_for(shape_.heads, 1, [&](std::size_t first, std::size_t last) {
    for (std::size_t head = first; head < last; ++head) {
      const std::size_t row = head * shape_.head_dim;
      const std::size_t group = head / heads_per_group * states;
      const StatePlaces state(state_lower_, state_upper_, history, row * states, shape_.head_dim * states);
      for (Index t = 0; t < scaled_input.rows(); ++t) {
        advance_head_scan({row_part(std::as_const(decay), t, head, 1), row_part(scaled_input, t, row, shape_.head_dim),
                           row_part(inputs.B, t, group, states), row_part(inputs.C, t, group, states)},
                          as_const(state.after(t)), state.after(t + 1), row_part(y, t, row, shape_.head_dim));
      }
    }
  });
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
